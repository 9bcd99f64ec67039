#pragma once
/*
 * bind(2) for listeners. An image that runs without rights may still give its program the one right
 * to ports below 1024 as a file capability (`setcap cap_net_bind_service=p`, capabilities(7)). It
 * is permitted then, not effective: with the effective bit set, the kernel would refuse to start
 * the program at all where a runtime takes the right away from everybody (`drop: ALL`). So the
 * right is raised here, for the call and the calling thread alone.
 */
#include "codec/addr.h"

/* 0, or -1 with errno: EACCES where the port needs a right that is not to be had. */
int io_bind(int fd, const struct addr *at);

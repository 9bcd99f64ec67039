#pragma once
/*
 * The TLS handshake of a client's connection, before its first head. Until the client has sent a
 * byte there is no TLS object, so that one that only connects costs what it costs in the clear. The
 * context is the proxy's of the moment when that byte came; the connection keeps it.
 */
#include "proxy/client.h"

enum handshake {
    HANDSHAKE_WAIT,
    HANDSHAKE_DONE,
    HANDSHAKE_PLAIN, /* what comes is HTTP in the clear, and was left unread */
    HANDSHAKE_OVER,  /* it failed, or the client left: counted, and an alert was sent where one is
                        due */
};

/* Whenever the stream is ready, while CLIENT_HANDSHAKE. */
enum handshake handshake_go(struct client *c);

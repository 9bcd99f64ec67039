#pragma once
/*
 * resolv.conf and the hosts file: read at start, watched by the first engine (their directories,
 * and their inode, size and time every five seconds: a bind-mounted file changes without a word of
 * its directory), swapped whole. What is empty or cannot be read keeps the last good one.
 */
#include "dns/shared.h"

/* Reads both into s, for the first time or after our own addresses changed. False without memory.
 */
bool dns_watch_read_first(struct dns_shared *s);

/* NULL without memory. Where the directories cannot be watched, the five seconds remain. */
struct dns_watch *dns_watch_new(struct dns_engine *e);
void dns_watch_free(struct dns_watch *w);

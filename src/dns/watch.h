#pragma once
/*
 * resolv.conf and the hosts file: read at start, watched by the first engine (their directories,
 * and their inode, size and time every five seconds: a bind-mounted file changes without a word of
 * its directory), swapped whole. What is empty or cannot be read keeps the last good one.
 */
#include "dns/shared.h"

#include <sys/stat.h>

/* What resolv.conf says of servers. */
struct dns_system {
    size_t n;
    struct dns_system_server v[RESOLV_MAX_SERVERS];
    bool is_trusted;
};
/* False: it names none, or cannot be read. */
bool dns_system_read(const struct conf *conf, struct dns_system *out);
/* NULL: it is empty, or cannot be read. */
struct dns_hosts *dns_hosts_read(const struct conf *conf);
/* The table where resolv.conf's servers count. NULL without memory. */
struct dns_routes *dns_routes_of_system(struct dns_shared *s, const struct conf *conf,
                                        const struct dns_own *own, const struct dns_system *system);

/* Reads both into s, for the first time or after our own addresses changed. False without memory.
 */
bool dns_watch_read_first(struct dns_shared *s);

/* A file, and what it was when it was looked at last. */
struct dns_watched {
    char *path; /* NULL: none */
    struct stat seen;
};
/* The files of these settings, as they are before they are read. Paths are the caller's to free. */
void dns_watched_init(const struct conf *conf, struct dns_watched *resolv_conf,
                      struct dns_watched *hosts);
/* Watches these from here on; takes paths, and leaves those that it does not need. */
void dns_watch_follow(struct dns_watch *w, struct dns_watched *resolv_conf,
                      struct dns_watched *hosts);

/* NULL without memory. Where the directories cannot be watched, the five seconds remain. */
struct dns_watch *dns_watch_new(struct dns_engine *e);
void dns_watch_free(struct dns_watch *w);

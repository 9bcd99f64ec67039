#pragma once
/* resolv.conf(5) and hosts(5) as text -> structs. Both come from outside (DHCP, orchestrators):
 * every line is checked, odd ones are counted, none is fatal. */
#include "base/str.h"

enum {
    RESOLV_MAX_SERVERS = 16,
    RESOLV_MAX_SEARCH = 32,
    RESOLV_CONF_BYTES = 64 * 1024,
    HOSTS_BYTES = 1024 * 1024
};

struct resolv_server {
    struct str text; /* the address as it stands there: "10.0.0.2", "fe80::1%eth0"; "10.0.0.2:53"
                        and "[::1]:53" are tolerated. Borrowed. */
    unsigned line;   /* counted from 1 */
};

struct resolv_conf {
    unsigned n_servers; /* every `nameserver` line, libc's limit of three does not hold here;
                           duplicates dropped */
    struct resolv_server servers[RESOLV_MAX_SERVERS];
    unsigned n_search;
    struct str search[RESOLV_MAX_SEARCH]; /* the last of `search` and `domain` counts */
    unsigned ndots, timeout_s, attempts;  /* 1, 5, 2 where not given; libc's maxima hold */
    bool rotate, use_tcp, edns0, trust_ad;
    unsigned n_bad_lines;
};
/*
 * text is borrowed by out; what stands beyond RESOLV_CONF_BYTES is not read. Comments: '#' and ';'
 * at the line's start and at the start of a word behind a value. NUL and CR are white space. Bad
 * lines: unknown keywords and options, values that are missing or are no address, name or number,
 * and what exceeds the maxima above; the good words of a bad line count.
 */
void resolv_conf_parse(struct str text, struct resolv_conf *out);

/* Each (address, name) pair of a hosts file, in order; a false from on_entry stops. Neither is
 * checked beyond being non-empty. Lines that begin before HOSTS_BYTES and end behind it, and those
 * after them, are not read. */
typedef bool hosts_on_entry(void *arg, struct str address, struct str name, unsigned line);
void hosts_parse(struct str text, hosts_on_entry *on_entry, void *arg);

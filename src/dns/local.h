#pragma once
/*
 * Names that no server is asked for: the hosts file, localhost, .invalid and .onion (RFC 6761,
 * RFC 7686). A hosts table is built once, never changed, and swapped whole.
 */
#include "codec/addr.h"
#include "codec/dns_name.h"

#include <stdatomic.h>

struct dns_hosts;

/* text: a hosts file; lines that do not parse are passed over. NULL without memory. */
struct dns_hosts *dns_hosts_new(struct str text);
struct dns_hosts *dns_hosts_ref(struct dns_hosts *h);
void dns_hosts_unref(struct dns_hosts *h); /* NULL is fine */
size_t dns_hosts_n(const struct dns_hosts *h);
/* The addresses of name in the order of the file, port 0. */
unsigned dns_hosts_find(const struct dns_hosts *h, const struct dns_name *name, struct addr *out,
                        unsigned cap);

enum dns_local {
    DNS_LOCAL_NOT,    /* ask a server */
    DNS_LOCAL_ADDRS,  /* *n addresses */
    DNS_LOCAL_DENIED, /* exists nowhere: NXDOMAIN */
};
/* h may be NULL. */
enum dns_local dns_local_find(const struct dns_hosts *h, const struct dns_name *name,
                              struct addr *out, unsigned cap, unsigned *n);

#pragma once
/*
 * Names that no server is asked for: the hosts file, localhost, .invalid and .onion (RFC 6761,
 * RFC 7686), and resolver.arpa (RFC 9462: a server behind us must not be named as us). A hosts
 * table is built once, never changed, and swapped whole.
 */
#include "codec/addr.h"
#include "dns/set.h"

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

/*
 * A question of any type and class. False: ask a server. True: *set is the answer, the caller's, or
 * NULL without memory. Of a name in the hosts file the addresses are final, and with them HTTPS and
 * SVCB, which would lead past them; other types are asked for. PTR of addresses in the file are
 * answered.
 */
bool dns_local_answer(const struct dns_hosts *h, const struct dns_ask *ask, struct dns_set **set);
/* Quickly: false when dns_local_answer would certainly be false. */
bool dns_local_may_be(const struct dns_hosts *h, const struct dns_ask *ask);

#pragma once
/*
 * A small authoritative DNS server over UDP and TCP, for the demo: a table of names, and one answer
 * for all others. It belongs to one loop; the zone is borrowed.
 */
#include "base/buf.h"
#include "codec/dns_msg.h"
#include "base/list.h"
#include "io/listener.h"

enum { DEMO_DNS_TTL_S = 5, DEMO_DNS_MAX_TCP = 64, DEMO_DNS_TCP_IDLE_MS = 5000 };

/* name is the host in lower case, or "*.zone" for all names below zone. */
struct demo_dns_record {
    const char *name;
    const char *ip; /* an address literal; other types of the name are NODATA */
};

struct demo_dns_zone {
    const struct demo_dns_record *records;
    size_t n_records;
    enum dns_rcode unlisted; /* what names in no record get */
};

/*
 * The reply to one message as it came; nothing is appended to out where silence is due (a reply, or
 * no whole header). Over UDP it is 512 bytes at most, or what EDNS asks for up to 1232, and TC is
 * set where that is too little.
 */
void demo_dns_answer(const struct demo_dns_zone *zone, struct str query, bool by_tcp,
                     struct buf *out);

struct demo_dns_server {
    const struct demo_dns_zone *zone;
    struct addr local; /* of both transports */
    /* private */
    struct io_loop *loop;
    struct io_listener tcp;
    uv_poll_t *udp; /* outlives the server until the loop has closed it */
    int fd;
    struct list clients;
    unsigned n_clients;
};

/* at: with port 0 a port is taken that is free over UDP and TCP. */
bool demo_dns_server_open(struct demo_dns_server *s, struct io_loop *loop,
                          const struct demo_dns_zone *zone, const struct addr *at, struct fault *f);
/* Harmless on a zeroed server, and twice. */
void demo_dns_server_close(struct demo_dns_server *s);

#pragma once
/*
 * A whole proxy between a scripted origin (upstream/rig.h) and clients on socket pairs, in one
 * loop. Its S3 host is "s3.test", plain HTTP; the registry is the same origin.
 */
#include "../upstream/rig.h"
#include "obs/log.h"
#include "proxy/client.h"
#include "proxy/limits.h"
#include "proxy/tx.h"

#include <errno.h>
#include <sys/socket.h>

enum { SIDE_TIMEOUT_MS = 200 };

struct px {
    struct rig *rig;
    struct limits *limits;
    struct proxy proxy;
};

/* A client's side of its connection. */
struct side {
    struct px *px;
    int fd;
    struct buf in;
    bool is_over; /* EOF or reset */
};

static inline struct px *px_new(uint64_t max_connections, uint64_t max_per_client)
{
    static char aws[] = "PENSTOCK_DNS_AWS=off", servers[] = "PENSTOCK_DNS_SERVERS=127.0.0.1:9",
                hosts[] = "PENSTOCK_ALLOW_HOSTS=s3.test:1=http";
    static char *const settings[] = { aws, servers, hosts };
    struct px *p = calloc(1, sizeof *p);
    struct fault f = { 0 };
    p->rig = rig_new("127.0.0.1 s3.test registry.test\n", settings);
    p->rig->conf->body_timeout_ms = SIDE_TIMEOUT_MS;
    p->rig->conf->head_timeout_ms = SIDE_TIMEOUT_MS;
    p->limits = limits_new(max_connections, max_per_client);
    assert_true(proxy_init(&p->proxy, &p->rig->loop, p->rig->conf, p->rig->up, p->limits, &f));
    return p;
}

static inline void px_free(struct px *p)
{
    proxy_done(&p->proxy);
    assert_int_equal(p->proxy.n_clients, 0);
    assert_int_equal(limits_n(p->limits), 0);
    rig_free(p->rig);
    limits_free(p->limits);
    log_done();
    free(p);
}

/* Another origin; what stands open to the one before goes. */
static inline void px_serve(struct px *p, const struct act *acts)
{
    struct rig *r = p->rig;
    origin_close(&r->origin);
    TURN_UNTIL(r, upstream_count(r->up).n_idle == 0);
    origin_open(r, &r->origin, "127.0.0.1", 0, false, acts);
    r->conf->allow_hosts.v[0].port = addr_port(&r->origin.listener.local);
    r->conf->registry.port = addr_port(&r->origin.listener.local);
}

static inline void side_open_from(struct px *p, struct side *s, const char *ip,
                                  enum proxy_port port)
{
    int fds[2];
    struct addr peer;
    assert_true(addr_parse_ip(str_from_c(ip), &peer));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    *s = (struct side){ .px = p, .fd = fds[0] };
    buf_init(&s->in, 64u << 20);
    proxy_accept(&p->proxy, fds[1], &peer, port);
}

static inline void side_open(struct px *p, struct side *s)
{
    side_open_from(p, s, "127.0.0.1", PROXY_PORT_PUBLIC);
}

static inline void side_close(struct side *s)
{
    close(s->fd);
    buf_done(&s->in);
}

/* Takes what is there. */
static inline bool side_reads(struct side *s)
{
    char bytes[64 * 1024];
    ssize_t n;
    while ((n = recv(s->fd, bytes, sizeof bytes, 0)) > 0)
        buf_append(&s->in, str_of(bytes, (size_t)n));
    s->is_over = s->is_over || n == 0 || (n < 0 && errno != EAGAIN);
    return true;
}

static inline void side_send(struct side *s, struct str what)
{
    for (int turns = 0; what.n > 0 && turns < 5000; turns++) {
        ssize_t n = send(s->fd, what.p, what.n, MSG_NOSIGNAL);
        if (n > 0)
            what = str_from(what, (size_t)n);
        else
            turn_ms(s->px->rig, 1);
    }
    assert_int_equal(what.n, 0);
}

static inline void side_says(struct side *s, const char *text)
{
    side_send(s, str_from_c(text));
}

static inline bool side_got(struct side *s, const char *what)
{
    side_reads(s);
    return str_contains(buf_str(&s->in), str_from_c(what));
}

static inline size_t side_count(struct side *s, const char *what)
{
    size_t n = 0, len = strlen(what);
    side_reads(s);
    for (size_t i = 0; i + len <= s->in.n; i++)
        n += memcmp(s->in.p + i, what, len) == 0;
    return n;
}

#define SIDE_AWAITS(s, what) TURN_UNTIL((s)->px->rig, side_got(s, what))
#define SIDE_AWAITS_END(s) TURN_UNTIL((s)->px->rig, side_reads(s) && (s)->is_over)

/* The last access line has it. */
static inline bool px_logged(struct px *p, const char *what)
{
    return str_contains(buf_str(&p->proxy.line), str_from_c(what));
}

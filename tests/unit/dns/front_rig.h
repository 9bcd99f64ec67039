#pragma once
/*
 * A forwarder in front of a rig's engine, and its clients in the same loop: over UDP a datagram a
 * call, over TCP a message a call. What came last stands in reply, and parsed in got.
 */
#include "rig.h"

#include "dns/front_impl.h"

struct front_rig {
    struct rig g;
    struct addr listen[1];
    struct cidr allowed[2];
    struct dns_front *front;
    struct addr at;
};

static struct dns_msg got;
static uint8_t reply[65536];

static inline void front_rig_open(struct front_rig *r, const char *listen, uint64_t rate)
{
    struct fault f = { 0 };
    rig_init(&r->g, 1, 0);
    assert_true(addr_parse(str_from_c(listen), 0, &r->listen[0]));
    assert_true(cidr_parse(STR("127.0.0.0/8"), &r->allowed[0]));
    assert_true(cidr_parse(STR("::1"), &r->allowed[1]));
    r->g.conf.workers = 1;
    r->g.conf.dns_listen = (struct conf_addrs){ r->listen, 1 };
    r->g.conf.dns_allow = (struct conf_cidrs){ r->allowed, 2 };
    r->g.conf.dns_client_rate = rate;
    rig_go(&r->g);
    r->front = dns_front_new(&r->g.loop, r->g.engine, &r->g.conf, &f);
    if (r->front == NULL)
        fail_msg("%s", f.detail);
    r->at = *dns_front_addr(r->front, 0);
}

static inline void front_rig_close(struct front_rig *r)
{
    dns_front_free(r->front);
    rig_done(&r->g);
}

/* Writes no more than the question takes: a short name and EDNS fit into 64 bytes. */
static inline size_t question(uint8_t *out, uint16_t id, const char *name, bool has_edns)
{
    struct dns_question q = { .type = DNS_A, .class = DNS_CLASS_IN };
    uint8_t p[512];
    assert_true(dns_name_parse(str_from_c(name), &q.name));
    size_t n =
        dns_write_query(p, id, &q, (struct dns_query_flags){ .udp_bytes = has_edns ? 1232 : 0 });
    memcpy(out, p, n);
    return n;
}

static inline int client(int type, const struct addr *to)
{
    int fd = socket(addr_family(to), type | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, &to->sa, addr_len(to)), 0);
    return fd;
}

static inline void put(int fd, uint16_t id, const char *name)
{
    uint8_t p[512];
    size_t n = question(p, id, name, true);
    assert_int_equal(send(fd, p, n, 0), (ssize_t)n);
}

/* The next datagram within ms, or 0. */
static inline size_t take(struct front_rig *r, int fd, unsigned ms)
{
    for (unsigned waited = 0; waited <= ms; waited += 5) {
        rig_run_for(&r->g, 5);
        ssize_t n = recv(fd, reply, sizeof reply, MSG_DONTWAIT);
        if (n >= 0) {
            assert_int_equal(dns_msg_parse(str_of((char *)reply, (size_t)n), &got), DNS_PARSE_OK);
            return (size_t)n;
        }
    }
    return 0;
}

static inline bool has_text(const char *text)
{
    return str_contains(got.edns.options, str_from_c(text));
}

struct tcp_client {
    int fd;
    size_t n;
    uint8_t in[1 << 16];
};

static inline size_t frame(uint8_t *out, uint16_t id, const char *name)
{
    size_t n = question(out + 2, id, name, false);
    out[0] = (uint8_t)(n >> 8);
    out[1] = (uint8_t)n;
    return 2 + n;
}

/* The next message within ms; -1: the end, 0: nothing. */
static inline int take_tcp(struct front_rig *r, struct tcp_client *c, unsigned ms)
{
    for (unsigned waited = 0; waited <= ms; waited += 5) {
        size_t want = c->n < 2 ? 2 : 2 + ((size_t)c->in[0] << 8 | c->in[1]);
        if (c->n >= 2 && c->n >= want) {
            memcpy(reply, c->in + 2, want - 2);
            assert_int_equal(dns_msg_parse(str_of((char *)reply, want - 2), &got), DNS_PARSE_OK);
            memmove(c->in, c->in + want, c->n - want);
            c->n -= want;
            return (int)want;
        }
        ssize_t n = recv(c->fd, c->in + c->n, sizeof c->in - c->n, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno == ECONNRESET))
            return -1;
        if (n > 0) {
            c->n += (size_t)n;
            waited = 0;
        } else {
            rig_run_for(&r->g, 5);
        }
    }
    return 0;
}

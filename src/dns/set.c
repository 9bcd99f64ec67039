#include "dns/set.h"

#include <stdlib.h>

static bool write_message(struct buf *out, const struct dns_msg *m, const struct dns_question *q,
                          const struct dns_verdict *v, uint32_t cap_s)
{
    struct dns_writer w;
    struct dns_reply_flags flags = {
        .rcode = v->outcome == DNS_NXDOMAIN_OUTCOME ? DNS_NXDOMAIN : DNS_NOERROR,
        .recursion_desired = true,
        .recursion_available = true,
        .authentic_data = m->authentic_data,
    };
    dns_write_begin(&w, out, DNS_MESSAGE_BYTES, flags, q);
    for (enum dns_section s = DNS_ANSWER; s <= DNS_AUTHORITY; s++)
        for (unsigned i = 0; i < v->n_kept; i++) {
            const struct dns_rr *rr = &m->rrs[v->kept[i]];
            if (rr->section == s &&
                !dns_write_rr_from(&w, s, m, rr, rr->ttl < cap_s ? rr->ttl : cap_s))
                return false;
        }
    dns_write_end(&w);
    return !out->failed && !w.is_full;
}

/* Without a message yet. */
static struct dns_set *set_alloc(struct str wire, size_t n_rrs, const struct dns_name *tail)
{
    struct dns_set *s = NULL;
    size_t tail_n = tail != NULL ? tail->n : 0;
    if (wire.n <= DNS_MESSAGE_BYTES)
        s = malloc(sizeof *s + n_rrs * sizeof s->ttl_at[0] + wire.n + tail_n);
    if (s == NULL)
        return NULL;
    *s = (struct dns_set){ .tail_n = (uint16_t)tail_n,
                           .wire_n = (uint16_t)wire.n,
                           .n_rrs = (uint16_t)n_rrs };
    atomic_init(&s->refs, 1);
    uint8_t *message = (uint8_t *)(s->ttl_at + n_rrs);
    memcpy(message, wire.p, wire.n);
    if (tail_n > 0)
        memcpy(message + wire.n, tail->wire, tail_n);
    return s;
}

static struct dns_set *set_of(struct str wire, const struct dns_name *tail)
{
    struct dns_msg m;
    if (dns_msg_parse(wire, &m) != DNS_PARSE_OK)
        return NULL;
    struct dns_set *s = set_alloc(wire, m.n_rrs, tail);
    /* A TTL stands before RDLENGTH and RDATA (RFC 1035 section 4.1.3). */
    for (size_t i = 0; s != NULL && i < m.n_rrs; i++)
        s->ttl_at[i] = (uint16_t)(m.rrs[i].rdata_at - 6);
    return s;
}

struct dns_set *dns_set_new(const struct dns_msg *m, const struct dns_question *q,
                            const struct dns_verdict *v, uint32_t ttl_s, uint32_t cap_s)
{
    struct dns_set *s = NULL;
    struct buf wire;
    buf_init(&wire, DNS_MESSAGE_BYTES);
    if (write_message(&wire, m, q, v, cap_s))
        s = set_of(buf_str(&wire), v->is_open ? &v->tail : NULL);
    buf_done(&wire);
    if (s == NULL)
        return NULL;
    s->outcome = v->outcome;
    s->is_open = v->is_open;
    s->n_cnames = (uint8_t)v->n_cnames;
    s->ttl_s = ttl_s;
    return s;
}

struct dns_set *dns_set_of_message(struct str wire, enum dns_outcome outcome, uint32_t ttl_s)
{
    struct dns_set *s = set_of(wire, NULL);
    if (s != NULL) {
        s->outcome = outcome;
        s->ttl_s = ttl_s;
    }
    return s;
}

void dns_set_distrust(struct dns_set *s)
{
    enum { FLAGS_AT = 3, AD = 0x20 };
    uint8_t *message = (uint8_t *)(s->ttl_at + s->n_rrs);
    message[FLAGS_AT] &= (uint8_t)~AD;
}

struct dns_set *dns_set_ref(struct dns_set *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void dns_set_unref(struct dns_set *s)
{
    if (s != NULL && atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1)
        free(s);
}

size_t dns_set_bytes(const struct dns_set *s)
{
    return sizeof *s + s->n_rrs * sizeof s->ttl_at[0] + s->wire_n + s->tail_n;
}

void dns_set_tail(const struct dns_set *s, struct dns_name *tail)
{
    tail->n = (uint8_t)s->tail_n;
    memcpy(tail->wire, dns_set_wire(s).p + s->wire_n, s->tail_n);
}

unsigned dns_set_addrs(const struct dns_set *s, uint16_t port, struct addr *out, unsigned cap)
{
    struct dns_msg m;
    unsigned n = 0;
    if (s->outcome != DNS_ANSWERED || dns_msg_parse(dns_set_wire(s), &m) != DNS_PARSE_OK)
        return 0;
    for (size_t i = 0; i < m.n_rrs && n < cap; i++) {
        const struct dns_rr *rr = &m.rrs[i];
        /* In other classes these types mean something else, of any length. */
        if (rr->section != DNS_ANSWER || rr->class != DNS_CLASS_IN ||
            (rr->type != DNS_A && rr->type != DNS_AAAA))
            continue;
        int family = rr->type == DNS_A ? AF_INET : AF_INET6;
        addr_from_bytes(family, (const uint8_t *)m.wire.p + rr->rdata_at, port, &out[n++]);
    }
    return n;
}

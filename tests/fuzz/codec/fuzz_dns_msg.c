/*
 * Any bytes as a message. What parses is copied record by record, with names decompressed; the copy
 * parses to the same records, which read the same, and the copy of the copy has the same bytes.
 */
#include <stdlib.h>

#include "codec/dns_msg.h"
#include "codec/dns_show.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct dns_msg first, second, third;

static void copy_message(const struct dns_msg *m, struct buf *out)
{
    struct dns_writer w;
    struct dns_reply_flags flags = { .id = m->id,
                                     .opcode = m->opcode,
                                     .rcode = m->rcode,
                                     .recursion_desired = m->recursion_desired,
                                     .has_opt = m->edns.is_present };
    dns_write_begin(&w, out, DNS_MESSAGE_BYTES, flags, m->has_question ? &m->question : NULL);
    for (size_t i = 0; i < m->n_rrs; i++)
        dns_write_rr_from(&w, m->rrs[i].section, m, &m->rrs[i], m->rrs[i].ttl);
    if (m->edns.is_present)
        dns_write_opt(&w, m->edns.udp_bytes, m->rcode, m->edns.dnssec_ok, -1, STR(""));
    dns_write_end(&w);
}

static void check_shown(const struct dns_msg *a, const struct dns_rr *x, const struct dns_msg *b,
                        const struct dns_rr *y)
{
    struct buf one, other;
    buf_init(&one, 8 * DNS_MESSAGE_BYTES);
    buf_init(&other, 8 * DNS_MESSAGE_BYTES);
    dns_show_rdata(a, x, &one);
    dns_show_rdata(b, y, &other);
    for (size_t i = 0; i < one.n; i++)
        if (one.p[i] < ' ' || one.p[i] > '~')
            abort();
    if (one.failed || !str_eq(buf_str(&one), buf_str(&other)))
        abort();
    buf_done(&one);
    buf_done(&other);
}

static void check_same(const struct dns_msg *a, const struct dns_msg *b)
{
    if (a->n_rrs != b->n_rrs || a->rcode != b->rcode || a->opcode != b->opcode ||
        a->has_question != b->has_question || a->edns.is_present != b->edns.is_present)
        abort();
    for (size_t i = 0; i < a->n_rrs; i++) {
        const struct dns_rr *x = &a->rrs[i], *y = &b->rrs[i];
        struct dns_name p, q;
        uint32_t u, v;
        if (x->section != y->section || x->type != y->type || x->class != y->class ||
            x->ttl != y->ttl)
            abort();
        if (!dns_rr_owner(a, x, &p) || !dns_rr_owner(b, y, &q) || !dns_name_eq(&p, &q))
            abort();
        bool is_target = dns_rr_target(a, x, &p);
        if (is_target != dns_rr_target(b, y, &q) || (is_target && !dns_name_eq(&p, &q)))
            abort();
        bool is_soa = dns_rr_soa_minimum(a, x, &u);
        if (is_soa != dns_rr_soa_minimum(b, y, &v) || (is_soa && u != v))
            abort();
        check_shown(a, x, b, y);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct buf once, twice, small;
    if (dns_msg_parse(str_of((const char *)data, n), &first) != DNS_PARSE_OK)
        return 0;
    buf_init(&once, 2 * DNS_MESSAGE_BYTES);
    buf_init(&twice, 2 * DNS_MESSAGE_BYTES);
    buf_init(&small, 700);
    copy_message(&first, &once);
    if (dns_msg_parse(buf_str(&once), &second) != DNS_PARSE_OK)
        abort();
    /* Decompressed it may be too long. */
    if (!second.is_truncated && second.n_rrs == first.n_rrs)
        check_same(&first, &second);
    else if (first.n_rrs * 1200 < DNS_MESSAGE_BYTES && n < 1000)
        abort();
    copy_message(&second, &twice);
    if (!second.is_truncated && !str_eq(buf_str(&once), buf_str(&twice)))
        abort();
    copy_message(&first, &small);
    if (small.failed || dns_msg_parse(buf_str(&small), &third) != DNS_PARSE_OK ||
        third.edns.is_present != first.edns.is_present)
        abort();
    buf_done(&once);
    buf_done(&twice);
    buf_done(&small);
    return 0;
}

#include "dns/judge.h"
#include "doctor/probe_query.h"

static void keep_address(struct probe_reply *r, const struct dns_msg *m, const struct dns_rr *rr)
{
    const uint8_t *ip = (const uint8_t *)m->wire.p + rr->rdata_at;
    if (r->n_addresses < PROBE_REPLY_ADDRESSES)
        addr_from_bytes(rr->type == DNS_A ? AF_INET : AF_INET6, ip, 0,
                        &r->addresses[r->n_addresses++]);
}

static void keep_records(struct probe_reply *r, const struct dns_msg *m,
                         const struct dns_verdict *v)
{
    for (unsigned i = 0; i < v->n_kept; i++) {
        const struct dns_rr *rr = &m->rrs[v->kept[i]];
        if ((rr->type == DNS_A && rr->rdata_n == 4) || (rr->type == DNS_AAAA && rr->rdata_n == 16))
            keep_address(r, m, rr);
        else if (rr->type == DNS_CNAME && r->n_aliases < PROBE_REPLY_ALIASES)
            r->n_aliases += dns_rr_target(m, rr, &r->aliases[r->n_aliases]);
        else if (rr->type == DNS_SOA && !dns_rr_owner(m, rr, &r->authority))
            r->authority.n = 0;
    }
    r->has_ttl = v->n_kept > 0;
    r->ttl_s = v->ttl_s;
}

/* It came from the server's address, to our port, with our ID, and is no query: if it cannot be
 * read, or has no question where it should, that is what the server sends. */
static bool is_malformed(struct str wire, uint16_t id, const struct dns_msg *m)
{
    return wire.n >= DNS_HEADER_BYTES && m->id == id && m->is_response && !m->has_question;
}

bool probe_reply_read(struct str wire, uint16_t id, const struct dns_ask *ask,
                      struct probe_reply *out)
{
    static _Thread_local struct dns_msg m;
    struct dns_verdict v;
    bool is_reply = dns_judge(wire, id, ask, NULL, NULL, &m, &v);
    memset(out, 0, offsetof(struct probe_reply, addresses));
    out->authority.n = 0;
    if (!is_reply && !is_malformed(wire, id, &m))
        return false;
    out->rcode = m.rcode;
    out->has_question = m.has_question;
    out->is_truncated = m.is_truncated;
    out->outcome = is_reply ? v.outcome : DNS_BAD_REPLY;
    if (!is_reply || v.wants_tcp)
        return true;
    out->is_open = v.is_open;
    keep_records(out, &m, &v);
    return true;
}

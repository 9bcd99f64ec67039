#include "dns/judge.h"

static enum dns_outcome outcome_of_rcode(unsigned rcode)
{
    switch (rcode) {
    case DNS_NOERROR:
        return DNS_ANSWERED;
    case DNS_NXDOMAIN:
        return DNS_NXDOMAIN_OUTCOME;
    case DNS_REFUSED:
        return DNS_REFUSED_OUTCOME;
    case DNS_FORMERR:
    case DNS_BADVERS:
        return DNS_FORMERR_OUTCOME;
    case DNS_NOTIMP:
        return DNS_NOTIMP_OUTCOME;
    default:
        return DNS_SERVFAIL_OUTCOME;
    }
}

static bool is_same_question(const struct dns_question *a, const struct dns_question *b)
{
    return a->type == b->type && a->class == b->class && dns_name_eq(&a->name, &b->name);
}

static bool is_kept(const struct dns_verdict *v, size_t i)
{
    for (unsigned k = 0; k < v->n_kept; k++)
        if (v->kept[k] == i)
            return true;
    return false;
}

/* Once, though there be two reasons: kept has room for every record of a message and no more. */
static void keep(struct dns_verdict *v, const struct dns_msg *m, size_t i)
{
    if (is_kept(v, i))
        return;
    if (v->n_kept == 0 || m->rrs[i].ttl < v->ttl_s)
        v->ttl_s = m->rrs[i].ttl;
    v->kept[v->n_kept++] = (uint16_t)i;
}

/* The record of this type in the answer section that belongs to name, or n_rrs. */
static size_t find_answer(const struct dns_msg *m, const struct dns_name *name, uint16_t type,
                          uint16_t class)
{
    struct dns_name owner;
    for (size_t i = 0; i < m->n_rrs; i++) {
        const struct dns_rr *rr = &m->rrs[i];
        if (rr->section == DNS_ANSWER && rr->type == type && rr->class == class &&
            dns_rr_owner(m, rr, &owner) && dns_name_eq(&owner, name))
            return i;
    }
    return m->n_rrs;
}

/* A forwarder's client wants to see the DNAME from which a CNAME was made (RFC 6672 section 3.3).
 */
static void keep_dname_above(struct dns_verdict *v, const struct dns_msg *m,
                             const struct dns_name *name)
{
    struct dns_name owner;
    for (size_t i = 0; i < m->n_rrs; i++) {
        const struct dns_rr *rr = &m->rrs[i];
        if (rr->section == DNS_ANSWER && rr->type == DNS_DNAME && rr->class == DNS_CLASS_IN &&
            dns_rr_owner(m, rr, &owner) && dns_name_is_in(name, &owner) &&
            !dns_name_eq(name, &owner)) {
            keep(v, m, i);
            return;
        }
    }
}

/* Walks the chain to *at, its end. False: too long, or a loop. */
static bool follow_chain(const struct dns_msg *m, const struct dns_question *q,
                         dns_same_route *same, void *arg, struct dns_verdict *v,
                         struct dns_name *at)
{
    *at = q->name;
    if (q->type == DNS_CNAME || q->type == DNS_ANY)
        return true;
    for (;;) {
        size_t i = find_answer(m, at, DNS_CNAME, q->class);
        if (i == m->n_rrs)
            return true;
        if (v->n_cnames == DNS_MAX_CNAMES || is_kept(v, i))
            return false;
        keep_dname_above(v, m, at);
        keep(v, m, i);
        v->n_cnames++;
        if (!dns_rr_target(m, &m->rrs[i], at) || dns_name_eq(at, &q->name))
            return false;
        if (same != NULL && !same(arg, at)) {
            v->is_open = true;
            return true;
        }
    }
}

static unsigned keep_final(const struct dns_msg *m, const struct dns_question *q,
                           const struct dns_name *at, struct dns_verdict *v)
{
    struct dns_name owner;
    unsigned n = 0;
    for (size_t i = 0; i < m->n_rrs; i++) {
        const struct dns_rr *rr = &m->rrs[i];
        bool is_wanted = rr->type == q->type || q->type == DNS_ANY;
        if (rr->section != DNS_ANSWER || rr->class != q->class ||
            !(is_wanted || rr->type == DNS_RRSIG) || !dns_rr_owner(m, rr, &owner) ||
            !dns_name_eq(&owner, at))
            continue;
        n += is_wanted;
        keep(v, m, i);
    }
    return n;
}

/* RFC 2308 section 5: a negative answer lives for the lesser of the SOA's TTL and its MINIMUM. */
static bool keep_soa(const struct dns_msg *m, const struct dns_name *at, struct dns_verdict *v)
{
    struct dns_name owner;
    uint32_t minimum;
    for (size_t i = 0; i < m->n_rrs; i++) {
        const struct dns_rr *rr = &m->rrs[i];
        if (rr->section != DNS_AUTHORITY || rr->type != DNS_SOA || rr->class != DNS_CLASS_IN ||
            !dns_rr_owner(m, rr, &owner) || !dns_name_is_in(at, &owner) ||
            !dns_rr_soa_minimum(m, rr, &minimum))
            continue;
        keep(v, m, i);
        if (minimum < v->ttl_s)
            v->ttl_s = minimum;
        return true;
    }
    return false;
}

static void cap_without_soa(struct dns_verdict *v)
{
    if (v->n_kept == 0 || v->ttl_s > DNS_NO_SOA_TTL_S)
        v->ttl_s = DNS_NO_SOA_TTL_S;
}

static bool is_referral(const struct dns_msg *m)
{
    if (m->is_authoritative)
        return false;
    for (size_t i = 0; i < m->n_rrs; i++)
        if (m->rrs[i].section == DNS_AUTHORITY && m->rrs[i].type == DNS_NS)
            return true;
    return false;
}

static void judge_records(const struct dns_msg *m, const struct dns_question *q,
                          dns_same_route *same, void *arg, struct dns_verdict *v)
{
    struct dns_name at;
    if (!follow_chain(m, q, same, arg, v, &at)) {
        v->outcome = DNS_BAD_REPLY;
        return;
    }
    if (v->is_open) {
        /* Even under NXDOMAIN or SERVFAIL: that was said of a name that is asked elsewhere. */
        v->outcome = DNS_ANSWERED;
        v->tail = at;
        return;
    }
    if (v->outcome == DNS_ANSWERED && keep_final(m, q, &at, v) > 0)
        return;
    if (v->outcome != DNS_ANSWERED && v->outcome != DNS_NXDOMAIN_OUTCOME)
        return;
    bool has_soa = keep_soa(m, &at, v);
    if (v->outcome == DNS_ANSWERED && v->n_cnames > 0 && !has_soa) {
        v->is_open = true; /* the chain was left unfinished: ask for its end */
        v->tail = at;
        return;
    }
    if (!has_soa)
        cap_without_soa(v);
    if (v->outcome == DNS_NXDOMAIN_OUTCOME)
        return;
    if (v->n_cnames == 0 && !has_soa && is_referral(m)) {
        v->outcome = DNS_LAME;
    } else {
        v->outcome = DNS_NODATA_OUTCOME;
    }
}

/* The signatures and denials of existence that a validating client checks (RFC 4035 section 3.1).
 */
static void keep_proofs(const struct dns_msg *m, struct dns_verdict *v)
{
    if (v->outcome != DNS_ANSWERED && !dns_outcome_is_negative(v->outcome))
        return;
    for (size_t i = 0; i < m->n_rrs; i++) {
        const struct dns_rr *rr = &m->rrs[i];
        bool is_proof = rr->type == DNS_RRSIG || rr->type == DNS_NSEC || rr->type == DNS_NSEC3;
        if (is_proof && rr->section != DNS_ADDITIONAL)
            keep(v, m, i);
    }
}

bool dns_judge(struct str wire, uint16_t id, const struct dns_ask *ask, dns_same_route *same,
               void *arg, struct dns_msg *m, struct dns_verdict *v)
{
    const struct dns_question *q = &ask->question;
    /* kept[] is large and its count says what is valid. */
    memset(v, 0, offsetof(struct dns_verdict, kept));
    memset(m, 0, offsetof(struct dns_msg, rrs));
    if (wire.n < DNS_HEADER_BYTES)
        return false;
    enum dns_parse parsed = dns_msg_parse(wire, m);
    if (m->id != id || !m->is_response || m->opcode != 0)
        return false;
    v->rcode = m->rcode;
    v->outcome = outcome_of_rcode(m->rcode);
    bool is_error = v->outcome != DNS_ANSWERED && v->outcome != DNS_NXDOMAIN_OUTCOME;
    if (!m->has_question)
        return is_error && wire.n < DNS_HEADER_BYTES + 32;
    if (!is_same_question(&m->question, q))
        return false;
    if (m->is_truncated) {
        v->wants_tcp = true;
        return true;
    }
    if (parsed != DNS_PARSE_OK) {
        if (!is_error)
            v->outcome = DNS_BAD_REPLY;
        return true;
    }
    judge_records(m, q, same, arg, v);
    if (ask->dnssec_ok)
        keep_proofs(m, v);
    return true;
}

#pragma once
/*
 * What the scripted servers of rig.h say, as text, and questions of a forwarder's clients with
 * their answers as text, so that one row of a table is one behaviour.
 *
 * A reply is "OWNER TTL TYPE DATA, OWNER TTL TYPE DATA ...". "@" is the name that was asked for;
 * "+" before the owner puts the record into the authority section, which is where SOA and NS stand
 * anyway. The data of SOA is its MINIMUM; of types without a layout of their own, bytes. In front
 * may stand "NXDOMAIN" or another code. "SILENT" is no reply.
 */
#include "dns/forward.h"
#include "dns/quick.h"
#include "rig.h"

enum { SCRIPT_MAX_ROWS = 8, SCRIPT_TEXT_BYTES = 2048 };

struct script_row {
    const char *name;  /* NULL: any */
    uint16_t type;     /* 0: any */
    const char *reply; /* NULL ends the table */
};

static inline bool script_rcode(struct str word, uint16_t *rcode)
{
    char text[16];
    for (*rcode = DNS_NOERROR; *rcode <= DNS_REFUSED; ++*rcode)
        if (str_eq(word, str_from_c(dns_rcode_text(*rcode, text))))
            return true;
    *rcode = DNS_NOERROR;
    return false;
}

static inline struct dns_name script_name(struct str text)
{
    struct dns_name name;
    assert_true(dns_name_parse(text, &name));
    return name;
}

/* RDATA of one record, from text. */
static inline void script_rdata(struct buf *out, uint16_t type, struct str data)
{
    struct addr a;
    size_t n;
    if (type == DNS_A || type == DNS_AAAA) {
        assert_true(addr_parse_ip(data, &a));
        const uint8_t *ip = addr_bytes(&a, &n);
        buf_append(out, str_of((const char *)ip, n));
    } else if (type == DNS_CNAME || type == DNS_DNAME || type == DNS_NS || type == DNS_PTR) {
        struct dns_name name = script_name(data);
        buf_append(out, str_of((const char *)name.wire, name.n));
    } else if (type == DNS_SOA) {
        uint64_t minimum;
        char fixed[20] = { 0 };
        assert_true(str_to_u64(data, &minimum));
        for (unsigned i = 0; i < 4; i++)
            fixed[16 + i] = (char)(minimum >> (24 - 8 * i));
        buf_append(out, STR("\2ns\0\4host\0"));
        buf_append(out, str_of(fixed, sizeof fixed));
    } else {
        buf_append(out, data);
    }
}

static inline void script_rr(struct dns_writer *w, const struct dns_question *q, struct str text)
{
    struct str owner = { 0 }, ttl = { 0 }, type_text = { 0 }, data = text;
    struct dns_name name;
    uint64_t ttl_s = 0;
    uint16_t type = 0;
    struct buf rdata;
    assert_true(str_next(&data, ' ', &owner) && str_next(&data, ' ', &ttl) &&
                str_next(&data, ' ', &type_text));
    assert_true(str_to_u64(ttl, &ttl_s) && dns_type_parse(type_text, &type));
    bool is_authority = type == DNS_SOA || type == DNS_NS || owner.p[0] == '+';
    if (owner.p[0] == '+')
        owner = str_from(owner, 1);
    name = str_eq(owner, STR("@")) ? q->name : script_name(owner);
    buf_init(&rdata, 4096);
    script_rdata(&rdata, type, data);
    assert_true(dns_write_rr(w, is_authority ? DNS_AUTHORITY : DNS_ANSWER, &name, type, q->class,
                             (uint32_t)ttl_s, buf_str(&rdata)));
    buf_done(&rdata);
}

static inline void script_write(struct buf *out, const struct dns_msg *q, struct str reply)
{
    struct dns_writer w;
    struct str rest = reply, one;
    struct dns_reply_flags flags = { .id = q->id,
                                     .recursion_desired = true,
                                     .recursion_available = true };
    if (str_next(&rest, ',', &one) && !script_rcode(str_trim(one), &flags.rcode))
        rest = reply;
    dns_write_begin(&w, out, 4096, flags, &q->question);
    while (str_next(&rest, ',', &one))
        script_rr(&w, &q->question, str_trim(one));
    dns_write_end(&w);
}

static inline bool script_answer(struct fake *f, const struct dns_msg *q, struct buf *out)
{
    const struct script_row *rows = f->script_rows;
    for (unsigned i = 0; i < SCRIPT_MAX_ROWS && rows[i].reply != NULL; i++) {
        struct dns_name name;
        if (rows[i].type != 0 && rows[i].type != q->question.type)
            continue;
        if (rows[i].name != NULL && (!dns_name_parse(str_from_c(rows[i].name), &name) ||
                                     !dns_name_eq(&name, &q->question.name)))
            continue;
        if (strcmp(rows[i].reply, "SILENT") != 0)
            script_write(out, q, str_from_c(rows[i].reply));
        return true;
    }
    return false;
}

/* From now on the server says this; rows: SCRIPT_MAX_ROWS at most, borrowed. */
static inline void fake_says(struct fake *f, const struct script_row *rows)
{
    f->script = script_answer;
    f->script_rows = rows;
}

/* The same to every question. */
static inline void fake_always_says(struct fake *f, struct script_row row[2], const char *reply)
{
    row[0] = (struct script_row){ NULL, 0, reply };
    row[1] = (struct script_row){ NULL, 0, NULL };
    fake_says(f, row);
}

/* -- an answer as text -------------------------------------------------------------------- */

static inline void text_rdata(struct buf *out, const struct dns_msg *m, const struct dns_rr *rr)
{
    struct dns_name name;
    struct addr a;
    uint32_t minimum;
    char text[DNS_NAME_TEXT_BYTES];
    const char *p = m->wire.p + rr->rdata_at;
    if (rr->type == DNS_A || rr->type == DNS_AAAA) {
        addr_from_bytes(rr->type == DNS_A ? AF_INET : AF_INET6, (const uint8_t *)p, 0, &a);
        buf_append(out, str_from_c(addr_ip_text(&a, text)));
    } else if (dns_rr_target(m, rr, &name)) {
        buf_append(out, str_from_c(dns_name_text(&name, text)));
    } else if (dns_rr_soa_minimum(m, rr, &minimum)) {
        snprintf(text, sizeof text, "%u", minimum);
        buf_append(out, str_from_c(text));
    } else {
        buf_append(out, str_of(p, rr->rdata_n));
    }
}

/* "b.example 60 A 192.0.2.1, ..."; "" without records. */
static inline void text_set(struct buf *out, const struct dns_set *set)
{
    struct dns_msg m;
    assert_int_equal(dns_msg_parse(dns_set_wire(set), &m), DNS_PARSE_OK);
    assert_int_equal(m.n_rrs, set->n_rrs);
    for (size_t i = 0; i < m.n_rrs; i++) {
        struct dns_name owner;
        char name[DNS_NAME_TEXT_BYTES], type[16], head[DNS_NAME_TEXT_BYTES + 64];
        assert_true(dns_rr_owner(&m, &m.rrs[i], &owner));
        snprintf(head, sizeof head, "%s%s %u %s ", i > 0 ? ", " : "", dns_name_text(&owner, name),
                 m.rrs[i].ttl, dns_type_text(m.rrs[i].type, type));
        buf_append(out, str_from_c(head));
        text_rdata(out, &m, &m.rrs[i]);
    }
}

/* "OUTCOME | PART | PART": a part that has been kept for a while begins with "(AGE s)". */
static inline void text_parts(struct buf *out, enum dns_outcome outcome,
                              const struct dns_part *parts, unsigned n_parts)
{
    buf_append(out, str_from_c(dns_outcome_text(outcome)));
    for (unsigned i = 0; i < n_parts; i++) {
        char age[32] = "";
        if (parts[i].age_s > 0)
            snprintf(age, sizeof age, "(%u s) ", parts[i].age_s);
        buf_append(out, STR(" | "));
        buf_append(out, str_from_c(age));
        text_set(out, parts[i].set);
    }
}

/* -- questions ---------------------------------------------------------------------------- */

struct asked {
    struct rig *rig;
    struct dns_forward f;
    struct dns_explain told; /* a copy of the decision */
    bool is_done, stops;
    uint64_t start_ms, took_ms;
    char text[SCRIPT_TEXT_BYTES];
};

static inline void asked_on_done(struct dns_forward *f)
{
    struct asked *a = f->owner;
    struct buf text;
    assert_false(a->is_done);
    a->is_done = true;
    a->took_ms = io_now_us() / 1000 - a->start_ms;
    buf_init(&text, sizeof a->text - 1);
    text_parts(&text, f->outcome, f->parts, f->n_parts);
    assert_false(text.failed);
    memcpy(a->text, text.p, text.n);
    buf_done(&text);
    if (a->stops)
        io_loop_stop(&a->rig->loop);
}

static inline struct dns_ask ask_of(const char *name, uint16_t type)
{
    return (struct dns_ask){ .question = { script_name(str_from_c(name)), type, DNS_CLASS_IN } };
}

static inline void asked_start(struct asked *a, struct rig *g, const struct dns_ask *ask,
                               enum dns_join join, const struct addr *asker)
{
    memset(a, 0, sizeof *a);
    a->rig = g;
    a->f.owner = a;
    a->f.on_done = asked_on_done;
    a->f.ask = *ask;
    a->f.join = join;
    a->start_ms = io_now_us() / 1000;
    uv_update_time(&g->loop.uv);
    dns_forward_start(&a->f, g->engine, asker);
    assert_false(a->is_done);
}

static inline void asked_wait(struct asked *a)
{
    a->stops = true;
    if (!a->is_done)
        rig_run_for(a->rig, 10000);
    assert_true(a->is_done);
}

/* Asks, waits, gives the parts back; text, outcome and explanation stay. */
static inline void ask_how(struct asked *a, struct rig *g, const struct dns_ask *ask,
                           enum dns_join join, const struct addr *asker)
{
    asked_start(a, g, ask, join, asker);
    asked_wait(a);
    dns_forward_done(&a->f);
}

static inline const char *ask_for(struct asked *a, struct rig *g, const char *name, uint16_t type)
{
    struct dns_ask ask = ask_of(name, type);
    ask_how(a, g, &ask, DNS_JOIN_USUAL, NULL);
    return a->text;
}

/* What dns_quick_find says, as text; "" when a lookup has to be taken. ttl_s may be NULL. */
static inline const char *quick_for(struct rig *g, const struct dns_ask *ask, uint32_t *ttl_s)
{
    static char text[SCRIPT_TEXT_BYTES];
    struct dns_cache_hit hit;
    struct buf out;
    text[0] = '\0';
    if (!dns_quick_find(g->engine, ask, &hit))
        return text;
    struct dns_part part = { hit.set, hit.set->ttl_s - hit.ttl_s };
    if (ttl_s != NULL)
        *ttl_s = hit.ttl_s;
    buf_init(&out, sizeof text - 1);
    text_parts(&out, hit.set->outcome, &part, 1);
    memcpy(text, out.p, out.n);
    text[out.n] = '\0';
    buf_done(&out);
    dns_set_unref(hit.set);
    return text;
}

/*
 * Time goes by for what the cache has of this question, in every group of its route: it is put
 * again as of so many seconds ago. Whether it is in use, and its TTLs, stay what they are.
 */
static inline void rig_age(struct rig *g, const struct dns_ask *ask, unsigned age_s)
{
    struct dns_routes *routes = dns_shared_routes(g->shared);
    const struct dns_route *route = dns_routes_find(routes, &ask->question.name);
    uint64_t now_ms;
    unsigned n = 0;
    uv_update_time(&g->loop.uv);
    now_ms = io_now_ms(&g->loop);
    for (unsigned i = 0; i < route->n_groups; i++) {
        struct dns_cache_key key = dns_cache_key_of(route->groups[i].id, ask);
        struct dns_cache_hit hit;
        dns_cache_get(g->shared->cache, &key, now_ms, atomic_load(&g->shared->epoch), &hit);
        if (hit.set == NULL)
            continue;
        dns_cache_put(g->shared->cache, &key, hit.set, dns_zone_rules(route->kind)->stale_s,
                      now_ms - (uint64_t)age_s * 1000);
        dns_set_unref(hit.set);
        n++;
    }
    assert_true(n > 0);
    dns_routes_unref(routes);
}

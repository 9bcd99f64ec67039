#include "dns/report.h"

#include "codec/dns_show.h"
#include "dns/shared.h"

#include <stdlib.h>
#include <unistd.h>

static void on_forwarded(struct dns_forward *f)
{
    struct dns_report *r = f->owner;
    if (--r->n_pending == 0)
        r->on_done(r);
}

bool dns_report_takes(uint16_t type)
{
    /* RFC 6895 section 3.1: 128 to 255 are for questions and meta types; ANY may be asked. */
    return type == DNS_ANY || (type != 0 && type != DNS_OPT && (type < 128 || type > 255));
}

void dns_report_start(struct dns_report *r, struct dns_engine *e)
{
    r->engine = e;
    r->n_pending = r->n_types;
    for (unsigned i = 0; i < r->n_types; i++) {
        struct dns_forward *f = &r->forwards[i];
        f->owner = r;
        f->on_done = on_forwarded;
        f->join = r->skips_cache ? DNS_JOIN_ANEW : DNS_JOIN_USUAL;
        f->ask.question = (struct dns_question){ r->name, r->types[i], DNS_CLASS_IN };
        dns_forward_start(f, e, NULL);
    }
}

void dns_report_done(struct dns_report *r)
{
    for (unsigned i = 0; r->engine != NULL && i < r->n_types; i++)
        dns_forward_done(&r->forwards[i]);
    r->engine = NULL;
}

static bool is_alias(const struct dns_rr *rr, uint16_t asked)
{
    return rr->type == DNS_CNAME && asked != DNS_CNAME && asked != DNS_ANY;
}

static void write_record(struct json *j, const struct dns_msg *m, const struct dns_rr *rr,
                         uint32_t age_s)
{
    /* A byte of RDATA is at most four characters, and one length byte in 256 adds two quotes. */
    enum { DATA_BYTES = 5 * DNS_MESSAGE_BYTES };
    struct dns_name owner;
    struct buf data;
    char text[DNS_NAME_TEXT_BYTES], type[16];
    if (!dns_rr_owner(m, rr, &owner))
        return;
    buf_init(&data, DATA_BYTES);
    dns_show_rdata(m, rr, &data);
    json_open(j, NULL, '{');
    json_put_text(j, "name", dns_name_text(&owner, text));
    json_put_text(j, "type", dns_type_text(rr->type, type));
    json_put_u64(j, "ttl_s", rr->ttl > age_s ? rr->ttl - age_s : 0);
    json_put_str(j, "data", buf_str(&data));
    json_close(j, '{');
    j->out->failed |= data.failed;
    buf_done(&data);
}

static void write_records(struct json *j, const struct dns_forward *f, const char *key,
                          bool aliases, struct dns_msg *m)
{
    json_open(j, key, '[');
    for (unsigned p = 0; p < f->n_parts; p++) {
        const struct dns_part *part = &f->parts[p];
        if (dns_msg_parse(dns_set_wire(part->set), m) != DNS_PARSE_OK)
            continue;
        for (size_t i = 0; i < m->n_rrs; i++)
            if (m->rrs[i].section == DNS_ANSWER &&
                is_alias(&m->rrs[i], f->ask.question.type) == aliases)
                write_record(j, m, &m->rrs[i], part->age_s);
    }
    json_close(j, '[');
}

static void write_question(struct json *j, const struct dns_forward *f, struct dns_routes *routes,
                           struct dns_msg *m)
{
    char text[DNS_NAME_TEXT_BYTES], type[16];
    json_open(j, NULL, '{');
    json_put_text(j, "name", dns_name_text(&f->ask.question.name, text));
    json_put_text(j, "type", dns_type_text(f->ask.question.type, type));
    json_put_bool(j, "answered", f->outcome == DNS_ANSWERED);
    write_records(j, f, "records", false, m);
    write_records(j, f, "aliases", true, m);
    dns_explain_json(&f->explain, f->outcome, routes, j);
    json_close(j, '{');
}

void dns_report_json(const struct dns_report *r, const char *key, struct json *j)
{
    struct dns_msg *m = malloc(sizeof *m);
    if (m == NULL) {
        j->out->failed = true;
        return;
    }
    struct dns_routes *routes = dns_shared_routes(r->engine->shared);
    json_open(j, key, '[');
    for (unsigned i = 0; i < r->n_types; i++)
        write_question(j, &r->forwards[i], routes, m);
    json_close(j, '[');
    dns_routes_unref(routes);
    free(m);
}

void dns_report_by(const char *what, struct json *j)
{
    json_open(j, "by", '{');
    json_put_text(j, "what", what);
    json_put_u64(j, "pid", (uint64_t)getpid());
    json_put_text(j, "version", PENSTOCK_VERSION);
    json_close(j, '{');
}

void dns_report_write(const struct dns_report *r, const char *by, struct buf *out)
{
    struct json j = json_begin(out);
    json_open(&j, NULL, '{');
    dns_report_by(by, &j);
    dns_report_json(r, "questions", &j);
    json_close(&j, '{');
    buf_byte(out, '\n');
}

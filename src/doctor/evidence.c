#include "doctor/evidence.h"

#include "doctor/answer.h"

#include <inttypes.h>

enum { MOST_LISTED = 8 };

static void put_time(int64_t us, struct buf *out)
{
    if (us < 0)
        return;
    if (us < 950)
        buf_printf(out, " in 0.%d ms", us < 100 ? 1 : (int)((us + 50) / 100));
    else
        buf_printf(out, " in %" PRId64 " ms", us / 1000 + (us % 1000 >= 500));
}

void evidence_put_outcome(const struct fact_question *q, struct buf *out)
{
    bool is_reply = answer_replies(q) > 0;
    view_answer_text(q, out);
    if (is_reply)
        put_time(q->time_us, out);
    if (answer_tries(q) > 1)
        buf_printf(out, " (%lld of %lld tries)",
                   (long long)(is_reply ? answer_replies(q) : answer_tries(q)),
                   (long long)answer_tries(q));
}

void evidence_put_question(const struct fact_question *q, struct buf *out)
{
    buf_printf(out, "%.*s: ", STR_ARG(q->server));
    evidence_put_outcome(q, out);
    buf_printf(out, " for %.*s", STR_ARG(q->name));
    if (view_is(q->type, "AAAA"))
        buf_append(out, STR(" (AAAA)"));
}

void evidence_put_beside(const struct fact_question *other, struct buf *out)
{
    if (other == NULL)
        return;
    buf_printf(out, "; %.*s: ", STR_ARG(other->server));
    evidence_put_outcome(other, out);
}

void evidence_put_server(const struct fact_server *s, struct buf *out)
{
    bool is_settings = view_is(s->source, "settings");
    const char *whose = s->is_amazon == FACT_YES ? "Amazon's DNS server, " : "";
    if (s->place < 1)
        buf_printf(out, "%sDNS server %.*s", *whose ? "Amazon's " : "", STR_ARG(s->address));
    else if (s->place == 1)
        buf_printf(out, "%s%s%s", whose,
                   is_settings ? "the first DNS server of penstock's settings"
                   : *whose    ? "your first"
                               : "your first DNS server",
                   *whose ? "," : "");
    else
        buf_printf(out, "%s%s %lld of %s%s", whose, *whose ? "number" : "DNS server",
                   (long long)s->place, is_settings ? "penstock's settings" : "resolv.conf",
                   *whose ? "," : "");
}

/* A line that is too long ends early: what stands in it is true all the same. */
void evidence_question(struct diagnosis *d, struct finding *f, const struct fact_question *q)
{
    struct buf line;
    buf_init(&line, EVIDENCE_BYTES);
    evidence_put_question(q, &line);
    finding_evidence(d, f, "%.*s", STR_ARG(buf_str(&line)));
    buf_done(&line);
}

/* What it came to, at the last step that was reached. */
static void put_end(struct buf *out, const struct fact_connection *c)
{
    if (!view_is(c->outcome, "ok"))
        buf_append(out, c->outcome);
    else if (c->tls.n > 0 && !view_is(c->tls, "ok"))
        buf_printf(out, "connected; TLS: %.*s", STR_ARG(c->tls));
    else if (c->http.n > 0 && !view_is(c->http, "ok"))
        buf_printf(out, "connected; HTTP: %.*s", STR_ARG(c->http));
    else if (c->status != FACT_NO_NUMBER)
        buf_printf(out, "connected; HTTP status %lld", (long long)c->status);
    else
        buf_append(out, STR("connected"));
}

void evidence_connection(struct diagnosis *d, struct finding *f, const struct fact_connection *c)
{
    struct buf line;
    bool is_v6 = c->address.n > 0 && str_find(c->address, ':', 0) < c->address.n;
    buf_init(&line, EVIDENCE_BYTES);
    buf_printf(&line, is_v6 ? "%.*s at [%.*s]" : "%.*s at %.*s", STR_ARG(c->name),
               STR_ARG(c->address));
    if (c->port != FACT_NO_NUMBER)
        buf_printf(&line, ":%lld", (long long)c->port);
    buf_append(&line, STR(": "));
    put_end(&line, c);
    put_time(c->time_us, &line);
    if (c->tries > 1)
        buf_printf(&line, " (%lld tries)", (long long)c->tries);
    for (size_t i = 0; i < c->servers.n && i < MOST_LISTED; i++)
        buf_printf(&line, i ? ", %.*s" : ", address by %.*s", STR_ARG(c->servers.v[i]));
    finding_evidence(d, f, "%.*s", STR_ARG(buf_str(&line)));
    buf_done(&line);
}

struct str evidence_list(struct diagnosis *d, const struct fact_texts *texts)
{
    struct buf line;
    buf_init(&line, EVIDENCE_BYTES);
    for (size_t i = 0; i < texts->n && i < MOST_LISTED; i++)
        buf_printf(&line, i ? ", %.*s" : "%.*s", STR_ARG(texts->v[i]));
    if (texts->n > MOST_LISTED)
        buf_printf(&line, " and %zu more", texts->n - MOST_LISTED);
    struct str kept = line.failed || line.n == 0 ? STR("") : fact_text(&d->book, buf_str(&line));
    buf_done(&line);
    return kept;
}

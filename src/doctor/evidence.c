#include "doctor/evidence.h"

#include "doctor/facts_view.h"

enum { MOST_LINE_BYTES = 4096, MOST_LISTED = 8 };

static void put_ms(struct buf *out, int64_t time_us)
{
    if (time_us != FACT_NO_NUMBER)
        buf_printf(out, "%.1f ms", (double)time_us / 1000);
}

void evidence_question(struct diagnosis *d, struct finding *f, const struct fact_question *q)
{
    struct buf line;
    buf_init(&line, MOST_LINE_BYTES);
    buf_printf(&line, "%.*s %s ", STR_ARG(q->server), q->replies > 0 ? "says" : "gives");
    view_answer_text(q, &line);
    buf_printf(&line, " for %.*s (", STR_ARG(q->name));
    put_ms(&line, q->time_us);
    if (q->tries > 1 && q->replies != FACT_NO_NUMBER)
        buf_printf(&line, ", %lld of %lld tries answered", (long long)q->replies,
                   (long long)q->tries);
    buf_byte(&line, ')');
    if (!line.failed)
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
    buf_init(&line, MOST_LINE_BYTES);
    buf_printf(&line, is_v6 ? "%.*s at [%.*s]" : "%.*s at %.*s", STR_ARG(c->name),
               STR_ARG(c->address));
    if (c->port != FACT_NO_NUMBER)
        buf_printf(&line, ":%lld", (long long)c->port);
    buf_append(&line, STR(": "));
    put_end(&line, c);
    if (c->time_us != FACT_NO_NUMBER) {
        buf_append(&line, STR(" ("));
        put_ms(&line, c->time_us);
        if (c->tries > 1)
            buf_printf(&line, ", %lld tries", (long long)c->tries);
        buf_byte(&line, ')');
    }
    for (size_t i = 0; i < c->servers.n && i < MOST_LISTED; i++)
        buf_printf(&line, i ? ", %.*s" : ", address by %.*s", STR_ARG(c->servers.v[i]));
    if (!line.failed)
        finding_evidence(d, f, "%.*s", STR_ARG(buf_str(&line)));
    buf_done(&line);
}

struct str evidence_list(struct diagnosis *d, const struct fact_texts *texts)
{
    struct buf line;
    buf_init(&line, MOST_LINE_BYTES);
    for (size_t i = 0; i < texts->n && i < MOST_LISTED; i++)
        buf_printf(&line, i ? ", %.*s" : "%.*s", STR_ARG(texts->v[i]));
    if (texts->n > MOST_LISTED)
        buf_printf(&line, " and %zu more", texts->n - MOST_LISTED);
    struct str kept = line.failed || line.n == 0 ? STR("") : fact_text(&d->book, buf_str(&line));
    buf_done(&line);
    return kept;
}

#include "doctor/answer.h"
#include "doctor/check.h"
#include "doctor/evidence.h"
#include "doctor/words.h"

/*
 * Whether servers see different worlds. S3 names other addresses in each answer, so its answers
 * are compared by kind, private or public; a no against an answer is PS1001 and PS1005.
 */
enum { SEES_PRIVATE = 1, SEES_PUBLIC = 2 };

static unsigned sight(const struct fact_facts *f, const struct fact_question *q)
{
    unsigned seen = 0;
    for (size_t i = 0; i < q->addresses.n; i++)
        if (!answer_is_sinkhole(f, q->addresses.v[i]))
            seen |= answer_is_private(f, q->addresses.v[i]) ? SEES_PRIVATE : SEES_PUBLIC;
    return seen;
}

static const char *sight_word(unsigned seen)
{
    return seen == SEES_PRIVATE ? "private" : seen == SEES_PUBLIC ? "public" : "mixed";
}

/* Cloud Map gives at most eight of a service's addresses: two such answers need not meet. */
enum { CLOUD_MAP_ANSWERS = 8 };

static bool is_apart(const struct fact_question *a, const struct fact_question *b)
{
    for (size_t i = 0; i < a->addresses.n; i++)
        if (fact_has_text(&b->addresses, a->addresses.v[i]))
            return false;
    return a->addresses.n < CLOUD_MAP_ANSWERS && b->addresses.n < CLOUD_MAP_ANSWERS;
}

enum reach { REACH_UNKNOWN, REACH_NO, REACH_YES };

/* Whether an address of the answer takes connections. */
static enum reach reach_of(const struct fact_facts *f, const struct fact_question *q)
{
    enum reach reach = REACH_UNKNOWN;
    for (size_t i = 0; i < f->connections.n; i++) {
        const struct fact_connection *c = &f->connections.v[i];
        if (!str_eq_nocase(c->name, q->name) || !fact_has_text(&q->addresses, c->address))
            continue;
        if (view_is(c->outcome, "ok"))
            return REACH_YES;
        if (!view_is(c->outcome, "denied"))
            reach = REACH_NO;
    }
    return reach;
}

static void say_answer(struct diagnosis *d, struct finding *f, const struct fact_question *q)
{
    static const char *const reaches[] = { "", "; it does not connect", "; it connects" };
    struct buf line;
    buf_init(&line, EVIDENCE_BYTES);
    evidence_put_question(q, &line);
    buf_printf(&line, " (%s%s)", sight_word(sight(d->facts, q)), reaches[reach_of(d->facts, q)]);
    finding_evidence(d, f, "%.*s", STR_ARG(buf_str(&line)));
    buf_done(&line);
}

static void fail(struct diagnosis *d, const struct fact_name *name, const struct fact_question *a,
                 const struct fact_question *b)
{
    const struct fact_facts *f = d->facts;
    bool is_new = !check_failed(d, PS1006);
    enum reach reach_a = reach_of(f, a), reach_b = reach_of(f, b);
    struct finding *to = check_fail(d, PS1006, name->name);
    const struct fact_server *other = view_server(f, b->server);
    if (to == NULL)
        return;
    bool is_other_used = other != NULL && !view_is(other->source, "amazon");
    say_answer(d, to, a);
    say_answer(d, to, b);
    enum finding_severity s = reach_a == REACH_NO && reach_b == REACH_YES ? FINDING_ERROR
                              : reach_a == REACH_YES && (reach_b == REACH_YES || !is_other_used)
                                  ? FINDING_INFO
                                  : FINDING_WARNING;
    if (!is_new && s <= to->severity)
        return;
    to->severity = s;
    to->subject = fact_text(&d->book, name->name);
    if (view_is(name->purpose, "registry"))
        finding_title(d, to, "DNS servers give different addresses for the registry");
    else
        finding_title(d, to, "%.*s leads to a %s address by %.*s, to a %s one by %.*s",
                      STR_ARG(name->name), sight_word(sight(f, a)), STR_ARG(a->server),
                      sight_word(sight(f, b)), STR_ARG(b->server));
}

static void compare(struct diagnosis *d, const struct fact_name *name, struct str first,
                    struct str other)
{
    static const char *const types[] = { "A", "AAAA" };
    for (size_t i = 0; i < 2; i++) {
        struct answer a = answer_of_type(d->facts, first, name->name, types[i]);
        struct answer b = answer_of_type(d->facts, other, name->name, types[i]);
        if (a.kind != ANSWER_GOOD || b.kind != ANSWER_GOOD)
            continue;
        if (sight(d->facts, a.question) != sight(d->facts, b.question) ||
            (view_is(name->purpose, "registry") && is_apart(a.question, b.question)))
            fail(d, name, a.question, b.question);
    }
}

static void say_fix(struct diagnosis *d)
{
    struct finding *f = d->results[PS1006].finding;
    if (f == NULL)
        return;
    finding_fix(d, f,
                "Let all servers of the list know the same. Where both answers are meant (a hub "
                "VPC's endpoint, say) and each connects, nothing has to be done.");
    words_fix_dhcp(d, f);
    words_fix_forwarding(d, f);
    words_note_proxy(d, f, STR("")); /* what it uses now works for it */
}

void check_views(struct diagnosis *d)
{
    const struct fact_facts *f = d->facts;
    const struct fact_server *servers[ANSWER_MAX_SERVERS];
    unsigned n = answer_servers(f, servers), n_answers = 0;
    for (size_t k = 0; k < f->names.n; k++) {
        const struct fact_name *name = &f->names.v[k];
        struct answer amazon = answer_of_amazon(f, name->name);
        const struct fact_question *first = NULL;
        for (unsigned i = 0; i <= n && answer_is_needed(f, name) && n > 0; i++) {
            struct answer a = i < n ? answer_of(f, servers[i]->address, name->name) : amazon;
            if (a.kind != ANSWER_GOOD)
                continue;
            if (first == NULL)
                first = a.question;
            else if (!str_eq(first->server, a.question->server)) {
                n_answers++;
                compare(d, name, first->server, a.question->server);
            }
        }
    }
    say_fix(d);
    if (n_answers == 0)
        check_skip(d, PS1006, "no two DNS servers gave addresses for the same name");
    else
        check_pass(d, PS1006);
}

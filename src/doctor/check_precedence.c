#include "doctor/check.h"

#include "doctor/answer.h"
#include "doctor/words.h"

/*
 * Which finding explains which. A row holds where both were found and its condition does; the first
 * row that explains a finding counts. Rows stand in the order of causes: what is wrong in the VPC,
 * then no servers, then what is told to Amazon's DNS, then servers, then ways.
 */
struct pair {
    const struct diagnosis *d;
    const struct finding *cause, *effect;
};

static bool always(const struct pair *p)
{
    return p->cause != NULL;
}

static bool is_error(const struct pair *p)
{
    return p->cause->severity == FINDING_ERROR;
}

static bool is_about_amazon(const struct pair *p)
{
    return view_is_amazon(p->d->facts, p->effect->subject);
}

/* Amazon's DNS does not work at all: a silent or failing server may have come to it, a no comes of
 * elsewhere. */
static bool may_need_amazon(const struct pair *p)
{
    return is_about_amazon(p) || p->effect->code == PS1003 || p->effect->code == PS1004;
}

/* Amazon's server was asked and has no address for a name that a listed server fails for, and for
 * none of those names it has one. */
static bool amazon_denies_too(const struct pair *p)
{
    const struct fact_facts *f = p->d->facts;
    const struct fact_server *servers[ANSWER_MAX_SERVERS];
    unsigned n = answer_servers(f, servers), n_denied = 0;
    for (size_t k = 0; k < f->names.n; k++) {
        struct answer amazon = answer_of_amazon(f, f->names.v[k].name);
        if (!answer_is_needed(f, &f->names.v[k]))
            continue;
        for (unsigned i = 0; i < n; i++) {
            struct answer got = answer_of(f, servers[i]->address, f->names.v[k].name);
            if (got.kind == ANSWER_NONE || got.kind == ANSWER_GOOD)
                continue;
            if (amazon.kind == ANSWER_GOOD)
                return false;
            n_denied += amazon.kind != ANSWER_NONE;
        }
    }
    return n_denied > 0;
}

static bool is_same_matter(const struct pair *p)
{
    return p->cause->severity == FINDING_ERROR &&
           (str_eq(p->cause->subject, p->effect->subject) ||
            (p->cause->cause == '1' && p->effect->cause == '1'));
}

static bool is_same_server(const struct pair *p)
{
    return str_eq(p->cause->subject, p->effect->subject);
}

static bool is_of_dhcp(const struct pair *p)
{
    return p->cause->severity == FINDING_ERROR && p->cause->cause == '1';
}

/* A log alone says it, and what AWS says weighs more. */
static bool is_unprobed(const struct pair *p)
{
    return p->d->facts->questions.n == 0;
}

/* The failing server is none that ECS gave. */
static bool is_written_in(const struct pair *p)
{
    const struct fact_metadata *m = &p->d->facts->metadata;
    for (size_t i = 0; i < m->networks.n; i++)
        if (fact_has_text(&m->networks.v[i].dns_servers, p->effect->subject))
            return false;
    return fact_has_text(&p->d->facts->resolv_conf.servers, p->effect->subject);
}

/* Whatever failed was dialled at a sinkhole. */
static bool is_all_at_sinkholes(const struct pair *p)
{
    const struct fact_facts *f = p->d->facts;
    unsigned n = 0;
    for (size_t i = 0; i < f->connections.n; i++) {
        const struct fact_connection *c = &f->connections.v[i];
        if (view_connects(c) || view_is(c->outcome, "denied"))
            continue;
        if (!answer_is_sinkhole(f, c->address))
            return false;
        n++;
    }
    return n > 0 && is_error(p);
}

static bool is_certificate_date(const struct pair *p)
{
    const struct fact_facts *f = p->d->facts;
    for (size_t i = 0; i < f->connections.n; i++) {
        int64_t why = f->connections.v[i].tls_verify;
        if (view_is(f->connections.v[i].tls, "untrusted") && (why == 9 || why == 10))
            return true; /* X509_V_ERR_CERT_NOT_YET_VALID, _HAS_EXPIRED */
    }
    return false;
}

enum { MAX_EFFECTS = 16, NO_CODE = N_FINDING_CODES };
#define ANSWERS PS1001, PS1002, PS1003, PS1005, PS1020

static const struct row {
    enum finding_code causes[8], effects[MAX_EFFECTS];
    unsigned n_causes, n_effects;
    bool (*holds)(const struct pair *p);
} rows[] = {
#define EXPLAINS(holds, causes, ...)                                                               \
    {                                                                                              \
        causes, { __VA_ARGS__ }, sizeof((int[])causes) / sizeof(int),                              \
            sizeof((int[]){ __VA_ARGS__ }) / sizeof(int), holds                                    \
    }
#define CODES(...)                                                                                 \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
    EXPLAINS(may_need_amazon, CODES(PS2001), ANSWERS, PS1004),
    EXPLAINS(always, CODES(PS2001), PS1006, PS1016, PS1017, PS1019, PS2002, PS2004, PS3002, PS4002,
             PS5001),
    EXPLAINS(is_about_amazon, CODES(PS2002), PS1001, PS1005),
    EXPLAINS(always, CODES(PS2002), PS1006, PS3002, PS4002, PS5001),
    EXPLAINS(is_error, CODES(PS1010), PS1011, PS1004, PS1007, PS4002, PS5001),
    EXPLAINS(is_error, CODES(PS1011), PS1004, PS1007, PS1008, PS1012, PS1019, PS4002, PS5001),
    EXPLAINS(amazon_denies_too, CODES(PS2005, PS2006, PS2007, PS2008), ANSWERS, PS1004),
    EXPLAINS(always, CODES(PS2005, PS2006, PS2007, PS2008), PS1006, PS4002, PS5001),
    EXPLAINS(is_written_in, CODES(PS1021), ANSWERS, PS1004, PS1006),
    EXPLAINS(is_same_server, CODES(PS2009), PS1003, PS1004, PS1016, PS1019),
    EXPLAINS(is_error, CODES(PS2009), PS1007, PS1008, PS1018, PS2003, PS4002, PS5001),
    EXPLAINS(is_same_matter, CODES(PS1001), PS1002, PS1003, PS1004, PS1005, PS1020),
    EXPLAINS(is_same_matter, CODES(PS1002), PS1003, PS1004, PS1005, PS1020),
    EXPLAINS(is_same_matter, CODES(PS1003), PS1004, PS1005, PS1020),
    EXPLAINS(is_same_matter, CODES(PS1005), PS1004, PS1020),
    EXPLAINS(is_same_matter, CODES(PS1004), PS1020),
    EXPLAINS(is_same_server, CODES(PS1004), PS1012, PS1019),
    EXPLAINS(is_unprobed, CODES(PS2003), ANSWERS, PS1004),
    EXPLAINS(is_of_dhcp, CODES(ANSWERS, PS1004), PS1006, PS1007, PS1008, PS1018, PS2003, PS2009),
    EXPLAINS(is_error, CODES(ANSWERS, PS1004), PS1019, PS4002, PS5001),
    EXPLAINS(is_same_server, CODES(ANSWERS, PS1004), PS1016, PS1019),
    EXPLAINS(is_all_at_sinkholes, CODES(PS1020), PS3005, PS3006, PS3007, PS3008, PS3009, PS4006),
    EXPLAINS(always, CODES(PS3016), PS1006, PS3002, PS3005, PS3006),
    EXPLAINS(is_error, CODES(PS1006), PS1007, PS1008, PS1018, PS2003, PS3001, PS3002, PS3005,
             PS3006),
    EXPLAINS(always, CODES(PS1021), PS1018),
    EXPLAINS(always, CODES(PS2003), PS1007, PS1008, PS1018, PS4002, PS5001),
    EXPLAINS(always, CODES(PS3004), PS3001, PS3005, PS5001),
    EXPLAINS(always, CODES(PS3001), PS3002, PS3005, PS3015, PS5001),
    EXPLAINS(always, CODES(PS3002), PS3005, PS5001),
    EXPLAINS(is_certificate_date, CODES(PS3013), PS3007),
    EXPLAINS(always, CODES(PS3015), PS5001),
    EXPLAINS(always, CODES(PS4004, PS4005), PS4006),
    EXPLAINS(always, CODES(PS1007), PS1008),
    EXPLAINS(always, CODES(PS1017), PS1016, PS4002),
#undef EXPLAINS
#undef CODES
};

/* A root of a consequence's own, at last: rows before may have explained the cause itself. */
static struct finding *root_of(struct diagnosis *d, struct finding *f)
{
    for (unsigned i = 0; i < N_FINDING_CODES && f->rank == FINDING_CONSEQUENCE; i++)
        f = d->results[f->because].finding;
    return f;
}

static void explain(struct diagnosis *d, const struct row *row)
{
    for (unsigned i = 0; i < row->n_causes; i++) {
        struct finding *cause = d->results[row->causes[i]].finding;
        for (unsigned k = 0; k < row->n_effects && cause != NULL; k++) {
            struct finding *effect = d->results[row->effects[k]].finding;
            if (effect == NULL || effect->rank == FINDING_CONSEQUENCE ||
                root_of(d, cause) == effect)
                continue;
            struct pair p = { d, cause, effect };
            if (!row->holds(&p))
                continue;
            effect->rank = FINDING_CONSEQUENCE;
            effect->because = cause->code;
        }
    }
}

/* What explains no failure is no root where another one does; information never is. */
static void set_notices(struct diagnosis *d)
{
    bool explains[N_FINDING_CODES] = { false }, any = false;
    for (unsigned i = 0; i < d->n_findings; i++)
        if (d->findings[i]->severity == FINDING_ERROR)
            explains[root_of(d, d->findings[i])->code] = any = true;
    for (unsigned i = 0; i < d->n_findings; i++) {
        struct finding *f = d->findings[i];
        if (f->rank == FINDING_ROOT && !explains[f->code] && (any || f->severity == FINDING_INFO))
            f->rank = FINDING_NOTICE;
    }
    for (unsigned i = 0; i < d->n_findings; i++) {
        struct finding *f = d->findings[i], *root = root_of(d, f);
        if (f->rank != FINDING_CONSEQUENCE)
            continue;
        f->because = root->code;
        if (root->rank == FINDING_NOTICE)
            f->rank = FINDING_NOTICE;
    }
    for (unsigned i = 0; i < d->n_findings; i++)
        if (d->findings[i]->rank == FINDING_NOTICE)
            d->findings[i]->because = d->findings[i]->code;
}

/* The place of a code among causes; those without a row come last. */
static unsigned place_of(enum finding_code code)
{
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
        for (unsigned k = 0; k < rows[i].n_causes; k++)
            if (rows[i].causes[k] == code)
                return i;
    return sizeof rows / sizeof *rows;
}

static bool goes_before(const struct finding *a, const struct finding *b)
{
    if (a->rank != b->rank)
        return a->rank < b->rank;
    if (a->rank == FINDING_ROOT && place_of(a->code) != place_of(b->code))
        return place_of(a->code) < place_of(b->code);
    if (a->severity != b->severity)
        return a->severity > b->severity;
    return a->code < b->code;
}

static void sort(struct diagnosis *d)
{
    for (unsigned i = 1; i < d->n_findings; i++) {
        struct finding *f = d->findings[i];
        unsigned at = i;
        for (; at > 0 && goes_before(f, d->findings[at - 1]); at--)
            d->findings[at] = d->findings[at - 1];
        d->findings[at] = f;
    }
}

/* What a consequence knows and its root does not. */
static void tell_roots(struct diagnosis *d)
{
    struct finding *age = d->results[PS1018].finding, *dhcp = d->results[PS2003].finding;
    if (age != NULL && age->rank == FINDING_CONSEQUENCE && view_dhcp_is_right(d->facts))
        finding_note(d, d->results[age->because].finding,
                     "the VPC's option set %.*s was put right after this task had started: new "
                     "tasks will have Amazon's server",
                     STR_ARG(d->facts->dhcp.id));
    if (dhcp != NULL && dhcp->rank == FINDING_CONSEQUENCE)
        for (size_t i = 0; i < dhcp->evidence.n; i++)
            finding_evidence(d, d->results[dhcp->because].finding, "%.*s",
                             STR_ARG(dhcp->evidence.v[i]));
}

void check_precedence(struct diagnosis *d)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        explain(d, &rows[i]);
    set_notices(d);
    tell_roots(d);
    sort(d);
}

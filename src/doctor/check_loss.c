#include "doctor/answer.h"
#include "doctor/check.h"
#include "doctor/evidence.h"
#include "doctor/shell_word.h"
#include "doctor/words.h"

/* Packets that get lost, and answers that take long. */
enum {
    LOST_ENOUGH = 2,       /* one packet may get lost anywhere */
    SLOW_US = 1000 * 1000, /* more is slow */
};

/* The plain query for the same was answered, so that EDNS was lost, not the packet (PS1014). */
static bool is_edns_alone(const struct fact_facts *f, const struct fact_question *lost)
{
    for (size_t i = 0; lost->edns == FACT_YES && i < f->questions.n; i++) {
        const struct fact_question *q = &f->questions.v[i];
        if (q->edns == FACT_NO && str_eq(q->server, lost->server) &&
            str_eq_nocase(q->name, lost->name) && str_eq(q->type, lost->type) &&
            view_is(q->transport, "udp") && answer_replies(q) > 0)
            return true;
    }
    return false;
}

struct loss {
    int64_t tries, lost;
    unsigned n_questions;
    const struct fact_question *worst; /* the one that lost most */
};

static struct loss loss_of(const struct fact_facts *f, struct str server)
{
    struct loss l = { 0 };
    int64_t most = 0;
    for (size_t i = 0; i < f->questions.n; i++) {
        const struct fact_question *q = &f->questions.v[i];
        if (!str_eq(q->server, server) || !view_is(q->transport, "udp") ||
            view_is(q->outcome, "failed") || view_is(q->outcome, "no_route") ||
            view_is(q->outcome, "unreachable") || answer_tries(q) == 0)
            continue;
        int64_t tries = answer_tries(q), lost = tries - answer_replies(q);
        if (lost == tries && is_edns_alone(f, q))
            continue;
        l.tries += tries;
        l.lost += lost;
        l.n_questions++;
        if (lost > most) {
            most = lost;
            l.worst = q;
        }
    }
    return l;
}

/* A name that the task needs never got an answer. */
static bool loses_a_name(const struct fact_facts *f, const struct fact_server *s)
{
    for (size_t i = 0; i < f->names.n; i++)
        if (answer_is_needed(f, &f->names.v[i]) &&
            answer_of(f, s->address, f->names.v[i].name).kind == ANSWER_LOST)
            return true;
    return false;
}

static void say_fix(struct diagnosis *d, struct finding *f, const struct fact_server *s,
                    struct str name)
{
    if (f->code == PS1017) {
        finding_fix(d, f,
                    "Ask less: Amazon drops what exceeds 1024 packets a second and network "
                    "interface. Let other containers ask a cache in the task, and give each task "
                    "an interface of its own (awsvpc).");
        finding_fix(d, f, "PENSTOCK_DNS_LISTEN=127.0.0.1:53");
        finding_fix(d, f, "ethtool -S eth0 | grep linklocal_allowance_exceeded");
        return;
    }
    finding_fix(d, f,
                "Find where packets to %.*s get lost: a full VPN or Direct Connect link, an "
                "overloaded server, a firewall; and take AWS's names off that way.",
                STR_ARG(s->address));
    finding_fix(d, f, "dig @%.*s +tries=1 +time=1 %.*s", STR_ARG(shell_word(s->address, "SERVER")),
                STR_ARG(shell_word(name, "NAME")));
    words_fix_dhcp(d, f);
    words_note_proxy(d, f, s->address);
}

static void judge_loss(struct diagnosis *d, const struct fact_server *s, bool is_listed)
{
    enum finding_code code = s->is_amazon == FACT_YES ? PS1017 : PS1016;
    struct loss l = loss_of(d->facts, s->address);
    struct finding *silent = d->results[PS1004].finding;
    if (l.n_questions == 0 || l.lost == l.tries)
        return;
    if (l.lost < LOST_ENOUGH || (silent != NULL && str_eq(silent->subject, s->address))) {
        check_pass(d, code);
        return;
    }
    struct finding *f = check_fail(d, code, s->address);
    finding_evidence(d, f, "%.*s: %lld of %lld queries lost, for example %lld of %lld for %.*s",
                     STR_ARG(s->address), (long long)l.lost, (long long)l.tries,
                     (long long)(answer_tries(l.worst) - answer_replies(l.worst)),
                     (long long)answer_tries(l.worst), STR_ARG(l.worst->name));
    if (f != NULL && is_listed && answer_counts(d->facts, s) && loses_a_name(d->facts, s))
        f->severity = FINDING_ERROR;
    if (f != NULL && str_eq(f->subject, s->address))
        say_fix(d, f, s, l.worst->name);
}

static void judge_slow(struct diagnosis *d, const struct fact_server *s)
{
    for (size_t i = 0; i < d->facts->questions.n; i++) {
        const struct fact_question *q = &d->facts->questions.v[i];
        bool is_answer = view_is(q->outcome, "answer") || view_is(q->outcome, "nodata") ||
                         view_is(q->outcome, "nxdomain");
        if (!str_eq(q->server, s->address) || !is_answer || q->time_us <= SLOW_US)
            continue;
        struct finding *f = check_fail(d, PS1019, s->address);
        evidence_question(d, f, q);
    }
}

/* The first server is dead and another one answers: all that ask in order wait each time. */
static void judge_waiting(struct diagnosis *d, const struct fact_server *const *servers, unsigned n)
{
    const struct fact_resolv_conf *r = &d->facts->resolv_conf;
    struct answer_traffic first = answer_traffic(d->facts, servers[0]->address);
    if (!answer_is_silent(&first) || first.icmp > 0)
        return;
    for (unsigned i = 1; i < n; i++) {
        struct answer_traffic t = answer_traffic(d->facts, servers[i]->address);
        if (t.replied == 0 || !str_eq(servers[i]->source, servers[0]->source))
            continue;
        struct finding *f = check_fail(d, PS1019, servers[0]->address);
        finding_evidence(d, f,
                         "%.*s is silent: programs wait %lld s for it at each lookup before they "
                         "ask %.*s",
                         STR_ARG(servers[0]->address),
                         (long long)(r->timeout_s > 0 ? r->timeout_s : 5),
                         STR_ARG(servers[i]->address));
        return;
    }
}

static void conclude(struct diagnosis *d, unsigned n_replied)
{
    static const enum finding_code codes[] = { PS1016, PS1017, PS1019 };
    struct finding *slow = d->results[PS1019].finding;
    if (slow != NULL) {
        finding_fix(d, slow,
                    "Put a near server that works first; best Amazon's, which is inside the VPC.");
        words_fix_dhcp(d, slow);
        words_note_proxy(d, slow, slow->subject);
    }
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (d->results[codes[i]].state == CHECK_PASS)
            continue;
        if (d->facts->surroundings.inside == FACT_NO)
            check_skip(d, codes[i], "what this host's DNS servers do is not what the task sees");
        else if (n_replied == 0 || codes[i] != PS1019)
            check_skip(d, codes[i], "no such DNS server answered");
        else
            check_pass(d, codes[i]);
    }
}

void check_loss(struct diagnosis *d)
{
    const struct fact_facts *f = d->facts;
    const struct fact_server *servers[ANSWER_MAX_SERVERS];
    unsigned n = answer_servers(f, servers), n_replied = 0;
    for (unsigned i = 0; i < n; i++) {
        n_replied += answer_traffic(f, servers[i]->address).replied > 0;
        judge_loss(d, servers[i], true);
        judge_slow(d, servers[i]);
    }
    for (size_t i = 0; i < f->servers.n && f->surroundings.inside != FACT_NO; i++)
        if (f->servers.v[i].is_amazon == FACT_YES && view_is(f->servers.v[i].source, "amazon"))
            judge_loss(d, &f->servers.v[i], false);
    if (n > 0)
        judge_waiting(d, servers, n);
    conclude(d, n_replied);
}

#include "doctor/check.h"

#include "codec/addr.h"
#include "doctor/answer.h"
#include "doctor/evidence.h"
#include "doctor/shell_word.h"
#include "doctor/words.h"

/* How listed servers are reached: routes, IPv6, TCP, EDNS. */
static bool is_ipv6(struct str address)
{
    struct addr a;
    return addr_parse_ip(address, &a) && addr_family(&a) == AF_INET6;
}

static bool has_no_route(const struct answer_traffic *t)
{
    return t->questions > 0 && t->no_route == t->questions;
}

/* What the system said of the server's first question. */
static struct str detail_of(const struct fact_facts *f, struct str server)
{
    for (size_t i = 0; i < f->questions.n; i++)
        if (str_eq(f->questions.v[i].server, server) && f->questions.v[i].detail.n > 0)
            return f->questions.v[i].detail;
    return STR("no route");
}

static void judge_route(struct diagnosis *d, const struct fact_server *s,
                        const struct answer_traffic *t)
{
    if (!has_no_route(t))
        return;
    bool counts = answer_counts(d->facts, s);
    if (is_ipv6(s->address) && !counts)
        return; /* PS1012 says it */
    struct finding *f = check_fail(d, PS1011, s->address);
    if (f == NULL)
        return;
    if (str_eq(f->subject, s->address)) {
        f->severity = counts ? FINDING_ERROR : FINDING_WARNING;
        finding_title(d, f, "there is no route to %sDNS server %.*s", counts ? "your " : "",
                      STR_ARG(s->address));
    }
    finding_evidence(d, f, "%.*s: %.*s, for %u of %u questions", STR_ARG(s->address),
                     STR_ARG(detail_of(d->facts, s->address)), t->no_route, t->questions);
    finding_fix(d, f,
                "Give the subnet a route to %.*s (VPN, Direct Connect, peering, transit gateway), "
                "or take it off the list.",
                STR_ARG(s->address));
    finding_fix(d, f, "ip route get %.*s", STR_ARG(shell_word(s->address, "ADDRESS")));
    words_fix_dhcp(d, f);
    words_note_proxy(d, f, s->address);
}

static void judge_ipv6(struct diagnosis *d, const struct fact_server *s,
                       const struct answer_traffic *t)
{
    if (!is_ipv6(s->address) || t->replied > 0 || (!has_no_route(t) && !answer_is_silent(t)))
        return;
    struct finding *f = check_fail(d, PS1012, s->address);
    finding_evidence(d, f, "%.*s: %.*s, 0 of %lld tries answered%s", STR_ARG(s->address),
                     STR_ARG(has_no_route(t) ? detail_of(d->facts, s->address) : STR("silent")),
                     (long long)t->tries,
                     d->facts->surroundings.has_ipv6 == FACT_NO ? "; this host has no IPv6 address"
                                                                : "");
    finding_fix(d, f,
                "Give the task IPv6 or list IPv4 servers alone; AmazonProvidedDNS brings the "
                "addresses that fit.");
    words_note_proxy(d, f, s->address);
}

static void check_unbracketed(struct diagnosis *d)
{
    const struct fact_texts *settings = &d->facts->surroundings.unbracketed;
    for (size_t i = 0; i < settings->n; i++) {
        struct finding *f = check_fail(d, PS1012, settings->v[i]);
        finding_evidence(d, f, "%.*s: an IPv6 address and a port without brackets",
                         STR_ARG(settings->v[i]));
        finding_fix(d, f, "Write brackets around an IPv6 address before its port.");
        finding_fix(d, f, "PENSTOCK_DNS_SERVERS=[fd00:ec2::253]:53");
    }
}

/* What it says by UDP neither, it need not say by TCP. */
static bool is_told_by_udp(const struct fact_facts *f, const struct fact_question *by_tcp)
{
    for (size_t i = 0; i < f->questions.n; i++) {
        const struct fact_question *q = &f->questions.v[i];
        if (str_eq(q->server, by_tcp->server) && str_eq_nocase(q->name, by_tcp->name) &&
            view_is(q->transport, "udp") && answer_replies(q) > 0)
            return true;
    }
    return false;
}

/* Over TCP to this server: whether any was asked, whether any was answered. */
static void judge_tcp(struct diagnosis *d, const struct fact_server *s,
                      const struct answer_traffic *udp, unsigned *n_asked)
{
    const struct fact_question *lost = NULL;
    unsigned n = 0, n_replied = 0;
    for (size_t i = 0; i < d->facts->questions.n; i++) {
        const struct fact_question *q = &d->facts->questions.v[i];
        if (!str_eq(q->server, s->address) || !view_is(q->transport, "tcp") || answer_tries(q) == 0)
            continue;
        if (view_is(q->outcome, "timeout") && !is_told_by_udp(d->facts, q))
            continue;
        n++;
        n_replied += answer_replies(q) > 0;
        lost = answer_replies(q) == 0 ? q : lost;
    }
    if (n == 0 || udp->replied == 0)
        return;
    *n_asked += 1;
    if (n_replied > 0)
        return;
    struct finding *f = check_fail(d, PS1013, s->address);
    finding_evidence(
        d, f, "%.*s: UDP answers %lld of %lld tries; TCP port 53: no answer to %u of %u%s%.*s",
        STR_ARG(s->address), (long long)udp->replies, (long long)udp->tries, n, n,
        lost->detail.n > 0 ? ", " : "", STR_ARG(lost->detail));
    finding_fix(
        d, f,
        "Open TCP port 53 to %.*s in firewalls, network ACLs and security groups: an answer "
        "that does not fit into a UDP packet is asked for again over TCP.",
        STR_ARG(s->address));
    finding_fix(d, f, "dig @%.*s +tcp %.*s", STR_ARG(shell_word(s->address, "SERVER")),
                STR_ARG(shell_word(lost->name, "NAME")));
}

/* The same question over UDP without EDNS; NULL: not asked. */
static const struct fact_question *plain_of(const struct fact_facts *f,
                                            const struct fact_question *edns)
{
    for (size_t i = 0; i < f->questions.n; i++) {
        const struct fact_question *q = &f->questions.v[i];
        if (q->edns == FACT_NO && view_is(q->transport, "udp") && str_eq(q->server, edns->server) &&
            str_eq_nocase(q->name, edns->name) && str_eq(q->type, edns->type))
            return q;
    }
    return NULL;
}

static void judge_edns(struct diagnosis *d, const struct fact_server *s, unsigned *n_asked)
{
    const struct fact_question *lost = NULL, *plain = NULL;
    for (size_t i = 0; i < d->facts->questions.n; i++) {
        const struct fact_question *q = &d->facts->questions.v[i];
        if (!str_eq(q->server, s->address) || !view_is(q->transport, "udp") ||
            q->edns != FACT_YES || answer_tries(q) == 0)
            continue;
        *n_asked += 1;
        const struct fact_question *p = plain_of(d->facts, q);
        if (answer_replies(q) > 0)
            return;
        if (p != NULL && answer_replies(p) > 0 && view_is(q->outcome, "timeout")) {
            lost = q;
            plain = p;
        }
    }
    if (lost == NULL)
        return;
    struct finding *f = check_fail(d, PS1014, s->address);
    struct buf line;
    buf_init(&line, EVIDENCE_BYTES);
    evidence_put_outcome(plain, &line);
    finding_evidence(d, f,
                     "%.*s: with EDNS no answer to %lld of %lld tries for %.*s; without: %.*s",
                     STR_ARG(s->address), (long long)answer_tries(lost),
                     (long long)answer_tries(lost), STR_ARG(lost->name), STR_ARG(buf_str(&line)));
    buf_done(&line);
    finding_fix(d, f,
                "Let firewalls between here and %.*s pass DNS with EDNS and fragments, or lower "
                "the server's EDNS size (BIND: edns-udp-size and max-udp-size 1232).",
                STR_ARG(s->address));
    finding_note(d, f, "penstock asks again without EDNS");
}

static void conclude(struct diagnosis *d, unsigned n, unsigned n_tcp, unsigned n_edns)
{
    const struct {
        enum finding_code code;
        unsigned n;
    } rows[] = { { PS1011, n }, { PS1012, n }, { PS1013, n_tcp }, { PS1014, n_edns } };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (d->facts->surroundings.inside == FACT_NO)
            check_skip(d, rows[i].code, "the task's DNS servers are not reached from here");
        else if (rows[i].n == 0)
            check_skip(d, rows[i].code, "no DNS server of the list was asked so");
        else
            check_pass(d, rows[i].code);
}

void check_transport(struct diagnosis *d)
{
    const struct fact_server *servers[ANSWER_MAX_SERVERS];
    unsigned n = answer_servers(d->facts, servers), n_asked = 0, n_tcp = 0, n_edns = 0;
    for (unsigned i = 0; i < n; i++) {
        struct answer_traffic t = answer_traffic(d->facts, servers[i]->address);
        n_asked += t.questions > 0;
        judge_route(d, servers[i], &t);
        judge_ipv6(d, servers[i], &t);
        judge_tcp(d, servers[i], &t, &n_tcp);
        judge_edns(d, servers[i], &n_edns);
    }
    check_unbracketed(d);
    conclude(d, n_asked, n_tcp, n_edns);
}

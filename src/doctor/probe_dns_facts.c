#include "doctor/probe_dns.h"

#include <stdlib.h>

struct str probe_server_text(struct fact_book *book, const struct addr *a)
{
    char text[ADDR_TEXT_BYTES];
    return fact_text(book,
                     str_from_c(addr_port(a) == 53 ? addr_ip_text(a, text) : addr_text(a, text)));
}

static const char *outcome_of_reply(const struct probe_reply *r)
{
    switch (r->outcome) {
    case DNS_ANSWERED:
        return r->n_addresses > 0 ? "answer" : "nodata";
    case DNS_NODATA_OUTCOME:
    case DNS_LAME:
        return "nodata";
    case DNS_NXDOMAIN_OUTCOME:
        return "nxdomain";
    case DNS_SERVFAIL_OUTCOME:
        return r->rcode == DNS_SERVFAIL ? "servfail" : "rcode";
    case DNS_REFUSED_OUTCOME:
        return "refused";
    case DNS_FORMERR_OUTCOME:
        return "formerr";
    case DNS_NOTIMP_OUTCOME:
        return "notimp";
    default:
        return "malformed";
    }
}

static const char *outcome_of_end(enum probe_query_end end)
{
    switch (end) {
    case PROBE_QUERY_SILENT:
        return "timeout";
    case PROBE_QUERY_UNREACHABLE:
        return "unreachable";
    case PROBE_QUERY_NO_ROUTE:
        return "no_route";
    default:
        return "failed";
    }
}

static const char *detail_of_reply(const struct probe_reply *r)
{
    if (r->outcome == DNS_LAME)
        return "a referral to other servers: it does not resolve for us";
    if (r->outcome == DNS_ANSWERED && r->is_open)
        return "an alias, without what it leads to";
    return "";
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(((const struct str *)a)->p, ((const struct str *)b)->p);
}

static void add_addresses(struct fact_book *book, struct fact_question *q,
                          const struct probe_reply *r)
{
    char text[ADDR_TEXT_BYTES];
    for (unsigned i = 0; i < r->n_addresses; i++)
        fact_add_text(book, &q->addresses, str_from_c(addr_ip_text(&r->addresses[i], text)));
    if (q->addresses.n > 1)
        qsort(q->addresses.v, q->addresses.n, sizeof q->addresses.v[0], compare_text);
}

static void fill_reply(struct fact_book *book, struct fact_question *q, const struct probe_reply *r)
{
    char text[DNS_NAME_TEXT_BYTES];
    q->outcome = fact_text(book, str_from_c(outcome_of_reply(r)));
    q->rcode = r->rcode;
    q->has_question = fact_truth_of(r->has_question);
    q->truncated = fact_truth_of(r->is_truncated);
    if (r->has_ttl)
        q->ttl_s = r->ttl_s;
    add_addresses(book, q, r);
    for (unsigned i = 0; i < r->n_aliases; i++)
        fact_add_text(book, &q->aliases, str_from_c(dns_name_text(&r->aliases[i], text)));
    if (r->authority.n > 0)
        q->authority = fact_text(book, str_from_c(dns_name_text(&r->authority, text)));
    if (detail_of_reply(r)[0] != 0)
        q->detail = fact_text(book, str_from_c(detail_of_reply(r)));
}

static void fill_end(struct fact_book *book, struct fact_question *q, const struct probe_ask *a)
{
    q->outcome = fact_text(book, str_from_c(outcome_of_end(a->end)));
    if (a->sys_errno != 0)
        q->detail = fact_text(book, str_from_c(strerror(a->sys_errno)));
    else if (a->end == PROBE_QUERY_FAILED)
        q->detail = fact_text(book, STR("the server closed the connection"));
}

static void add_question(struct probe_dns *d, const struct probe_ask *a)
{
    struct fact_book *book = d->book;
    struct fact_question q;
    if (a->by_tcp && !a->has_reply && probe_is_exhausted(a->sys_errno))
        return;
    FACT_CLEAR(question, &q);
    q.server = a->server->address;
    q.name = a->name;
    q.type = fact_text(book, a->question.type == DNS_AAAA ? STR("AAAA") : STR("A"));
    q.transport = fact_text(book, a->by_tcp ? STR("tcp") : STR("udp"));
    q.edns = fact_truth_of(a->with_edns);
    q.tries = a->n_tries - a->n_cut;
    q.replies = a->n_replies;
    if (a->state == PROBE_ASK_WAITS) {
        q.outcome = fact_text(book, STR("not_asked"));
        q.detail = fact_text(book, STR("the packets of this run were needed elsewhere"));
    } else {
        q.time_us = (int64_t)a->time_us;
        if (a->has_reply)
            fill_reply(book, &q, &a->reply);
        else
            fill_end(book, &q, a);
    }
    fact_add(book, &book->facts.questions, &q);
}

/* A name that a silent server was not asked for: the table of names and servers has no holes. */
static void add_not_asked(struct probe_dns *d, const struct probe_server *s,
                          const struct probe_name *name)
{
    struct fact_question q;
    for (unsigned i = 0; i < d->n_asks; i++)
        if (d->asks[i].server == s && str_eq(d->asks[i].name, name->text))
            return;
    FACT_CLEAR(question, &q);
    q.server = s->address;
    q.name = name->text;
    q.type = fact_text(d->book, STR("A"));
    q.transport = fact_text(d->book, STR("udp"));
    q.outcome = fact_text(d->book, STR("not_asked"));
    q.detail = fact_text(d->book, STR("the server gave no reply for another name"));
    q.tries = q.replies = 0;
    fact_add(d->book, &d->book->facts.questions, &q);
}

static void add_server(struct probe_dns *d, const struct probe_server *s)
{
    struct fact_server fact;
    FACT_CLEAR(server, &fact);
    fact.address = s->address;
    fact.source = fact_text(d->book, str_from_c(s->source));
    fact.place = s->place;
    fact.is_amazon = fact_truth_of(s->is_amazon);
    fact.sent = fact.answered = 0;
    for (unsigned i = 0; i < d->n_asks; i++) {
        fact.sent += d->asks[i].server == s ? d->asks[i].n_sent : 0;
        fact.answered += d->asks[i].server == s ? d->asks[i].n_replies : 0;
    }
    if (!s->is_asked)
        fact.not_asked = fact_text(d->book, str_from_c(s->not_asked));
    else if (fact.answered == 0 && d->n_asks > 0)
        fact.not_asked =
            fact_text(d->book, fact.sent == 0 ? STR("this host knows no way to it")
                                              : STR("it gave no reply for its first name"));
    fact_add(d->book, &d->book->facts.servers, &fact);
}

void probe_dns_add_facts(struct probe_dns *d)
{
    for (unsigned s = 0; s < d->n_servers; s++)
        add_server(d, &d->servers[s]);
    for (unsigned s = 0; s < d->n_servers; s++) {
        for (unsigned i = 0; i < d->n_asks; i++)
            if (d->asks[i].server == &d->servers[s])
                add_question(d, &d->asks[i]);
        for (unsigned i = 0; d->servers[s].is_asked && i < d->names->n; i++)
            if (probe_name_is_asked(&d->names->v[i]))
                add_not_asked(d, &d->servers[s], &d->names->v[i]);
    }
    d->book->facts.dns_packets = d->asker.n_packets;
}

#include "dns/judge.h"

#include <stdio.h>

const char *dns_outcome_text(enum dns_outcome o)
{
    static const char *const texts[N_DNS_OUTCOMES] = {
        [DNS_ANSWERED] = "answered",
        [DNS_NODATA_OUTCOME] = "NODATA",
        [DNS_NXDOMAIN_OUTCOME] = "NXDOMAIN",
        [DNS_SERVFAIL_OUTCOME] = "SERVFAIL",
        [DNS_REFUSED_OUTCOME] = "REFUSED",
        [DNS_FORMERR_OUTCOME] = "FORMERR",
        [DNS_NOTIMP_OUTCOME] = "NOTIMP",
        [DNS_LAME] = "lame (a referral)",
        [DNS_TIMED_OUT] = "no reply",
        [DNS_UNREACHABLE] = "unreachable",
        [DNS_BAD_REPLY] = "unreadable reply",
        [DNS_SINKHOLE] = "only addresses that are never dialled",
        [DNS_NOT_CONNECTABLE] = "addresses that do not accept a connection",
        [DNS_NOT_SENT] = "not asked: no descriptor, port or memory left",
        [DNS_OVER_BUDGET] = "not asked: over the packet budget",
        [DNS_NOT_ASKED] = "not asked",
        [DNS_LOOPS] = "not asked (it asks us: a loop)",
    };
    return o < N_DNS_OUTCOMES ? texts[o] : "?";
}

const char *dns_source_text(enum dns_source s)
{
    switch (s) {
    case DNS_FROM_SERVER:
        return "server";
    case DNS_FROM_CACHE:
        return "cache";
    case DNS_FROM_STALE:
        return "stale";
    case DNS_FROM_HOSTS:
        return "hosts";
    case DNS_FROM_LITERAL:
        return "literal";
    default:
        return "nowhere";
    }
}

void dns_explain_add(struct dns_explain *x, const struct dns_try *t)
{
    if (x->n_tries == DNS_MAX_TRIES)
        x->n_more++;
    else
        x->tries[x->n_tries++] = *t;
}

/* Said already: A and AAAA usually fare alike, and a server is asked more than once. */
static bool is_repeated(const struct dns_explain *x, unsigned at)
{
    for (unsigned i = 0; i < at; i++)
        if (x->tries[i].outcome == x->tries[at].outcome &&
            addr_eq(&x->tries[i].server, &x->tries[at].server))
            return true;
    return false;
}

/* The longest of the waits that one sentence stands for. */
static uint32_t longest_us(const struct dns_explain *x, unsigned at)
{
    uint32_t us = 0;
    for (unsigned i = at; i < x->n_tries; i++)
        if (x->tries[i].outcome == x->tries[at].outcome && x->tries[i].took_us > us &&
            addr_eq(&x->tries[i].server, &x->tries[at].server))
            us = x->tries[i].took_us;
    return us;
}

static void write_time(uint32_t us, char *text, size_t bytes)
{
    if (us < 10 * 1000)
        snprintf(text, bytes, "%u.%u ms", us / 1000, us / 100 % 10);
    else if (us < 1000 * 1000)
        snprintf(text, bytes, "%u ms", us / 1000);
    else
        snprintf(text, bytes, "%u.%u s", us / 1000000, us / 100000 % 10);
}

static int write_try(const struct dns_explain *x, unsigned at, char *text, size_t bytes)
{
    const struct dns_try *t = &x->tries[at];
    char server[ADDR_TEXT_BYTES];
    bool is_53 = addr_port(&t->server) == 53;
    const char *who = is_53 ? addr_ip_text(&t->server, server) : addr_text(&t->server, server);
    const char *what = dns_outcome_text(t->outcome);
    if (t->outcome == DNS_SINKHOLE || t->outcome == DNS_NOT_CONNECTABLE)
        return snprintf(text, bytes, "%s gave %s", who, what);
    if (t->outcome == DNS_LOOPS || dns_outcome_is_ours(t->outcome))
        return snprintf(text, bytes, "%s %s", who, what);
    if (t->from_cache)
        return snprintf(text, bytes, "%s %s a moment ago", who, what);
    char took[24];
    write_time(longest_us(x, at), took, sizeof took);
    return snprintf(text, bytes, "%s %s%s %s %s", who, what, t->by_tcp ? " over TCP" : "",
                    t->outcome == DNS_TIMED_OUT ? "for" : "in", took);
}

void dns_explain_text(const struct dns_explain *x, char *text, size_t text_bytes)
{
    size_t n = 0;
    if (text_bytes == 0)
        return;
    text[0] = 0;
    for (unsigned i = 0; i < x->n_tries; i++) {
        char one[256];
        if (is_repeated(x, i))
            continue;
        int one_n = write_try(x, i, one, sizeof one);
        size_t gap = n > 0 ? 2 : 0;
        if (one_n < 0 || n + gap + (size_t)one_n >= text_bytes)
            return; /* whole sentences only */
        memcpy(text + n, "; ", gap);
        memcpy(text + n + gap, one, (size_t)one_n + 1);
        n += gap + (size_t)one_n;
    }
}

void dns_explain_way(const struct dns_explain *x, char *text, size_t text_bytes)
{
    char how[40] = "";
    if (x->source == DNS_FROM_STALE)
        snprintf(how, sizeof how, ", %u s beyond its TTL", x->stale_s);
    else if (x->source == DNS_FROM_CACHE)
        snprintf(how, sizeof how, ", from the cache");
    int n = snprintf(text, text_bytes, "%s%s%s", x->group_name != NULL ? x->group_name : "nobody",
                     how, x->n_tries > 0 ? ": " : "");
    if (n > 0 && (size_t)n < text_bytes)
        dns_explain_text(x, text + n, text_bytes - (size_t)n);
}

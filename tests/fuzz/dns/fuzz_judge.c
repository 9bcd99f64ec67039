/*
 * Any bytes as a server's reply. The first byte says which question was asked (the message's own,
 * or one of ours), whether names of another zone go another way, and whether signatures are wanted;
 * the rest is the datagram. What is kept of a reply is a message that is judged the same.
 */
#include <stdlib.h>

#include "dns/set.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct dns_msg m;
static struct dns_verdict first, second;

static bool is_same(void *arg, const struct dns_name *name)
{
    return dns_name_is_in(name, arg);
}

static struct dns_ask ask_for(uint8_t how, struct str wire)
{
    static struct dns_msg asked;
    struct dns_ask ask = { .question = { .type = DNS_A, .class = DNS_CLASS_IN },
                           .dnssec_ok = how & 4 };
    if (how & 1 && dns_msg_parse(wire, &asked) == DNS_PARSE_OK && asked.has_question)
        ask.question = asked.question;
    else
        dns_name_parse(STR("s3.eu-west-1.amazonaws.com"), &ask.question.name);
    return ask;
}

static void check_kept(const struct dns_ask *q, dns_same_route *same, struct dns_name *zone)
{
    if (first.n_kept > m.n_rrs || first.n_cnames > DNS_MAX_CNAMES)
        abort();
    for (unsigned i = 0; i < first.n_kept; i++)
        if (first.kept[i] >= m.n_rrs)
            abort();
    if (first.outcome > DNS_NXDOMAIN_OUTCOME)
        return;
    struct dns_set *set = dns_set_new(&m, &q->question, &first, first.ttl_s, first.ttl_s);
    if (set == NULL)
        return; /* too long without compression */
    struct addr v[DNS_MAX_ADDRS];
    unsigned n_v = dns_set_addrs(set, 443, v, DNS_MAX_ADDRS);
    for (unsigned i = 0; i < n_v; i++)
        if (addr_port(&v[i]) != 443)
            abort();
    if (!dns_judge(dns_set_wire(set), 0, q, same, zone, &m, &second) ||
        second.outcome != first.outcome || second.is_open != first.is_open ||
        second.n_cnames != first.n_cnames ||
        (first.is_open && !dns_name_eq(&first.tail, &second.tail)))
        abort();
    dns_set_unref(set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 3)
        return 0;
    struct str wire = str_of((const char *)data + 1, n - 1);
    struct dns_ask q = ask_for(data[0], wire);
    struct dns_name zone = q.question.name;
    dns_same_route *same = data[0] & 2 ? is_same : NULL;
    uint16_t id = (uint16_t)(data[1] << 8 | data[2]);
    if (dns_judge(wire, (uint16_t)(id + 1), &q, same, &zone, &m, &first))
        abort();
    if (!dns_judge(wire, id, &q, same, &zone, &m, &first))
        return 0;
    if (first.wants_tcp)
        return 0;
    check_kept(&q, same, &zone);
    return 0;
}

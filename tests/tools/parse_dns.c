/*
 * What our message parser makes of what another one is given too (tests/e2e/test_dns_parser.py).
 * Standard input: messages, each behind its length in two bytes. Standard output: a line for each,
 * "bad", "many", or all that was read, in fields between spaces:
 *
 *     ok ID OPCODE FLAGS RCODE NAME:TYPE:CLASS SIZE:VERSION:DO:OPTIONS
 * SECTION:NAME:TYPE:CLASS:TTL:RDATA...
 *
 * Numbers are decimal, bytes are hexadecimal, names and RDATA uncompressed, "-" stands for what is
 * not there. FLAGS has the bits of the header's third and fourth byte without opcode and rcode.
 */
#include <stdio.h>
#include <stdlib.h>

#include "codec/dns_msg.h"
#include "codec/dns_rdata.h"

static void put_hex(const void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        printf("%02x", ((const unsigned char *)p)[i]);
}

static unsigned flags_of(const struct dns_msg *m)
{
    return (unsigned)m->is_response << 15 | (unsigned)m->is_authoritative << 10 |
           (unsigned)m->is_truncated << 9 | (unsigned)m->recursion_desired << 8 |
           (unsigned)m->recursion_available << 7 | (unsigned)m->authentic_data << 5 |
           (unsigned)m->checking_disabled << 4;
}

static void put_question(const struct dns_msg *m)
{
    if (!m->has_question) {
        printf(" -");
        return;
    }
    putchar(' ');
    put_hex(m->question.name.wire, m->question.name.n);
    printf(":%u:%u", m->question.type, m->question.class);
}

static void put_edns(const struct dns_edns *e)
{
    if (!e->is_present) {
        printf(" -");
        return;
    }
    printf(" %u:%u:%d:", e->udp_bytes, e->version, e->dnssec_ok);
    put_hex(e->options.p, e->options.n);
}

/* What parsed once must be readable again. */
static void put_rr(const struct dns_msg *m, const struct dns_rr *rr)
{
    uint8_t expanded[DNS_RDATA_BYTES];
    size_t n = rr->rdata_n;
    const void *rdata = m->wire.p + rr->rdata_at;
    struct dns_name owner;
    if (!dns_rr_owner(m, rr, &owner))
        abort();
    if (dns_rdata_is_known(rr->type, rr->class)) {
        if (!dns_rdata_expand(m->wire, rr->rdata_at, rr->rdata_n, rr->type, expanded, &n))
            abort();
        rdata = expanded;
    }
    printf(" %u:", rr->section);
    put_hex(owner.wire, owner.n);
    printf(":%u:%u:%u:", rr->type, rr->class, rr->ttl);
    put_hex(rdata, n);
}

static void put_message(struct str wire)
{
    static struct dns_msg m;
    enum dns_parse result = dns_msg_parse(wire, &m);
    if (result != DNS_PARSE_OK) {
        puts(result == DNS_PARSE_TOO_MANY ? "many" : "bad");
        return;
    }
    printf("ok %u %u %u %u", m.id, m.opcode, flags_of(&m), m.rcode);
    put_question(&m);
    put_edns(&m.edns);
    for (size_t i = 0; i < m.n_rrs; i++)
        put_rr(&m, &m.rrs[i]);
    putchar('\n');
}

int main(void)
{
    unsigned char head[2];
    while (fread(head, 1, 2, stdin) == 2) {
        size_t n = (size_t)head[0] << 8 | head[1];
        char *p = malloc(n > 0 ? n : 1); /* of its exact size: a read past its end shows */
        if (p == NULL || fread(p, 1, n, stdin) != n)
            return 1;
        put_message(str_of(p, n));
        free(p);
    }
    return fflush(stdout) == 0 ? 0 : 1;
}

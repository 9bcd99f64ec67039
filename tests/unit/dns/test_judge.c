#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dns/set.h"

#include "../codec/name_of.h"

#include <stdlib.h>

/* A record as text: section, owner, type, TTL, and an address or a name. */
struct record {
    enum dns_section section;
    const char *owner;
    uint16_t type;
    uint32_t ttl_s;
    const char *data;
};

struct row {
    const char *name;
    uint16_t rcode;
    enum dns_outcome outcome;
    bool is_open;
    uint32_t ttl_s;
    unsigned n_kept, n_cnames;
    const char *tail;
    struct record records[12];
};

#define Q "b.s3.eu-west-1.amazonaws.com"

static const struct row rows[] = {
    { "an address",
      0,
      DNS_ANSWERED,
      false,
      60,
      2,
      0,
      NULL,
      { { DNS_ANSWER, Q, DNS_A, 60, "192.0.2.1" }, { DNS_ANSWER, Q, DNS_A, 70, "192.0.2.2" } } },
    { "the owner's case does not matter",
      0,
      DNS_ANSWERED,
      false,
      60,
      1,
      0,
      NULL,
      { { DNS_ANSWER, "B.S3.eu-WEST-1.amazonaws.com", DNS_A, 60, "192.0.2.1" } } },
    { "foreign records are dropped",
      0,
      DNS_ANSWERED,
      false,
      60,
      1,
      0,
      NULL,
      { { DNS_ANSWER, Q, DNS_A, 60, "192.0.2.1" },
        { DNS_ANSWER, "www.bank.example", DNS_A, 1, "192.0.2.66" },
        { DNS_AUTHORITY, "amazonaws.com", DNS_NS, 1, "evil.example" },
        { DNS_ADDITIONAL, Q, DNS_A, 1, "192.0.2.66" } } },
    { "a chain, out of order, lowest TTL",
      0,
      DNS_ANSWERED,
      false,
      7,
      3,
      2,
      NULL,
      { { DNS_ANSWER, "c.amazonaws.com", DNS_A, 60, "192.0.2.1" },
        { DNS_ANSWER, "d.amazonaws.com", DNS_CNAME, 7, "c.amazonaws.com" },
        { DNS_ANSWER, Q, DNS_CNAME, 50, "d.amazonaws.com" } } },
    { "an unfinished chain",
      0,
      DNS_ANSWERED,
      true,
      50,
      1,
      1,
      "d.amazonaws.com",
      { { DNS_ANSWER, Q, DNS_CNAME, 50, "d.amazonaws.com" } } },
    { "a chain into another route ends there",
      0,
      DNS_ANSWERED,
      true,
      50,
      1,
      1,
      "x.other.example",
      { { DNS_ANSWER, Q, DNS_CNAME, 50, "x.other.example" },
        { DNS_ANSWER, "x.other.example", DNS_A, 1, "192.0.2.66" } } },
    { "even under NXDOMAIN",
      DNS_NXDOMAIN,
      DNS_ANSWERED,
      true,
      50,
      1,
      1,
      "x.other.example",
      { { DNS_ANSWER, Q, DNS_CNAME, 50, "x.other.example" } } },
    { "even under SERVFAIL",
      DNS_SERVFAIL,
      DNS_ANSWERED,
      true,
      50,
      1,
      1,
      "x.other.example",
      { { DNS_ANSWER, Q, DNS_CNAME, 50, "x.other.example" } } },
    { "a loop",
      0,
      DNS_BAD_REPLY,
      false,
      0,
      2,
      2,
      NULL,
      { { DNS_ANSWER, Q, DNS_CNAME, 50, "d.amazonaws.com" },
        { DNS_ANSWER, "d.amazonaws.com", DNS_CNAME, 50, Q } } },
    { "a loop beside the name",
      0,
      DNS_BAD_REPLY,
      false,
      0,
      3,
      3,
      NULL,
      { { DNS_ANSWER, Q, DNS_CNAME, 50, "d.amazonaws.com" },
        { DNS_ANSWER, "d.amazonaws.com", DNS_CNAME, 50, "e.amazonaws.com" },
        { DNS_ANSWER, "e.amazonaws.com", DNS_CNAME, 50, "d.amazonaws.com" } } },
    { "NXDOMAIN, the SOA's minimum",
      DNS_NXDOMAIN,
      DNS_NXDOMAIN_OUTCOME,
      false,
      11,
      1,
      0,
      NULL,
      { { DNS_AUTHORITY, "amazonaws.com", DNS_SOA, 900, "11" } } },
    { "NXDOMAIN, the SOA's TTL",
      DNS_NXDOMAIN,
      DNS_NXDOMAIN_OUTCOME,
      false,
      9,
      1,
      0,
      NULL,
      { { DNS_AUTHORITY, "amazonaws.com", DNS_SOA, 9, "11" } } },
    { "NXDOMAIN without SOA", DNS_NXDOMAIN, DNS_NXDOMAIN_OUTCOME, false, 5, 0, 0, NULL, { { 0 } } },
    { "a foreign SOA does not count",
      DNS_NXDOMAIN,
      DNS_NXDOMAIN_OUTCOME,
      false,
      5,
      0,
      0,
      NULL,
      { { DNS_AUTHORITY, "example", DNS_SOA, 900, "900" } } },
    { "NODATA",
      0,
      DNS_NODATA_OUTCOME,
      false,
      11,
      1,
      0,
      NULL,
      { { DNS_AUTHORITY, "amazonaws.com", DNS_SOA, 900, "11" } } },
    { "NODATA at a chain's end",
      0,
      DNS_NODATA_OUTCOME,
      false,
      11,
      2,
      1,
      NULL,
      { { DNS_ANSWER, Q, DNS_CNAME, 50, "d.amazonaws.com" },
        { DNS_AUTHORITY, "amazonaws.com", DNS_SOA, 900, "11" } } },
    { "nothing at all", 0, DNS_NODATA_OUTCOME, false, 5, 0, 0, NULL, { { 0 } } },
    { "another type is no answer",
      0,
      DNS_NODATA_OUTCOME,
      false,
      5,
      0,
      0,
      NULL,
      { { DNS_ANSWER, Q, DNS_NS, 50, "d.amazonaws.com" } } },
    { "a referral",
      0,
      DNS_LAME,
      false,
      5,
      0,
      0,
      NULL,
      { { DNS_AUTHORITY, "amazonaws.com", DNS_NS, 60, "ns.amazonaws.com" } } },
    { "SERVFAIL", DNS_SERVFAIL, DNS_SERVFAIL_OUTCOME, false, 0, 0, 0, NULL, { { 0 } } },
    { "REFUSED", DNS_REFUSED, DNS_REFUSED_OUTCOME, false, 0, 0, 0, NULL, { { 0 } } },
    { "FORMERR", DNS_FORMERR, DNS_FORMERR_OUTCOME, false, 0, 0, 0, NULL, { { 0 } } },
    { "NOTIMP", DNS_NOTIMP, DNS_NOTIMP_OUTCOME, false, 0, 0, 0, NULL, { { 0 } } },
    { "an rcode nobody knows", 11, DNS_SERVFAIL_OUTCOME, false, 0, 0, 0, NULL, { { 0 } } },
};

static struct dns_ask question(void)
{
    return (struct dns_ask){
        .question = { .name = name_of(Q), .type = DNS_A, .class = DNS_CLASS_IN },
    };
}

static void write_record(struct dns_writer *w, const struct record *r)
{
    struct dns_name owner = name_of(r->owner);
    uint8_t soa[22] = { 0 };
    struct str rdata;
    struct dns_name target;
    struct addr a;
    uint64_t minimum;
    size_t n;
    if (r->type == DNS_A) {
        assert_true(addr_parse_ip(str_from_c(r->data), &a));
        rdata.p = (const char *)addr_bytes(&a, &n);
        rdata.n = n;
    } else if (r->type == DNS_SOA) {
        assert_true(str_to_u64(str_from_c(r->data), &minimum));
        soa[21] = (uint8_t)minimum; /* two root names, five numbers */
        soa[20] = (uint8_t)(minimum >> 8);
        rdata = str_of((const char *)soa, sizeof soa);
    } else {
        target = name_of(r->data);
        rdata = str_of((const char *)target.wire, target.n);
    }
    assert_true(dns_write_rr(w, r->section, &owner, r->type, DNS_CLASS_IN, r->ttl_s, rdata));
}

static void write_row(struct buf *out, const struct row *row, const struct dns_question *q)
{
    struct dns_writer w;
    dns_write_begin(&w, out, 4096, (struct dns_reply_flags){ .id = 7, .rcode = row->rcode }, q);
    for (unsigned i = 0; i < 12 && row->records[i].owner != NULL; i++)
        write_record(&w, &row->records[i]);
    dns_write_end(&w);
}

static bool is_same(void *arg, const struct dns_name *name)
{
    struct dns_name zone = name_of("amazonaws.com");
    return dns_name_is_in(name, &zone);
}

static void outcomes(void **state)
{
    static struct dns_msg m;
    static struct dns_verdict v;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        struct dns_ask q = question();
        struct buf out;
        char tail[DNS_NAME_TEXT_BYTES];
        buf_init(&out, 4096);
        write_row(&out, row, &q.question);
        assert_true(dns_judge(buf_str(&out), 7, &q, is_same, NULL, &m, &v));
        bool ok =
            v.outcome == row->outcome && v.is_open == row->is_open && v.n_cnames == row->n_cnames &&
            !v.wants_tcp &&
            (row->outcome == DNS_BAD_REPLY || (v.n_kept == row->n_kept && v.ttl_s == row->ttl_s));
        if (ok && row->tail != NULL)
            ok = strcmp(dns_name_text(&v.tail, tail), row->tail) == 0;
        if (!ok)
            fail_msg("%s: outcome %d, open %d, TTL %u, kept %u", row->name, v.outcome, v.is_open,
                     v.ttl_s, v.n_kept);
        if (v.outcome <= DNS_NXDOMAIN_OUTCOME) {
            /* What is kept is a message, and says the same. */
            struct dns_set *set = dns_set_new(&m, &q.question, &v, v.ttl_s, v.ttl_s);
            assert_non_null(set);
            static struct dns_verdict again;
            struct str wire = dns_set_wire(set);
            assert_true(dns_judge(wire, 0, &q, is_same, NULL, &m, &again));
            assert_int_equal(again.outcome, row->outcome);
            assert_int_equal(again.n_kept, row->n_kept);
            dns_set_unref(set);
        }
        buf_done(&out);
    }
}

/* Bytes of a header, and whether it is ours. */
static void not_ours_and_header_only(void **state)
{
    static struct dns_msg m;
    static struct dns_verdict v;
    struct dns_ask q = question();
    const struct {
        const char *name;
        uint8_t header[12];
        bool is_ours;
        enum dns_outcome outcome;
    } cases[] = {
        { "REFUSED", { 0, 7, 0x80, 5 }, true, DNS_REFUSED_OUTCOME },
        { "SERVFAIL", { 0, 7, 0x80, 2 }, true, DNS_SERVFAIL_OUTCOME },
        { "FORMERR", { 0, 7, 0x81, 0x81 }, true, DNS_FORMERR_OUTCOME },
        { "another ID", { 0, 8, 0x80, 5 }, false, 0 },
        { "a query", { 0, 7, 0, 5 }, false, 0 },
        { "another opcode", { 0, 7, 0xa0, 5 }, false, 0 },
        { "NOERROR without a question", { 0, 7, 0x80, 0 }, false, 0 },
        { "NXDOMAIN without a question", { 0, 7, 0x80, 3 }, false, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool ours = dns_judge(str_of((const char *)cases[i].header, 12), 7, &q, NULL, NULL, &m, &v);
        if (ours != cases[i].is_ours || (ours && v.outcome != cases[i].outcome))
            fail_msg("%s", cases[i].name);
    }
    for (size_t n = 0; n < 12; n++)
        assert_false(
            dns_judge(str_of((const char *)cases[0].header, n), 7, &q, NULL, NULL, &m, &v));
}

static void another_question_is_not_ours(void **state)
{
    static struct dns_msg m;
    static struct dns_verdict v;
    struct dns_ask q = question(), other = q;
    struct buf out;
    buf_init(&out, 4096);
    write_row(&out, &rows[0], &q.question);
    other.question.type = DNS_AAAA;
    assert_false(dns_judge(buf_str(&out), 7, &other, NULL, NULL, &m, &v));
    other = q;
    other.question.class = DNS_CLASS_CH;
    assert_false(dns_judge(buf_str(&out), 7, &other, NULL, NULL, &m, &v));
    other = q;
    other.question.name = name_of("c.s3.eu-west-1.amazonaws.com");
    assert_false(dns_judge(buf_str(&out), 7, &other, NULL, NULL, &m, &v));
    /* Truncated: nothing of it is used. */
    out.p[2] = (char)(out.p[2] | 2);
    assert_true(dns_judge(buf_str(&out), 7, &q, NULL, NULL, &m, &v));
    assert_true(v.wants_tcp);
    assert_int_equal(v.n_kept, 0);
    out.p[2] = (char)(out.p[2] & ~2);
    /* Cut or with junk behind: ours, and no good. */
    buf_byte(&out, 'x');
    assert_true(dns_judge(buf_str(&out), 7, &q, NULL, NULL, &m, &v));
    assert_int_equal(v.outcome, DNS_BAD_REPLY);
    assert_true(dns_judge(str_first(buf_str(&out), out.n - 3), 7, &q, NULL, NULL, &m, &v));
    assert_int_equal(v.outcome, DNS_BAD_REPLY);
    buf_done(&out);
}

/* Every record that fits a message, all wanted, one of them for two reasons: none counts twice. */
static void a_dname_in_the_chain_that_was_asked_for_counts_once(void **state)
{
    static struct dns_msg m;
    static struct dns_verdict v;
    struct dns_ask q = question();
    struct dns_name target = name_of("x.example"), above = name_of("s3.eu-west-1.amazonaws.com");
    struct dns_writer w;
    struct buf out;
    q.question.type = DNS_DNAME;
    buf_init(&out, DNS_MESSAGE_BYTES);
    dns_write_begin(&w, &out, DNS_MESSAGE_BYTES, (struct dns_reply_flags){ .id = 7 }, &q.question);
    dns_write_rr(&w, DNS_ANSWER, &q.question.name, DNS_CNAME, DNS_CLASS_IN, 60,
                 str_of((const char *)above.wire, above.n));
    for (unsigned i = 1; i < DNS_MAX_RRS; i++)
        dns_write_rr(&w, DNS_ANSWER, &above, DNS_DNAME, DNS_CLASS_IN, 60,
                     str_of((const char *)target.wire, target.n));
    dns_write_end(&w);
    assert_false(w.is_full);
    assert_true(dns_judge(buf_str(&out), 7, &q, NULL, NULL, &m, &v));
    assert_int_equal(v.outcome, DNS_ANSWERED);
    assert_int_equal(v.n_kept, DNS_MAX_RRS);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outcomes),
        cmocka_unit_test(a_dname_in_the_chain_that_was_asked_for_counts_once),
        cmocka_unit_test(not_ours_and_header_only),
        cmocka_unit_test(another_question_is_not_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "dns/reply.h"

#include "../codec/name_of.h"

static struct dns_msg got;

/* An answer as the engine keeps it: n addresses of name, or a CNAME to target and what follows it
 * there; rcode NXDOMAIN with an SOA. */
struct kept {
    const char *name, *target;
    uint16_t rcode;
    unsigned n_addrs;
    uint32_t ttl_s;   /* of the records */
    uint32_t whole_s; /* of the whole */
    bool has_ad;
};

static bool is_same_route(void *arg, const struct dns_name *name)
{
    return true;
}

static void write_kept(struct dns_writer *w, const struct kept *k, const struct dns_question *q)
{
    struct dns_name at = q->name;
    if (k->target != NULL) {
        struct dns_name to = name_of(k->target);
        dns_write_rr(w, DNS_ANSWER, &at, DNS_CNAME, DNS_CLASS_IN, k->ttl_s,
                     str_of((const char *)to.wire, to.n));
        at = to;
    }
    for (unsigned i = 0; i < k->n_addrs; i++) {
        uint8_t ip[4] = { 192, 0, (uint8_t)(i >> 8), (uint8_t)i };
        dns_write_rr(w, DNS_ANSWER, &at, DNS_A, DNS_CLASS_IN, k->ttl_s,
                     str_of((const char *)ip, 4));
    }
    if (k->rcode == DNS_NXDOMAIN)
        dns_write_rr(w, DNS_AUTHORITY, &at, DNS_SOA, DNS_CLASS_IN, k->ttl_s,
                     STR("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x3c"));
}

static struct dns_set *keep(const struct kept *k)
{
    struct dns_writer w;
    struct dns_verdict v;
    struct buf b;
    struct dns_ask ask = { .question = { name_of(k->name), DNS_A, DNS_CLASS_IN } };
    struct dns_reply_flags flags = {
        .id = 7, .rcode = k->rcode, .recursion_available = true, .authentic_data = k->has_ad
    };
    buf_init(&b, DNS_MESSAGE_BYTES);
    dns_write_begin(&w, &b, DNS_MESSAGE_BYTES, flags, &ask.question);
    write_kept(&w, k, &ask.question);
    dns_write_end(&w);
    assert_true(dns_judge(buf_str(&b), 7, &ask, is_same_route, NULL, &got, &v));
    uint32_t whole_s = k->whole_s > 0 ? k->whole_s : k->ttl_s;
    struct dns_set *s = dns_set_new(&got, &ask.question, &v, whole_s, UINT32_MAX);
    assert_non_null(s);
    buf_done(&b);
    return s;
}

static struct dns_request request_of(const char *name, bool has_edns, uint16_t udp_bytes)
{
    return (struct dns_request){ .id = 0xbeef,
                                 .recursion_desired = true,
                                 .has_question = true,
                                 .has_edns = has_edns,
                                 .udp_bytes = udp_bytes,
                                 .question = { name_of(name), DNS_A, DNS_CLASS_IN } };
}

/* The reply parses, and is one to this request. */
static void check(const struct buf *out, const struct dns_request *req)
{
    assert_int_equal(dns_msg_parse(buf_str(out), &got), DNS_PARSE_OK);
    assert_int_equal(got.id, req->id);
    assert_true(got.is_response && got.recursion_available && !got.is_authoritative);
    assert_int_equal(got.recursion_desired, req->recursion_desired);
    assert_int_equal(got.checking_disabled, req->checking_disabled);
    assert_int_equal(got.edns.is_present, req->has_edns);
    assert_int_equal(got.edns.dnssec_ok, req->has_edns && req->dnssec_ok);
    assert_int_equal(got.has_question, req->has_question);
    if (!req->has_question)
        return;
    assert_memory_equal(out->p + DNS_HEADER_BYTES, req->question.name.wire, req->question.name.n);
    assert_int_equal(got.question.type, req->question.type);
    assert_int_equal(got.question.class, req->question.class);
}

static unsigned ede_in(const struct dns_msg *m)
{
    const uint8_t *p = (const uint8_t *)m->edns.options.p;
    return m->edns.options.n >= 6 && p[1] == 15 ? p[5] : 999;
}

static void an_answer_is_counted_down(void **state)
{
    static const struct {
        const char *row;
        uint32_t ttl_s, whole_s, age_s, shown_s;
    } rows[] = {
        { "fresh from a server", 60, 60, 0, 60 },
        { "TTL 5 asked at 4 s shows 1", 5, 5, 4, 1 },
        { "its last moment", 5, 5, 5, 0 },
        { "a TTL above the whole's", 3600, 300, 100, 3500 },
        { "kept for a second though it says 0", 0, 1, 1, 0 },
        { "stale", 60, 60, 61, 30 },
        { "stale for a day", 60, 60, 86400, 30 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf out;
        struct kept k = { "a.test", NULL, 0, 2, rows[i].ttl_s, rows[i].whole_s, false };
        struct dns_request req = request_of("A.tESt", true, 1232);
        struct dns_set *s = keep(&k);
        print_message("%s\n", rows[i].row);
        buf_init(&out, DNS_MESSAGE_BYTES);
        assert_int_equal(dns_reply_set(&out, 1232, &req, s, rows[i].age_s), DNS_REPLIED);
        check(&out, &req);
        assert_int_equal(got.n_rrs, 2);
        assert_int_equal(got.rrs[0].ttl, rows[i].shown_s);
        assert_int_equal(got.rrs[1].ttl, rows[i].shown_s);
        assert_int_equal(ede_in(&got), rows[i].age_s > rows[i].whole_s ? DNS_EDE_STALE : 999);
        struct dns_name owner;
        assert_true(dns_rr_owner(&got, &got.rrs[0], &owner));
        assert_memory_equal(owner.wire, req.question.name.wire, owner.n);
        buf_done(&out);
        dns_set_unref(s);
    }
}

static void a_no_lives_no_longer_than_ours(void **state)
{
    struct kept k = { "no.test", NULL, DNS_NXDOMAIN, 0, 3600, 5, false };
    struct dns_request req = request_of("no.test", false, 0);
    struct dns_set *s = keep(&k);
    struct buf out;
    buf_init(&out, DNS_MESSAGE_BYTES);
    assert_int_equal(dns_reply_set(&out, 512, &req, s, 2), DNS_REPLIED);
    check(&out, &req);
    assert_int_equal(got.rcode, DNS_NXDOMAIN);
    assert_int_equal(got.n_rrs, 1);
    assert_int_equal(got.rrs[0].ttl, 3);
    buf_done(&out);
    dns_set_unref(s);
}

static void too_large_is_cut_to_what_fits(void **state)
{
    /* 20 addresses: 24 bytes of header and question, and 16 each */
    static const struct {
        const char *row;
        bool has_edns;
        uint16_t udp_bytes;
        unsigned n_addrs;
        bool is_cut;
    } rows[] = {
        { "512 without EDNS", false, 0, 30, false },
        { "more than 512 without EDNS", false, 0, 31, true },
        { "OPT counts too", true, 512, 29, false },
        { "and is one too many", true, 512, 30, true },
        { "less than 512 is taken as 512", true, 100, 29, false },
        { "as much as the client takes", true, 1000, 60, false },
        { "and no more", true, 1000, 61, true },
        { "1232 whatever it takes", true, 4096, 74, false },
        { "and not a byte more", true, 65535, 75, true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf out;
        struct kept k = { "bc.test", NULL, 0, rows[i].n_addrs, 60, 60, true };
        struct dns_request req = request_of("bc.test", rows[i].has_edns, rows[i].udp_bytes);
        req.authentic_data = true;
        struct dns_set *s = keep(&k);
        size_t room = dns_reply_room(&req);
        print_message("%s\n", rows[i].row);
        buf_init(&out, DNS_MESSAGE_BYTES);
        assert_int_equal(dns_reply_set(&out, room, &req, s, 1),
                         rows[i].is_cut ? DNS_REPLIED_CUT : DNS_REPLIED);
        assert_true(out.n <= room);
        check(&out, &req);
        assert_int_equal(got.is_truncated, rows[i].is_cut);
        assert_int_equal(got.authentic_data, !rows[i].is_cut);
        /* One address more than fits. */
        assert_int_equal(got.n_rrs, rows[i].n_addrs - rows[i].is_cut);
        buf_done(&out);
        dns_set_unref(s);
    }
}

static void ad_is_for_those_who_asked(void **state)
{
    static const struct {
        const char *row;
        bool set_has, asks_ad, asks_do, shown;
    } rows[] = {
        { "nobody asked", true, false, false, false },
        { "AD in the question", true, true, false, true },
        { "DO in the question", true, false, true, true },
        { "asked for, and not there", false, true, true, false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf out;
        struct kept k = { "a.test", NULL, 0, 1, 60, 60, rows[i].set_has };
        struct dns_request req = request_of("a.test", true, 1232);
        struct dns_set *s = keep(&k);
        /* What the engine lets through is its own business: the bit is set here by hand. */
        if (rows[i].set_has)
            ((char *)(uintptr_t)dns_set_wire(s).p)[3] |= 0x20;
        req.authentic_data = rows[i].asks_ad;
        req.dnssec_ok = rows[i].asks_do;
        req.checking_disabled = i % 2 == 0;
        print_message("%s\n", rows[i].row);
        buf_init(&out, DNS_MESSAGE_BYTES);
        assert_int_equal(dns_reply_set(&out, 1232, &req, s, 1), DNS_REPLIED);
        check(&out, &req);
        assert_int_equal(got.authentic_data, rows[i].shown);
        buf_done(&out);
        dns_set_unref(s);
    }
}

static void parts_become_one_answer(void **state)
{
    struct kept a = { "a.test", "b.test", 0, 0, 100, 100, false };
    struct kept b = { "b.test", NULL, 0, 3, 7, 7, false };
    struct dns_request req = request_of("a.TEST", true, 1232);
    struct dns_part parts[2] = { { keep(&a), 10 }, { keep(&b), 2 } };
    struct buf out;
    struct dns_name name;
    buf_init(&out, DNS_MESSAGE_BYTES);
    assert_int_equal(dns_reply_parts(&out, 1232, &req, parts, 2), DNS_REPLIED);
    check(&out, &req);
    assert_int_equal(got.n_rrs, 4);
    assert_int_equal(got.rrs[0].type, DNS_CNAME);
    assert_int_equal(got.rrs[0].ttl, 90);
    assert_true(dns_rr_target(&got, &got.rrs[0], &name));
    for (unsigned i = 1; i < 4; i++) {
        struct dns_name owner;
        assert_int_equal(got.rrs[i].ttl, 5);
        assert_true(dns_rr_owner(&got, &got.rrs[i], &owner) && dns_name_eq(&owner, &name));
    }
    assert_int_equal(got.edns.options.n, 0);

    parts[1].age_s = 8; /* stale */
    buf_clear(&out);
    assert_int_equal(dns_reply_parts(&out, 1232, &req, parts, 2), DNS_REPLIED);
    check(&out, &req);
    assert_int_equal(got.rrs[1].ttl, 30);
    assert_int_equal(ede_in(&got), DNS_EDE_STALE);
    buf_done(&out);
    dns_set_unref(parts[0].set);
    dns_set_unref(parts[1].set);
}

static void parts_end_in_a_no_or_a_cut(void **state)
{
    struct kept a = { "a.test", "b.test", 0, 0, 100, 100, false };
    struct kept no = { "b.test", NULL, DNS_NXDOMAIN, 0, 9, 9, false };
    struct kept many = { "b.test", NULL, 0, 100, 9, 9, false };
    struct dns_request req = request_of("a.test", false, 0);
    struct dns_part parts[2] = { { keep(&a), 10 }, { keep(&no), 2 } };
    struct buf out;
    buf_init(&out, DNS_MESSAGE_BYTES);
    assert_int_equal(dns_reply_parts(&out, 512, &req, parts, 2), DNS_REPLIED);
    check(&out, &req);
    assert_int_equal(got.rcode, DNS_NXDOMAIN);
    assert_int_equal(got.n_rrs, 2);
    assert_int_equal(got.rrs[1].section, DNS_AUTHORITY);

    dns_set_unref(parts[1].set);
    parts[1].set = keep(&many);
    buf_clear(&out);
    assert_int_equal(dns_reply_parts(&out, 512, &req, parts, 2), DNS_REPLIED_CUT);
    check(&out, &req);
    assert_true(got.is_truncated);
    assert_true(out.n <= 512 && out.n > 512 - 16);
    assert_true(got.n_rrs > 20 && got.n_rrs < 101);
    buf_clear(&out);
    assert_int_equal(dns_reply_parts(&out, DNS_MESSAGE_BYTES, &req, parts, 2), DNS_REPLIED);
    check(&out, &req);
    assert_int_equal(got.n_rrs, 101);
    buf_done(&out);
    dns_set_unref(parts[0].set);
    dns_set_unref(parts[1].set);
}

/* With a question for a.test, unless the row says otherwise. */
static void what_takes_no_lookup(void **state)
{
    static const struct {
        const char *row;
        struct dns_request with; /* id and the question's name are put in */
        enum dns_request_read read;
        int rcode; /* -1: it is to be asked */
    } rows[] = {
#define Q(t, c) .has_question = true, .question = { .type = (t), .class = (c) }
        { "a question", { Q(DNS_A, 1) }, DNS_REQUEST_OK, -1 },
        { "any type of record", { Q(65280, 1) }, DNS_REQUEST_OK, -1 },
        { "an unreadable one", { .opcode = 0 }, DNS_REQUEST_BAD, DNS_FORMERR },
        { "unreadable behind its question", { Q(DNS_A, 1) }, DNS_REQUEST_BAD, DNS_FORMERR },
        { "an update", { .opcode = 5 }, DNS_REQUEST_OK, DNS_NOTIMP },
        { "a notify", { .opcode = 4 }, DNS_REQUEST_OK, DNS_NOTIMP },
        { "EDNS 1", { Q(1, 1), .has_edns = true, .edns_version = 1 }, DNS_REQUEST_OK, DNS_BADVERS },
        { "AXFR", { Q(DNS_AXFR, 1) }, DNS_REQUEST_OK, DNS_REFUSED },
        { "IXFR", { Q(DNS_IXFR, 1), .has_records = true }, DNS_REQUEST_OK, DNS_REFUSED },
        { "answers in a question", { Q(1, 1), .has_records = true }, DNS_REQUEST_OK, DNS_FORMERR },
        { "TSIG", { Q(1, 1), .is_signed = true }, DNS_REQUEST_OK, DNS_NOTIMP },
        { "class CH", { Q(DNS_TXT, DNS_CLASS_CH) }, DNS_REQUEST_OK, DNS_REFUSED },
        { "class ANY", { Q(DNS_A, DNS_CLASS_ANY) }, DNS_REQUEST_OK, DNS_REFUSED },
        { "type 0", { Q(0, 1) }, DNS_REQUEST_OK, DNS_FORMERR },
        { "type OPT", { Q(DNS_OPT, 1) }, DNS_REQUEST_OK, DNS_NOTIMP },
        { "type TKEY", { Q(249, 1) }, DNS_REQUEST_OK, DNS_NOTIMP },
        { "type MAILB", { Q(253, 1) }, DNS_REQUEST_OK, DNS_NOTIMP },
        { "ANY", { Q(DNS_ANY, 1) }, DNS_REQUEST_OK, DNS_NOERROR },
        { "ANY with EDNS", { Q(DNS_ANY, 1), .has_edns = true }, DNS_REQUEST_OK, DNS_NOERROR },
#undef Q
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct dns_request req = rows[i].with;
        enum dns_replied replied = DNS_REPLIED_NONE;
        struct buf out;
        req.id = 4711;
        if (req.has_question)
            req.question.name = name_of("a.TesT");
        print_message("%s\n", rows[i].row);
        buf_init(&out, DNS_MESSAGE_BYTES);
        bool is_over = dns_reply_at_once(&out, 512, &req, rows[i].read, &replied);
        assert_int_equal(is_over, rows[i].rcode >= 0);
        if (is_over) {
            assert_int_equal(replied, DNS_REPLIED);
            check(&out, &req);
            assert_int_equal(got.rcode, rows[i].rcode);
            assert_int_equal(got.opcode, req.opcode);
            assert_int_equal(got.n_rrs, rows[i].rcode == DNS_NOERROR);
        }
        if (is_over && got.n_rrs == 1) {
            assert_int_equal(got.rrs[0].type, 13);
            assert_memory_equal(got.wire.p + got.rrs[0].rdata_at, "\x07RFC8482\0", 9);
        }
        buf_done(&out);
    }
}

static void an_error_says_why_where_it_may(void **state)
{
    struct dns_request req = request_of("a.test", true, 512);
    char text[1000];
    struct buf out;
    memset(text, 'x', sizeof text);
    buf_init(&out, DNS_MESSAGE_BYTES);
    assert_int_equal(dns_reply_error(&out, 512, &req, DNS_SERVFAIL, DNS_EDE_NO_REACHABLE_AUTHORITY,
                                     str_of(text, sizeof text)),
                     DNS_REPLIED);
    assert_int_equal(out.n, 512);
    check(&out, &req);
    assert_int_equal(got.rcode, DNS_SERVFAIL);
    assert_int_equal(ede_in(&got), DNS_EDE_NO_REACHABLE_AUTHORITY);
    buf_clear(&out);
    req.has_edns = false;
    dns_reply_error(&out, 512, &req, DNS_SERVFAIL, DNS_EDE_OTHER, str_of(text, sizeof text));
    check(&out, &req);
    assert_int_equal(out.n, DNS_HEADER_BYTES + 8 + 4);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_counted_down),
        cmocka_unit_test(a_no_lives_no_longer_than_ours),
        cmocka_unit_test(too_large_is_cut_to_what_fits),
        cmocka_unit_test(ad_is_for_those_who_asked),
        cmocka_unit_test(parts_become_one_answer),
        cmocka_unit_test(parts_end_in_a_no_or_a_cut),
        cmocka_unit_test(what_takes_no_lookup),
        cmocka_unit_test(an_error_says_why_where_it_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

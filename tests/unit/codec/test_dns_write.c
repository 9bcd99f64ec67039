#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "codec/dns_msg.h"

#include "name_of.h"

#define B(literal)                                                                                 \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

/* ID 0x1234, a response with RD and RA; the counts follow. */
#define RESPONSE "\x12\x34\x81\x80"
/* The question a.bc A IN, at offset 12; behind it comes offset 22. */
#define QUESTION "\1a\2bc\0\0\1\0\1"
#define NONE "\0\0"
#define ONE "\0\1"
#define TTL "\0\0\0\x3c"
/* Owner: the question's name. */
#define RR(type, class, rdlength, rdata) "\xc0\x0c" type class TTL rdlength rdata

static struct dns_msg msg, again;

static struct dns_question question_of(const char *text)
{
    return (struct dns_question){ name_of(text), DNS_A, DNS_CLASS_IN };
}

static void queries_are_written(void **state)
{
    static const struct {
        const char *row;
        struct dns_query_flags flags;
        struct str wire;
    } rows[] = {
        { "plain", { 0 }, B("\x12\x34\1\0" ONE NONE NONE NONE QUESTION) },
        { "with EDNS",
          { .udp_bytes = 1232 },
          B("\x12\x34\1\0" ONE NONE NONE ONE QUESTION "\0\0\x29\x04\xd0\0\0\0\0\0\0") },
        { "with DO and CD",
          { .udp_bytes = 1232, .dnssec_ok = true, .checking_disabled = true },
          B("\x12\x34\1\x10" ONE NONE NONE ONE QUESTION "\0\0\x29\x04\xd0\0\0\x80\0\0\0") },
        { "with a cookie",
          { .udp_bytes = 1232, .cookie = B("12345678") },
          B("\x12\x34\1\0" ONE NONE NONE ONE QUESTION "\0\0\x29\x04\xd0\0\0\0\0\0\x0c\0\x0a\0\x08"
            "12345678") },
        { "no cookie without EDNS",
          { .cookie = B("12345678") },
          B("\x12\x34\1\0" ONE NONE NONE NONE QUESTION) },
    };
    struct dns_question q = question_of("a.bc");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t out[512];
        print_message("  %s\n", rows[i].row);
        assert_int_equal(dns_write_query(out, 0x1234, &q, rows[i].flags), rows[i].wire.n);
        assert_memory_equal(out, rows[i].wire.p, rows[i].wire.n);
        assert_int_equal(dns_msg_parse(rows[i].wire, &msg), DNS_PARSE_OK);
        assert_true(dns_name_eq(&msg.question.name, &q.name));
        assert_int_equal(msg.edns.udp_bytes, rows[i].flags.udp_bytes);
    }
}

/* Copies all records of msg into a new message and parses that into again. */
static void copy_message(struct buf *out)
{
    struct dns_writer w;
    buf_clear(out);
    dns_write_begin(&w, out, DNS_MESSAGE_BYTES, (struct dns_reply_flags){ 0 },
                    msg.has_question ? &msg.question : NULL);
    for (size_t i = 0; i < msg.n_rrs; i++)
        assert_true(dns_write_rr_from(&w, msg.rrs[i].section, &msg, &msg.rrs[i], msg.rrs[i].ttl));
    dns_write_end(&w);
    assert_int_equal(dns_msg_parse(buf_str(out), &again), DNS_PARSE_OK);
}

static void names_in_rdata_are_decompressed(void **state)
{
    static const struct {
        const char *row;
        struct str wire; /* one answer to the question a.bc */
        struct str rdata;
    } rows[] = {
#define ROW(name, type, rdlength, rdata, expanded)                                                 \
    { name, B(RESPONSE ONE ONE NONE NONE QUESTION RR(type, "\0\1", rdlength, rdata)), B(expanded) }
        ROW("A", "\0\1", "\0\4", "\1\2\3\4", "\1\2\3\4"),
        ROW("NS", "\0\2", "\0\4", "\1n\xc0\x0c", "\1n\1a\2bc\0"),
        ROW("CNAME", "\0\5", "\0\2", "\xc0\x0e", "\2bc\0"),
        ROW("SOA", "\0\6", "\0\x18", "\xc0\x0c\xc0\x0e\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5",
            "\1a\2bc\0\2bc\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5"),
        ROW("MINFO", "\0\x0e", "\0\4", "\xc0\x0c\xc0\x0e", "\1a\2bc\0\2bc\0"),
        ROW("PTR", "\0\x0c", "\0\2", "\xc0\x0c", "\1a\2bc\0"),
        ROW("MX", "\0\x0f", "\0\6", "\0\x0a\1m\xc0\x0c", "\0\x0a\1m\1a\2bc\0"),
        ROW("TXT", "\0\x10", "\0\3", "\2\xc0\x0c", "\2\xc0\x0c"),
        ROW("RP", "\0\x11", "\0\3", "\0\xc0\x0c", "\0\1a\2bc\0"),
        ROW("SRV", "\0\x21", "\0\x08", "\0\1\0\2\0\3\xc0\x0c", "\0\1\0\2\0\3\1a\2bc\0"),
        ROW("NAPTR", "\0\x23", "\0\x0c", "\0\1\0\2\1S\0\2xy\xc0\x0c", "\0\1\0\2\1S\0\2xy\1a\2bc\0"),
        ROW("DNAME", "\0\x27", "\0\2", "\xc0\x0e", "\2bc\0"),
        ROW("HTTPS", "\0\x41", "\0\3", "\0\1\0", "\0\1\0"),
        ROW("an unknown type", "\xff\0", "\0\2", "\xc0\x0c", "\xc0\x0c"),
#undef ROW
    };
    struct buf out;
    buf_init(&out, 100000);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        print_message("  %s\n", rows[i].row);
        assert_int_equal(dns_msg_parse(rows[i].wire, &msg), DNS_PARSE_OK);
        copy_message(&out);
        assert_int_equal(again.n_rrs, 1);
        struct dns_rr *rr = &again.rrs[0];
        assert_int_equal(rr->rdata_n, rows[i].rdata.n);
        assert_memory_equal(again.wire.p + rr->rdata_at, rows[i].rdata.p, rr->rdata_n);
        assert_int_equal(rr->ttl, 60);
        assert_int_equal(rr->type, msg.rrs[0].type);
        struct dns_name owner;
        assert_true(dns_rr_owner(&again, rr, &owner));
        assert_true(dns_name_eq(&owner, &msg.question.name));
    }
    buf_done(&out);
}

static void write_a(struct dns_writer *w, enum dns_section s, const char *owner)
{
    struct dns_name name = name_of(owner);
    dns_write_rr(w, s, &name, DNS_A, DNS_CLASS_IN, 60, STR("\1\2\3\4"));
}

static void owners_are_compressed(void **state)
{
    static const struct {
        const char *row, *qname, *first, *second;
        size_t first_n, second_n; /* bytes of the owners in the message */
    } rows[] = {
        { "the question's name", "a.bc", "a.bc", "a.bc", 2, 2 },
        { "in another case", "a.bc", "A.BC", "a.Bc", 2, 2 },
        { "below the question", "a.bc", "x.y.a.bc", "y.a.bc", 6, 2 },
        { "above the question", "a.b.c", "b.c", "c", 2, 2 },
        { "a sibling", "a.bc", "x.bc", "y.bc", 4, 4 },
        { "nothing in common", "a.bc", "x.y", "x.y", 5, 2 },
        { "half a label is not in common", "a.bc", "a.bbc", "c", 7, 3 },
        { "equal bytes that are no labels", "\\001a\\002bc", "a.bc", "bc", 6, 2 },
        { "the root", "a.bc", ".", ".", 1, 1 },
        { "against the root", ".", "a.", "a", 3, 2 },
    };
    struct buf out;
    buf_init(&out, 1000);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct dns_question q = question_of(rows[i].qname);
        struct dns_writer w;
        struct dns_name name, expected;
        print_message("  %s\n", rows[i].row);
        buf_clear(&out);
        dns_write_begin(&w, &out, 512, (struct dns_reply_flags){ 0 }, &q);
        size_t start = out.n;
        write_a(&w, DNS_ANSWER, rows[i].first);
        assert_int_equal(out.n - start - 14, rows[i].first_n);
        start = out.n;
        write_a(&w, DNS_ANSWER, rows[i].second);
        assert_int_equal(out.n - start - 14, rows[i].second_n);
        dns_write_end(&w);
        assert_int_equal(dns_msg_parse(buf_str(&out), &msg), DNS_PARSE_OK);
        for (unsigned r = 0; r < 2; r++) {
            expected = name_of(r == 0 ? rows[i].first : rows[i].second);
            assert_true(dns_rr_owner(&msg, &msg.rrs[r], &name));
            assert_true(dns_name_eq(&name, &expected));
        }
    }
    buf_done(&out);
}

static void cname_targets_compress_the_next_owner(void **state)
{
    struct buf out;
    struct dns_writer w;
    struct dns_question q = question_of("bucket.s3.example");
    struct dns_name target = name_of("s3-r-w.eu-west-1.amazonaws.com");
    buf_init(&out, 1000);
    buf_append(&out, STR("\0\0")); /* a TCP length: offsets count from behind it */
    dns_write_begin(&w, &out, 512, (struct dns_reply_flags){ 0 }, &q);
    dns_write_rr(&w, DNS_ANSWER, &q.name, DNS_CNAME, DNS_CLASS_IN, 5,
                 str_of((char *)target.wire, target.n));
    size_t start = out.n;
    write_a(&w, DNS_ANSWER, "s3-r-w.eu-west-1.amazonaws.com");
    write_a(&w, DNS_ANSWER, "s3-r-w.eu-west-1.amazonaws.com");
    assert_int_equal(out.n - start, 32);
    dns_write_end(&w);
    struct dns_name name;
    assert_int_equal(dns_msg_parse(str_from(buf_str(&out), 2), &msg), DNS_PARSE_OK);
    assert_int_equal(msg.n_rrs, 3);
    assert_true(dns_rr_owner(&msg, &msg.rrs[2], &name));
    assert_true(dns_name_eq(&name, &target));
    buf_done(&out);
}

/* Names beyond the reach of a pointer are written out. */
static void far_names_are_not_pointed_at(void **state)
{
    struct buf out;
    struct dns_writer w;
    struct dns_question q = question_of("a.bc");
    static const char filler[0x4000];
    buf_init(&out, 100000);
    dns_write_begin(&w, &out, DNS_MESSAGE_BYTES, (struct dns_reply_flags){ 0 }, &q);
    dns_write_rr(&w, DNS_ANSWER, &q.name, DNS_TXT, DNS_CLASS_IN, 0, str_of(filler, sizeof filler));
    size_t start = out.n;
    write_a(&w, DNS_ANSWER, "x.y");
    write_a(&w, DNS_ANSWER, "x.y");
    assert_int_equal(out.n - start, 2 * (5 + 14));
    dns_write_end(&w);
    assert_int_equal(dns_msg_parse(buf_str(&out), &msg), DNS_PARSE_OK);
    buf_done(&out);
}

/* 100 records for any max_bytes: whole ones, OPT behind them, TC exactly when some are missing. */
static void truncation_leaves_whole_records(void **state)
{
    struct dns_question q = question_of("a.bc");
    struct buf out;
    buf_init(&out, 100000);
    for (size_t max = 0; max < 1800; max++) {
        struct dns_writer w;
        size_t limit = max < 512 ? 512 : max;
        buf_clear(&out);
        dns_write_begin(&w, &out, max, (struct dns_reply_flags){ .id = 7, .has_opt = true }, &q);
        for (unsigned i = 0; i < 100; i++)
            write_a(&w, DNS_ANSWER, "a.bc");
        dns_write_opt(&w, 1232, 0, true, -1, STR(""));
        dns_write_end(&w);
        assert_true(out.n <= limit);
        assert_int_equal(dns_msg_parse(buf_str(&out), &msg), DNS_PARSE_OK);
        assert_true(msg.edns.is_present && msg.edns.dnssec_ok);
        size_t n_fit = (limit - 22 - 11) / 16;
        assert_int_equal(msg.n_rrs, n_fit < 100 ? n_fit : 100);
        assert_int_equal(msg.is_truncated, n_fit < 100);
        assert_int_equal(w.is_full, n_fit < 100);
    }
    buf_done(&out);
}

static void nothing_follows_a_record_that_did_not_fit(void **state)
{
    static const char big[600];
    struct dns_question q = question_of("a.bc");
    struct dns_writer w;
    struct buf out;
    buf_init(&out, 1000);
    dns_write_begin(&w, &out, 512, (struct dns_reply_flags){ 0 }, &q);
    write_a(&w, DNS_ANSWER, "a.bc");
    assert_false(dns_write_rr(&w, DNS_AUTHORITY, &q.name, DNS_TXT, DNS_CLASS_IN, 0,
                              str_of(big, sizeof big)));
    write_a(&w, DNS_AUTHORITY, "a.bc");
    write_a(&w, DNS_ADDITIONAL, "a.bc");
    dns_write_end(&w);
    assert_int_equal(dns_msg_parse(buf_str(&out), &msg), DNS_PARSE_OK);
    assert_int_equal(msg.n_rrs, 1);
    assert_true(msg.is_truncated);

    /* RFC 2181 section 9: additional data that is missing is no truncation. */
    buf_clear(&out);
    dns_write_begin(&w, &out, 512, (struct dns_reply_flags){ 0 }, &q);
    assert_false(dns_write_rr(&w, DNS_ADDITIONAL, &q.name, DNS_TXT, DNS_CLASS_IN, 0,
                              str_of(big, sizeof big)));
    write_a(&w, DNS_ADDITIONAL, "a.bc");
    dns_write_end(&w);
    assert_int_equal(dns_msg_parse(buf_str(&out), &msg), DNS_PARSE_OK);
    assert_int_equal(msg.n_rrs, 1);
    assert_false(msg.is_truncated);
    buf_done(&out);
}

static void the_buffers_ceiling_counts(void **state)
{
    struct dns_question q = question_of("a.bc");
    for (size_t ceiling = 0; ceiling < 100; ceiling++) {
        struct dns_writer w;
        struct buf out;
        buf_init(&out, ceiling);
        dns_write_begin(&w, &out, 512, (struct dns_reply_flags){ .has_opt = true }, &q);
        for (unsigned i = 0; i < 9; i++)
            write_a(&w, DNS_ANSWER, "a.bc");
        dns_write_opt(&w, 1232, 0, false, 3, STR("stale"));
        dns_write_end(&w);
        assert_int_equal(out.failed, ceiling < 22 + 11);
        if (!out.failed)
            assert_int_equal(dns_msg_parse(buf_str(&out), &msg), DNS_PARSE_OK);
        buf_done(&out);
    }
}

static void opt_carries_rcode_and_error(void **state)
{
    static const struct {
        const char *row;
        unsigned rcode;
        int ede_code;
        struct str text, options;
    } rows[] = {
        { "no error", 0, -1, B("ignored"), B("") },
        { "BADVERS", DNS_BADVERS, -1, B(""), B("") },
        { "code 0", DNS_SERVFAIL, 0, B("other"), B("\0\x0f\0\7\0\0other") },
        { "without text", DNS_SERVFAIL, 22, B(""), B("\0\x0f\0\2\0\x16") },
    };
    struct buf out;
    buf_init(&out, 1000);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct dns_writer w;
        print_message("  %s\n", rows[i].row);
        buf_clear(&out);
        dns_write_begin(&w, &out, 512,
                        (struct dns_reply_flags){
                            .rcode = (uint16_t)rows[i].rcode, .opcode = 4, .has_opt = true },
                        NULL);
        dns_write_opt(&w, 1232, (uint16_t)rows[i].rcode, false, rows[i].ede_code, rows[i].text);
        dns_write_end(&w);
        assert_int_equal(dns_msg_parse(buf_str(&out), &msg), DNS_PARSE_OK);
        assert_int_equal(msg.rcode, rows[i].rcode);
        assert_int_equal(msg.opcode, 4);
        assert_false(msg.has_question);
        assert_true(str_eq(msg.edns.options, rows[i].options));
    }
    buf_done(&out);
}

/* The text gives way, by whole characters; then the whole option does. */
static void long_errors_are_cut(void **state)
{
    static const char text[] = "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"; /* 2 + 3 + 4 bytes */
    static const size_t kept[] = { 0, 0, 2, 2, 2, 5, 5, 5, 5, 9 };
    struct dns_question q = question_of("a.bc");
    static const char filler[512];
    struct buf out;
    buf_init(&out, 1000);
    for (size_t left = 0; left < 20; left++) { /* bytes behind the fixed part of OPT */
        struct dns_writer w;
        buf_clear(&out);
        dns_write_begin(&w, &out, 512, (struct dns_reply_flags){ .has_opt = true }, &q);
        assert_true(dns_write_rr(&w, DNS_ANSWER, &q.name, DNS_TXT, DNS_CLASS_IN, 0,
                                 str_of(filler, 512 - 22 - 12 - 11 - left)));
        dns_write_opt(&w, 1232, 0, false, 3, str_from_c(text));
        dns_write_end(&w);
        assert_int_equal(dns_msg_parse(buf_str(&out), &msg), DNS_PARSE_OK);
        size_t n_text = left < 6 ? 0 : left - 6 > 9 ? 9 : kept[left - 6];
        assert_int_equal(msg.edns.options.n, left < 6 ? 0 : 6 + n_text);
        if (n_text > 0)
            assert_memory_equal(msg.edns.options.p + 6, text, n_text);
    }
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queries_are_written),
        cmocka_unit_test(names_in_rdata_are_decompressed),
        cmocka_unit_test(owners_are_compressed),
        cmocka_unit_test(cname_targets_compress_the_next_owner),
        cmocka_unit_test(far_names_are_not_pointed_at),
        cmocka_unit_test(truncation_leaves_whole_records),
        cmocka_unit_test(nothing_follows_a_record_that_did_not_fit),
        cmocka_unit_test(the_buffers_ceiling_counts),
        cmocka_unit_test(opt_carries_rcode_and_error),
        cmocka_unit_test(long_errors_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

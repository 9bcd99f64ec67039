#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "codec/dns_msg.h"

#define B(literal)                                                                                 \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

/* ID 0x1234, a response with RD and RA; the counts follow. */
#define RESPONSE "\x12\x34\x81\x80"
#define CUT_RESPONSE "\x12\x34\x83\x80"
/* The question a.bc A IN, at offset 12; behind it comes offset 22. */
#define QUESTION "\1a\2bc\0\0\1\0\1"
#define NONE "\0\0"
#define ONE "\0\1"
#define TWO "\0\2"
#define ALL "\xff\xff"
#define TTL "\0\0\0\x3c"
/* Owner: the question's name. */
#define RR(type, class, rdlength, rdata) "\xc0\x0c" type class TTL rdlength rdata
#define RR_A RR("\0\1", "\0\1", "\0\4", "\1\2\3\4")
#define RR_OPT "\0\0\x29\x04\xd0\0\0\0\0\0\0"

static struct dns_msg msg;

static enum dns_parse parse_exact(struct str wire, struct dns_msg *out, char **copy)
{
    *copy = malloc(wire.n > 0 ? wire.n : 1);
    assert_non_null(*copy);
    if (wire.n > 0)
        memcpy(*copy, wire.p, wire.n);
    return dns_msg_parse(str_of(*copy, wire.n), out);
}

static void messages_are_judged(void **state)
{
    static const struct {
        const char *row;
        struct str wire;
        enum dns_parse result;
        unsigned n_rrs;
    } rows[] = {
        { "nothing", B(""), DNS_PARSE_BAD, 0 },
        { "eleven bytes", B(RESPONSE NONE NONE NONE "\0"), DNS_PARSE_BAD, 0 },
        { "a header alone", B(RESPONSE NONE NONE NONE NONE), DNS_PARSE_OK, 0 },
        { "a question", B(RESPONSE ONE NONE NONE NONE QUESTION), DNS_PARSE_OK, 0 },
        { "a question short of a byte", B(RESPONSE ONE NONE NONE NONE "\1a\2bc\0\0\1\0"),
          DNS_PARSE_BAD, 0 },
        { "two questions", B(RESPONSE TWO NONE NONE NONE QUESTION QUESTION), DNS_PARSE_BAD, 0 },
        { "65535 questions", B(RESPONSE ALL NONE NONE NONE QUESTION), DNS_PARSE_BAD, 0 },
        { "one byte behind", B(RESPONSE ONE NONE NONE NONE QUESTION "\0"), DNS_PARSE_BAD, 0 },
        { "an answer", B(RESPONSE ONE ONE NONE NONE QUESTION RR_A), DNS_PARSE_OK, 1 },
        { "an answer without its question",
          B(RESPONSE NONE ONE NONE NONE "\0\0\1\0\1" TTL "\0\4\1\2\3\4"), DNS_PARSE_OK, 1 },
        { "one record of two", B(RESPONSE ONE TWO NONE NONE QUESTION RR_A), DNS_PARSE_BAD, 0 },
        { "one record of 65535 in each section", B(RESPONSE ONE ALL ALL ALL QUESTION RR_A),
          DNS_PARSE_BAD, 0 },
        { "a record more than counted", B(RESPONSE ONE ONE NONE NONE QUESTION RR_A RR_A),
          DNS_PARSE_BAD, 0 },
        { "a pointer loop for an owner",
          B(RESPONSE ONE ONE NONE NONE QUESTION "\xc0\x16\0\1\0\1" TTL "\0\4\1\2\3\4"),
          DNS_PARSE_BAD, 0 },
        { "an owner that points forwards",
          B(RESPONSE ONE ONE NONE NONE QUESTION "\xc0\x20\0\1\0\1" TTL "\0\4\1\2\3\4"),
          DNS_PARSE_BAD, 0 },
        { "RDLENGTH past the end",
          B(RESPONSE ONE ONE NONE NONE QUESTION RR("\0\x10", "\0\1", "\0\5", "\1\2\3\4")),
          DNS_PARSE_BAD, 0 },
        { "RDLENGTH 65535", B(RESPONSE ONE ONE NONE NONE QUESTION RR("\0\x10", "\0\1", ALL, "a")),
          DNS_PARSE_BAD, 0 },
        { "A of three bytes",
          B(RESPONSE ONE ONE NONE NONE QUESTION RR("\0\1", "\0\1", "\0\3", "\1\2\3")),
          DNS_PARSE_BAD, 0 },
        { "A of none", B(RESPONSE ONE ONE NONE NONE QUESTION RR("\0\1", "\0\1", "\0\0", "")),
          DNS_PARSE_BAD, 0 },
        { "A of five",
          B(RESPONSE ONE ONE NONE NONE QUESTION RR("\0\1", "\0\1", "\0\5", "\1\2\3\4\5")),
          DNS_PARSE_BAD, 0 },
        { "A of class CH is something else",
          B(RESPONSE ONE ONE NONE NONE QUESTION RR("\0\1", "\0\3", "\0\3", "\0\1\2")), DNS_PARSE_OK,
          1 },
        { "AAAA of four bytes",
          B(RESPONSE ONE ONE NONE NONE QUESTION RR("\0\x1c", "\0\1", "\0\4", "\1\2\3\4")),
          DNS_PARSE_BAD, 0 },
        { "TXT is opaque",
          B(RESPONSE ONE ONE NONE NONE QUESTION RR("\0\x10", "\0\1", "\0\1", "\xff")), DNS_PARSE_OK,
          1 },
        { "an unknown type without data",
          B(RESPONSE ONE ONE NONE NONE QUESTION RR("\xff\0", "\0\1", "\0\0", "")), DNS_PARSE_OK,
          1 },
        { "CNAME by a pointer",
          B(RESPONSE ONE ONE NONE NONE QUESTION RR("\0\5", "\0\1", "\0\4", "\1x\xc0\x0c")),
          DNS_PARSE_OK, 1 },
        { "CNAME to its own data",
          B(RESPONSE ONE ONE NONE NONE QUESTION RR("\0\5", "\0\1", "\0\2", "\xc0\x22")),
          DNS_PARSE_BAD, 0 },
        { "CNAME that ends before its RDATA",
          B(RESPONSE ONE ONE NONE NONE QUESTION RR("\0\5", "\0\1", "\0\4", "\1x\0\0")),
          DNS_PARSE_BAD, 0 },
        { "CNAME that overruns its RDATA",
          B(RESPONSE ONE TWO NONE NONE QUESTION RR("\0\5", "\0\1", "\0\1", "\2") RR_A),
          DNS_PARSE_BAD, 0 },
        { "CNAME without data",
          B(RESPONSE ONE ONE NONE NONE QUESTION RR("\0\5", "\0\1", "\0\0", "")), DNS_PARSE_BAD, 0 },
        { "MX short of its name",
          B(RESPONSE ONE ONE NONE NONE QUESTION RR("\0\x0f", "\0\1", "\0\2", "\0\1")),
          DNS_PARSE_BAD, 0 },
        { "SRV short of its port",
          B(RESPONSE ONE ONE NONE NONE QUESTION RR("\0\x21", "\0\1", "\0\5", "\0\1\0\2\0")),
          DNS_PARSE_BAD, 0 },
        { "SOA short of a byte",
          B(RESPONSE ONE NONE ONE NONE QUESTION RR("\0\6", "\0\1", "\0\x15",
                                                   "\0\0"
                                                   "1234123412341234123")),
          DNS_PARSE_BAD, 0 },
        { "OPT", B(RESPONSE ONE NONE NONE ONE QUESTION RR_OPT), DNS_PARSE_OK, 0 },
        { "OPT before another record", B(RESPONSE ONE NONE NONE TWO QUESTION RR_OPT RR_A),
          DNS_PARSE_OK, 1 },
        { "two OPTs", B(RESPONSE ONE NONE NONE TWO QUESTION RR_OPT RR_OPT), DNS_PARSE_BAD, 0 },
        { "OPT among the answers", B(RESPONSE ONE ONE NONE NONE QUESTION RR_OPT), DNS_PARSE_BAD,
          0 },
        { "OPT in authority", B(RESPONSE ONE NONE ONE NONE QUESTION RR_OPT), DNS_PARSE_BAD, 0 },
        { "OPT with a name",
          B(RESPONSE ONE NONE NONE ONE QUESTION "\xc0\x0c\0\x29\x04\xd0\0\0\0\0"
                                                "\0\0"),
          DNS_PARSE_BAD, 0 },
        { "an option past the OPT's end",
          B(RESPONSE ONE NONE NONE ONE QUESTION "\0\0\x29\x04\xd0\0\0\0\0\0\5\0\x0f\0\2\0"),
          DNS_PARSE_BAD, 0 },
        { "half an option",
          B(RESPONSE ONE NONE NONE ONE QUESTION "\0\0\x29\x04\xd0\0\0\0\0\0\3\0\x0f\0"),
          DNS_PARSE_BAD, 0 },
        { "cut behind the question", B(CUT_RESPONSE ONE TWO NONE NONE QUESTION), DNS_PARSE_OK, 0 },
        { "cut in the second owner", B(CUT_RESPONSE ONE TWO NONE NONE QUESTION RR_A "\xc0"),
          DNS_PARSE_OK, 1 },
        { "cut in a label", B(CUT_RESPONSE ONE TWO NONE NONE QUESTION RR_A "\5ab"), DNS_PARSE_OK,
          1 },
        { "cut in the fixed part", B(CUT_RESPONSE ONE TWO NONE NONE QUESTION RR_A "\xc0\x0c\0\1"),
          DNS_PARSE_OK, 1 },
        { "cut in RDATA",
          B(CUT_RESPONSE ONE TWO NONE NONE QUESTION RR_A RR("\0\1", "\0\1", "\0\4", "\1\2\3")),
          DNS_PARSE_OK, 1 },
        { "cut in the question", B(CUT_RESPONSE ONE NONE NONE NONE "\1a\2"), DNS_PARSE_BAD, 0 },
        { "TC excuses no loop", B(CUT_RESPONSE ONE TWO NONE NONE QUESTION RR_A "\xc0\x26"),
          DNS_PARSE_BAD, 0 },
        { "TC excuses no bad data",
          B(CUT_RESPONSE ONE ONE NONE NONE QUESTION RR("\0\1", "\0\1", "\0\1", "\1")),
          DNS_PARSE_BAD, 0 },
        { "TC excuses nothing behind", B(CUT_RESPONSE ONE ONE NONE NONE QUESTION RR_A "\0"),
          DNS_PARSE_BAD, 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *copy;
        print_message("  %s\n", rows[i].row);
        assert_int_equal(parse_exact(rows[i].wire, &msg, &copy), rows[i].result);
        assert_int_equal(msg.n_rrs, rows[i].n_rrs);
        if (rows[i].wire.n >= DNS_HEADER_BYTES) {
            assert_int_equal(msg.id, 0x1234);
            assert_true(msg.is_response && msg.recursion_desired && msg.recursion_available);
        }
        free(copy);
        /* Every beginning of it is read without a step past the end. */
        for (size_t n = 0; n < rows[i].wire.n; n++) {
            enum dns_parse r = parse_exact(str_first(rows[i].wire, n), &msg, &copy);
            assert_true(r == DNS_PARSE_BAD || rows[i].wire.p[2] == '\x83' ||
                        rows[i].result == DNS_PARSE_BAD);
            free(copy);
        }
    }
}

static void header_and_edns_are_read(void **state)
{
    static const struct {
        const char *row;
        struct str wire;
        enum dns_parse result;
        unsigned opcode, rcode;
        const char *flags;
    } rows[] = {
        { "all bits", B("\0\0\xff\xff" NONE NONE NONE NONE), DNS_PARSE_OK, 15, 15, "QATDRUC" },
        { "no bits", B("\0\0\0\0" NONE NONE NONE NONE), DNS_PARSE_OK, 0, 0, "" },
        { "Z is ignored", B("\0\0\0\x40" NONE NONE NONE NONE), DNS_PARSE_OK, 0, 0, "" },
        { "bad messages show them too", B("\0\0\xa4\x25" TWO NONE NONE NONE), DNS_PARSE_BAD, 4, 5,
          "QAU" },
        { "the rcode of OPT", B("\0\0\x80\1" NONE NONE NONE ONE "\0\0\x29\2\0\1\2\x80\0\0\0"),
          DNS_PARSE_OK, 0, 17, "Qv2d" },
        { "an OPT that is bad says nothing",
          B("\0\0\x80\1" NONE NONE NONE ONE "\0\0\x29\2\0\1\2\x80\0\0\1\0"), DNS_PARSE_BAD, 0, 1,
          "Q" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *copy, flags[16];
        print_message("  %s\n", rows[i].row);
        assert_int_equal(parse_exact(rows[i].wire, &msg, &copy), rows[i].result);
        assert_int_equal(msg.opcode, rows[i].opcode);
        assert_int_equal(msg.rcode, rows[i].rcode);
        snprintf(flags, sizeof flags, "%s%s%s%s%s%s%s%s%s", msg.is_response ? "Q" : "",
                 msg.is_authoritative ? "A" : "", msg.is_truncated ? "T" : "",
                 msg.recursion_desired ? "D" : "", msg.recursion_available ? "R" : "",
                 msg.authentic_data ? "U" : "", msg.checking_disabled ? "C" : "",
                 msg.edns.version == 2 ? "v2" : "", msg.edns.dnssec_ok ? "d" : "");
        assert_string_equal(flags, rows[i].flags);
        free(copy);
    }
}

static void ttls_above_the_sign_are_zero(void **state)
{
    static const struct {
        struct str ttl;
        uint32_t value;
    } rows[] = {
        { B("\0\0\0\0"), 0 },
        { B("\x7f\xff\xff\xff"), 0x7fffffff },
        { B("\x80\0\0\0"), 0 },
        { B("\xff\xff\xff\xff"), 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char wire[] = RESPONSE NONE ONE NONE NONE "\0\0\1\0\1TTTT\0\4\1\2\3\4";
        memcpy(wire + 17, rows[i].ttl.p, 4);
        assert_int_equal(dns_msg_parse(str_of(wire, sizeof wire - 1), &msg), DNS_PARSE_OK);
        assert_int_equal(msg.rrs[0].ttl, rows[i].value);
    }
}

static void counts_have_a_maximum(void **state)
{
    static const struct {
        unsigned n, n_opts;
        enum dns_parse result;
    } rows[] = {
        { DNS_MAX_RRS, 0, DNS_PARSE_OK },
        { DNS_MAX_RRS, 1, DNS_PARSE_OK },
        { DNS_MAX_RRS + 1, 0, DNS_PARSE_TOO_MANY },
        { 4000, 0, DNS_PARSE_TOO_MANY },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf wire;
        buf_init(&wire, 100000);
        buf_append(&wire, STR(RESPONSE NONE NONE NONE));
        buf_byte(&wire, (char)((rows[i].n + rows[i].n_opts) >> 8));
        buf_byte(&wire, (char)(rows[i].n + rows[i].n_opts));
        for (unsigned k = 0; k < rows[i].n; k++)
            buf_append(&wire, STR("\0\0\x10\0\1" TTL "\0\1\0"));
        for (unsigned k = 0; k < rows[i].n_opts; k++)
            buf_append(&wire, STR(RR_OPT));
        assert_int_equal(dns_msg_parse(buf_str(&wire), &msg), rows[i].result);
        assert_int_equal(msg.n_rrs, rows[i].result == DNS_PARSE_OK ? DNS_MAX_RRS : 0);
        buf_done(&wire);
    }
}

/* One opaque record to the message's last byte. */
static void messages_end_at_65535(void **state)
{
    for (unsigned over = 0; over < 2; over++) {
        size_t n = DNS_MESSAGE_BYTES + over, rdata_n = n - 12 - 11;
        char *wire = calloc(1, n);
        assert_non_null(wire);
        memcpy(wire, RESPONSE NONE ONE NONE NONE "\0\0\x10\0\1" TTL, 21);
        wire[21] = (char)(rdata_n >> 8);
        wire[22] = (char)rdata_n;
        assert_int_equal(dns_msg_parse(str_of(wire, n), &msg), over ? DNS_PARSE_BAD : DNS_PARSE_OK);
        free(wire);
    }
}

static void targets_and_minimum_are_found(void **state)
{
    static const char wire[] =
        RESPONSE ONE "\0\3" NONE NONE QUESTION RR("\0\5", "\0\1", "\0\4", "\1x\xc0\x0c") RR_A RR(
            "\0\6", "\0\1", "\0\x18", "\xc0\x0c\xc0\x0e\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\1\2\3");
    struct dns_name target;
    char text[DNS_NAME_TEXT_BYTES];
    uint32_t minimum = 0;
    assert_int_equal(dns_msg_parse(str_of(wire, sizeof wire - 1), &msg), DNS_PARSE_OK);
    assert_true(dns_rr_target(&msg, &msg.rrs[0], &target));
    assert_string_equal(dns_name_text(&target, text), "x.a.bc");
    assert_false(dns_rr_target(&msg, &msg.rrs[1], &target));
    assert_false(dns_rr_soa_minimum(&msg, &msg.rrs[1], &minimum));
    assert_true(dns_rr_soa_minimum(&msg, &msg.rrs[2], &minimum));
    assert_int_equal(minimum, 0x010203);
}

static void options_are_found(void **state)
{
    static const struct {
        const char *row;
        struct str options;
        bool is_there;
        struct str value; /* of option 10 */
    } rows[] = {
        { "none", B(""), false, B("") },
        { "alone", B("\0\x0a\0\2xy"), true, B("xy") },
        { "empty", B("\0\x0a\0\0"), true, B("") },
        { "behind another", B("\0\x0f\0\2\0\x0a\0\x0a\0\1z"), true, B("z") },
        { "the first of two", B("\0\x0a\0\1a\0\x0a\0\1b"), true, B("a") },
        { "only inside another", B("\0\x0f\0\5\0\x0a\0\1z"), false, B("") },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct dns_edns edns = { .is_present = true, .options = rows[i].options };
        struct str value = B("");
        print_message("  %s\n", rows[i].row);
        assert_int_equal(dns_edns_option(&edns, 10, &value), rows[i].is_there);
        assert_true(str_eq(value, rows[i].value));
    }
}

static void types_and_rcodes_have_names(void **state)
{
    static const struct {
        const char *text;
        bool is_type;
        uint16_t type;
        const char *back;
    } rows[] = {
        { "A", true, 1, "A" },
        { "aaaa", true, 28, "AAAA" },
        { "HTTPS", true, 65, "HTTPS" },
        { "TYPE65280", true, 65280, "TYPE65280" },
        { "type1", true, 1, "A" },
        { "TYPE65536", false, 0, NULL },
        { "TYPE", false, 0, NULL },
        { "TYPE-1", false, 0, NULL },
        { "", false, 0, NULL },
        { "AA", false, 0, NULL },
        { "OPENPGPKEY", true, 61, "OPENPGPKEY" },
    };
    char text[16];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint16_t type = 0;
        assert_int_equal(dns_type_parse(str_from_c(rows[i].text), &type), rows[i].is_type);
        if (rows[i].is_type) {
            assert_int_equal(type, rows[i].type);
            assert_string_equal(dns_type_text(type, text), rows[i].back);
        }
    }
    assert_string_equal(dns_rcode_text(3, text), "NXDOMAIN");
    assert_string_equal(dns_rcode_text(17, text), "RCODE17");
    assert_string_equal(dns_rcode_text(4095, text), "RCODE4095");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_judged),
        cmocka_unit_test(header_and_edns_are_read),
        cmocka_unit_test(ttls_above_the_sign_are_zero),
        cmocka_unit_test(counts_have_a_maximum),
        cmocka_unit_test(messages_end_at_65535),
        cmocka_unit_test(targets_and_minimum_are_found),
        cmocka_unit_test(options_are_found),
        cmocka_unit_test(types_and_rcodes_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

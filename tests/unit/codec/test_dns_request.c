#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "codec/dns_request.h"

#define B(literal)                                                                                 \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

/* ID 0x1234, RD; the counts follow: questions, answers, authority, additional. */
#define HEADER "\x12\x34\x01\x00"
#define ASKS "\0\1\0\0\0\0\0\0"
#define ASKS_AND(additional) "\0\1\0\0\0\0" additional
#define QUESTION "\1a\2bc\0\0\1\0\1"
#define OPT "\0\0\x29\x04\xd0\0\0\0\0\0\0"
#define OPT_DO "\0\0\x29\x10\0\0\0\x80\0\0\0"
#define TSIG "\1k\0\0\xfa\0\xff\0\0\0\0\0\2xx"
#define SIG0 "\0\0\x18\0\xff\0\0\0\0\0\2xx"
#define OTHER "\xc0\x0c\0\1\0\1\0\0\0\0\0\4\1\2\3\4"
#define A61 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A62 A61 "a"
#define L63 "\x3f" A62 "a"
#define L62 "\x3e" A62
#define L61 "\x3d" A61

static struct dns_request request;

/* In memory of its own size, so that the sanitizer sees a read past the end. */
static enum dns_request_read read_copy(struct str wire)
{
    char *p = malloc(wire.n > 0 ? wire.n : 1);
    assert_non_null(p);
    memcpy(p, wire.p, wire.n);
    enum dns_request_read r = dns_request_read(str_of(p, wire.n), &request);
    free(p);
    return r;
}

static void what_is_read(void **state)
{
    static const struct {
        const char *row;
        struct str wire;
        enum dns_request_read result;
    } rows[] = {
        { "a question", B(HEADER ASKS QUESTION), DNS_REQUEST_OK },
        { "a question and OPT", B(HEADER ASKS_AND("\0\1") QUESTION OPT), DNS_REQUEST_OK },
        { "the root", B(HEADER ASKS "\0\0\2\0\1"), DNS_REQUEST_OK },
        { "a label of 63", B(HEADER ASKS L63 "\0\0\1\0\1"), DNS_REQUEST_OK },
        { "a name of 255", B(HEADER ASKS L63 L63 L63 L61 "\0\0\1\0\1"), DNS_REQUEST_OK },
        { "a name of 256", B(HEADER ASKS L63 L63 L63 L62 "\0\0\1\0\1"), DNS_REQUEST_BAD },
        { "a label of 64", B(HEADER ASKS "\x40" A62 "aa\0\0\1\0\1"), DNS_REQUEST_BAD },
        { "a compressed name", B(HEADER ASKS "\1a\xc0\x04\0\1\0\1"), DNS_REQUEST_BAD },
        { "a name without an end", B(HEADER ASKS "\1a"), DNS_REQUEST_BAD },
        { "a label past the end", B(HEADER ASKS "\5a"), DNS_REQUEST_BAD },
        { "no class", B(HEADER ASKS "\1a\0\0\1\0"), DNS_REQUEST_BAD },
        { "no question", B(HEADER "\0\0\0\0\0\0\0\0"), DNS_REQUEST_BAD },
        { "two questions", B(HEADER "\0\2\0\0\0\0\0\0" QUESTION QUESTION), DNS_REQUEST_BAD },
        { "65535 questions", B(HEADER "\xff\xff\0\0\0\0\0\0" QUESTION), DNS_REQUEST_BAD },
        { "65535 records", B(HEADER ASKS_AND("\xff\xff") QUESTION OPT), DNS_REQUEST_BAD },
        { "two OPTs", B(HEADER ASKS_AND("\0\2") QUESTION OPT OPT), DNS_REQUEST_BAD },
        { "OPT as an answer", B(HEADER "\0\1\0\1\0\0\0\0" QUESTION OPT), DNS_REQUEST_BAD },
        { "OPT with a name", B(HEADER ASKS_AND("\0\1") QUESTION "\1x" OPT), DNS_REQUEST_BAD },
        { "OPT with whole options",
          B(HEADER ASKS_AND("\0\1") QUESTION "\0\0\x29\x04\xd0\0\0\0\0\0\6\0\x0a\0\2xx"),
          DNS_REQUEST_OK },
        { "OPT with an option past its end",
          B(HEADER ASKS_AND("\0\1") QUESTION "\0\0\x29\x04\xd0\0\0\0\0\0\6\0\x0a\0\3xx"),
          DNS_REQUEST_BAD },
        { "OPT with half an option",
          B(HEADER ASKS_AND("\0\1") QUESTION "\0\0\x29\x04\xd0\0\0\0\0\0\2\0\x0a"),
          DNS_REQUEST_BAD },
        { "RDLENGTH past the end",
          B(HEADER ASKS_AND("\0\1") QUESTION "\0\0\x29\x04\xd0\0\0\0\0\0\1"), DNS_REQUEST_BAD },
        { "a record cut short", B(HEADER ASKS_AND("\0\1") QUESTION "\0\0\x29\x04"),
          DNS_REQUEST_BAD },
        { "other records beside it", B(HEADER ASKS_AND("\0\2") QUESTION OTHER OPT),
          DNS_REQUEST_OK },
        { "eight records",
          B(HEADER ASKS_AND("\0\x8") QUESTION OTHER OTHER OTHER OTHER OTHER OTHER OTHER OTHER),
          DNS_REQUEST_OK },
        { "nine records",
          B(HEADER ASKS_AND("\0\x9")
                QUESTION OTHER OTHER OTHER OTHER OTHER OTHER OTHER OTHER OTHER),
          DNS_REQUEST_BAD },
        { "bytes behind the end", B(HEADER ASKS QUESTION "x"), DNS_REQUEST_BAD },
        { "a response", B("\x12\x34\x81\x80" ASKS QUESTION), DNS_REQUEST_NONE },
        { "a response of another opcode", B("\x12\x34\xa8\0\0\0"), DNS_REQUEST_NONE },
        { "eleven bytes", B(HEADER "\0\1\0\0\0\0\0"), DNS_REQUEST_NONE },
        { "nothing", B(""), DNS_REQUEST_NONE },
        { "an update, whatever it holds", B("\x12\x34\x28\0\0\1\0\0\0\1\0\0zzz"), DNS_REQUEST_OK },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        print_message("%s\n", rows[i].row);
        assert_int_equal(read_copy(rows[i].wire), rows[i].result);
        if (rows[i].result != DNS_REQUEST_NONE)
            assert_int_equal(request.id, 0x1234);
    }
}

static void what_the_question_says(void **state)
{
    char text[DNS_NAME_TEXT_BYTES];
    struct str wire = STR("\xab\xcd\x01\x30" ASKS_AND("\0\1") "\2aB\2cD\0\0\x1c\0\1" OPT_DO);
    assert_int_equal(read_copy(wire), DNS_REQUEST_OK);
    assert_int_equal(request.id, 0xabcd);
    assert_true(request.recursion_desired && request.authentic_data && request.checking_disabled);
    assert_true(request.has_question && request.has_edns && request.dnssec_ok);
    assert_false(request.is_signed || request.has_records);
    assert_int_equal(request.udp_bytes, 4096);
    assert_int_equal(request.question.type, DNS_AAAA);
    assert_int_equal(request.question.class, DNS_CLASS_IN);
    assert_string_equal(dns_name_text(&request.question.name, text), "aB.cD");
}

static void what_stands_behind_the_question(void **state)
{
    static const struct {
        const char *row;
        struct str wire;
        bool has_edns, is_signed, has_records;
    } rows[] = {
        { "nothing", B(HEADER ASKS QUESTION), false, false, false },
        { "OPT", B(HEADER ASKS_AND("\0\1") QUESTION OPT), true, false, false },
        { "TSIG", B(HEADER ASKS_AND("\0\1") QUESTION TSIG), false, true, false },
        { "OPT and TSIG", B(HEADER ASKS_AND("\0\2") QUESTION OPT TSIG), true, true, false },
        { "SIG(0)", B(HEADER ASKS_AND("\0\1") QUESTION SIG0), false, true, false },
        { "an answer", B(HEADER "\0\1\0\1\0\0\0\0" QUESTION OTHER), false, false, true },
        { "authority", B(HEADER "\0\1\0\0\0\1\0\0" QUESTION OTHER), false, false, true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        print_message("%s\n", rows[i].row);
        assert_int_equal(read_copy(rows[i].wire), DNS_REQUEST_OK);
        assert_int_equal(request.has_edns, rows[i].has_edns);
        assert_int_equal(request.is_signed, rows[i].is_signed);
        assert_int_equal(request.has_records, rows[i].has_records);
    }
}

static void what_is_cut_is_never_read_past(void **state)
{
    struct str wire = STR(HEADER ASKS_AND("\0\2") QUESTION OPT TSIG);
    for (size_t n = 0; n < wire.n; n++)
        assert_int_not_equal(read_copy(str_first(wire, n)), DNS_REQUEST_OK);
    assert_int_equal(read_copy(wire), DNS_REQUEST_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read),
        cmocka_unit_test(what_the_question_says),
        cmocka_unit_test(what_stands_behind_the_question),
        cmocka_unit_test(what_is_cut_is_never_read_past),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

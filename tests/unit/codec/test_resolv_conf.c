#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "codec/resolv_conf.h"

#define B(literal)                                                                                 \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

static struct buf said;

static void say(struct str s)
{
    if (said.n > 0)
        buf_byte(&said, ' ');
    buf_append(&said, s);
}

static void conf_is_read(void **state)
{
    static const struct {
        const char *row;
        struct str text;
        const char *servers, *search;
        unsigned ndots, timeout_s, attempts, n_bad;
    } rows[] = {
        { "nothing", B(""), "", "", 1, 5, 2, 0 },
        { "what a VPC writes",
          B("; generated\nsearch eu-west-1.compute.internal\n"
            "options timeout:2 attempts:5\nnameserver 10.0.0.2\n"),
          "10.0.0.2", "eu-west-1.compute.internal", 1, 2, 5, 0 },
        { "no newline at the end", B("nameserver 10.0.0.2"), "10.0.0.2", "", 1, 5, 2, 0 },
        { "CRLF", B("nameserver 10.0.0.2\r\nsearch a b\r\n"), "10.0.0.2", "a b", 1, 5, 2, 0 },
        { "tabs, NUL and indentation", B("\tnameserver\t10.0.0.2\0\n"), "10.0.0.2", "", 1, 5, 2,
          0 },
        { "more than libc's three, in order",
          B("nameserver 1.1.1.4\nnameserver 1.1.1.3\nnameserver 1.1.1.2\nnameserver 1.1.1.1\n"),
          "1.1.1.4 1.1.1.3 1.1.1.2 1.1.1.1", "", 1, 5, 2, 0 },
        { "duplicates are dropped",
          B("nameserver 1.1.1.1\nnameserver 1.1.1.1\nnameserver FE80::1\n"
            "nameserver fe80::1\n"),
          "1.1.1.1 FE80::1", "", 1, 5, 2, 0 },
        { "IPv6, zones, ports and brackets",
          B("nameserver ::1\nnameserver fe80::1%eth0\nnameserver [::1]:53\nnameserver [::2]\n"
            "nameserver 1.2.3.4:5353\nnameserver [fe80::1%2]:53\n"),
          "::1 fe80::1%eth0 [::1]:53 [::2] 1.2.3.4:5353 [fe80::1%2]:53", "", 1, 5, 2, 0 },
        { "what is no address",
          B("nameserver\nnameserver dns.example\nnameserver 1.2.3\nnameserver 1.2.3.4:\n"
            "nameserver 1.2.3.4:0\nnameserver 1.2.3.4:65536\nnameserver [::1\nnameserver [::1]53\n"
            "nameserver []\nnameserver fe80::1%\nnameserver 1.2.3.4%eth0\nnameserver ::1:g\n"
            "nameserver [1.2.3.4]:53\nnameserver "
            "1111:1111:1111:1111:1111:1111:1111:1111:1111:1111:1111\n"),
          "", "", 1, 5, 2, 14 },
        { "comments behind values",
          B("nameserver 1.1.1.1 # first\nsearch a ;b\noptions rotate#x\n"
            "#nameserver 2.2.2.2\n ;x\nnameserver #1.1.1.2\n"),
          "1.1.1.1", "a", 1, 5, 2, 2 },
        { "the last of search and domain counts", B("domain a.example\nsearch b c\n"), "", "b c", 1,
          5, 2, 0 },
        { "in both orders", B("search b c\ndomain a.example\n"), "", "a.example", 1, 5, 2, 0 },
        { "an empty search changes nothing", B("search a\nsearch\n"), "", "a", 1, 5, 2, 1 },
        { "bad names are left out", B("search a..b good .\n"), "", "good .", 1, 5, 2, 1 },
        { "domain takes one", B("domain a b\n"), "", "a", 1, 5, 2, 1 },
        { "libc's maxima", B("options ndots:99 timeout:1000 attempts:4294967297\n"), "", "", 15, 30,
          5, 0 },
        { "and minima", B("options ndots:0 timeout:0 attempts:0\n"), "", "", 0, 1, 1, 0 },
        { "options that are not",
          B("options ndots: timeout:-1 attempts:2x ndots:3\noptions wat\n"
            "options ndots\n"),
          "", "", 3, 5, 2, 3 },
        { "libc's other options", B("options trust-ad single-request no-aaaa\nsortlist 1.2.3.4\n"),
          "", "", 1, 5, 2, 0 },
        { "unknown keywords", B("Nameserver 1.1.1.1\nnameserver1.1.1.1\n\x80\xff\n"), "", "", 1, 5,
          2, 3 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct resolv_conf conf;
        print_message("  %s\n", rows[i].row);
        char *copy = malloc(rows[i].text.n + 1);
        memcpy(copy + 1, rows[i].text.p, rows[i].text.n);
        resolv_conf_parse(str_of(copy + 1, rows[i].text.n), &conf);
        buf_clear(&said);
        for (unsigned s = 0; s < conf.n_servers; s++)
            say(conf.servers[s].text);
        assert_true(str_eq(buf_str(&said), str_from_c(rows[i].servers)));
        buf_clear(&said);
        for (unsigned s = 0; s < conf.n_search; s++)
            say(conf.search[s]);
        assert_true(str_eq(buf_str(&said), str_from_c(rows[i].search)));
        free(copy);
        assert_int_equal(conf.ndots, rows[i].ndots);
        assert_int_equal(conf.timeout_s, rows[i].timeout_s);
        assert_int_equal(conf.attempts, rows[i].attempts);
        assert_int_equal(conf.n_bad_lines, rows[i].n_bad);
        assert_false(conf.rotate || conf.use_tcp || conf.edns0);
    }
}

static void flags_and_lines(void **state)
{
    struct resolv_conf conf;
    resolv_conf_parse(STR("options rotate edns0 use-vc\n\n\nnameserver 1.1.1.1\n"), &conf);
    assert_true(conf.rotate && conf.use_tcp && conf.edns0);
    assert_int_equal(conf.servers[0].line, 4);
}

static void maxima_hold(void **state)
{
    struct resolv_conf conf;
    struct buf text;
    buf_init(&text, 1 << 20);
    for (unsigned i = 0; i < 20; i++)
        buf_printf(&text, "nameserver 10.0.0.%u\n", i);
    buf_printf(&text, "search");
    for (unsigned i = 0; i < 40; i++)
        buf_printf(&text, " s%u", i);
    resolv_conf_parse(buf_str(&text), &conf);
    assert_int_equal(conf.n_servers, RESOLV_MAX_SERVERS);
    assert_int_equal(conf.n_search, RESOLV_MAX_SEARCH);
    assert_int_equal(conf.n_bad_lines, 4 + 1);

    buf_clear(&text);
    while (text.n + 19 <= RESOLV_CONF_BYTES)
        buf_append(&text, STR("# nothing of worth\n"));
    buf_append(&text, STR("nameserver 10.0.0.255\n"));
    resolv_conf_parse(buf_str(&text), &conf);
    assert_int_equal(conf.n_servers, 0);
    assert_int_equal(conf.n_bad_lines, 1);
    buf_done(&text);
}

static bool hear(void *arg, struct str address, struct str name, unsigned line)
{
    unsigned *n_left = arg;
    char at[16];
    snprintf(at, sizeof at, "%u", line);
    say(str_from_c(at));
    say(address);
    say(name);
    return --*n_left > 0;
}

static void hosts_are_read(void **state)
{
    static const struct {
        const char *row;
        struct str text;
        unsigned n_wanted;
        const char *said;
    } rows[] = {
        { "nothing", B(""), 9, "" },
        { "pairs in order", B("127.0.0.1 localhost lo\n::1\tlocalhost\n"), 9,
          "1 127.0.0.1 localhost 1 127.0.0.1 lo 2 ::1 localhost" },
        { "comments anywhere", B("# all\n1.1.1.1 a#b c\n#\n1.1.1.1 # b\n"), 9, "2 1.1.1.1 a" },
        { "an address alone", B("1.1.1.1\n  \n"), 9, "" },
        { "CRLF, NUL, no last newline", B(" 1.1.1.1\0a\r\n1.1.1.2 b"), 9,
          "1 1.1.1.1 a 2 1.1.1.2 b" },
        { "stops when told", B("1 a b\n2 c\n"), 2, "1 1 a 1 1 b" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        print_message("  %s\n", rows[i].row);
        unsigned n_left = rows[i].n_wanted;
        buf_clear(&said);
        char *copy = malloc(rows[i].text.n + 1);
        memcpy(copy + 1, rows[i].text.p, rows[i].text.n);
        hosts_parse(str_of(copy + 1, rows[i].text.n), hear, &n_left);
        free(copy);
        assert_true(str_eq(buf_str(&said), str_from_c(rows[i].said)));
    }
}

static bool count(void *arg, struct str address, struct str name, unsigned line)
{
    ++*(unsigned *)arg;
    return true;
}

static void hosts_end_at_their_maximum(void **state)
{
    size_t n = HOSTS_BYTES + 4;
    char *text = malloc(n);
    assert_non_null(text);
    for (size_t i = 0; i < n; i++)
        text[i] = "1 abcd\n"[i % 7];
    unsigned n_names = 0;
    hosts_parse(str_of(text, n), count, &n_names);
    assert_int_equal(n_names, HOSTS_BYTES / 7);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conf_is_read),
        cmocka_unit_test(flags_and_lines),
        cmocka_unit_test(maxima_hold),
        cmocka_unit_test(hosts_are_read),
        cmocka_unit_test(hosts_end_at_their_maximum),
    };
    buf_init(&said, 1 << 20);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    buf_done(&said);
    return failed;
}

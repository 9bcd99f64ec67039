/* RDATA as text: the known layouts, and whatever a server may put into them instead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/dns_show.h"

static const struct show_row {
    const char *name;
    uint16_t type, class;
    struct str rdata;
    const char *text;
} show_rows[] = {
    { "A", DNS_A, 1, STR_INIT("\xc0\0\2\1"), "192.0.2.1" },
    { "A of another class", DNS_A, 3, STR_INIT("\xc0\0\2\1"), "\\# 4 c0000201" },
    { "AAAA", DNS_AAAA, 1, STR_INIT("\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1"), "2001:db8::1" },
    { "CNAME", DNS_CNAME, 1, STR_INIT("\1a\7example\0"), "a.example" },
    { "the root", DNS_NS, 1, STR_INIT("\0"), "." },
    { "a name that is hostile", DNS_PTR, 1, STR_INIT("\4\033[2J\1\".\0"), "" },
    { "MX", DNS_MX, 1, STR_INIT("\0\12\1a\0"), "10 a" },
    { "SRV", DNS_SRV, 1, STR_INIT("\0\1\0\2\37\220\1a\0"), "1 2 8080 a" },
    { "TXT", DNS_TXT, 1, STR_INIT("\2hi\5a\"b\\\n"), "\"hi\" \"a\\\"b\\\\\\010\"" },
    { "TXT of nothing", DNS_TXT, 1, STR_INIT("\0"), "\"\"" },
    { "SOA", DNS_SOA, 1, STR_INIT("\1m\0\1r\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\377\377\377\377"),
      "m r 1 2 3 4 4294967295" },
    { "unknown", 65280, 1, STR_INIT("\xab\0"), "\\# 2 ab00" },
    { "unknown and empty", 65280, 1, STR_INIT(""), "\\# 0" },
};

/* A response with one record; false when the parser refuses it. */
static bool message(const struct show_row *row, struct buf *wire, struct dns_msg *m)
{
    struct dns_writer w;
    struct dns_question q = { .type = row->type, .class = row->class };
    assert_true(dns_name_parse(STR("x"), &q.name));
    buf_clear(wire);
    dns_write_begin(&w, wire, 4096, (struct dns_reply_flags){ .id = 1 }, &q);
    assert_true(dns_write_rr(&w, DNS_ANSWER, &q.name, row->type, row->class, 60, row->rdata));
    dns_write_end(&w);
    return dns_msg_parse(buf_str(wire), m) == DNS_PARSE_OK && m->n_rrs == 1;
}

static void rdata_is_shown(void **state)
{
    static struct dns_msg m;
    struct buf wire, out;
    buf_init(&wire, 1 << 16);
    buf_init(&out, 1 << 20);
    for (size_t i = 0; i < sizeof show_rows / sizeof *show_rows; i++) {
        const struct show_row *row = &show_rows[i];
        buf_clear(&out);
        if (!message(row, &wire, &m)) {
            assert_int_equal(row->text[0], 0);
            continue;
        }
        dns_show_rdata(&m, &m.rrs[0], &out);
        for (size_t k = 0; k < out.n; k++)
            assert_true(out.p[k] >= ' ' && out.p[k] <= '~');
        if (row->text[0] != 0 && !str_eq(buf_str(&out), str_from_c(row->text)))
            fail_msg("%s: %.*s", row->name, STR_ARG(buf_str(&out)));
    }
    buf_done(&wire);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(rdata_is_shown) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

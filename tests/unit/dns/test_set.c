/* Kept answers: whole messages, made once. */
#include "script.h"

static void a_message_of_ours_is_kept_as_it_is(void **state)
{
    static const struct {
        const char *reply, *want;
        unsigned n_addrs;
    } rows[] = {
        { "@ 60 A 192.0.2.1, @ 7 AAAA 2001:db8::1, @ 9 TXT \1x",
          "b.example 60 A 192.0.2.1, b.example 7 AAAA 2001:db8::1, b.example 9 TXT \1x", 2 },
        { "", "", 0 },
        { "example 900 SOA 60", "example 900 SOA 60", 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dns_msg q = { .question = ask_of("b.example", DNS_A).question };
        struct buf wire, text;
        struct addr v[4];
        buf_init(&wire, 4096);
        buf_init(&text, 4096);
        script_write(&wire, &q, str_from_c(rows[i].reply));
        struct dns_set *s = dns_set_of_message(buf_str(&wire), DNS_ANSWERED, 5);
        assert_non_null(s);
        text_set(&text, s);
        assert_true(str_eq(buf_str(&text), str_from_c(rows[i].want)));
        assert_int_equal(s->ttl_s, 5);
        assert_int_equal(dns_set_addrs(s, 443, v, 4), rows[i].n_addrs);
        assert_int_equal(dns_set_addrs(s, 443, v, 1), rows[i].n_addrs > 0);
        assert_true(dns_set_bytes(s) > wire.n);
        /* Each ttl_at is where the parser finds the TTL. */
        struct dns_msg m;
        assert_int_equal(dns_msg_parse(dns_set_wire(s), &m), DNS_PARSE_OK);
        for (size_t k = 0; k < m.n_rrs; k++) {
            const uint8_t *at = (const uint8_t *)m.wire.p + s->ttl_at[k];
            assert_int_equal((uint32_t)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3],
                             m.rrs[k].ttl);
        }
        assert_ptr_equal(dns_set_ref(s), s);
        dns_set_unref(s);
        dns_set_unref(s);
        buf_done(&wire);
        buf_done(&text);
    }
    dns_set_unref(NULL);
}

/* RFC 1035 section 3.4.1 says what an A record is in class IN; in class CH it is something else. */
static void other_classes_have_no_addresses(void **state)
{
    struct dns_question q = ask_of("b.example", DNS_A).question;
    struct dns_writer w;
    struct addr v[4];
    struct buf wire;
    q.class = DNS_CLASS_CH;
    buf_init(&wire, 4096);
    dns_write_begin(&w, &wire, 4096, (struct dns_reply_flags){ 0 }, &q);
    dns_write_rr(&w, DNS_ANSWER, &q.name, DNS_A, DNS_CLASS_CH, 60, STR("\1"));
    dns_write_end(&w);
    struct dns_set *s = dns_set_of_message(buf_str(&wire), DNS_ANSWERED, 5);
    assert_non_null(s);
    assert_int_equal(dns_set_addrs(s, 443, v, 4), 0);
    dns_set_unref(s);
    buf_done(&wire);
}

static void junk_is_no_message(void **state)
{
    assert_null(dns_set_of_message(STR("junk"), DNS_ANSWERED, 5));
    assert_null(dns_set_of_message(STR(""), DNS_ANSWERED, 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_of_ours_is_kept_as_it_is),
        cmocka_unit_test(other_classes_have_no_addresses),
        cmocka_unit_test(junk_is_no_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

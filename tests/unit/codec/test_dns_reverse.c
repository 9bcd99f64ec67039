#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/dns_reverse.h"

#include "name_of.h"

static const struct {
    const char *ip, *name;
} pairs[] = {
    { "10.1.2.253", "253.2.1.10.in-addr.arpa" },
    { "0.0.0.0", "0.0.0.0.in-addr.arpa" },
    { "255.255.255.255", "255.255.255.255.in-addr.arpa" },
    { "fd00:ec2::253", "3.5.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.2.c.e.0.0.0.d.f.ip6.arpa" },
    { "::1", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa" },
};

static void both_ways(void **state)
{
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct addr a, back;
        struct dns_name name;
        char text[DNS_NAME_TEXT_BYTES];
        assert_true(addr_parse_ip(str_from_c(pairs[i].ip), &a));
        dns_reverse_name(&a, &name);
        assert_string_equal(dns_name_text(&name, text), pairs[i].name);
        assert_true(dns_reverse_addr(&name, &back));
        assert_true(addr_ip_eq(&a, &back));
    }
    struct addr a;
    struct dns_name upper =
        name_of("3.5.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.2.C.E.0.0.0.D.F.IP6.ARPA");
    assert_true(dns_reverse_addr(&upper, &a));
}

static void what_is_no_address(void **state)
{
    static const char *const names[] = {
        ".",
        "in-addr.arpa",
        "1.10.in-addr.arpa",
        "256.1.2.10.in-addr.arpa",
        "01.1.2.10.in-addr.arpa",
        "1.1.1.2.10.in-addr.arpa",
        "x.1.2.10.in-addr.arpa",
        "1.1.2.10.in-addr.arpa.example",
        "1.1.2.10.ip6.arpa",
        "10.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa",
        "g.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa",
        "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa",
    };
    struct addr a;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct dns_name n = name_of(names[i]);
        if (dns_reverse_addr(&n, &a))
            fail_msg("%s", names[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways),
        cmocka_unit_test(what_is_no_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

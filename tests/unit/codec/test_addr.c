#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/addr.h"

#define N_OF(a) (sizeof(a) / sizeof((a)[0]))

/* text NULL: refused. */
static const struct {
    const char *in, *text;
} parsed[] = {
    { "1.2.3.4", "1.2.3.4:99" },
    { "1.2.3.4:53", "1.2.3.4:53" },
    { "1.2.3.4:0", "1.2.3.4:0" },
    { "1.2.3.4:65535", "1.2.3.4:65535" },
    { "::1", "[::1]:99" },
    { "::", "[::]:99" },
    { "[::1]", "[::1]:99" },
    { "[::1]:53", "[::1]:53" },
    { "[2001:DB8:0:0:1:0:0:1]:1", "[2001:db8::1:0:0:1]:1" },
    { "::ffff:1.2.3.4", "[::ffff:1.2.3.4]:99" },
    { ":80", "[::]:80" },
    { "fe80::1%3", "[fe80::1%3]:99" },
    { "[fe80::1%3]:80", "[fe80::1%3]:80" },
    { "", NULL },
    { ":", NULL },
    { "1.2.3.4:", NULL },
    { "1.2.3.4:65536", NULL },
    { "1.2.3.4:99999999999999999999", NULL },
    { "1.2.3.4:-1", NULL },
    { "1.2.3.4: 1", NULL },
    { "1.2.3", NULL },
    { "1.2.3.4.5", NULL },
    { "01.2.3.4", NULL },
    { "1.2.3.256", NULL },
    { "0x7f.1", NULL },
    { "2130706433", NULL },
    { " 1.2.3.4", NULL },
    { "1.2.3.4 ", NULL },
    { "1.2.3.4%1", NULL },
    { "[1.2.3.4]", NULL },
    { "[::1", NULL },
    { "::1]", NULL },
    { "[::1]:", NULL },
    { "[::1]53", NULL },
    { "[::1]:5x", NULL },
    { "[]:53", NULL },
    { "fe80::1%", NULL },
    { "fe80::1%0", NULL },
    { "fe80::1%no-such-interface", NULL },
    { "fe80::1%4294967296", NULL },
    { ":::1", NULL },
    { "1:2:3:4:5:6:7:8:9", NULL },
    { "localhost", NULL },
    { "localhost:80", NULL },
    { "1:2:3:4:5:6:7:8:1:2:3:4:5:6:7:8:1:2:3:4:5:6:7:8:1:2:3:4:5:6:7:8", NULL },
};

static void test_parse_and_print(void **state)
{
    for (size_t i = 0; i < N_OF(parsed); i++) {
        struct addr a, b;
        char text[ADDR_TEXT_BYTES];
        bool ok = addr_parse(str_from_c(parsed[i].in), 99, &a);
        if (ok != (parsed[i].text != NULL))
            fail_msg("\"%s\"", parsed[i].in);
        if (!ok)
            continue;
        assert_string_equal(addr_text(&a, text), parsed[i].text);
        assert_true(addr_parse(str_from_c(text), 1, &b));
        assert_true(addr_eq(&a, &b));
        assert_true(addr_parse_ip(str_from_c(addr_ip_text(&a, text)), &b));
        assert_true(addr_ip_eq(&a, &b));
        assert_int_equal(addr_port(&b), 0);
    }
}

static void test_bytes_behind_nul_count(void **state)
{
    struct addr a;
    assert_false(addr_parse_ip(STR("1.2.3.4\0"), &a));
    assert_false(addr_parse_ip(STR("1.2.3.4\0.evil.test"), &a));
    assert_false(addr_parse_ip(STR("::1\0"), &a));
    assert_false(addr_parse_ip(str_of(NULL, 0), &a));
}

static void test_equality(void **state)
{
    struct addr a, b;
    assert_true(addr_parse(STR("1.2.3.4:1"), 0, &a) && addr_parse(STR("1.2.3.4:2"), 0, &b));
    assert_true(addr_ip_eq(&a, &b) && !addr_eq(&a, &b));
    addr_set_port(&b, 1);
    assert_true(addr_eq(&a, &b));
    assert_true(addr_parse(STR("[::ffff:1.2.3.4]:1"), 0, &b));
    assert_false(addr_ip_eq(&a, &b) || addr_ip_eq(&b, &a));
    addr_unmap(&b);
    assert_true(addr_eq(&a, &b));
    addr_unmap(&b);
    assert_true(addr_eq(&a, &b));
    assert_true(addr_parse(STR("[fe80::1%1]:1"), 0, &a) && addr_parse(STR("[fe80::1%2]:1"), 0, &b));
    assert_false(addr_ip_eq(&a, &b));
    assert_int_equal(addr_len(&a), sizeof(struct sockaddr_in6));
    assert_int_equal(addr_family(&a), AF_INET6);
}

static const struct {
    const char *cidr, *in, *out; /* in NULL: refused */
} cidrs[] = {
    { "10.0.0.0/8", "10.255.0.1", "11.0.0.0" },
    { "10.0.0.0/8", "::ffff:10.1.2.3", "::10.1.2.3" },
    { "0.0.0.0/0", "255.255.255.255", "::1" },
    { "192.168.128.0/17", "192.168.255.255", "192.168.127.255" },
    { "1.2.3.4/32", "1.2.3.4", "1.2.3.5" },
    { "1.2.3.4", "1.2.3.4", "1.2.3.5" },
    { "::/0", "fd00::1", "1.2.3.4" },
    { "fd00::/8", "fdff::1", "fc00::1" },
    { "fe80::/10", "febf::1", "fec0::1" },
    { "::1", "::1", "::2" },
    { "::ffff:0:0/96", "::ffff:1.2.3.4", "1.2.3.4" },
    { "10.0.0.1/8", NULL, NULL },
    { "10.0.0.0/33", NULL, NULL },
    { "10.0.0.0/", NULL, NULL },
    { "10.0.0.0/-1", NULL, NULL },
    { "10.0.0.0/8/8", NULL, NULL },
    { "10.0.0.0/0008", NULL, NULL },
    { "10/8", NULL, NULL },
    { "fd00::/129", NULL, NULL },
    { "fd00::1/64", NULL, NULL },
    { "fe80::%1/64", NULL, NULL },
    { "[::1]/128", NULL, NULL },
    { "/8", NULL, NULL },
    { "", NULL, NULL },
};

static void test_cidr(void **state)
{
    for (size_t i = 0; i < N_OF(cidrs); i++) {
        struct cidr c;
        struct addr in, out;
        bool ok = cidr_parse(str_from_c(cidrs[i].cidr), &c);
        if (ok != (cidrs[i].in != NULL))
            fail_msg("%s", cidrs[i].cidr);
        if (!ok)
            continue;
        assert_true(addr_parse_ip(str_from_c(cidrs[i].in), &in));
        assert_true(addr_parse_ip(str_from_c(cidrs[i].out), &out));
        if (!cidr_has(&c, &in) || cidr_has(&c, &out))
            fail_msg("%s", cidrs[i].cidr);
    }
}

static const struct {
    const char *ip;
    enum addr_class class;
} classes[] = {
    { "8.8.8.8", ADDR_GLOBAL },
    { "10.0.0.1", ADDR_GLOBAL },
    { "172.16.0.1", ADDR_GLOBAL },
    { "192.168.1.1", ADDR_GLOBAL },
    { "100.64.0.1", ADDR_GLOBAL },
    { "0.0.0.0", ADDR_UNSPECIFIED },
    { "0.1.2.3", ADDR_UNSPECIFIED },
    { "1.0.0.0", ADDR_GLOBAL },
    { "126.255.255.255", ADDR_GLOBAL },
    { "127.0.0.1", ADDR_LOOPBACK },
    { "127.255.255.255", ADDR_LOOPBACK },
    { "128.0.0.0", ADDR_GLOBAL },
    { "169.253.255.255", ADDR_GLOBAL },
    { "169.254.169.254", ADDR_LINK_LOCAL },
    { "169.254.170.2", ADDR_LINK_LOCAL },
    { "169.255.0.0", ADDR_GLOBAL },
    { "223.255.255.255", ADDR_GLOBAL },
    { "224.0.0.1", ADDR_MULTICAST },
    { "239.255.255.255", ADDR_MULTICAST },
    { "240.0.0.1", ADDR_MULTICAST },
    { "255.255.255.255", ADDR_MULTICAST },
    { "2001:db8::1", ADDR_GLOBAL },
    { "2600:1f00::1", ADDR_GLOBAL },
    { "fc00::1", ADDR_GLOBAL },
    { "fd12:3456::1", ADDR_GLOBAL },
    { "::", ADDR_UNSPECIFIED },
    { "::1", ADDR_LOOPBACK },
    { "fe80::1", ADDR_LINK_LOCAL },
    { "febf:ffff::1", ADDR_LINK_LOCAL },
    { "fec0::1", ADDR_GLOBAL },
    { "fd00:ec2::254", ADDR_LINK_LOCAL },
    { "fd00:ec2::23", ADDR_LINK_LOCAL },
    { "fd00:ec2:ffff::1", ADDR_LINK_LOCAL },
    { "fd00:ec3::254", ADDR_GLOBAL },
    { "ff02::1", ADDR_MULTICAST },
    { "::ffff:127.0.0.1", ADDR_LOOPBACK },
    { "::ffff:169.254.169.254", ADDR_LINK_LOCAL },
    { "::ffff:0.0.0.0", ADDR_UNSPECIFIED },
    { "::ffff:10.0.0.1", ADDR_GLOBAL },
    { "::ffff:255.255.255.255", ADDR_MULTICAST },
    { "::ffff:0:127.0.0.1", ADDR_LOOPBACK },
    { "::127.0.0.1", ADDR_LOOPBACK },
    { "::169.254.169.254", ADDR_LINK_LOCAL },
    { "::2", ADDR_UNSPECIFIED },
    { "::10.0.0.1", ADDR_GLOBAL },
    { "64:ff9b::127.0.0.1", ADDR_LOOPBACK },
    { "64:ff9b::169.254.169.254", ADDR_LINK_LOCAL },
    { "64:ff9b::10.0.0.1", ADDR_GLOBAL },
    { "64:ff9b::52.216.1.1", ADDR_GLOBAL },
    { "64:ff9b:1::169.254.169.254", ADDR_LINK_LOCAL },
    { "64:ff9b:1:a9fe:a9:fe00::", ADDR_LINK_LOCAL },
    { "64:ff9b:1::10.0.0.1", ADDR_GLOBAL },
    { "2002:7f00:1::", ADDR_LOOPBACK },
    { "2002:a9fe:a9fe::1", ADDR_LINK_LOCAL },
    { "2002:0:1::", ADDR_UNSPECIFIED },
    { "2002:e000:1::", ADDR_MULTICAST },
    { "2002:808:808::1", ADDR_GLOBAL },
};

static void test_classes(void **state)
{
    for (size_t i = 0; i < N_OF(classes); i++) {
        struct addr a;
        assert_true(addr_parse_ip(str_from_c(classes[i].ip), &a));
        if (addr_classify(&a) != classes[i].class)
            fail_msg("%s: %s", classes[i].ip, addr_class_name(addr_classify(&a)));
    }
    assert_string_equal(addr_class_name(ADDR_LINK_LOCAL), "link-local");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_and_print), cmocka_unit_test(test_bytes_behind_nul_count),
        cmocka_unit_test(test_equality),        cmocka_unit_test(test_cidr),
        cmocka_unit_test(test_classes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "doctor/forwarding.h"

#define B(literal)                                                                                 \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }
#define N(rows) (sizeof(rows) / sizeof *(rows))

struct outcome {
    struct forwarding f;
    struct buf problem, warnings, text, notes;
};

static void begin(struct outcome *o)
{
    forwarding_init(&o->f);
    buf_init(&o->problem, 16384);
    buf_init(&o->warnings, 16384);
    buf_init(&o->text, FORWARDING_TEXT_BYTES);
    buf_init(&o->notes, FORWARDING_TEXT_BYTES);
}

static void end(struct outcome *o)
{
    buf_done(&o->problem);
    buf_done(&o->warnings);
    buf_done(&o->text);
    buf_done(&o->notes);
}

static bool has(const struct buf *b, const char *part)
{
    return str_contains(buf_str(b), str_from_c(part));
}

static size_t count(const struct buf *b, const char *part)
{
    size_t n = 0, bytes = strlen(part);
    for (size_t i = 0; i + bytes <= b->n; i++)
        n += memcmp(b->p + i, part, bytes) == 0;
    return n;
}

/* Addresses with at most one CIDR block. problem: a part of the refusal, NULL for none; warning
 * likewise. */
static const struct {
    const char *to, *cidr, *problem, *warning;
} addresses[] = {
    { "10.0.1.10,10.0.2.10", NULL, NULL, NULL },
    { "172.31.255.9,172.16.4.5", NULL, NULL, NULL },
    { "192.168.7.77,100.64.9.9,198.19.3.4", NULL, NULL, NULL },
    { "fd12:3456::10,10.0.1.10", NULL, NULL, NULL },
    { "10.0.1.10", NULL, NULL, "one address alone" },
    /* VPC+2, known and likely */
    { "10.0.0.2,10.0.1.10", NULL, "VPC+2 of a VPC that begins at 10.0.0.0", NULL },
    { "10.0.1.10,172.31.0.2", NULL, "VPC+2 of a VPC that begins at 172.31.0.0", NULL },
    { "192.168.5.2,192.168.5.9", NULL, "--vpc-cidr shows it", NULL },
    { "10.0.0.2,10.0.1.10", "10.0.0.0/16", "VPC+2 of 10.0.0.0/16", NULL },
    { "10.0.4.2,10.0.1.10", "10.0.4.0/22", "VPC+2 of 10.0.4.0/22", NULL },
    { "10.0.1.18,10.0.1.21", "10.0.1.16/28", "VPC+2 of 10.0.1.16/28", NULL },
    { "10.0.1.130,10.0.1.21", "10.0.1.128/25", "VPC+2 of 10.0.1.128/25", NULL },
    { "10.0.5.2,10.0.1.10", "10.0.0.0/16", NULL, "only in a subnet larger than /24" },
    { "10.0.5.12,10.0.1.10", "10.0.0.0/16", NULL, NULL },
    { "10.9.5.2,10.0.1.10", "10.0.0.0/16", "VPC+2 of a VPC that begins at 10.9.5.0", NULL },
    { "10.0.1.18,10.0.1.21", NULL, NULL, "10.0.1.18 would be VPC+2 of a small VPC" },
    { "10.0.1.18,10.0.1.21", "10.0.0.0/16", NULL, NULL },
    { "10.0.1.22,10.0.1.21", NULL, NULL, NULL },
    /* AWS's own in every subnet */
    { "10.3.0.0,10.0.1.10", NULL, "first four addresses", NULL },
    { "10.3.0.1,10.0.1.10", NULL, "first four addresses", NULL },
    { "10.3.0.3,10.0.1.10", NULL, "first four addresses", NULL },
    { "10.3.0.4,10.0.1.10", NULL, NULL, NULL },
    { "10.3.1.3,10.0.1.10", NULL, NULL, NULL },
    { "10.3.1.3,10.3.1.10", "10.3.1.0/24", "reserved in 10.3.1.0/24", NULL },
    { "10.3.1.4,10.3.1.10", "10.3.1.0/24", NULL, NULL },
    { "10.3.1.255,10.3.1.10", "10.3.1.0/24", "reserved in 10.3.1.0/24", NULL },
    { "10.3.1.254,10.3.1.10", "10.3.1.0/24", NULL, NULL },
    /* no endpoint's, ever */
    { "169.254.169.253,10.0.1.10", NULL, "nobody outside of the VPC reaches it", NULL },
    { "169.254.169.253,10.0.1.10", "10.0.0.0/16", "is Amazon's resolver as", NULL },
    { "10.0.1.10,fd00:ec2::253", NULL, "is Amazon's resolver as", NULL },
    { "fd00:ec2::254,10.0.1.10", NULL, "link-local", NULL },
    { "169.254.20.10,10.0.1.10", NULL, "link-local", NULL },
    { "fe80::1,10.0.1.10", NULL, "no unicast IPv6 address of a VPC", NULL },
    { "127.0.0.1,10.0.1.10", NULL, "loopback", NULL },
    { "::1,10.0.1.10", NULL, "no unicast IPv6", NULL },
    { "0.0.0.0,10.0.1.10", NULL, "no address to send to", NULL },
    { "::,10.0.1.10", NULL, "no unicast IPv6", NULL },
    { "224.0.0.251,10.0.1.10", NULL, "multicast", NULL },
    { "255.255.255.255,10.0.1.10", NULL, "multicast or reserved", NULL },
    { "ff02::fb,10.0.1.10", NULL, "no unicast IPv6", NULL },
    { "::ffff:10.0.1.11,10.0.1.10", NULL, "no unicast IPv6", NULL },
    { "64:ff9b::a00:10a,10.0.1.10", NULL, "no unicast IPv6", NULL },
    { "2002:7f00:1::1,10.0.1.10", NULL, "loopback", NULL },
    /* public */
    { "8.8.8.8,10.0.1.10", NULL, "public address", NULL },
    { "172.32.0.9,10.0.1.10", NULL, "public address", NULL },
    { "100.128.0.9,10.0.1.10", NULL, "public address", NULL },
    { "192.169.0.9,10.0.1.10", NULL, "public address", NULL },
    { "52.94.3.9,52.94.3.10", "52.94.0.0/16", NULL, NULL },
    { "52.94.0.2,52.94.3.10", "52.94.0.0/16", "VPC+2 of 52.94.0.0/16", NULL },
    { "2600:1f16::10,10.0.1.10", NULL, NULL, "2600:1f16::10 may be anybody's" },
    { "2600:1f16:0:1::10,10.0.1.10", "2600:1f16::/56", NULL,
      "10.0.1.10 is in no CIDR block of --vpc-cidr" },
    { "2600:1f16:0:1::10,2600:1f16::9", "2600:1f16::/56", NULL, NULL },
    /* grammar */
    { "", NULL, "missing", NULL },
    { ",", NULL, "missing", NULL },
    { "10.0.1.10,", NULL, "missing", NULL },
    { ",10.0.1.10", NULL, "no IP address", NULL },
    { "10.0.1.10,,10.0.2.10", NULL, "no IP address", NULL },
    { "10.0.1.10, 10.0.2.10", NULL, "no IP address", NULL },
    { "10.0.1.10:53", NULL, "ports and names have no place", NULL },
    { "[fd00::1]", NULL, "no IP address", NULL },
    { "fd00::1%1", NULL, "no IP address", NULL },
    { "10.0.1.10/32", NULL, "no IP address", NULL },
    { "10.0.1", NULL, "no IP address", NULL },
    { "010.0.1.10", NULL, "no IP address", NULL },
    { "0x0a000109", NULL, "no IP address", NULL },
    { "resolver.corp.test", NULL, "no IP address", NULL },
    { "10.0.1.10; };\n", NULL, "10.0.1.10; };\\x0a is no IP address", NULL },
    { "10.0.1.10,10.0.1.10", NULL, "twice", NULL },
    { "fd12::1,fd12:0::1", NULL, "twice", NULL },
    { "10.0.1.1,10.0.1.9,10.0.1.8,10.0.1.4,10.0.1.5,10.0.1.6,10.0.1.7,10.0.2.9,10.0.2.8,10.0.2.7,"
      "10.0.2.6,10.0.2.5",
      NULL, NULL, NULL },
    { "10.0.1.1,10.0.1.9,10.0.1.8,10.0.1.4,10.0.1.5,10.0.1.6,10.0.1.7,10.0.2.9,10.0.2.8,10.0.2.7,"
      "10.0.2.6,10.0.2.5,10.0.2.4",
      NULL, "more than 12", NULL },
};

static void addresses_are_judged(void **state)
{
    for (size_t i = 0; i < N(addresses); i++) {
        struct outcome o;
        begin(&o);
        bool ok = forwarding_take_server(&o.f, STR("bind"), &o.problem) &&
                  (addresses[i].cidr == NULL ||
                   forwarding_take_cidr(&o.f, str_from_c(addresses[i].cidr), &o.problem)) &&
                  forwarding_take_addresses(&o.f, str_from_c(addresses[i].to), &o.problem) &&
                  forwarding_finish(&o.f, &o.problem, &o.warnings);
        const char *problem = addresses[i].problem, *warning = addresses[i].warning;
        if (ok != (problem == NULL) || ok != (o.problem.n == 0) ||
            (problem != NULL && !has(&o.problem, problem)))
            fail_msg("%s: \"%.*s\"", addresses[i].to, STR_ARG(buf_str(&o.problem)));
        if (ok && ((warning != NULL) != (o.warnings.n > 0) ||
                   (warning != NULL && !has(&o.warnings, warning))))
            fail_msg("%s: warned \"%.*s\"", addresses[i].to, STR_ARG(buf_str(&o.warnings)));
        end(&o);
    }
}

/* Every VPC there can be at 10.77.x: its +2 is refused when the block is told, and no other address
 * of it is called so. */
static void vpc_plus_2_is_known_in_every_block(void **state)
{
    for (unsigned bits = 16; bits <= 28; bits++) {
        char cidr[64], ip[64];
        unsigned base = 77u << 16 | (bits == 16 ? 0 : 0x5a50u & (0xffffu << (32 - bits)));
        for (unsigned offset = 4; offset < 14; offset++) {
            struct outcome o;
            begin(&o);
            unsigned at = base + (offset == 13 ? 2 : offset);
            snprintf(cidr, sizeof cidr, "10.%u.%u.%u/%u", base >> 16, base >> 8 & 255, base & 255,
                     bits);
            snprintf(ip, sizeof ip, "10.%u.%u.%u", at >> 16, at >> 8 & 255, at & 255);
            assert_true(forwarding_take_server(&o.f, STR("bind"), &o.problem));
            assert_true(forwarding_take_cidr(&o.f, str_from_c(cidr), &o.problem));
            assert_true(forwarding_take_addresses(&o.f, str_from_c(ip), &o.problem));
            bool ok = forwarding_finish(&o.f, &o.problem, &o.warnings);
            if (ok != (offset != 13) || has(&o.problem, "VPC+2") == ok)
                fail_msg("%s in %s: %.*s", ip, cidr, STR_ARG(buf_str(&o.problem)));
            end(&o);
        }
    }
}

typedef bool take_fn(struct forwarding *f, struct str value, struct buf *problem);

static const struct {
    const char *what;
    take_fn *take;
    struct str value;
    const char *problem; /* NULL: taken */
} words[] = {
    { "a server", forwarding_take_server, B("unbound"), NULL },
    { "letter case", forwarding_take_server, B("BIND"), "no server of" },
    { "no server", forwarding_take_server, B(""), "no server of" },
    { "a server and more", forwarding_take_server, B("bind9"), "no server of" },
    { "a region", forwarding_take_region, B("us-gov-west-1"), NULL },
    { "no region", forwarding_take_region, B("Ireland"), "no name of a region" },
    { "a VPC", forwarding_take_cidr, B("10.0.0.0/16"), NULL },
    { "the smallest", forwarding_take_cidr, B("10.0.0.16/28"), NULL },
    { "an IPv6 one", forwarding_take_cidr, B("2600:1f16::/56"), NULL },
    { "too large", forwarding_take_cidr, B("10.0.0.0/15"), "no VPC's" },
    { "too small", forwarding_take_cidr, B("10.0.0.0/29"), "no VPC's" },
    { "an IPv6 subnet", forwarding_take_cidr, B("2600:1f16::/64"), "no VPC's" },
    { "an IPv6 one too large", forwarding_take_cidr, B("2600::/40"), "no VPC's" },
    { "bits behind", forwarding_take_cidr, B("10.0.0.1/16"), "no CIDR block" },
    { "an address", forwarding_take_cidr, B("10.0.0.0"), "no CIDR block" },
    { "no CIDR", forwarding_take_cidr, B("10.0.0.0/"), "no CIDR block" },
    { "a stack", forwarding_take_namespace, B("stk"), NULL },
    { "labels", forwarding_take_namespace, B("stack.example.internal"), NULL },
    { "a last dot", forwarding_take_namespace, B("stk."), NULL },
    { "upper case", forwarding_take_namespace, B("My-Stack"), NULL },
    { "an underscore", forwarding_take_namespace, B("my_stack"), NULL },
    { "a service's name", forwarding_take_zone, B("_tcp.stk"), NULL },
    { "under test", forwarding_take_zone, B("corp.test"), NULL },
    { "nothing", forwarding_take_namespace, B(""), "no name of a zone" },
    { "the root", forwarding_take_namespace, B("."), "no name of a zone" },
    { "two dots", forwarding_take_namespace, B("stk.."), "no name of a zone" },
    { "an empty label", forwarding_take_namespace, B("a..b"), "no name of a zone" },
    { "a dot in front", forwarding_take_namespace, B(".stk"), "no name of a zone" },
    { "a hyphen in front", forwarding_take_namespace, B("-stk"), "no name of a zone" },
    { "a hyphen behind", forwarding_take_namespace, B("stk-"), "no name of a zone" },
    { "an address as a name", forwarding_take_namespace, B("10.0.0.1"), "no name of a zone" },
    { "a space", forwarding_take_namespace, B("s tk"), "no name of a zone" },
    { "a newline", forwarding_take_namespace, B("stk\nserver=/com/6.6.6.6"), "stk\\x0aserver" },
    { "a quote", forwarding_take_namespace, B("stk\" { type hint; };"), "no name of a zone" },
    { "a single quote", forwarding_take_zone, B("stk'; Remove-Item x"), "no name of a zone" },
    { "a slash", forwarding_take_zone, B("stk/6.6.6.6"), "no name of a zone" },
    { "a brace", forwarding_take_zone, B("stk{"), "no name of a zone" },
    { "a comment", forwarding_take_zone, B("stk#"), "no name of a zone" },
    { "a variable", forwarding_take_zone, B("$stk"), "no name of a zone" },
    { "a wildcard", forwarding_take_zone, B("*.stk"), "no name of a zone" },
    { "a backslash", forwarding_take_zone, B("s\\tk"), "no name of a zone" },
    { "NUL", forwarding_take_zone, B("stk\0x"), "stk\\x00x" },
    { "UTF-8", forwarding_take_zone,
      B("st\xc3\xa4"
        "ck"),
      "no name of a zone" },
    { "reverse", forwarding_take_zone, B("10.in-addr.arpa"), "answer by themselves" },
    { "localhost", forwarding_take_namespace, B("LocalHost"), "answer by themselves" },
    { "under invalid", forwarding_take_zone, B("stk.invalid"), "answer by themselves" },
    { "under onion", forwarding_take_zone, B("x.onion"), "answer by themselves" },
    { "not under arpa", forwarding_take_zone, B("sharpa"), NULL },
};

static void words_have_a_grammar(void **state)
{
    for (size_t i = 0; i < N(words); i++) {
        struct outcome o;
        begin(&o);
        char *copy = malloc(words[i].value.n + 1);
        assert_non_null(copy);
        memcpy(copy, words[i].value.p, words[i].value.n);
        bool ok = words[i].take(&o.f, str_of(copy, words[i].value.n), &o.problem);
        if (ok != (words[i].problem == NULL) || ok != (o.problem.n == 0) ||
            (!ok && !has(&o.problem, words[i].problem)))
            fail_msg("%s: \"%.*s\"", words[i].what, STR_ARG(buf_str(&o.problem)));
        for (size_t k = 0; k < o.problem.n; k++)
            assert_true(o.problem.p[k] >= ' ' && o.problem.p[k] <= '~');
        free(copy);
        end(&o);
    }
}

static void names_have_a_maximum(void **state)
{
    struct outcome o;
    char name[300];
    begin(&o);
    memset(name, 'a', sizeof name);
    for (size_t i = 63; i < sizeof name; i += 64)
        name[i] = '.';
    assert_false(forwarding_take_zone(&o.f, str_of(name, 254), &o.problem));
    assert_true(forwarding_take_zone(&o.f, str_of(name, 253), &o.problem));
    for (unsigned i = 1; i < FORWARDING_MAX_NAMES; i++) {
        snprintf(name, sizeof name, "zone%u", i);
        assert_true(forwarding_take_namespace(&o.f, str_from_c(name), &o.problem));
    }
    buf_clear(&o.problem);
    assert_false(forwarding_take_zone(&o.f, STR("onemore"), &o.problem));
    assert_true(has(&o.problem, "more than 16"));
    for (unsigned i = 0; i < FORWARDING_MAX_CIDRS; i++)
        assert_true(forwarding_take_cidr(&o.f, STR("10.0.0.0/16"), &o.problem));
    assert_false(forwarding_take_cidr(&o.f, STR("10.0.0.0/16"), &o.problem));
    end(&o);
}

static void zones_are_there_once(void **state)
{
    static const struct {
        const char *first, *second, *region, *problem; /* NULL: fine */
    } rows[] = {
        { "stk", "other", "eu-west-1", NULL },
        { "stk", "STK.", "eu-west-1", "is there twice" },
        { "stk", "amazonaws.com", "eu-west-1", "is forwarded anyway" },
        { "stk", "Api.AWS", "us-gov-west-1", "is forwarded anyway" },
        { "stk", "amazonaws.com", "cn-north-1", NULL },
        { "stk", "eu-west-1.amazonaws.com", "eu-west-1", NULL },
        { "stk", "com", "eu-west-1", "whole top-level domain" },
        { "stk", "aws", "eu-west-1", "whole top-level domain" },
        { "stk", "ws", "eu-west-1", NULL },
        { "stk", "com", "eusc-de-east-1", NULL },
        { "stk", "amazon.com", "eu-west-1", NULL },
    };
    for (size_t i = 0; i < N(rows); i++) {
        struct outcome o;
        begin(&o);
        bool ok = forwarding_take_server(&o.f, STR("dnsmasq"), &o.problem) &&
                  forwarding_take_region(&o.f, str_from_c(rows[i].region), &o.problem) &&
                  forwarding_take_addresses(&o.f, STR("10.0.1.10,10.0.2.10"), &o.problem) &&
                  forwarding_take_namespace(&o.f, str_from_c(rows[i].first), &o.problem) &&
                  forwarding_take_zone(&o.f, str_from_c(rows[i].second), &o.problem) &&
                  forwarding_finish(&o.f, &o.problem, &o.warnings);
        if (ok != (rows[i].problem == NULL) || (!ok && !has(&o.problem, rows[i].problem)))
            fail_msg("%s and %s: \"%.*s\"", rows[i].first, rows[i].second,
                     STR_ARG(buf_str(&o.problem)));
        end(&o);
    }
}

static void the_registry_tells_the_namespace(void **state)
{
    static const struct {
        const char *host, *name;
    } rows[] = {
        { "registry.stk", "stk" },
        { "Registry.my-stack", "my-stack" },
        { "registry.a.internal", "a.internal" },
        { "registry", "" },
        { "registry.", "" },
        { "myregistry.stk", "" },
        { "minio.test", "" },
        { "", "" },
    };
    for (size_t i = 0; i < N(rows); i++)
        assert_true(
            str_eq(forwarding_namespace_of(str_from_c(rows[i].host)), str_from_c(rows[i].name)));
}

static void write_all(struct outcome *o, const char *server)
{
    begin(o);
    assert_true(forwarding_take_server(&o->f, str_from_c(server), &o->problem));
    assert_true(forwarding_take_region(&o->f, STR("cn-north-1"), &o->problem));
    assert_true(forwarding_take_addresses(&o->f, STR("10.0.1.10,fd12::5"), &o->problem));
    assert_true(forwarding_take_namespace(&o->f, STR("Stk"), &o->problem));
    assert_true(forwarding_take_zone(&o->f, STR("corp.test"), &o->problem));
    assert_true(forwarding_finish(&o->f, &o->problem, &o->warnings));
    forwarding_write(&o->f, &o->text);
    forwarding_write_notes(&o->f, &o->notes);
    assert_false(o->text.failed || o->notes.failed);
}

/* What is one zone's, as it stands there; all servers have four zones and two addresses here. */
static const struct {
    const char *server, *comment, *first, *namespace, *test_zone, *notes;
} texts[] = {
    { "bind", "//",
      "zone \"amazonaws.com.cn\" {\n    type forward;\n    forward only;\n"
      "    forwarders { 10.0.1.10; fd12::5; };\n};\n",
      "zone \"stk\" {\n    type forward;\n    forward only;\n", "zone \"corp.test\" {\n",
      "validate-except { \"amazonaws.com.cn\"; \"api.amazonwebservices.com.cn\"; \"stk\"; "
      "\"corp.test\"; };" },
    { "unbound", "#",
      "server:\n    private-domain: \"amazonaws.com.cn\"\n"
      "    domain-insecure: \"amazonaws.com.cn\"\n"
      "forward-zone:\n    name: \"amazonaws.com.cn\"\n    forward-first: no\n"
      "    forward-addr: 10.0.1.10\n    forward-addr: fd12::5\n",
      "forward-zone:\n    name: \"stk\"\n    forward-first: no\n",
      "    domain-insecure: \"corp.test\"\n    local-zone: \"corp.test\" transparent\n",
      "restart Unbound" },
    { "dnsmasq", "#",
      "server=/amazonaws.com.cn/10.0.1.10\nserver=/amazonaws.com.cn/fd12::5\n"
      "rebind-domain-ok=/amazonaws.com.cn/\n",
      "server=/stk/10.0.1.10\n", "rebind-domain-ok=/corp.test/\n", "restart dnsmasq" },
    { "coredns", "#",
      "\namazonaws.com.cn api.amazonwebservices.com.cn stk corp.test {\n    errors\n    cache 30\n"
      "    forward . 10.0.1.10 fd12::5\n}\n",
      " stk ", "corp.test: ", "reload CoreDNS" },
    { "windows", "#",
      "Add-DnsServerConditionalForwarderZone -Name 'amazonaws.com.cn' -MasterServers "
      "'10.0.1.10','fd12::5'\n",
      "-Name 'stk' ", "-Name 'corp.test' ", "Clear-DnsServerCache" },
};

static void each_server_has_its_form(void **state)
{
    for (size_t i = 0; i < N(texts); i++) {
        struct outcome o;
        write_all(&o, texts[i].server);
        if (!has(&o.text, texts[i].first) || !has(&o.text, texts[i].namespace) ||
            !has(&o.text, texts[i].test_zone) || has(&o.text, "\"amazonaws.com\""))
            fail_msg("%s:\n%.*s", texts[i].server, STR_ARG(buf_str(&o.text)));
        if (!has(&o.notes, texts[i].notes) || !has(&o.notes, "UDP and TCP port 53") ||
            !has(&o.notes, "A zone of one label"))
            fail_msg("%s:\n%.*s", texts[i].server, STR_ARG(buf_str(&o.notes)));
        /* Each zone is told why. */
        for (unsigned z = 0; z < o.f.n_zones; z++) {
            char line[400];
            snprintf(line, sizeof line, "\n%s %s: %s\n", texts[i].comment, o.f.zones[z].name,
                     o.f.zones[z].what);
            if (count(&o.text, line) != 1)
                fail_msg("%s: %s", texts[i].server, line);
        }
        end(&o);
    }
}

static void the_largest_of_all_fits(void **state)
{
    for (unsigned s = 0; s < N_FORWARDING_SERVERS; s++) {
        struct outcome o;
        char name[254];
        begin(&o);
        o.f.server = (enum forwarding_server)s;
        memset(name, 'z', sizeof name);
        for (size_t i = 63; i < sizeof name; i += 64)
            name[i] = '.';
        for (unsigned i = 0; i < FORWARDING_MAX_NAMES; i++) {
            name[0] = (char)('a' + i);
            assert_true(forwarding_take_namespace(&o.f, str_of(name, 253), &o.problem));
        }
        for (unsigned i = 0; i < FORWARDING_MAX_ADDRESSES; i++) {
            char ip[64];
            snprintf(ip, sizeof ip, "fd12:1111:2222:3333:4444:5555:6666:77%02x", i + 16);
            assert_true(forwarding_take_addresses(&o.f, str_from_c(ip), &o.problem));
        }
        assert_true(forwarding_finish(&o.f, &o.problem, &o.warnings));
        forwarding_write(&o.f, &o.text);
        forwarding_write_notes(&o.f, &o.notes);
        assert_false(o.text.failed || o.notes.failed);
        assert_int_equal(o.f.n_zones, FORWARDING_MAX_ZONES);
        end(&o);
    }
}

static void what_is_missing_is_told(void **state)
{
    struct outcome o;
    begin(&o);
    assert_false(forwarding_finish(&o.f, &o.problem, &o.warnings));
    assert_true(has(&o.problem, "--for is missing"));
    buf_clear(&o.problem);
    assert_true(forwarding_take_server(&o.f, STR("bind"), &o.problem));
    assert_false(forwarding_finish(&o.f, &o.problem, &o.warnings));
    assert_true(has(&o.problem, "--to is missing"));
    buf_clear(&o.problem);
    assert_true(forwarding_take_addresses(&o.f, STR("10.0.1.10"), &o.problem));
    assert_true(forwarding_take_addresses(&o.f, STR("10.0.2.10"), &o.problem));
    assert_true(forwarding_finish(&o.f, &o.problem, &o.warnings));
    forwarding_write_notes(&o.f, &o.notes);
    assert_true(has(&o.notes, "No Cloud Map namespace"));
    assert_string_equal(o.f.partition->name, "aws");
    end(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_judged),
        cmocka_unit_test(vpc_plus_2_is_known_in_every_block),
        cmocka_unit_test(words_have_a_grammar),
        cmocka_unit_test(names_have_a_maximum),
        cmocka_unit_test(zones_are_there_once),
        cmocka_unit_test(the_registry_tells_the_namespace),
        cmocka_unit_test(each_server_has_its_form),
        cmocka_unit_test(the_largest_of_all_fits),
        cmocka_unit_test(what_is_missing_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

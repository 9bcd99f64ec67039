/* What a forwarder's client is told: one question, and what the groups of its route say. */
#include "script.h"

/* In an AWS zone: the system group, then the VPC's. In another zone: the system group alone. */
#define AWS "b.amazonaws.com"
#define CORP "b.corp.example"
#define AWS_SOA "amazonaws.com 900 SOA 60"
#define CORP_SOA "corp.example 900 SOA 600"
#define SAYS(reply)                                                                                \
    {                                                                                              \
        {                                                                                          \
            NULL, 0, reply                                                                         \
        }                                                                                          \
    }

struct row {
    const char *name;
    const char *qname;
    uint16_t type;
    struct script_row system[SCRIPT_MAX_ROWS], vpc[SCRIPT_MAX_ROWS];
    const char *want;
    const char *group;   /* that answered, or NULL */
    int n_system, n_vpc; /* questions they saw; -1: any number */
    bool is_quick;       /* asked once more, it takes no lookup */
};

/* clang-format off */
static const struct row rows[] = {
    /* TTLs */
    { "each record keeps its own TTL", CORP, DNS_A,
      SAYS("@ 60 CNAME c.corp.example, c.corp.example 7 A 192.0.2.1, c.corp.example 90 A 192.0.2.2"),
      SAYS("SILENT"),
      "answered | b.corp.example 60 CNAME c.corp.example, c.corp.example 7 A 192.0.2.1, "
      "c.corp.example 90 A 192.0.2.2",
      "setting", 1, 0, true },
    { "a TTL in an AWS zone is 300 s at most", AWS, DNS_A,
      SAYS("@ 90000 A 192.0.2.1, @ 299 A 192.0.2.2"), SAYS("SILENT"),
      "answered | b.amazonaws.com 300 A 192.0.2.1, b.amazonaws.com 299 A 192.0.2.2",
      "setting", -1, 0, true },
    { "a TTL elsewhere is an hour at most", CORP, DNS_A,
      SAYS("@ 90000 A 192.0.2.1, @ 3599 A 192.0.2.2"), SAYS("SILENT"),
      "answered | b.corp.example 3600 A 192.0.2.1, b.corp.example 3599 A 192.0.2.2",
      "setting", 1, 0, true },
    { "a TTL above 2^31 is none", CORP, DNS_A,
      SAYS("@ 4294967295 A 192.0.2.1"), SAYS("SILENT"),
      "answered | b.corp.example 0 A 192.0.2.1", "setting", 1, 0, true },
    { "NXDOMAIN holds for the SOA's minimum, its TTL says so too", CORP, DNS_A,
      SAYS("NXDOMAIN, corp.example 900 SOA 60"), SAYS("SILENT"),
      "NXDOMAIN | corp.example 60 SOA 60", NULL, 1, 0, true },
    { "NXDOMAIN holds for the SOA's TTL where that is less", CORP, DNS_A,
      SAYS("NXDOMAIN, corp.example 20 SOA 60"), SAYS("SILENT"),
      "NXDOMAIN | corp.example 20 SOA 60", NULL, 1, 0, true },
    { "a no elsewhere is 300 s at most", CORP, DNS_A,
      SAYS("NXDOMAIN, " CORP_SOA), SAYS("SILENT"),
      "NXDOMAIN | corp.example 300 SOA 600", NULL, 1, 0, true },
    { "a no of AWS's last group is 30 s at most", AWS, DNS_TXT,
      SAYS("SERVFAIL"), SAYS("@ 400 CNAME c.amazonaws.com, amazonaws.com 900 SOA 600"),
      "NODATA | b.amazonaws.com 30 CNAME c.amazonaws.com, amazonaws.com 30 SOA 600",
      "vpc", 1, 1, false },
    { "a no where another group follows is 5 s at most", AWS, DNS_TXT,
      SAYS("amazonaws.com 900 SOA 600"), SAYS("SILENT"),
      "NODATA | amazonaws.com 5 SOA 600", "setting", 1, 0, true },
    { "a no about the registry is 5 s at most", "registry.stack", DNS_TXT,
      SAYS("SERVFAIL"), SAYS("stack 900 SOA 600"),
      "NODATA | stack 5 SOA 600", "vpc", 1, 1, false },

    /* What is believed */
    { "records of other names and of other sections are dropped", CORP, DNS_A,
      SAYS("@ 60 A 192.0.2.1, www.bank.example 60 A 192.0.2.66, +@ 60 A 192.0.2.66, "
           "corp.example 60 NS evil.example"),
      SAYS("SILENT"), "answered | b.corp.example 60 A 192.0.2.1", "setting", 1, 0, true },
    { "an unknown type is opaque", CORP, 65280,
      SAYS("@ 60 TYPE65280 any \3bytes"), SAYS("SILENT"),
      "answered | b.corp.example 60 TYPE65280 any \3bytes", "setting", 1, 0, true },
    { "HTTPS is opaque", CORP, DNS_HTTPS,
      SAYS("@ 60 HTTPS 12345"), SAYS("SILENT"),
      "answered | b.corp.example 60 HTTPS 12345", "setting", 1, 0, true },
    { "case is folded where a name is compared, and kept where it is given", "B.Corp.EXAMPLE",
      DNS_A, SAYS("b.cORP.example 60 A 192.0.2.1"), SAYS("SILENT"),
      "answered | B.Corp.EXAMPLE 60 A 192.0.2.1", "setting", 1, 0, true },

    /* From group to group */
    { "AWS is not asked while the first group answers", AWS, DNS_A,
      SAYS("@ 60 A 192.0.2.1"), SAYS("@ 60 A 192.0.2.2"),
      "answered | b.amazonaws.com 60 A 192.0.2.1", "setting", -1, 0, true },
    { "NXDOMAIN moves on", AWS, DNS_A,
      SAYS("NXDOMAIN, " AWS_SOA), SAYS("@ 60 A 192.0.2.2"),
      "answered | b.amazonaws.com 60 A 192.0.2.2", "vpc", 2, -1, false },
    { "SERVFAIL moves on", AWS, DNS_A,
      SAYS("SERVFAIL"), SAYS("@ 60 A 192.0.2.2"),
      "answered | b.amazonaws.com 60 A 192.0.2.2", "vpc", 2, -1, false },
    { "REFUSED moves on, for other types too", AWS, DNS_TXT,
      SAYS("REFUSED"), SAYS("@ 60 TXT \1x"),
      "answered | b.amazonaws.com 60 TXT \1x", "vpc", 1, 1, false },
    { "NODATA for all families moves on", AWS, DNS_A,
      SAYS(AWS_SOA), SAYS("@ 60 A 192.0.2.2"),
      "answered | b.amazonaws.com 60 A 192.0.2.2", "vpc", 2, -1, false },
    { "NODATA for AAAA is final where the group has A", AWS, DNS_AAAA,
      { { NULL, DNS_A, "@ 60 A 192.0.2.1" }, { NULL, 0, AWS_SOA } },
      SAYS("@ 60 AAAA 2001:db8::2"),
      "NODATA | amazonaws.com 5 SOA 60", "setting", 2, 0, true },
    { "NODATA for A is final where the group has AAAA", AWS, DNS_A,
      { { NULL, DNS_AAAA, "@ 60 AAAA 2001:db8::1" }, { NULL, 0, AWS_SOA } },
      SAYS("@ 60 A 192.0.2.2"),
      "NODATA | amazonaws.com 5 SOA 60", "setting", 2, 0, true },
    { "a sinkhole in the other family makes no NODATA final", AWS, DNS_AAAA,
      { { NULL, DNS_A, "@ 60 A 0.0.0.0" }, { NULL, 0, AWS_SOA } },
      SAYS("@ 60 AAAA 2001:db8::2"),
      "answered | b.amazonaws.com 60 AAAA 2001:db8::2", "vpc", 2, -1, false },
    { "NODATA for another type is final", AWS, DNS_TXT,
      SAYS(AWS_SOA), SAYS("@ 60 TXT \1x"),
      "NODATA | amazonaws.com 5 SOA 60", "setting", 1, 0, true },
    { "NXDOMAIN for another type moves on", AWS, DNS_TXT,
      SAYS("NXDOMAIN, " AWS_SOA), SAYS("@ 60 TXT \1x"),
      "answered | b.amazonaws.com 60 TXT \1x", "vpc", 1, 1, false },
    { "a sinkhole moves on", AWS, DNS_A,
      SAYS("@ 60 A 0.0.0.0"), SAYS("@ 60 A 192.0.2.2"),
      "answered | b.amazonaws.com 60 A 192.0.2.2", "vpc", 2, -1, false },
    { "a sinkhole is handed on when nobody knows better", AWS, DNS_A,
      SAYS("@ 60 A 0.0.0.0"), SAYS("NXDOMAIN, " AWS_SOA),
      "answered | b.amazonaws.com 60 A 0.0.0.0", NULL, 2, 2, false },
    { "an address beside a sinkhole's is an answer, whole", AWS, DNS_A,
      SAYS("@ 60 A 0.0.0.0, @ 60 A 192.0.2.1"), SAYS("@ 60 A 192.0.2.2"),
      "answered | b.amazonaws.com 60 A 0.0.0.0, b.amazonaws.com 60 A 192.0.2.1", "setting", -1, 0,
      true },
    { "elsewhere 0.0.0.0 is an answer like any", CORP, DNS_A,
      SAYS("@ 60 A 0.0.0.0"), SAYS("SILENT"),
      "answered | b.corp.example 60 A 0.0.0.0", "setting", 1, 0, true },
    { "all say NXDOMAIN: the first one's words", AWS, DNS_A,
      SAYS("NXDOMAIN, amazonaws.com 900 SOA 4"), SAYS("NXDOMAIN, amazonaws.com 900 SOA 3"),
      "NXDOMAIN | amazonaws.com 4 SOA 4", NULL, 2, 2, false },
    { "the first failed, the second says NXDOMAIN: its words", AWS, DNS_A,
      SAYS("SERVFAIL"), SAYS("NXDOMAIN, amazonaws.com 900 SOA 3"),
      "NXDOMAIN | amazonaws.com 3 SOA 3", NULL, 2, 2, false },
    { "all failed: no words, and how the first group did", AWS, DNS_A,
      SAYS("SERVFAIL"), SAYS("REFUSED"), "SERVFAIL", NULL, 2, 2, false },
    { "A failed and AAAA is there: the next group, no sinkhole", AWS, DNS_A,
      { { NULL, DNS_A, "SERVFAIL" }, { NULL, 0, "@ 60 AAAA 2001:db8::1" } }, SAYS("SERVFAIL"),
      "SERVFAIL", NULL, 2, 2, false },
    { "elsewhere NXDOMAIN is final", CORP, DNS_A,
      SAYS("NXDOMAIN, " CORP_SOA), SAYS("@ 60 A 192.0.2.2"),
      "NXDOMAIN | corp.example 300 SOA 600", NULL, 1, 0, true },
    { "elsewhere NODATA is final, and the other family is not asked", CORP, DNS_AAAA,
      SAYS(CORP_SOA), SAYS("@ 60 AAAA 2001:db8::2"),
      "NODATA | corp.example 300 SOA 600", "setting", 1, 0, true },
    { "elsewhere a failure stays one", CORP, DNS_A,
      SAYS("REFUSED"), SAYS("@ 60 A 192.0.2.2"), "REFUSED", NULL, 1, 0, false },
    { "a name that only looks like AWS's goes to the first group alone", "b.notamazonaws.com",
      DNS_A, SAYS("NXDOMAIN, . 5 SOA 5"), SAYS("@ 60 A 192.0.2.2"),
      "NXDOMAIN | . 5 SOA 5", NULL, 1, 0, true },
    { "AWS's zone in the middle of a name is none", "amazonaws.com.evil.example", DNS_A,
      SAYS("NXDOMAIN, . 5 SOA 5"), SAYS("@ 60 A 192.0.2.2"),
      "NXDOMAIN | . 5 SOA 5", NULL, 1, 0, true },

    /* Chains */
    { "an alias into AWS's zone is followed there, parts in order", CORP, DNS_A,
      { { CORP, 0, "@ 60 CNAME " AWS }, { NULL, 0, "NXDOMAIN, " AWS_SOA } },
      SAYS("@ 50 A 192.0.2.2"),
      "answered | b.corp.example 60 CNAME b.amazonaws.com | b.amazonaws.com 50 A 192.0.2.2",
      "vpc", 3, -1, false },
    { "what the first server says about the alias's target is dropped", CORP, DNS_A,
      { { CORP, 0, "@ 60 CNAME " AWS ", " AWS " 60 A 192.0.2.66" }, { NULL, 0, "NXDOMAIN" } },
      SAYS("@ 50 A 192.0.2.2"),
      "answered | b.corp.example 60 CNAME b.amazonaws.com | b.amazonaws.com 50 A 192.0.2.2",
      "vpc", 3, -1, false },
    { "NXDOMAIN beside an alias is said of its target", CORP, DNS_A,
      { { CORP, 0, "NXDOMAIN, @ 60 CNAME " AWS }, { NULL, 0, "NXDOMAIN" } },
      SAYS("@ 50 A 192.0.2.2"),
      "answered | b.corp.example 60 CNAME b.amazonaws.com | b.amazonaws.com 50 A 192.0.2.2",
      "vpc", 3, -1, false },
    { "a chain ends in a no", CORP, DNS_A,
      { { CORP, 0, "@ 60 CNAME " AWS }, { NULL, 0, "NXDOMAIN, " AWS_SOA } },
      SAYS("NXDOMAIN, " AWS_SOA),
      "NXDOMAIN | b.corp.example 60 CNAME b.amazonaws.com | amazonaws.com 5 SOA 60", NULL, 3, 2,
      false },
    { "a chain ends in NODATA", CORP, DNS_TXT,
      { { CORP, 0, "@ 60 CNAME " AWS }, { NULL, 0, AWS_SOA } }, SAYS("SILENT"),
      "NODATA | b.corp.example 60 CNAME b.amazonaws.com | amazonaws.com 5 SOA 60", "setting", 2, 0,
      false },
    { "a chain whose end fails is no answer", CORP, DNS_A,
      { { CORP, 0, "@ 60 CNAME " AWS }, { NULL, 0, "SERVFAIL" } }, SAYS("SERVFAIL"),
      "SERVFAIL", NULL, 3, 2, false },
    { "an alias that leads nowhere in one group may lead on in the next", AWS, DNS_A,
      { { AWS, 0, "@ 60 CNAME " CORP }, { NULL, 0, "NXDOMAIN, " CORP_SOA } },
      SAYS("@ 50 A 192.0.2.2"),
      "answered | b.amazonaws.com 50 A 192.0.2.2", "vpc", 3, -1, false },
    { "a chain out of AWS's zone and back", AWS, DNS_A,
      { { AWS, 0, "@ 60 CNAME " CORP },
        { CORP, 0, "@ 50 CNAME c.amazonaws.com" },
        { NULL, 0, "@ 40 A 192.0.2.1" } },
      SAYS("SILENT"),
      "answered | b.amazonaws.com 60 CNAME b.corp.example | b.corp.example 50 CNAME "
      "c.amazonaws.com | c.amazonaws.com 40 A 192.0.2.1",
      "setting", -1, 0, false },
    { "an alias that was left unfinished is asked for", CORP, DNS_A,
      { { CORP, 0, "@ 60 CNAME c.corp.example" }, { NULL, 0, "@ 50 A 192.0.2.1" } },
      SAYS("SILENT"),
      "answered | b.corp.example 60 CNAME c.corp.example | c.corp.example 50 A 192.0.2.1",
      "setting", 2, 0, false },
    { "a loop of aliases ends", CORP, DNS_A,
      { { CORP, 0, "@ 60 CNAME c.corp.example" }, { NULL, 0, "@ 60 CNAME " CORP } },
      SAYS("SILENT"), "unreadable reply", NULL, 2, 0, false },
    { "CNAME itself is not followed", CORP, DNS_CNAME,
      SAYS("@ 60 CNAME " AWS), SAYS("SILENT"),
      "answered | b.corp.example 60 CNAME b.amazonaws.com", "setting", 1, 0, true },
    { "a DNAME stays beside the CNAME made from it", CORP, DNS_A,
      SAYS("corp.example 90 DNAME d.example, @ 80 CNAME b.d.example, b.d.example 70 A 192.0.2.1"),
      SAYS("SILENT"),
      "answered | corp.example 90 DNAME d.example, b.corp.example 80 CNAME b.d.example, "
      "b.d.example 70 A 192.0.2.1",
      "setting", 1, 0, true },

    /* Names of our own */
    { "localhost is loopback", "x.localhost", DNS_AAAA, SAYS("SILENT"), SAYS("SILENT"),
      "answered | x.localhost 5 AAAA ::1", NULL, 0, 0, false },
    { ".invalid does not exist", "x.invalid", DNS_MX, SAYS("SILENT"), SAYS("SILENT"),
      "NXDOMAIN | ", NULL, 0, 0, false },
};
/* clang-format on */

/* What went otherwise than the row says, or "". */
static void check_row(const struct row *r, char *wrong, size_t wrong_bytes)
{
    struct rig g;
    struct asked a;
    rig_init(&g, 1, 1);
    rig_go(&g);
    fake_says(&g.fakes[0], r->system);
    fake_says(&g.fakes[1], r->vpc);
    ask_for(&a, &g, r->qname, r->type);
    const char *group = a.f.explain.group_name;
    unsigned n_system = g.fakes[0].n_udp, n_vpc = g.fakes[1].n_udp;
    bool is_same_group =
        (group == NULL) == (r->group == NULL) && (group == NULL || strcmp(group, r->group) == 0);
    wrong[0] = '\0';
    if (strcmp(a.text, r->want) != 0 || !is_same_group ||
        (r->n_system >= 0 && n_system != (unsigned)r->n_system) ||
        (r->n_vpc >= 0 && n_vpc != (unsigned)r->n_vpc))
        snprintf(wrong, wrong_bytes, "%s; by group %s; %u and %u questions", a.text,
                 group != NULL ? group : "none", n_system, n_vpc);

    /* Once more: the same words, and nobody is asked who had an answer. */
    struct dns_ask ask = ask_of(r->qname, r->type);
    const char *quick = quick_for(&g, &ask, NULL);
    if (r->is_quick != (quick[0] != '\0') || (r->is_quick && strcmp(quick, r->want) != 0))
        snprintf(wrong, wrong_bytes, "quickly: %s", quick);
    ask_for(&a, &g, r->qname, r->type);
    if (strcmp(a.text, r->want) != 0 || g.fakes[0].n_udp != n_system)
        snprintf(wrong, wrong_bytes, "once more: %s; %u questions more", a.text,
                 g.fakes[0].n_udp - n_system);
    rig_done(&g);
}

static void one_question(void **state)
{
    unsigned n_wrong = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char wrong[2 * SCRIPT_TEXT_BYTES];
        check_row(&rows[i], wrong, sizeof wrong);
        if (wrong[0] != '\0')
            print_error("%s:\n    %s\n  instead of\n    %s\n", rows[i].name, wrong, rows[i].want);
        n_wrong += wrong[0] != '\0';
    }
    assert_int_equal(n_wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_question),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

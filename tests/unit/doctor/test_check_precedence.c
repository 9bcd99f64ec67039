#include "network_make.h"

/* Root causes apart from consequences, and both from what was only noticed. */
#define SERVER "10.9.0.53"
#define REG "10.0.1.99"

/* Of one finding. Those of other checks are put by hand. */
struct expected {
    enum finding_code code;
    enum finding_rank rank;
    enum finding_code because;
    bool is_there; /* false ends a list: PS1001 is 0 */
};

struct row {
    const char *name;
    const char *servers, *said[6]; /* first, second, Amazon */
    void (*also)(struct fact_book *b);
    struct {
        enum finding_code code;
        const char *subject;
    } put[4]; /* beside what the facts give; the code 0 without subject ends it */
    struct expected expected[6];
};

#define ROOT(code)                                                                                 \
    {                                                                                              \
        code, FINDING_ROOT, code, true                                                             \
    }
#define FOLLOWS(code, because)                                                                     \
    {                                                                                              \
        code, FINDING_CONSEQUENCE, because, true                                                   \
    }
#define NOTICED(code)                                                                              \
    {                                                                                              \
        code, FINDING_NOTICE, code, true                                                           \
    }
#define HEALTHY                                                                                    \
    {                                                                                              \
        PRIVATE, REG, 0, 0, PRIVATE, REG                                                           \
    }

static void option_set_is_right(struct fact_book *b)
{
    make_aws_call(b, "ec2:DescribeDhcpOptions", "ok");
    b->facts.dhcp.id = make_text(b, "dopt-1");
    struct fact_dhcp_option *o = make_dhcp_option(b, &b->facts.dhcp.options);
    o->key = make_text(b, "domain-name-servers");
    o->values = make_texts(b, "AmazonProvidedDNS");
}

static void metadata_is_right(struct fact_book *b)
{
    make_network(b, &b->facts.metadata.networks)->dns_servers = make_texts(b, "10.0.0.2");
}

static void first_is_amazon(struct fact_book *b)
{
    b->facts.servers.v[0].is_amazon = FACT_YES;
}

static void dials_sinkhole(struct fact_book *b)
{
    dial(b, S3, "s3", "192.0.2.1", SERVER, "ok");
    dial(b, S3, "s3", "0.0.0.1", SERVER, "timeout");
}

static void dials_both(struct fact_book *b)
{
    dials_sinkhole(b);
    dial(b, S3, "s3", "52.218.1.1", SERVER, "timeout");
}

static void public_fails(struct fact_book *b)
{
    dial(b, S3, "s3", "52.218.1.1", SERVER, "timeout");
    dial(b, S3, "s3", PRIVATE, AMAZON, "ok");
}

static void untrusted(struct fact_book *b)
{
    struct fact_connection *c = dial(b, S3, "s3", PRIVATE, SERVER, "ok");
    c->tls = make_text(b, "untrusted");
    c->tls_verify = 9;
}

static void untrusted_chain(struct fact_book *b)
{
    untrusted(b);
    b->facts.connections.v[0].tls_verify = 20;
}

static const struct row rows[] = {
    { "the article: SERVFAIL for S3, NXDOMAIN for the registry",
      SERVER,
      { "servfail", "nxdomain", 0, 0, PRIVATE, REG },
      NULL,
      { { 0, NULL } },
      { ROOT(PS1001), FOLLOWS(PS1003, PS1001) } },
    { "the registry follows",
      SERVER,
      { PRIVATE, "nxdomain", 0, 0, PRIVATE, REG },
      NULL,
      { { PS4002, REGISTRY } },
      { ROOT(PS1001), FOLLOWS(PS4002, PS1001) } },
    { "a live no goes before the option set",
      SERVER,
      { "nxdomain", REG, 0, 0, PRIVATE, REG },
      NULL,
      { { PS2003, "dopt-1" } },
      { ROOT(PS1001), FOLLOWS(PS2003, PS1001) } },
    { "the option set alone",
      SERVER,
      HEALTHY,
      NULL,
      { { PS2003, "dopt-1" }, { PS5001, "task" } },
      { ROOT(PS2003), FOLLOWS(PS5001, PS2003) } },
    { "Amazon's second and mixed follow from the first's no",
      SERVER " " AMAZON,
      { "nxdomain", REG, 0, 0, PRIVATE, REG },
      NULL,
      { { 0, NULL } },
      { ROOT(PS1001), FOLLOWS(PS1007, PS1001), FOLLOWS(PS1008, PS1001) } },
    { "where nothing fails, a warning is a root",
      SERVER " " AMAZON,
      HEALTHY,
      NULL,
      { { 0, NULL } },
      { ROOT(PS1007), FOLLOWS(PS1008, PS1007) } },
    { "beside another failure it is noticed",
      SERVER " " AMAZON,
      HEALTHY,
      NULL,
      { { PS3007, S3 } },
      { ROOT(PS3007), NOTICED(PS1007), NOTICED(PS1008) } },
    { "information is never a root",
      SERVER,
      HEALTHY,
      NULL,
      { { PS6001, "aws" }, { PS3003, "vpce" } },
      { NOTICED(PS3003), NOTICED(PS6001) } },
    { "an unrelated warning is noticed",
      SERVER,
      { "nxdomain", REG, 0, 0, PRIVATE, REG },
      NULL,
      { { PS3012, "s3" } },
      { ROOT(PS1001), NOTICED(PS3012) } },
    { "two independent failures",
      SERVER,
      { "nxdomain", REG, 0, 0, PRIVATE, REG },
      NULL,
      { { PS3007, S3 } },
      { ROOT(PS1001), ROOT(PS3007) } },
    { "DNS support is off: Amazon's server is silent",
      "10.0.0.2",
      { "timeout", "timeout", 0, 0, "timeout", "timeout" },
      first_is_amazon,
      { { PS2001, "vpc-1" } },
      { ROOT(PS2001), FOLLOWS(PS1004, PS2001) } },
    { "DNS support is off, but a corporate no has its own cause",
      SERVER,
      { "nxdomain", REG, 0, 0, "timeout", "timeout" },
      NULL,
      { { PS2001, "vpc-1" } },
      { ROOT(PS2001), ROOT(PS1001) } },
    { "DNS support explains hostnames and the registry",
      SERVER,
      HEALTHY,
      NULL,
      { { PS2001, "vpc-1" }, { PS2002, "vpc-1" }, { PS4002, REGISTRY } },
      { ROOT(PS2001), FOLLOWS(PS2002, PS2001), FOLLOWS(PS4002, PS2001) } },
    { "a firewall that takes the name from Amazon",
      SERVER,
      { "nxdomain", REG, 0, 0, "nxdomain", REG },
      NULL,
      { { PS2007, S3 } },
      { ROOT(PS2007), FOLLOWS(PS1001, PS2007) } },
    { "a firewall is no excuse where Amazon answers",
      SERVER,
      { PRIVATE, "nxdomain", 0, 0, PRIVATE, REG },
      NULL,
      { { PS2007, S3 } },
      { ROOT(PS2007), ROOT(PS1001) } },
    { "edited resolv.conf explains its servers",
      SERVER,
      { "nxdomain", REG, 0, 0, PRIVATE, REG },
      metadata_is_right,
      { { 0, NULL } },
      { ROOT(PS1021), FOLLOWS(PS1001, PS1021) } },
    { "the task is older than the repair",
      SERVER,
      { "nxdomain", REG, 0, 0, PRIVATE, REG },
      option_set_is_right,
      { { 0, NULL } },
      { ROOT(PS1001), FOLLOWS(PS1018, PS1001) } },
    { "the first is dead",
      SERVER " 10.9.0.54",
      { "timeout", "timeout", PRIVATE, REG, PRIVATE, REG },
      NULL,
      { { 0, NULL } },
      { ROOT(PS1004), FOLLOWS(PS1019, PS1004) } },
    { "no route explains silence behind it",
      SERVER,
      { "no_route", "no_route", 0, 0, PRIVATE, REG },
      NULL,
      { { PS4002, REGISTRY } },
      { ROOT(PS1011), FOLLOWS(PS4002, PS1011) } },
    { "no servers at all",
      "",
      { 0, 0, 0, 0, PRIVATE, REG },
      NULL,
      { { PS4002, REGISTRY } },
      { ROOT(PS1010), FOLLOWS(PS4002, PS1010) } },
    { "a split view whose address is dead",
      SERVER,
      { PUBLIC, REG, 0, 0, PRIVATE, REG },
      public_fails,
      { { PS3005, S3 } },
      { ROOT(PS1006), FOLLOWS(PS3005, PS1006) } },
    { "a hub explains its split view",
      SERVER,
      { PRIVATE, REG, 0, 0, PUBLIC, REG },
      NULL,
      { { PS3016, S3 } },
      { ROOT(PS3016), FOLLOWS(PS1006, PS3016) } },
    { "what was dialled at a sinkhole",
      SERVER,
      { "0.0.0.1", REG, 0, 0, PUBLIC, REG },
      dials_sinkhole,
      { { PS3005, S3 } },
      { ROOT(PS1020), FOLLOWS(PS3005, PS1020) } },
    { "what was dialled elsewhere",
      SERVER,
      { "0.0.0.1", REG, 0, 0, PUBLIC, REG },
      dials_both,
      { { PS3005, S3 } },
      { ROOT(PS1020), ROOT(PS3005) } },
    { "no endpoint, no NAT",
      SERVER,
      HEALTHY,
      NULL,
      { { PS3001, "vpc-1" }, { PS3005, S3 }, { PS5001, "task" } },
      { ROOT(PS3001), FOLLOWS(PS3005, PS3001), FOLLOWS(PS5001, PS3001) } },
    { "the gateway misses this subnet",
      SERVER,
      HEALTHY,
      NULL,
      { { PS3004, "rtb-1" }, { PS3001, "vpc-1" }, { PS3005, S3 } },
      { ROOT(PS3004), FOLLOWS(PS3001, PS3004), FOLLOWS(PS3005, PS3004) } },
    { "a warning that explains a failure is a root",
      SERVER,
      HEALTHY,
      NULL,
      { { PS3015, "ecr" }, { PS5001, "task" }, { PS3012, "s3" } },
      { ROOT(PS3015), FOLLOWS(PS5001, PS3015), NOTICED(PS3012) } },
    { "the task alone", SERVER, HEALTHY, NULL, { { PS5001, "task" } }, { ROOT(PS5001) } },
    { "a clock that makes certificates invalid",
      SERVER,
      HEALTHY,
      untrusted,
      { { PS3013, "clock" }, { PS3007, S3 } },
      { ROOT(PS3013), FOLLOWS(PS3007, PS3013) } },
    { "a clock that has nothing to do with the chain",
      SERVER,
      HEALTHY,
      untrusted_chain,
      { { PS3013, "clock" }, { PS3007, S3 } },
      { ROOT(PS3013), ROOT(PS3007) } },
    { "a stale address does not answer",
      SERVER,
      HEALTHY,
      NULL,
      { { PS4005, REGISTRY }, { PS4006, REGISTRY } },
      { ROOT(PS4005), FOLLOWS(PS4006, PS4005) } },
};

static bool is_put(const struct row *row, enum finding_code code)
{
    for (size_t i = 0; i < sizeof row->put / sizeof *row->put; i++)
        if (row->put[i].subject != NULL && row->put[i].code == code)
            return true;
    return false;
}

/* What the checks of PS1xxx found, and what the row puts; other checks have no say here. */
static void collect(struct diagnosis *d, const struct row *row)
{
    d->n_findings = 0;
    for (unsigned c = 0; c < N_FINDING_CODES; c++) {
        struct check_result *r = &d->results[c];
        if (c >= PS2001 && !is_put(row, c))
            *r = (struct check_result){ .state = CHECK_SKIPPED };
    }
    for (size_t i = 0; i < sizeof row->put / sizeof *row->put; i++)
        if (row->put[i].subject != NULL)
            finding_evidence(d, check_fail(d, row->put[i].code, str_from_c(row->put[i].subject)),
                             "put");
    for (unsigned c = 0; c < N_FINDING_CODES; c++)
        if (d->results[c].finding != NULL) {
            d->results[c].finding->rank = FINDING_ROOT;
            d->results[c].finding->because = c;
            d->findings[d->n_findings++] = d->results[c].finding;
        }
    check_precedence(d);
}

static void expect(const struct diagnosis *d, const struct row *row)
{
    static const char *const ranks[] = { "root", "consequence", "notice" };
    unsigned n = 0;
    bool is_right = true;
    while (n < 6 && row->expected[n].is_there)
        n++;
    for (unsigned i = 0; i < n; i++) {
        const struct finding *f = i < d->n_findings ? d->findings[i] : NULL;
        is_right = is_right && f != NULL && f->code == row->expected[i].code &&
                   f->rank == row->expected[i].rank && f->because == row->expected[i].because;
    }
    if (is_right && n == d->n_findings)
        return;
    print_error("%s: %u are expected, these were found\n", row->name, n);
    for (unsigned i = 0; i < d->n_findings; i++) {
        print_error("  %s because of %s: ", ranks[d->findings[i]->rank],
                    finding_row(d->findings[i]->because)->code);
        print_finding(d->findings[i]);
    }
    fail();
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *row = &rows[i];
        const char *const servers[] = { SERVER, "10.9.0.54", AMAZON };
        struct fact_book b;
        struct diagnosis d;
        fact_book_init(&b);
        build_network(&b, row->servers);
        if (strcmp(row->servers, "10.0.0.2") == 0)
            says(&b, "10.0.0.2", row->said[0], row->said[1]);
        for (int k = 0; k < 3; k++)
            says(&b, servers[k], row->said[2 * k], row->said[2 * k + 1]);
        if (row->also != NULL)
            row->also(&b);
        diagnose(&b.facts, &d);
        collect(&d, row);
        expect(&d, row);
        diagnosis_done(&d);
        fact_book_done(&b);
    }
}

/* A root says what only its consequences know. */
static void test_roots_tell(void **state)
{
    (void)state;
    struct row row = { .put = { { PS2003, "dopt-1" } } };
    struct fact_book b;
    struct diagnosis d;
    fact_book_init(&b);
    build_network(&b, SERVER);
    says(&b, SERVER, "nxdomain", REG);
    says(&b, AMAZON, PRIVATE, REG);
    option_set_is_right(&b);
    diagnose(&b.facts, &d);
    collect(&d, &row);
    const struct finding *root = d.findings[0];
    assert_int_equal(root->code, PS1001);
    assert_true(str_starts(root->fix.v[0], STR("Start new tasks")));
    assert_false(lines_have(&root->fix, "penstock fix dhcp"));
    assert_true(lines_have(&root->notes, "was put right after this task had started"));
    assert_true(lines_have(&root->evidence, "put"));
    diagnosis_done(&d);
    fact_book_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows),
                                        cmocka_unit_test(test_roots_tell) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

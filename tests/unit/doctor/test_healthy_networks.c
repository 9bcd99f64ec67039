/* Networks in which nothing is wrong: none of them may give an error, nor an unknown. */
#include "network_make.h"

#include "doctor/report.h"

static void amazon_provided(struct fact_book *b)
{
    build_network(b, "10.0.0.2");
    b->facts.servers.v[0].is_amazon = FACT_YES;
    says(b, "10.0.0.2", PUBLIC, "10.0.1.99");
    ask6(b, "10.0.0.2", S3, "nodata", "");
    says(b, AMAZON, PUBLIC_TOO, "10.0.1.99");
}

static void custom_that_forwards(struct fact_book *b)
{
    build_network(b, "10.9.0.53");
    says(b, "10.9.0.53", PRIVATE, "10.0.1.99");
    says(b, AMAZON, "10.0.2.77", "10.0.1.99");
}

static void gateway_endpoint(struct fact_book *b)
{
    build_network(b, "10.9.0.53 10.9.0.54");
    says(b, "10.9.0.53", PUBLIC, "10.0.1.99");
    says(b, "10.9.0.54", PUBLIC_TOO, "10.0.1.99");
    says(b, AMAZON, "52.218.9.9", "10.0.1.99");
    dial(b, S3, "s3", "52.218.1.1", "10.9.0.53", "ok");
}

static void interface_endpoint(struct fact_book *b)
{
    build_network(b, "10.9.0.53");
    make_dns_name(b, BUCKET, "bucket");
    says(b, "10.9.0.53", "10.0.1.77 10.0.2.77", "10.0.1.99");
    ask(b, "10.9.0.53", BUCKET, "answer", "10.0.2.77");
    says(b, AMAZON, "10.0.2.77 10.0.1.77", "10.0.1.99");
    ask(b, AMAZON, BUCKET, "answer", "10.0.1.77");
}

static void inbound_only(struct fact_book *b)
{
    build_network(b, "10.9.0.53");
    says(b, "10.9.0.53", PRIVATE, "10.0.1.99");
    says(b, AMAZON, PUBLIC, "10.0.1.99");
    dial(b, S3, "s3", "10.0.1.77", "10.9.0.53", "ok");
    dial(b, S3, "s3", "52.218.1.1", AMAZON, "ok");
}

/* Where Amazon's addresses do not connect as well, that is PS3016. */
static void hub_vpc(struct fact_book *b)
{
    build_network(b, "10.9.0.53");
    says(b, "10.9.0.53", "10.200.1.77", "10.0.1.99");
    says(b, AMAZON, "10.200.1.78", "10.0.1.99");
    dial(b, S3, "s3", "10.200.1.77", "10.9.0.53", "ok");
    dial(b, S3, "s3", "10.200.1.78", AMAZON, "ok");
}

static void ipv6_only(struct fact_book *b)
{
    build_network(b, "fd00:9::53");
    b->facts.surroundings.has_ipv6 = FACT_YES;
    fact_add_text(b, &b->facts.surroundings.local_addresses, STR("2001:db8::7"));
    says(b, "fd00:9::53", "nodata", "nodata");
    ask6(b, "fd00:9::53", S3, "answer", "2a05:d07a::1");
    ask6(b, "fd00:9::53", REGISTRY, "answer", "2001:db8::99");
    says(b, AMAZON, "nodata", "nodata");
    ask6(b, AMAZON, S3, "answer", "2a05:d07a::2");
    ask6(b, AMAZON, REGISTRY, "answer", "2001:db8::99");
}

static void service_connect(struct fact_book *b)
{
    build_network(b, "10.0.0.2");
    b->facts.servers.v[0].is_amazon = FACT_YES;
    struct fact_host *h = MAKE(b, host, hosts);
    h->name = make_text(b, REGISTRY);
    h->address = make_text(b, "127.255.0.1");
    says(b, "10.0.0.2", PUBLIC, "nxdomain");
    says(b, AMAZON, PUBLIC, "nxdomain");
}

static void two_servers(struct fact_book *b)
{
    build_network(b, "10.9.0.53 10.9.0.54");
    says(b, "10.9.0.53", PRIVATE, "10.0.1.99");
    says(b, "10.9.0.54", PRIVATE, "10.0.1.99 10.0.2.99");
    says(b, AMAZON, PRIVATE, "10.0.1.99");
}

static void plain_internet(struct fact_book *b)
{
    build_internet(b, "192.168.1.1");
    ask(b, "192.168.1.1", S3, "answer", PUBLIC);
    ask6(b, "192.168.1.1", S3, "nodata", "");
}

static void test_no_error(void **state)
{
    static const struct {
        const char *name;
        void (*make)(struct fact_book *b);
    } rows[] = {
        { "AmazonProvidedDNS", amazon_provided },
        { "custom servers that forward", custom_that_forwards },
        { "gateway endpoint, public answers", gateway_endpoint },
        { "interface endpoint with private DNS", interface_endpoint },
        { "private DNS for inbound endpoints only", inbound_only },
        { "hub VPC", hub_vpc },
        { "IPv6 alone", ipv6_only },
        { "Service Connect", service_connect },
        { "two healthy servers", two_servers },
        { "plain internet", plain_internet },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fact_book b;
        struct diagnosis d;
        fact_book_init(&b);
        rows[i].make(&b);
        diagnose(&b.facts, &d);
        for (unsigned k = 0; k < d.n_findings; k++)
            if (d.findings[k]->code < PS2001)
                expect_finding(&d, d.findings[k]->code, FINDING_INFO, NULL, rows[i].name);
        for (enum finding_code c = PS1001; c < PS2001; c++)
            assert_int_not_equal(d.results[c].state, CHECK_UNKNOWN);
        assert_int_equal(d.n_roots, 0);
        assert_int_equal(report_exit_code(&d, FINDING_ERROR), DOCTOR_OK);
        diagnosis_done(&d);
        fact_book_done(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_no_error) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

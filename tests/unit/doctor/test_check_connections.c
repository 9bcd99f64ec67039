/* What happens on the way to S3: PS3005-PS3011, PS3013. */
#include "account_make.h"

static struct fact_connection *reach(struct fact_book *b, const char *outcome)
{
    build_network(b, AMAZON);
    b->facts.surroundings.region = make_text(b, "eu-west-1");
    says(b, AMAZON, PUBLIC, "10.0.1.99");
    return dial(b, S3, "s3", "52.218.1.1", AMAZON, outcome);
}

static void healthy(struct fact_book *b)
{
    reach(b, "ok");
}

static void not_dialled(struct fact_book *b)
{
    reach(b, "denied");
}

static void without_region(struct fact_book *b)
{
    make_dns_name(b, "s3.us-east-1.amazonaws.com", "s3");
}

static void with_a_typo(struct fact_book *b)
{
    without_region(b);
    b->facts.surroundings.region = make_text(b, "eu-west1");
}

static void times_out(struct fact_book *b)
{
    reach(b, "timeout");
}

static void times_out_in_private(struct fact_book *b)
{
    reach(b, "timeout")->address = make_text(b, "10.0.1.77");
}

static void one_of_two_times_out(struct fact_book *b)
{
    reach(b, "timeout");
    dial(b, S3, "s3", "52.218.1.2", AMAZON, "ok");
}

static void ipv6_has_no_way(struct fact_book *b)
{
    reach(b, "ok");
    dial(b, S3, "s3", "2a05:d07a::1", AMAZON, "unreachable");
}

static void another_servers_works(struct fact_book *b)
{
    reach(b, "ok");
    dial(b, S3, "s3", "52.218.9.9", "10.9.0.53", "timeout");
}

static void another_names_works(struct fact_book *b)
{
    reach(b, "timeout");
    dial(b, BUCKET, "bucket", "52.218.1.2", AMAZON, "ok");
}

static void unreachable(struct fact_book *b)
{
    reach(b, "unreachable");
}

static void silent_behind_tls(struct fact_book *b)
{
    reach(b, "ok")->http = make_text(b, "timeout");
}

static void seen_from_elsewhere(struct fact_book *b)
{
    reach(b, "timeout");
    b->facts.surroundings.inside = FACT_NO;
}

static void registry_times_out(struct fact_book *b)
{
    reach(b, "ok");
    dial(b, REGISTRY, "registry", "10.0.1.99", AMAZON, "timeout");
}

static void hub_explains_it(struct fact_book *b)
{
    build_network(b, "10.9.0.53");
    says(b, "10.9.0.53", "10.200.1.77", "10.0.1.99");
    says(b, AMAZON, PUBLIC, "10.0.1.99");
    dial(b, S3, "s3", "10.200.1.77", "10.9.0.53", "ok");
    dial(b, S3, "s3", "52.218.1.1", AMAZON, "timeout");
}

static void refused(struct fact_book *b)
{
    reach(b, "refused");
}

static void tls(struct fact_book *b, const char *outcome, int verify, const char *issuer)
{
    struct fact_connection *c = reach(b, "ok");
    c->tls = make_text(b, outcome);
    c->tls_verify = verify;
    c->cert_issuer = make_text(b, issuer);
    c->http = (struct str){ NULL, 0 };
    c->status = FACT_NO_NUMBER;
}

static void intercepted(struct fact_book *b)
{
    tls(b, "untrusted", 20, "CN=Corp TLS Inspection, O=Corp");
}

static void self_signed(struct fact_book *b)
{
    tls(b, "untrusted", 18, "CN=firewall");
}

static void missing_ca(struct fact_book *b)
{
    tls(b, "untrusted", 20, "C=US, O=Amazon, CN=Amazon RSA 2048 M01");
}

static void expired(struct fact_book *b)
{
    tls(b, "untrusted", 10, "C=US, O=Amazon, CN=Amazon RSA 2048 M01");
}

static void unknown_issuer(struct fact_book *b)
{
    tls(b, "untrusted", 21, "");
}

static void one_of_two_untrusted(struct fact_book *b)
{
    intercepted(b);
    dial(b, S3, "s3", "52.218.1.2", AMAZON, "ok");
}

static void reset(struct fact_book *b)
{
    tls(b, "reset", 0, "");
}

static void handshake_silent(struct fact_book *b)
{
    tls(b, "timeout", 0, "");
}

static void handshake_failed(struct fact_book *b)
{
    tls(b, "failed", 0, "");
    b->facts.connections.v[0].tls_detail = make_text(b, "unsupported protocol");
}

static void closed_behind_tls(struct fact_book *b)
{
    reach(b, "ok")->http = make_text(b, "closed");
}

static void other_name(struct fact_book *b)
{
    tls(b, "name", 0, "CN=any");
    b->facts.connections.v[0].cert_names = make_texts(b, "firewall.corp.test *.corp.test");
}

static void dotted_bucket(struct fact_book *b)
{
    other_name(b);
    b->facts.connections.v[0].name = make_text(b, "my.data.s3.eu-west-1.amazonaws.com");
    b->facts.connections.v[0].purpose = make_text(b, "bucket");
}

static void bucket_says(struct fact_book *b, int status, const char *region)
{
    reach(b, "ok");
    struct fact_connection *c = dial(b, BUCKET, "bucket", "52.218.1.2", AMAZON, "ok");
    c->status = status;
    c->bucket_region = make_text(b, region);
}

static void elsewhere_301(struct fact_book *b)
{
    bucket_says(b, 301, "us-east-1");
}

static void elsewhere_301_untold(struct fact_book *b)
{
    bucket_says(b, 301, NULL);
}

static void elsewhere_400(struct fact_book *b)
{
    bucket_says(b, 400, "us-east-1");
}

static void elsewhere_but_served(struct fact_book *b)
{
    bucket_says(b, 200, "us-east-1");
}

static void bad_request(struct fact_book *b)
{
    bucket_says(b, 400, NULL);
}

static void moved_within(struct fact_book *b)
{
    bucket_says(b, 307, "eu-west-1");
}

static void denied(struct fact_book *b)
{
    bucket_says(b, 403, "");
}

static void private_bucket(struct fact_book *b)
{
    healthy(b);
    bucket_says(b, 403, "eu-west-1");
}

static void denied_without_bucket(struct fact_book *b)
{
    reach(b, "ok")->status = 403;
}

static void denied_elsewhere(struct fact_book *b)
{
    bucket_says(b, 403, "us-east-1");
}

static void skewed(struct fact_book *b)
{
    reach(b, "ok")->skew_s = 3600;
}

static void skewed_back(struct fact_book *b)
{
    reach(b, "ok")->skew_s = -301;
}

static void skewed_a_little(struct fact_book *b)
{
    reach(b, "ok")->skew_s = 300;
}

static void skew_untold(struct fact_book *b)
{
    reach(b, "timeout");
}

static void skewed_for_a_call(struct fact_book *b)
{
    reach(b, "ok")->skew_s = 0;
    struct fact_call *c = make_aws_call(b, "sts:GetCallerIdentity", "clock");
    c->code = make_text(b, "SignatureDoesNotMatch");
    c->message = make_text(b, "Signature expired");
}

static void skewed_by_a_call(struct fact_book *b)
{
    reach(b, "timeout");
    make_aws_call(b, "ec2:DescribeVpcs", "clock")->skew_s = 900;
}

static void registrys_clock(struct fact_book *b)
{
    reach(b, "ok");
    dial(b, REGISTRY, "registry", "10.0.1.99", AMAZON, "ok")->skew_s = 4000;
}

static void hub_does_not_explain_another(struct fact_book *b)
{
    hub_explains_it(b);
    dial(b, S3, "s3", "10.77.7.7", "10.9.0.54", "timeout");
}

static void registry_untrusted(struct fact_book *b)
{
    reach(b, "ok");
    dial(b, REGISTRY, "registry", "10.0.1.99", AMAZON, "ok")->tls = make_text(b, "untrusted");
}

static void registry_denies(struct fact_book *b)
{
    reach(b, "ok");
    dial(b, REGISTRY, "registry", "10.0.1.99", AMAZON, "ok")->status = 301;
}

static void global_name_301(struct fact_book *b)
{
    reach(b, "ok");
    struct fact_connection *c =
        dial(b, "data.s3.amazonaws.com", "bucket", "52.218.1.2", AMAZON, "ok");
    c->status = 301;
    c->bucket_region = make_text(b, "us-east-1");
}

static void measured_by_a_call(struct fact_book *b)
{
    reach(b, "timeout");
    make_aws_call(b, "ec2:DescribeVpcs", "ok");
}

static void older_ca(struct fact_book *b)
{
    tls(b, "untrusted", 20, "C=US, O=DigiCert Inc, CN=DigiCert Global CA");
}

static void works_by_the_hosts_file(struct fact_book *b)
{
    reach(b, "timeout");
    dial(b, S3, "s3", "52.218.1.9", "", "ok");
}

static void one_of_two_of_the_hosts_file(struct fact_book *b)
{
    reach(b, "timeout")->servers.n = 0;
    dial(b, S3, "s3", "52.218.1.9", "", "ok");
}

static const struct check_row rows[] = {
    { "all is well", healthy, PS3005, CHECK_PASS, NULL, NULL },
    { "never dialled", not_dialled, PS3005, CHECK_SKIPPED, NULL, NULL },
    { "no region, so never dialled", without_region, PS3005, CHECK_UNKNOWN, "--region R", NULL },
    { "no region's name", with_a_typo, PS3005, CHECK_UNKNOWN, "eu-west1 is no region's name",
      NULL },
    { "a timeout", times_out, PS3005, CHECK_FAIL, "52.218.1.1:443: timeout in 3000 ms (2 tries)",
      "gateway endpoint" },
    { "a timeout at an endpoint", times_out_in_private, PS3005, CHECK_FAIL, "10.0.1.77",
      "security group" },
    { "one address of two", one_of_two_times_out, PS3005, CHECK_PASS, NULL, NULL },
    { "no way by IPv6", ipv6_has_no_way, PS3005, CHECK_PASS, NULL, NULL },
    { "another server's address works", another_servers_works, PS3005, CHECK_FAIL, "52.218.9.9",
      NULL },
    { "another name's address works", another_names_works, PS3005, CHECK_FAIL, S3, NULL },
    { "unreachable", unreachable, PS3005, CHECK_FAIL, "unreachable", NULL },
    { "connected, but silent", silent_behind_tls, PS3005, CHECK_FAIL, "HTTP: timeout", NULL },
    { "seen from elsewhere", seen_from_elsewhere, PS3005, CHECK_SKIPPED, NULL, NULL },
    { "the registry is another matter", registry_times_out, PS3005, CHECK_PASS, NULL, NULL },
    { "a hub explains it", hub_explains_it, PS3005, CHECK_PASS, NULL, NULL },
    { "refused", refused, PS3006, CHECK_FAIL, "refused", "penstock lookup --compare " S3 },
    { "not refused", times_out, PS3006, CHECK_PASS, NULL, NULL },
    { "intercepted", intercepted, PS3007, CHECK_FAIL, "CN=Corp TLS Inspection",
      "Exempt S3 from TLS inspection" },
    { "self-signed", self_signed, PS3007, CHECK_FAIL, "self-signed (18)", "Exempt S3" },
    { "the CA is missing", missing_ca, PS3007, CHECK_FAIL, "(20)", "CA bundle" },
    { "expired", expired, PS3007, CHECK_FAIL, "expired (10)", "clock" },
    { "nobody knows the issuer", unknown_issuer, PS3007, CHECK_FAIL, "(21)", "issuer" },
    { "one address is intercepted", one_of_two_untrusted, PS3007, CHECK_FAIL, "52.218.1.1", NULL },
    { "trusted", healthy, PS3007, CHECK_PASS, NULL, NULL },
    { "reset", reset, PS3008, CHECK_FAIL, "TLS: reset", "firewall" },
    { "a silent handshake", handshake_silent, PS3008, CHECK_FAIL, "TLS: timeout", "MTU" },
    { "a failed handshake", handshake_failed, PS3008, CHECK_FAIL, "unsupported protocol", NULL },
    { "closed before an answer", closed_behind_tls, PS3008, CHECK_FAIL, "HTTP: closed", NULL },
    { "untrusted is not cut", intercepted, PS3008, CHECK_PASS, NULL, NULL },
    { "another name", other_name, PS3009, CHECK_FAIL, "firewall.corp.test, *.corp.test",
      "penstock lookup --compare" },
    { "a bucket with dots", dotted_bucket, PS3009, CHECK_FAIL, "my.data", "into the path" },
    { "the right name", healthy, PS3009, CHECK_PASS, NULL, NULL },
    { "301", elsewhere_301, PS3010, CHECK_FAIL,
      "x-amz-bucket-region: us-east-1; asked in eu-west-1", "s3.us-east-1.amazonaws.com" },
    { "301 and no region", elsewhere_301_untold, PS3010, CHECK_FAIL, "not told", NULL },
    { "400 and another region", elsewhere_400, PS3010, CHECK_FAIL, "us-east-1", NULL },
    { "another region, but served", elsewhere_but_served, PS3010, CHECK_PASS, NULL, NULL },
    { "400 alone", bad_request, PS3010, CHECK_PASS, NULL, NULL },
    { "307 within the region", moved_within, PS3010, CHECK_PASS, NULL, NULL },
    { "no answer, no region", times_out, PS3010, CHECK_PASS, NULL, NULL },
    { "403 of a private bucket", private_bucket, PS3011, CHECK_PASS, NULL, NULL },
    { "403 that tells no region", denied, PS3011, CHECK_FAIL, "403", "the way to S3 is fine" },
    { "403 without a bucket", denied_without_bucket, PS3011, CHECK_PASS, NULL, NULL },
    { "403 of another region", denied_elsewhere, PS3011, CHECK_PASS, NULL, NULL },
    { "never asked", not_dialled, PS3011, CHECK_SKIPPED, NULL, NULL },
    { "behind by an hour", skewed, PS3013, CHECK_FAIL, "3600 s", "169.254.169.123" },
    { "ahead by five minutes", skewed_back, PS3013, CHECK_FAIL, "-301 s", NULL },
    { "off by less", skewed_a_little, PS3013, CHECK_PASS, NULL, NULL },
    { "nobody told the time", skew_untold, PS3013, CHECK_SKIPPED, NULL, NULL },
    { "a call says so", skewed_for_a_call, PS3013, CHECK_FAIL, "Signature expired", NULL },
    { "a call measured it", skewed_by_a_call, PS3013, CHECK_FAIL, "900 s", NULL },
    { "the registry's own clock", registrys_clock, PS3013, CHECK_PASS, NULL, NULL },
    { "a hub does not explain another server", hub_does_not_explain_another, PS3005, CHECK_FAIL,
      "10.77.7.7", NULL },
    { "the registry's certificate", registry_untrusted, PS3007, CHECK_PASS, NULL, NULL },
    { "the registry's 301", registry_denies, PS3010, CHECK_PASS, NULL, NULL },
    { "by the hosts file it works", works_by_the_hosts_file, PS3005, CHECK_FAIL, "52.218.1.1",
      NULL },
    { "one of two of the hosts file", one_of_two_of_the_hosts_file, PS3005, CHECK_PASS, NULL,
      NULL },
    { "an older CA is missing", older_ca, PS3007, CHECK_FAIL, "DigiCert", "CA bundle" },
    { "a global name", global_name_301, PS3010, CHECK_FAIL, "us-east-1; asked in eu-west-1", NULL },
    { "a call tells the time", measured_by_a_call, PS3013, CHECK_PASS, NULL, NULL },
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_row(&rows[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "doctor/check.h"
#include "doctor/evidence.h"
#include "doctor/live_view.h"
#include "doctor/shell_word.h"

#include "aws/service.h"
#include "codec/s3_host.h"

enum { MOST_SKEW_S = 300 };

/* OpenSSL's X509_V_ERR_..., which belongs to no room that this one may ask. */
enum {
    CERT_NOT_YET_VALID = 9,
    CERT_EXPIRED = 10,
    CERT_SELF_SIGNED = 18,
    CERT_SELF_SIGNED_IN_CHAIN = 19,
    CERT_NO_LOCAL_ISSUER = 20,
    CERT_UNVERIFIED_LEAF = 21,
};

static bool are_from_same(const struct fact_connection *a, const struct fact_connection *b)
{
    if (a->servers.n == 0 || b->servers.n == 0)
        return a->servers.n == b->servers.n;
    for (size_t i = 0; i < a->servers.n; i++)
        if (fact_has_text(&b->servers, a->servers.v[i]))
            return true;
    return false;
}

/*
 * A name has several addresses, and programs go on to the next one: what fails counts when no other
 * address of the same server's answer works. Another server's answer is another world.
 */
static bool has_a_better_one(const struct fact_facts *f, const struct fact_connection *c)
{
    for (size_t i = 0; i < f->connections.n; i++) {
        const struct fact_connection *o = &f->connections.v[i];
        if (o != c && view_is_same_name(o->name, c->name) && live_works(o) && are_from_same(o, c))
            return true;
    }
    return false;
}

static bool is_amazons_public(const struct fact_facts *f, const struct fact_connection *c)
{
    for (size_t i = 0; i < c->servers.n; i++)
        if (!view_is_amazon(f, c->servers.v[i]))
            return false;
    return c->servers.n > 0;
}

static bool is_in(struct str word, const char *const *words)
{
    for (; *words != NULL; words++)
        if (view_is(word, *words))
            return true;
    return false;
}

/* What stopped the connection, as a code; N_FINDING_CODES: nothing of these. */
static enum finding_code stopped_by(const struct fact_connection *c)
{
    static const char *const lost[] = { "timeout", "unreachable", "failed", NULL };
    static const char *const cut[] = { "reset", "timeout", "failed", NULL };
    if (is_in(c->outcome, lost))
        return PS3005;
    if (view_is(c->outcome, "refused"))
        return PS3006;
    if (view_is(c->outcome, "reset") || is_in(c->tls, cut))
        return PS3008;
    if (!view_is(c->outcome, "ok") || (c->tls.n > 0 && !view_is(c->tls, "ok")))
        return N_FINDING_CODES;
    if (view_is(c->http, "timeout"))
        return PS3005;
    return view_is(c->http, "closed") || view_is(c->http, "malformed") ? PS3008 : N_FINDING_CODES;
}

static void explain_lost(struct diagnosis *d, struct finding *f, const struct fact_connection *c)
{
    if (view_is(c->outcome, "ok"))
        finding_title(d, f, "%.*s takes the connection, but does not answer", STR_ARG(c->name));
    else if (!view_is(c->outcome, "timeout"))
        finding_title(d, f, "S3's address cannot be reached (%.*s)", STR_ARG(c->outcome));
    if (answer_is_private(d->facts, c->address))
        finding_fix(d, f,
                    "Let TCP 443 through: the endpoint's security group must allow it from "
                    "the tasks, the tasks' group to the endpoint, the network ACLs both ways.");
    else
        finding_fix(d, f,
                    "Give the subnet a way to S3's public addresses: a gateway endpoint in "
                    "its route table, or NAT; and let security group and network ACL allow "
                    "TCP 443.");
    finding_fix(d, f, "aws ec2 describe-vpc-endpoints%.*s --filters Name=vpc-id,Values=%.*s",
                STR_ARG(shell_region(d)), STR_ARG(shell_vpc(d->facts)));
}

static void explain(struct diagnosis *d, struct finding *f, const struct fact_connection *c)
{
    if (f == NULL || f->fix.n > 0)
        return;
    if (f->code == PS3005) {
        explain_lost(d, f, c);
    } else if (f->code == PS3006) {
        finding_fix(d, f,
                    "Something at %.*s refuses port 443: a firewall that rejects, or an "
                    "address that is not S3's. Compare it with what Amazon's DNS server says.",
                    STR_ARG(c->address));
        finding_fix(d, f, "penstock lookup --compare %.*s", STR_ARG(shell_word(c->name, "NAME")));
    } else {
        if (view_is(c->tls, "timeout"))
            finding_title(d, f, "the TLS handshake gets no answer");
        else if (view_is(c->tls, "failed"))
            finding_title(d, f, "the TLS handshake fails");
        else if (view_is(c->tls, "ok"))
            finding_title(d, f, "the connection to S3 is cut before an answer");
        finding_fix(d, f,
                    "A firewall that looks into TLS (by the name in it, or the packet's size) "
                    "cuts this: allow %.*s there; look for an MTU that is too small on the "
                    "way.",
                    STR_ARG(c->name));
    }
}

static void judge_ends(struct diagnosis *d)
{
    for (size_t i = 0; i < d->facts->connections.n; i++) {
        const struct fact_connection *c = &d->facts->connections.v[i];
        enum finding_code code = stopped_by(c);
        if (!live_is_s3(c) || !live_was_dialled(c) || code == N_FINDING_CODES ||
            has_a_better_one(d->facts, c))
            continue;
        /* PS3016 tells that story whole. */
        if (check_failed(d, PS3016) && is_amazons_public(d->facts, c))
            continue;
        struct finding *f = check_fail(d, code, c->name);
        evidence_connection(d, f, c);
        if (c->detail.n > 0)
            finding_evidence(d, f, "%.*s: %.*s", STR_ARG(c->address), STR_ARG(c->detail));
        if (c->tls_detail.n > 0 && code == PS3008)
            finding_evidence(d, f, "TLS: %.*s", STR_ARG(c->tls_detail));
        explain(d, f, c);
    }
}

/* The certificate authorities that S3's certificates come from. */
static bool is_amazons_issuer(struct str issuer)
{
    return str_contains(issuer, STR("Amazon")) || str_contains(issuer, STR("Starfield")) ||
           str_contains(issuer, STR("DigiCert")) || str_contains(issuer, STR("Baltimore"));
}

static const char *verify_text(int64_t number)
{
    switch (number) {
    case CERT_NOT_YET_VALID:
        return "not yet valid";
    case CERT_EXPIRED:
        return "expired";
    case CERT_SELF_SIGNED:
        return "self-signed";
    case CERT_SELF_SIGNED_IN_CHAIN:
        return "a self-signed certificate ends the chain";
    case CERT_NO_LOCAL_ISSUER:
        return "its issuer is not among the trusted ones here";
    case CERT_UNVERIFIED_LEAF:
        return "the server did not send the certificates between";
    default:
        return "not trusted";
    }
}

static void fail_untrusted(struct diagnosis *d, const struct fact_connection *c)
{
    struct finding *f = check_fail(d, PS3007, c->name);
    bool is_dated = c->tls_verify == CERT_EXPIRED || c->tls_verify == CERT_NOT_YET_VALID;
    evidence_connection(d, f, c);
    if (c->tls_verify != FACT_NO_NUMBER)
        finding_evidence(d, f, "certificate: %s (%lld)", verify_text(c->tls_verify),
                         (long long)c->tls_verify);
    finding_evidence(d, f, "issuer: %.*s", STR_ARG(c->cert_issuer));
    if (c->tls_detail.n > 0)
        finding_evidence(d, f, "%.*s", STR_ARG(c->tls_detail));
    if (is_dated) {
        finding_title(d, f, "the certificate of %.*s is %s", STR_ARG(c->name),
                      verify_text(c->tls_verify));
        finding_fix(d, f,
                    "Look at this machine's clock first; if it is right, whoever issued the "
                    "certificate must renew it.");
    } else if (c->cert_issuer.n == 0) {
        finding_fix(d, f, "Look at the issuer: if it is not Amazon's, a firewall intercepts TLS.");
    } else if (is_amazons_issuer(c->cert_issuer)) {
        finding_title(d, f, "this machine lacks the certificate authority of %.*s",
                      STR_ARG(c->name));
        finding_fix(d, f, "Install the CA bundle (package ca-certificates), or name one.");
    } else {
        finding_title(d, f, "TLS to %.*s is intercepted: its certificate is from %.*s",
                      STR_ARG(c->name), STR_ARG(c->cert_issuer));
        finding_fix(d, f,
                    "Exempt S3 from TLS inspection; or trust the inspecting authority's "
                    "certificate here.");
    }
    finding_fix(d, f, "openssl s_client -connect %.*s:443 -servername %.*s -showcerts </dev/null",
                STR_ARG(shell_word(c->address, "ADDRESS")), STR_ARG(shell_word(c->name, "NAME")));
}

/* Another service's certificate: the name leads to a wrong endpoint of the VPC. */
static bool is_of_aws(const struct fact_connection *c)
{
    for (size_t i = 0; i < c->cert_names.n; i++)
        if (view_is_below(c->cert_names.v[i], STR("amazonaws.com")) ||
            view_is_below(c->cert_names.v[i], STR("amazonaws.com.cn")))
            return true;
    return false;
}

static void fail_name(struct diagnosis *d, const struct fact_connection *c)
{
    struct s3_host host;
    struct finding *f = check_fail(d, PS3009, c->name);
    if (f != NULL && !is_of_aws(c))
        f->cause = 'o';
    evidence_connection(d, f, c);
    finding_evidence(
        d, f, "the certificate is for: %.*s",
        STR_ARG(c->cert_names.n > 0 ? evidence_list(d, &c->cert_names) : c->cert_subject));
    if (s3_host_parse(c->name, &host) && host.bucket_has_dot) {
        finding_title(d, f, "bucket names with dots do not match S3's certificate");
        finding_fix(d, f,
                    "Put the bucket into the path instead of the host name: its dots are more "
                    "labels than the certificate's * stands for.");
        return;
    }
    finding_fix(d, f,
                "%.*s is not the address of %.*s: find out who resolves it so (a private "
                "zone, a record in a corporate zone, another service's endpoint).",
                STR_ARG(c->address), STR_ARG(c->name));
    finding_fix(d, f, "penstock lookup --compare %.*s", STR_ARG(shell_word(c->name, "NAME")));
}

/* A certificate that is wrong anywhere is wrong: it may be anybody who answers. */
static void judge_certificates(struct diagnosis *d)
{
    for (size_t i = 0; i < d->facts->connections.n; i++) {
        const struct fact_connection *c = &d->facts->connections.v[i];
        if (!live_is_s3(c))
            continue;
        if (view_is(c->tls, "untrusted"))
            fail_untrusted(d, c);
        else if (view_is(c->tls, "name"))
            fail_name(d, c);
    }
}

/* Of the name; a global name has none, then the one that was asked for. */
static struct str region_of(const struct fact_facts *f, const struct fact_connection *c)
{
    struct s3_host host;
    return s3_host_parse(c->name, &host) && host.region.n > 0 ? host.region
                                                              : f->surroundings.region;
}

static void judge_region(struct diagnosis *d, const struct fact_connection *c)
{
    enum { REDIRECT = 301, LEAST_FAILURE = 300 };
    struct str region = region_of(d->facts, c);
    bool is_other = c->bucket_region.n > 0 && region.n > 0 && !str_eq(c->bucket_region, region);
    if (c->status == FACT_NO_NUMBER ||
        !(c->status == REDIRECT || (is_other && c->status >= LEAST_FAILURE)))
        return;
    if (c->bucket_region.n > 0 && !is_other)
        return;
    struct finding *f = check_fail(d, PS3010, c->name);
    evidence_connection(d, f, c);
    finding_evidence(d, f, "x-amz-bucket-region: %.*s; asked in %.*s",
                     STR_ARG(c->bucket_region.n > 0 ? c->bucket_region : STR("not told")),
                     STR_ARG(region.n > 0 ? region : STR("no region")));
    finding_fix(d, f, "Ask for this bucket in its own region: s3.%.*s.amazonaws.com.",
                STR_ARG(shell_word(c->bucket_region, "REGION")));
    finding_note(d, f, "an S3 endpoint of the VPC leads to its own region alone");
}

/* Nobody who does not sign may look into a private bucket: S3 denies it, and tells its region. Who
 * denies and does not tell it may be somebody else, or a policy that bars the way. */
static bool is_private_bucket(const struct fact_facts *f, const struct fact_connection *c)
{
    return c->bucket_region.n > 0 && str_eq(c->bucket_region, region_of(f, c));
}

static void judge_answers(struct diagnosis *d)
{
    enum { FORBIDDEN = 403 };
    for (size_t i = 0; i < d->facts->connections.n; i++) {
        const struct fact_connection *c = &d->facts->connections.v[i];
        if (!live_is_s3(c))
            continue;
        judge_region(d, c);
        if (!view_is(c->purpose, "bucket") || c->status != FORBIDDEN || check_failed(d, PS3010) ||
            is_private_bucket(d->facts, c))
            continue;
        struct finding *f = check_fail(d, PS3011, c->name);
        evidence_connection(d, f, c);
        finding_evidence(d, f, "it does not tell the bucket's region, as S3 does");
        finding_fix(d, f,
                    "Nothing to do for DNS: the way to S3 is fine. Requests without a "
                    "signature to a private bucket get this too.");
        finding_fix(d, f,
                    "If signed requests get it as well, look at the role's policy, the "
                    "bucket's policy and the VPC endpoint's policy.");
    }
}

static void show_skew(struct diagnosis *d, int64_t skew_s, struct str by)
{
    if (skew_s == FACT_NO_NUMBER || (skew_s <= MOST_SKEW_S && skew_s >= -MOST_SKEW_S))
        return;
    struct finding *f = check_fail(d, PS3013, by);
    bool is_behind = skew_s > 0;
    finding_title(d, f, "this machine's clock is %llu s %s",
                  is_behind ? (unsigned long long)skew_s : 0ULL - (unsigned long long)skew_s,
                  is_behind ? "behind" : "ahead");
    finding_evidence(d, f, "%.*s: its clock less ours is %lld s", STR_ARG(by), (long long)skew_s);
}

static void judge_clock(struct diagnosis *d)
{
    const struct fact_facts *f = d->facts;
    bool is_measured = false;
    for (size_t i = 0; i < f->connections.n; i++)
        if (live_is_s3(&f->connections.v[i])) {
            is_measured = is_measured || f->connections.v[i].skew_s != FACT_NO_NUMBER;
            show_skew(d, f->connections.v[i].skew_s, f->connections.v[i].name);
        }
    for (size_t i = 0; i < f->calls.n; i++) {
        const struct fact_call *call = &f->calls.v[i];
        is_measured = is_measured || view_is(call->outcome, "ok");
        show_skew(d, call->skew_s, call->action);
        if (view_is(call->outcome, "clock"))
            finding_evidence(d, check_fail(d, PS3013, call->action), "%.*s: %.*s %.*s",
                             STR_ARG(call->action), STR_ARG(call->code), STR_ARG(call->message));
    }
    if (check_failed(d, PS3013)) {
        finding_fix(d, d->results[PS3013].finding,
                    "Set the clock by Amazon's time server 169.254.169.123 (chrony): AWS refuses "
                    "signatures that are more than five minutes off.");
        finding_fix(d, d->results[PS3013].finding, "chronyc tracking");
    } else if (is_measured) {
        check_pass(d, PS3013);
    } else {
        check_skip(d, PS3013, "nobody told the time");
    }
}

/* Names of S3 were asked for, yet of no region that could be connected to: an S3 that nobody tried
 * is not well. */
static bool lacks_region(const struct fact_facts *f)
{
    for (size_t i = 0; live_is_inside(f) && i < f->names.n; i++)
        if (view_is(f->names.v[i].purpose, "s3"))
            return !aws_region_is_valid(f->surroundings.region);
    return false;
}

static void say_no_region(struct diagnosis *d)
{
    struct str region = d->facts->surroundings.region;
    if (region.n > 0)
        check_unknown(d, PS3005, "S3 was not connected to: %.*s is no region's name (--region R)",
                      STR_ARG(region));
    else
        check_unknown(d, PS3005,
                      "S3 was not connected to, as its region is not known: --region R, or "
                      "AWS_REGION");
}

void check_connections(struct diagnosis *d)
{
    static const enum finding_code codes[] = { PS3005, PS3006, PS3007, PS3008,
                                               PS3009, PS3010, PS3011 };
    bool was_dialled = live_tried_s3(d->facts);
    if (was_dialled) {
        judge_ends(d);
        judge_certificates(d);
        judge_answers(d);
    } else if (lacks_region(d->facts)) {
        say_no_region(d);
    }
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (was_dialled)
            check_pass(d, codes[i]);
        else
            check_skip(d, codes[i], "no connection to S3 was tried from inside");
    }
    judge_clock(d);
}

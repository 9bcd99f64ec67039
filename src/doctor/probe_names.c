#include "doctor/probe_names.h"

#include "aws/service.h"
#include "codec/s3_host.h"
#include "dns/router.h"

/* Where no region is known. */
static const char any_region[] = "us-east-1";

static struct probe_name *add_name(struct probe_names *n, struct str text, const char *purpose,
                                   struct fact_book *book)
{
    struct probe_name *name = &n->v[n->n];
    struct fact_name fact;
    if (n->n == PROBE_NAMES || text.p == NULL || !dns_name_parse(text, &name->dns))
        return NULL;
    n->n++;
    name->text = text;
    name->purpose = purpose;
    name->is_aws = dns_is_aws_name(&name->dns);
    FACT_CLEAR(name, &fact);
    fact.name = text;
    fact.purpose = fact_text(book, str_from_c(purpose));
    fact.is_aws = fact_truth_of(name->is_aws);
    fact_add(book, &book->facts.names, &fact);
    return name;
}

/* PENSTOCK_ALLOW_HOSTS may say another port or scheme of AWS's hosts too: the first match counts.
 */
static void set_way(struct probe_target *t, const struct conf *conf)
{
    t->port = 443;
    t->is_tls = true;
    for (size_t i = 0; i < conf->allow_hosts.n; i++) {
        const struct conf_host_rule *rule = &conf->allow_hosts.v[i];
        if (!str_glob_nocase(rule->pattern, t->name->text))
            continue;
        t->port = rule->port;
        t->is_tls = rule->scheme == CONF_HTTPS;
        return;
    }
}

static void add_target(struct probe_names *n, const struct probe_name *name, const char *purpose,
                       struct str path, const struct conf *conf)
{
    struct probe_target *t = &n->targets[n->n_targets++];
    *t = (struct probe_target){
        .name = name, .purpose = purpose, .host_field = name->text, .path = path
    };
    set_way(t, conf);
}

/* A name that the certificate's wildcard covers, and that DNS takes. */
static bool is_host_label(struct str bucket)
{
    for (size_t i = 0; i < bucket.n; i++) {
        char c = bucket.p[i];
        if (!(c >= 'a' && c <= 'z') && !ascii_is_digit(c) && c != '-')
            return false;
    }
    return bucket.n >= 3 && bucket.n <= 63 && bucket.p[0] != '-' && bucket.p[bucket.n - 1] != '-';
}

static bool is_path_segment(struct str bucket)
{
    for (size_t i = 0; i < bucket.n; i++)
        if (!ascii_is_alpha(bucket.p[i]) && !ascii_is_digit(bucket.p[i]) &&
            strchr("-._", bucket.p[i]) == NULL)
            return false;
    return bucket.n > 0 && bucket.n <= 255;
}

/* A bucket, or the host name of one. */
static void add_bucket(struct probe_names *n, const struct probe_name *s3, struct str bucket,
                       const struct conf *conf, struct fact_book *book)
{
    struct s3_host host;
    const struct probe_name *own = NULL;
    if (s3_host_parse(bucket, &host) && host.form != S3_NONE)
        own = add_name(n, fact_text(book, bucket), "bucket", book);
    else if (s3 != NULL && is_host_label(bucket))
        own = add_name(n, fact_textf(book, "%.*s.%.*s", STR_ARG(bucket), STR_ARG(s3->text)),
                       "bucket", book);
    if (own != NULL)
        add_target(n, own, "bucket", STR("/"), conf);
    else if (s3 != NULL && is_path_segment(bucket))
        add_target(n, s3, "bucket", fact_textf(book, "/%.*s", STR_ARG(bucket)), conf);
}

static void add_registry(struct probe_names *n, const struct conf_registry *r,
                         struct fact_book *book)
{
    struct probe_name *name = NULL;
    if (!r->is_literal) {
        name = add_name(n, fact_text(book, r->host), "registry", book);
    } else if (n->n < PROBE_NAMES) {
        name = &n->v[n->n];
        *name = (struct probe_name){ .text = fact_text(book, r->host), .purpose = "registry" };
        name->n_known = addr_parse_ip(r->host, &name->known[0]);
        n->n += name->n_known;
    }
    if (name == NULL)
        return;
    n->targets[n->n_targets++] =
        (struct probe_target){ .name = name,
                               .purpose = "registry",
                               .host_field = fact_text(book, r->authority),
                               .path = r->path.n > 0 ? fact_text(book, r->path) : STR("/"),
                               .port = r->port,
                               .is_tls = r->scheme == CONF_HTTPS,
                               .is_registry = true };
}

void probe_names_init(struct probe_names *n, const struct probe_request *r, struct str region,
                      struct fact_book *book)
{
    bool has_region = aws_region_is_valid(region);
    memset(n, 0, sizeof *n);
    if (!has_region)
        region = str_from_c(any_region);
    struct probe_name *s3 = add_name(
        n, fact_textf(book, "s3.%.*s.%s", STR_ARG(region), aws_region_suffix(region)), "s3", book);
    if (s3 != NULL && has_region)
        add_target(n, s3, "s3", STR("/"), r->conf);
    if (r->registry != NULL && r->registry->host.n > 0)
        add_registry(n, r->registry, book);
    for (size_t i = 0; r->buckets != NULL && i < r->buckets->n && i < PROBE_MAX_BUCKETS; i++)
        add_bucket(n, has_region ? s3 : NULL, r->buckets->v[i], r->conf, book);
}

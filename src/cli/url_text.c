#include "cli/url_text.h"

#include "cli/lookup_text.h"

#include <stdio.h>

enum { SERVERS_BYTES = 1024 };

static void put_host(struct table *t, const json_t *host)
{
    const json_t *rule = json_object_get(host, "rule");
    const char *form = json_get_text(host, "s3_form"), *region = json_get_text(host, "region");
    if (!json_is_object(host))
        return;
    table_cell(t, STYLE_DIM, "host");
    if (rule != NULL)
        table_cell(t, STYLE_PLAIN, "%s: row %.0f of %s, %s", json_get_text(host, "name"),
                   json_get_number(rule, "row"), json_get_text(rule, "setting"),
                   json_get_text(rule, "pattern"));
    else if (form[0] != 0)
        table_cell(t, STYLE_PLAIN, "%s: %s of S3%s%s", json_get_text(host, "name"), form,
                   region[0] ? ", " : "", region);
    else
        table_cell(t, STYLE_BAD, "%s: no endpoint of S3, and in no row of PENSTOCK_ALLOW_HOSTS",
                   json_get_text(host, "name"));
    table_next(t);
    if (json_is_true(json_object_get(host, "bucket_has_dot")) && rule == NULL) {
        table_cell(t, STYLE_DIM, "%s", "");
        table_cell(
            t, STYLE_WARN,
            "S3's certificate is not for a bucket with dots in the host: name it in the path");
        table_next(t);
    }
}

static void put_bucket(struct table *t, const json_t *document)
{
    const json_t *bucket = json_object_get(document, "bucket");
    const json_t *rule = json_object_get(bucket, "rule");
    const char *name = json_get_text(bucket, "name"), *from = json_get_text(bucket, "from");
    if (!json_is_object(bucket))
        return;
    table_cell(t, STYLE_DIM, "bucket");
    if (rule != NULL)
        table_cell(t, STYLE_PLAIN, "%s, of the %s: row %.0f of %s, %s", name, from,
                   json_get_number(rule, "row"), json_get_text(rule, "setting"),
                   json_get_text(rule, "pattern"));
    else if (json_get_number(bucket, "rows") > 0)
        table_cell(t, STYLE_BAD, "%s%s%s: in no row of PENSTOCK_ALLOW_BUCKETS",
                   name[0] ? name : "none", from[0] ? ", of the " : "", from);
    else
        table_cell(t, STYLE_PLAIN, "%s%s%s", name[0] ? name : "none", from[0] ? ", of the " : "",
                   from);
    table_next(t);
    table_cell(t, STYLE_DIM, "key");
    table_cell(t, STYLE_PLAIN, "%s", json_get_text(document, "key"));
    table_next(t);
}

static void put_upstream(struct table *t, const json_t *document)
{
    const json_t *up = json_object_get(document, "upstream");
    const char *tls = json_get_text(up, "tls_name");
    if (!json_is_object(up))
        return;
    table_cell(t, STYLE_DIM, "sent to");
    table_cell(t, STYLE_PLAIN, "%s://%s, port %.0f%s%s", json_get_text(up, "scheme"),
               json_get_text(up, "host"), json_get_number(up, "port"),
               tls[0] ? ", TLS with the name " : "", tls);
    table_next(t);
    table_cell(t, STYLE_DIM, "%s", "");
    table_cell(t, STYLE_PLAIN, "%s %s HTTP/1.1", json_get_text(document, "method"),
               json_get_text(up, "target"));
    table_next(t);
    table_cell(t, STYLE_DIM, "%s", "");
    table_cell(t, STYLE_PLAIN, "Host: %s", json_get_text(up, "host_field"));
    table_next(t);
}

static void put_dns(struct table *t, const json_t *document)
{
    const json_t *dns = json_object_get(document, "dns"), *group, *server;
    size_t g, i;
    if (!json_is_object(dns))
        return;
    table_cell(t, STYLE_DIM, "DNS route");
    table_cell(t, STYLE_PLAIN, "%s (%s)", json_get_text(dns, "zone"), json_get_text(dns, "from"));
    table_next(t);
    json_array_foreach (json_object_get(dns, "groups"), g, group) {
        char text[SERVERS_BYTES] = "", one[128];
        json_array_foreach (json_object_get(group, "servers"), i, server) {
            size_t n = strlen(text);
            snprintf(text + n, sizeof text - n, "%s%s", n > 0 ? ", " : "",
                     output_server(json_get_text(server, "address"), one));
        }
        table_cell(t, STYLE_DIM, "%s", g == 0 ? "servers" : "then");
        table_cell(t, STYLE_PLAIN, "%s: %s", json_get_text(group, "name"), text[0] ? text : "none");
        table_next(t);
    }
}

static void put_lookup(struct table *t, const json_t *document)
{
    const json_t *lookup = json_object_get(document, "lookup"), *address;
    size_t i;
    if (!json_is_object(lookup))
        return;
    table_cell(t, STYLE_DIM, "looked up");
    table_cell(t, STYLE_PLAIN, "%s", json_get_text(lookup, "how"));
    table_next(t);
    json_array_foreach (json_object_get(document, "addresses"), i, address) {
        bool is_allowed = json_is_true(json_object_get(address, "dialled"));
        table_cell(t, STYLE_DIM, "%s", i == 0 ? "addresses" : "");
        const char *why = json_get_text(address, "why");
        bool is_usual = strcmp(why, "global") == 0;
        table_cell(t, is_allowed ? STYLE_GOOD : STYLE_BAD, "%s %s%s%s",
                   json_get_text(address, "address"), is_allowed ? "is dialled" : "is refused",
                   is_usual ? "" : ": ", is_usual ? "" : why);
        table_next(t);
    }
    if (i > 0)
        return;
    const json_t *question;
    json_array_foreach (json_object_get(lookup, "questions"), i, question) {
        table_cell(t, STYLE_DIM, "%s", "");
        table_cell(t, STYLE_BAD, "%s: %s", json_get_text(question, "type"),
                   json_get_text(question, "result"));
        table_next(t);
    }
}

static void put_verdict(struct output *o, const json_t *document)
{
    const json_t *refusal = json_object_get(document, "refusal");
    const char *outcome = json_get_text(document, "outcome");
    bool is_well = json_get_number(document, "exit") == 0;
    if (json_is_object(refusal)) {
        const char *detail = json_get_text(refusal, "detail");
        output_line(o, STYLE_BAD, "refused: %.0f %s: %s%s%s", json_get_number(refusal, "status"),
                    json_get_text(refusal, "code"), json_get_text(refusal, "message"),
                    detail[0] ? ": " : "", detail);
    } else {
        output_line(o, is_well ? STYLE_GOOD : STYLE_BAD, "%s", outcome);
    }
}

void url_text(struct output *o, const json_t *document)
{
    struct table t;
    if (!table_init(&t))
        return;
    output_line(o, STYLE_BOLD, "%s %s", json_get_text(document, "method"),
                json_get_text(document, "target"));
    table_cell(&t, STYLE_DIM, "read as");
    table_cell(&t, STYLE_PLAIN, "%s%s", json_get_text(document, "read_as"),
               json_is_true(json_object_get(document, "lost_fragment"))
                   ? "; what stands behind # stays with the client"
                   : "");
    table_next(&t);
    table_cell(&t, STYLE_DIM, "route");
    table_cell(&t, STYLE_PLAIN, "%s", json_get_text(document, "route"));
    table_next(&t);
    put_host(&t, json_object_get(document, "host"));
    put_bucket(&t, document);
    put_upstream(&t, document);
    put_dns(&t, document);
    put_lookup(&t, document);
    table_print(o, &t, 2);
    table_done(&t);
    put_verdict(o, document);
}

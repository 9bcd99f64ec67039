#include "demo/tell.h"

#include "demo/s3_request.h"
#include "demo/samples.h"
#include "obs/log.h"

#include <errno.h>
#include <stdio.h>
#include <sys/time.h>
#include <unistd.h>

enum { TEXT_BYTES = 64 * 1024, REPLY_BYTES = 4096, KEY_TEXT_BYTES = 4 * DEMO_KEY_BYTES };

static void say(struct buf *text)
{
    if (!text->failed)
        log_line(buf_str(text));
    log_flush();
    buf_done(text);
}

static const char *name_of(const struct demo *d, const struct addr *server)
{
    if (addr_eq(server, &d->corporate.local))
        return "corporate DNS";
    return addr_eq(server, &d->amazon.local) ? "Amazon-like DNS" : "";
}

/* One question over UDP with a plain socket, as a resolver that knows one nameserver only. */
static const char *ask(const struct addr *server, const char *host, char text[static 16],
                       uint64_t *took_us)
{
    uint8_t query[512];
    char reply[REPLY_BYTES];
    struct dns_question q = { .type = DNS_A, .class = DNS_CLASS_IN };
    struct dns_msg m;
    const struct timeval patience = { .tv_sec = 1 };
    dns_name_parse(str_from_c(host), &q.name);
    size_t n = dns_write_query(query, (uint16_t)getpid(), &q, (struct dns_query_flags){ 0 });
    uint64_t start_us = io_now_us();
    int fd = socket(addr_family(server), SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return strerror(errno);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ssize_t got = -1;
    if (connect(fd, &server->sa, addr_len(server)) == 0 && send(fd, query, n, 0) == (ssize_t)n)
        got = recv(fd, reply, sizeof reply, 0);
    close(fd);
    *took_us = io_now_us() - start_us;
    if (got < 0)
        return "no reply";
    if (dns_msg_parse(str_of(reply, (size_t)got), &m) != DNS_PARSE_OK)
        return "unreadable reply";
    return m.rcode != DNS_NOERROR ? dns_rcode_text(m.rcode, text)
           : m.n_rrs > 0          ? "answered"
                                  : "NODATA";
}

static void put_asked(struct buf *out, const struct demo *d, const char *host)
{
    char rcode[16], at[ADDR_TEXT_BYTES];
    uint64_t us = 0;
    const char *said = ask(&d->corporate.local, host, rcode, &us);
    buf_printf(out, "  %-28s -> %s %s in %u.%02u ms\n", host, addr_text(&d->corporate.local, at),
               said, (unsigned)(us / 1000), (unsigned)(us / 10 % 100));
}

/* Where a client on this machine reaches the proxy. */
static const char *proxy_authority(const struct demo *d, char text[static ADDR_TEXT_BYTES])
{
    struct addr a = d->proxy;
    if (addr_classify(&a) == ADDR_UNSPECIFIED)
        addr_from_bytes(AF_INET, (const uint8_t[4]){ 127, 0, 0, 1 }, addr_port(&d->proxy), &a);
    return addr_text(&a, text);
}

static void put_places(struct buf *out, const struct demo *d)
{
    char at[ADDR_TEXT_BYTES];
    buf_append(out, STR("penstock demo: a private VPC in small, on loopback. Ctrl-C ends it.\n\n"));
    buf_printf(out, "  %-16s corporate DNS: has " DEMO_INTRANET_HOST ", denies AWS names\n",
               addr_text(&d->corporate.local, at));
    buf_printf(out, "  %-16s Amazon-like DNS: has " DEMO_HOST " and *." DEMO_HOST "\n",
               addr_text(&d->amazon.local, at));
    buf_printf(out, "  %-16s S3-like origin, TLS, bucket " DEMO_BUCKET ": %s%s\n",
               addr_text(&d->origin.local, at), d->dir,
               d->is_dir_ours ? " (samples; removed at the end)" : "");
    buf_printf(out,
               "  %-16s registry, " DEMO_REGISTRY_HOST ": only the Amazon-like DNS has the name\n",
               addr_text(&d->registry.local, at));
    buf_printf(out, "  %-16s penstock, the proxy\n", addr_text(&d->proxy, at));
    buf_printf(out, "  %-16s its DNS forwarder, for other programs\n", addr_text(&d->dns, at));
    buf_printf(out, "  %-16s its admin port: /livez, /metrics\n\n", addr_text(&d->admin, at));
    buf_append(out, STR("Its settings are ordinary ones:\n"));
    for (unsigned i = 0; i < d->n_env; i++)
        buf_printf(out, "  %s\n", d->env[i]);
}

/* A key that can be fetched: the sample, or the first of the caller's folder. */
static void put_key(struct buf *out, const struct demo *d)
{
    struct arena arena;
    struct demo_entry *entries;
    size_t n;
    arena_init(&arena, 64 << 20);
    struct str key = d->is_dir_ours ? STR(DEMO_SAMPLE_TEXT) : STR("");
    if (key.n == 0 && demo_store_list(&d->store, STR(""), &arena, &entries, &n) == DEMO_STORE_OK &&
        n > 0)
        key = entries[0].key;
    demo_s3_encode_key(out, key);
    arena_done(&arena);
}

static void put_curls(struct buf *out, const struct demo *d)
{
    char at[ADDR_TEXT_BYTES];
    struct buf key;
    buf_init(&key, KEY_TEXT_BYTES);
    put_key(&key, d);
    proxy_authority(d, at);
    if (key.n > 0 && !key.failed) {
        buf_printf(out, "  curl http://%s/" DEMO_HOST "/" DEMO_BUCKET "/%.*s\n", at,
                   STR_ARG(buf_str(&key)));
        buf_printf(out, "  curl -i -r 0-9 http://%s/" DEMO_BUCKET "." DEMO_HOST "/%.*s\n", at,
                   STR_ARG(buf_str(&key)));
    }
    buf_done(&key);
    buf_printf(out, "  curl 'http://%s/" DEMO_HOST "/" DEMO_BUCKET "?list-type=2&delimiter=/'\n",
               at);
    buf_printf(out,
               "  curl -X PUT --data-binary 'written through penstock' http://%s/" DEMO_HOST
               "/" DEMO_BUCKET "/upload.txt\n",
               at);
    buf_printf(out, "  curl http://%s/" DEMO_HOST "/" DEMO_BUCKET "/upload.txt\n", at);
    buf_printf(out, "  curl -X DELETE http://%s/" DEMO_HOST "/" DEMO_BUCKET "/upload.txt\n", at);
}

/* What goes to the registry first. The download that broke off is one whose end was taken away. */
static void put_registry(struct buf *out, const struct demo *d)
{
    char at[ADDR_TEXT_BYTES];
    struct buf key;
    buf_init(&key, KEY_TEXT_BYTES);
    put_key(&key, d);
    proxy_authority(d, at);
    buf_append(out, STR("By way of the registry: the bucket as an archive, which penstock makes of "
                        "a list of\nfiles, the end of a download that broke off, and an object "
                        "that a redirect leads to:\n"));
    buf_printf(out, "  curl -o demo.zip http://%s" DEMO_REGISTRY_ARCHIVE "\n", at);
    buf_append(out, STR("  truncate -s -20 demo.zip\n"));
    buf_printf(out, "  curl -C - -o demo.zip http://%s" DEMO_REGISTRY_ARCHIVE "\n", at);
    if (key.n > 0 && !key.failed)
        buf_printf(out, "  curl -i http://%s" DEMO_REGISTRY_BROWSE "%.*s\n", at,
                   STR_ARG(buf_str(&key)));
    buf_done(&key);
}

/* Failures that say what is wrong. */
static void put_refused(struct buf *out, const struct demo *d)
{
    char at[ADDR_TEXT_BYTES];
    proxy_authority(d, at);
    buf_append(out, STR("A region that neither server knows, and a host that is no S3:\n"));
    buf_printf(out, "  curl -i http://%s/s3.eu-west-1.amazonaws.com/" DEMO_BUCKET "/hello.txt\n",
               at);
    buf_printf(out, "  curl -i http://%s/example.test/hello.txt\n", at);
}

/* The same name as another program gets it, and why. */
static void put_lookups(struct buf *out, const struct demo *d)
{
    char at[ADDR_TEXT_BYTES];
    const char *program = program_invocation_name;
    buf_append(out, STR("Its resolver, as it serves other programs, and what it knows:\n"));
    buf_printf(out, "  dig @127.0.0.1 -p %u " DEMO_HOST "\n", addr_port(&d->dns));
    if (addr_port(&d->admin) != DEMO_ADMIN_PORT)
        buf_printf(out, "  export PENSTOCK_ADMIN=%s\n", addr_text(&d->admin, at));
    buf_printf(out, "  %s lookup " DEMO_HOST "\n  %s routes\n", program, program);
}

void demo_tell_start(const struct demo *d)
{
    char at[ADDR_TEXT_BYTES];
    struct buf text;
    buf_init(&text, TEXT_BYTES);
    put_places(&text, d);
    buf_append(
        &text,
        STR("\nWhat a program gets that asks the first nameserver only (asked just now):\n"));
    put_asked(&text, d, DEMO_HOST);
    put_asked(&text, d, DEMO_INTRANET_HOST);
    buf_append(&text, STR("\nThe same S3 name, through penstock. Try, in another terminal:\n"));
    put_curls(&text, d);
    put_registry(&text, d);
    put_refused(&text, d);
    put_lookups(&text, d);
    buf_printf(&text, "In a browser:\n  http://%s/" DEMO_HOST "/" DEMO_BUCKET "%s\n\n",
               proxy_authority(d, at), d->is_dir_ours ? "/" DEMO_SAMPLE_PAGE : "?list-type=2");
    buf_append(&text,
               STR("Below: each DNS decision of the proxy as it is made, and its access log, "
                   "a line of JSON a request.\n\n"));
    say(&text);
}

static void put_try(struct buf *out, const struct demo *d, const struct dns_try *t)
{
    char at[ADDR_TEXT_BYTES], type[16];
    buf_printf(out, "       %-16s %-16s %-5s %s", addr_text(&t->server, at), name_of(d, &t->server),
               dns_type_text(t->type, type),
               t->is_pending ? "not waited for" : dns_outcome_text(t->outcome));
    if (t->from_cache)
        buf_append(out, STR(" a moment ago"));
    else
        buf_printf(out, " in %u.%02u ms", t->took_us / 1000, t->took_us / 10 % 100);
    buf_append(out, t->by_tcp ? STR(" over TCP\n") : STR("\n"));
}

void demo_tell_decision(const struct demo *d, const struct dns_explain *x)
{
    char name[DNS_NAME_TEXT_BYTES];
    struct buf text;
    buf_init(&text, TEXT_BYTES);
    buf_printf(&text, "DNS    %s: ", dns_name_text(&x->qname, name));
    if (x->source == DNS_FROM_NOWHERE)
        buf_append(&text, STR("no usable answer"));
    else if (x->source == DNS_FROM_SERVER)
        buf_printf(&text, "answered by the %s servers",
                   x->group_name != NULL ? x->group_name : "other");
    else
        buf_printf(&text, "from %s", dns_source_text(x->source));
    buf_printf(&text, ", in %u.%02u ms\n", x->took_us / 1000, x->took_us / 10 % 100);
    for (unsigned i = 0; i < x->n_tries; i++)
        put_try(&text, d, &x->tries[i]);
    say(&text);
}

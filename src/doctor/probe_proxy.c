#include "doctor/probe_proxy.h"

#include "codec/uri_query.h"
#include "dns/dial.h"

#include <jansson.h>
#include <time.h>

/* -- what it says ------------------------------------------------------------------------- */

/* NULL unless it is an object that penstock wrote. */
static json_t *load(struct str json)
{
    json_t *v = json.n > 0 ? json_loadb(json.p, json.n, 0, NULL) : NULL;
    if (v != NULL && !json_is_object(json_object_get(v, "by"))) {
        json_decref(v);
        v = NULL;
    }
    return v;
}

static struct str text_of(const json_t *from, const char *key)
{
    const json_t *v = json_object_get(from, key);
    return json_is_string(v) ? str_of(json_string_value(v), json_string_length(v))
                             : (struct str){ NULL, 0 };
}

/* As servers are written in the facts: without the port 53. */
static struct str without_port(struct str server)
{
    if (str_ends(server, STR(":53")))
        server.n -= 3;
    if (server.p != NULL && server.n > 2 && server.p[0] == '[' && server.p[server.n - 1] == ']')
        server = str_of(server.p + 1, server.n - 2);
    return server;
}

/* The last server that answered is the one whose answer counts. */
static struct str server_of(const json_t *question)
{
    struct str server = { NULL, 0 };
    const json_t *t;
    size_t i;
    json_array_foreach (json_object_get(question, "tries"), i, t)
        if (json_is_true(json_object_get(t, "answered")))
            server = text_of(t, "server");
    return without_port(server);
}

/* When the answer was in the cache, no server was asked: it is of the group's first. */
static struct str first_of_group(const json_t *routes, struct str name)
{
    const json_t *route, *group;
    size_t i, k;
    json_array_foreach (routes, i, route)
        json_array_foreach (json_object_get(route, "groups"), k, group)
            if (str_eq(text_of(group, "name"), name))
                return without_port(
                    text_of(json_array_get(json_object_get(group, "servers"), 0), "address"));
    return (struct str){ NULL, 0 };
}

bool probe_proxy_read_lookup(struct str json, struct fact_book *book, struct fact_proxy *out)
{
    json_t *v = load(json);
    if (v == NULL)
        return false;
    const json_t *question = json_array_get(json_object_get(v, "questions"), 0);
    bool resolves = json_is_true(json_object_get(question, "answered"));
    struct str group = text_of(question, "group"), server = server_of(question);
    out->running = FACT_YES;
    out->resolves = fact_truth_of(resolves);
    if (group.n > 0)
        out->group = fact_text(book, group);
    if (server.n > 0)
        out->used = fact_text(book, server);
    json_decref(v);
    return true;
}

bool probe_proxy_read_routes(struct str json, struct str name, int64_t now_s,
                             struct fact_book *book, struct fact_proxy *out)
{
    struct str server;
    const json_t *e;
    size_t i;
    json_t *v = load(json);
    if (v == NULL)
        return false;
    json_array_foreach (json_object_get(v, "endpoints"), i, e) {
        const json_t *for_ms = json_object_get(e, "asked_first_for_ms");
        if (str_eq_nocase(text_of(e, "name"), name) && json_is_integer(for_ms) &&
            json_integer_value(for_ms) >= 0)
            out->since_s = now_s - json_integer_value(for_ms) / 1000;
    }
    if (out->used.n == 0 && out->group.n > 0) {
        server = first_of_group(json_object_get(v, "routes"), out->group);
        out->used = fact_text(book, server);
    }
    json_decref(v);
    return true;
}

/* -- asking ------------------------------------------------------------------------------- */

void probe_proxy_cancel(struct probe_proxy *p)
{
    if (!p->is_active)
        return;
    p->is_active = false;
    io_defer_cancel(&p->nothing);
    probe_http_done(&p->http);
}

static void finish(struct probe_proxy *p)
{
    probe_proxy_cancel(p);
    p->on_done(p);
}

static void on_nothing(struct io_task *t)
{
    finish(LIST_ENTRY(t, struct probe_proxy, nothing));
}

static void ask(struct probe_proxy *p, struct str target);

static void on_http(struct probe_http *h)
{
    struct probe_proxy *p = h->owner;
    struct fact_proxy *out = &p->book->facts.proxy;
    bool ok = h->step == PROBE_HTTP_DONE && h->head.status == 200;
    if (ok && p->is_routes)
        probe_proxy_read_routes(buf_str(&h->body), p->name, (int64_t)time(NULL), p->book, out);
    bool is_penstock =
        ok && !p->is_routes && probe_proxy_read_lookup(buf_str(&h->body), p->book, out);
    probe_http_done(h);
    if (!is_penstock) {
        finish(p);
        return;
    }
    p->is_routes = true;
    ask(p, STR("/dns/routes"));
}

static void ask(struct probe_proxy *p, struct str target)
{
    p->http.owner = p;
    p->http.on_done = on_http;
    probe_http_start(&p->http, p->loop,
                     &(struct probe_http_request){ .to = p->addr,
                                                   .host_field = STR("localhost"),
                                                   .target = target,
                                                   .method = HTTP_GET,
                                                   .max_body_bytes = PROBE_PROXY_BYTES,
                                                   .connect_ms = PROBE_PROXY_MS,
                                                   .response_ms = PROBE_PROXY_MS });
}

static void ask_lookup(struct probe_proxy *p)
{
    struct buf target;
    buf_init(&target, 2048);
    buf_append(&target, STR("/dns/lookup?name="));
    uri_query_escape(&target, p->name);
    buf_append(&target, STR("&type=A"));
    ask(p, fact_text(p->book, buf_str(&target)));
    buf_done(&target);
}

void probe_proxy_start(struct probe_proxy *p, struct io_loop *loop, const struct conf *conf,
                       struct str name, struct fact_book *book)
{
    static const uint8_t loopback[] = { 127, 0, 0, 1 };
    char text[ADDR_TEXT_BYTES];
    p->loop = loop;
    p->book = book;
    p->name = name;
    p->is_active = true;
    p->nothing.on_run = on_nothing;
    book->facts.proxy.running = FACT_NO;
    for (size_t i = 0; i < conf->admin.n; i++) {
        p->addr = conf->admin.v[i];
        /* A listener on every address is reached by loopback. */
        if (addr_classify(&p->addr) == ADDR_UNSPECIFIED)
            addr_from_bytes(AF_INET, loopback, addr_port(&conf->admin.v[i]), &p->addr);
        if (!dns_is_host_address(&p->addr))
            continue;
        book->facts.proxy.admin = fact_text(book, str_from_c(addr_text(&p->addr, text)));
        ask_lookup(p);
        return;
    }
    io_defer(loop, &p->nothing);
}

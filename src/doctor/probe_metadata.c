#include "doctor/probe_metadata.h"

#include "doctor/probe_local.h"
#include "doctor/metadata_json.h"

void probe_metadata_cancel(struct probe_metadata *m)
{
    if (!m->is_active)
        return;
    m->is_active = false;
    io_defer_cancel(&m->nothing);
    probe_http_done(&m->http);
}

static void finish(struct probe_metadata *m)
{
    struct fact_metadata *f = &m->book->facts.metadata;
    struct fact_surroundings *s = &m->book->facts.surroundings;
    if (s->cluster.n == 0)
        s->cluster = f->cluster;
    if (s->task.n == 0)
        s->task = f->task_arn;
    probe_metadata_cancel(m);
    m->on_done(m);
}

static void on_nothing(struct io_task *t)
{
    finish(LIST_ENTRY(t, struct probe_metadata, nothing));
}

static void ask(struct probe_metadata *m);

/* What is wrong with this reply; empty: nothing is, and it was read. */
static struct str read_reply(struct probe_metadata *m)
{
    const struct probe_http *h = &m->http;
    struct fact_metadata *f = &m->book->facts.metadata;
    if (h->step != PROBE_HTTP_DONE)
        return h->is_late ? fact_text(m->book, STR("no reply in time"))
                          : fact_text(m->book, str_from_c(h->fault.detail));
    if (h->head.status != 200)
        return fact_textf(m->book, "status %u", h->head.status);
    bool ok = m->is_task ? metadata_read_task(buf_str(&h->body), m->book, f)
                         : metadata_read_container(buf_str(&h->body), m->book, f);
    return ok ? STR("") : fact_text(m->book, STR("the reply is no JSON object"));
}

static void on_http(struct probe_http *h)
{
    struct probe_metadata *m = h->owner;
    struct str error = read_reply(m);
    if (error.n > 0 && m->book->facts.metadata.error.n == 0)
        m->book->facts.metadata.error =
            fact_textf(m->book, "%s: %.*s", m->is_task ? "task" : "container", STR_ARG(error));
    bool is_dead = h->step == PROBE_HTTP_CONNECT;
    probe_http_done(h);
    if (m->is_task || is_dead) {
        finish(m);
        return;
    }
    m->is_task = true;
    ask(m);
}

static void ask(struct probe_metadata *m)
{
    struct str target =
        m->path.n == 0 && !m->is_task
            ? STR("/")
            : fact_textf(m->book, "%.*s%s", STR_ARG(m->path), m->is_task ? "/task" : "");
    m->http.owner = m;
    m->http.on_done = on_http;
    probe_http_start(&m->http, m->loop,
                     &(struct probe_http_request){ .to = m->addr,
                                                   .host_field = m->authority,
                                                   .target = target,
                                                   .method = HTTP_GET,
                                                   .max_body_bytes = METADATA_BYTES,
                                                   .connect_ms = PROBE_METADATA_MS,
                                                   .response_ms = PROBE_METADATA_MS });
}

/* http://ADDRESS[:PORT]/PATH; ECS gives no names, and none is resolved here. */
static bool read_uri(struct probe_metadata *m, struct str uri)
{
    struct str authority, path;
    while (uri.n > 0 && uri.p[uri.n - 1] == '/')
        uri.n--;
    if (!http1_origin_form(uri, &authority, &path) || !str_starts(uri, STR("http:")) ||
        !addr_parse(authority, 80, &m->addr))
        return false;
    m->authority = fact_text(m->book, authority);
    m->path = str_eq(path, STR("/")) ? STR("") : fact_text(m->book, path);
    return true;
}

void probe_metadata_start(struct probe_metadata *m, struct io_loop *loop,
                          const struct probe_request *r, struct fact_book *book)
{
    struct fact_metadata *f = &book->facts.metadata;
    struct str uri = probe_variable(r->env, "ECS_CONTAINER_METADATA_URI_V4");
    m->loop = loop;
    m->book = book;
    m->is_active = true;
    m->nothing.on_run = on_nothing;
    if (uri.n > 0)
        f->uri = fact_text(book, uri);
    bool is_read = uri.n > 0 && read_uri(m, uri);
    bool is_kept_off = is_read && r->is_light && !r->link_local_allowed &&
                       addr_classify(&m->addr) == ADDR_LINK_LOCAL;
    if (is_read && !is_kept_off) {
        ask(m);
        return;
    }
    if (is_kept_off)
        f->error = fact_text(book, STR("not asked: PENSTOCK_DNS_AWS is off"));
    else if (uri.n > 0)
        f->error = fact_text(book, STR("the URI is none of ECS's"));
    io_defer(loop, &m->nothing);
}

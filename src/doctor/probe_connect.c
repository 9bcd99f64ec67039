#include "doctor/probe_connect.h"

#include "codec/http_date.h"
#include "dns/dial.h"

#include <time.h>

/* -- what to connect to ------------------------------------------------------------------- */

static bool is_allowed(const struct probe_connect *c, const struct probe_target *t,
                       const struct addr *a)
{
    enum addr_class class = addr_classify(a);
    for (size_t i = 0; i < c->conf->allow_addresses.n; i++)
        if (cidr_has(&c->conf->allow_addresses.v[i], a))
            return true;
    /* A DNS server's word is no leave to send there; a setting that names the address itself is. */
    bool is_named = t->name->dns.n == 0 && !c->is_light;
    if (class == ADDR_LINK_LOCAL && (c->is_light || !c->conf->dns_aws_allowed) && !is_named)
        return false;
    return class == ADDR_GLOBAL || (t->is_registry && class != ADDR_UNSPECIFIED);
}

static unsigned view_addresses(const struct probe_connect *c)
{
    return c->is_light ? 1 : PROBE_VIEW_ADDRESSES;
}

static struct probe_connection *find(struct probe_connect *c, const struct probe_target *t,
                                     const struct addr *a)
{
    for (unsigned i = 0; i < c->n; i++)
        if (c->v[i].target == t && addr_ip_eq(&c->v[i].addr, a))
            return &c->v[i];
    return NULL;
}

static struct probe_connection *add(struct probe_connect *c, const struct probe_target *t,
                                    const struct addr *a)
{
    char text[ADDR_TEXT_BYTES];
    struct probe_connection *x = find(c, t, a);
    bool is_denied = !is_allowed(c, t, a);
    if (x != NULL)
        return x;
    if (is_denied ? c->n - c->n_dialled == PROBE_DENIED : c->n_dialled == PROBE_CONNECTIONS)
        return NULL;
    x = &c->v[c->n++];
    c->n_dialled += !is_denied;
    *x = (struct probe_connection){
        .all = c, .target = t, .addr = *a, .is_denied = is_denied, .skew_s = FACT_NO_NUMBER
    };
    addr_set_port(&x->addr, t->port);
    x->address = fact_text(c->book, str_from_c(addr_ip_text(a, text)));
    return x;
}

/* Whether programs on this host would get to it at all. */
static bool is_usable(const struct probe_connect *c, struct str text, struct addr *out)
{
    return addr_parse_ip(text, out) && (c->has_ipv6 || addr_family(out) == AF_INET);
}

static bool is_view(const struct fact_question *q, const struct probe_target *t)
{
    return str_eq(q->outcome, STR("answer")) && str_eq(q->name, t->name->text);
}

/* The nth address of a server's answer. */
static void add_nth(struct probe_connect *c, const struct probe_target *t, struct str server,
                    unsigned nth)
{
    const struct fact_many_question *all = &c->book->facts.questions;
    for (size_t i = 0; i < all->n; i++) {
        const struct fact_question *q = &all->v[i];
        struct addr a;
        unsigned n = 0;
        if (!is_view(q, t) || !str_eq(q->server, server))
            continue;
        for (size_t k = 0; k < q->addresses.n; k++)
            if (is_usable(c, q->addresses.v[k], &a) && n++ == nth)
                add(c, t, &a);
    }
}

/* What programs here get, what Amazon says, and then what else there is. */
static unsigned rank_of(const struct fact_server *s, size_t index)
{
    return index == 0 ? 0 : s->is_amazon == FACT_YES ? 1 : 2;
}

static void add_servers(struct probe_connect *c, struct probe_connection *x)
{
    const struct fact_many_question *all = &c->book->facts.questions;
    for (size_t i = 0; i < all->n; i++)
        if (is_view(&all->v[i], x->target) && fact_has_text(&all->v[i].addresses, x->address) &&
            !fact_has_text(&x->servers, all->v[i].server))
            fact_add_text(c->book, &x->servers, all->v[i].server);
}

static void add_known(struct probe_connect *c, const struct probe_target *t)
{
    for (unsigned i = 0; i < t->name->n_known && i < view_addresses(c); i++) {
        struct probe_connection *x = add(c, t, &t->name->known[i]);
        struct str from = t->name->dns.n > 0 ? STR("hosts file") : STR("literal");
        if (x != NULL && !fact_has_text(&x->servers, from))
            fact_add_text(c->book, &x->servers, from);
    }
}

static void choose(struct probe_connect *c, const struct probe_names *names)
{
    for (unsigned t = 0; t < names->n_targets; t++)
        add_known(c, &names->targets[t]);
    const struct fact_many_server *servers = &c->book->facts.servers;
    for (unsigned nth = 0; nth < view_addresses(c); nth++)
        for (unsigned rank = 0; rank < 3; rank++)
            for (size_t s = 0; s < servers->n; s++)
                for (unsigned t = 0; t < names->n_targets && rank_of(&servers->v[s], s) == rank;
                     t++)
                    add_nth(c, &names->targets[t], servers->v[s].address, nth);
    for (unsigned i = 0; i < c->n; i++)
        add_servers(c, &c->v[i]);
}

/* -- course ------------------------------------------------------------------------------- */

void probe_connect_cancel(struct probe_connect *c)
{
    if (c->loop == NULL)
        return;
    for (unsigned i = 0; i < c->n; i++)
        probe_http_done(&c->v[i].http);
    io_timer_disarm(c->loop, &c->until);
}

static void finish(struct probe_connect *c)
{
    for (unsigned i = 0; i < c->n; i++)
        probe_connection_add_fact(&c->v[i]);
    probe_connect_cancel(c);
    c->on_done(c);
}

static void on_until(struct io_timer *t)
{
    struct probe_connect *c = LIST_ENTRY(t, struct probe_connect, until);
    for (unsigned i = 0; i < c->n; i++)
        c->v[i].http.is_late |= c->v[i].is_running;
    finish(c);
}

/* A certificate that is wrong stays wrong; all else may have been the moment. */
static bool is_worth_again(const struct probe_connection *x)
{
    return x->http.step != PROBE_HTTP_DONE && x->n_tries < PROBE_CONNECT_TRIES &&
           x->http.fault.kind != FAULT_TLS_UNTRUSTED && x->http.fault.kind != FAULT_TLS_NAME &&
           x->http.fault.kind != FAULT_BAD_REQUEST;
}

static void dial(struct probe_connection *x);

static void on_http(struct probe_http *h)
{
    struct probe_connection *x = h->owner;
    struct probe_connect *c = x->all;
    int64_t date_s;
    if (is_worth_again(x)) {
        probe_http_done(h);
        dial(x);
        return;
    }
    x->is_running = false;
    if (h->has_head && http_date_parse(http_value(&h->head, HTTP_F_DATE), &date_s))
        x->skew_s = date_s - (int64_t)time(NULL);
    if (--c->n_running == 0)
        io_timer_arm(c->loop, &c->until, 0);
}

static void dial(struct probe_connection *x)
{
    const struct probe_target *t = x->target;
    x->n_tries++;
    x->is_running = true;
    x->http.owner = x;
    x->http.on_done = on_http;
    probe_http_start(&x->http, x->all->loop,
                     &(struct probe_http_request){ .to = x->addr,
                                                   .tls = t->is_tls ? x->all->tls : NULL,
                                                   .host = t->name->text,
                                                   .host_field = t->host_field,
                                                   .target = t->path,
                                                   .method = HTTP_HEAD,
                                                   .connect_ms = PROBE_STEP_MS,
                                                   .tls_ms = PROBE_STEP_MS,
                                                   .response_ms = PROBE_STEP_MS });
}

void probe_connect_start(struct probe_connect *c, struct io_loop *loop, struct io_tls *tls,
                         const struct conf *conf, const struct probe_names *names,
                         uint64_t until_us, struct fact_book *book)
{
    uint64_t now_us = io_now_us();
    c->loop = loop;
    c->book = book;
    c->conf = conf;
    c->tls = tls;
    c->has_ipv6 = dns_host_has_ipv6();
    c->until.on_fire = on_until;
    choose(c, names);
    for (unsigned i = 0; i < c->n; i++)
        if (!c->v[i].is_denied && !(c->v[i].target->is_tls && tls == NULL)) {
            c->n_running++;
            dial(&c->v[i]);
        }
    uv_update_time(&loop->uv);
    io_timer_arm(loop, &c->until,
                 c->n_running > 0 && until_us > now_us ? (until_us - now_us) / 1000 : 0);
}

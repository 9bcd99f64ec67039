#include "proxy/proxy.h"

#include "obs/metrics.h"
#include "proxy/client.h"
#include "proxy/limits.h"
#include "proxy/tx.h"

#include <sys/random.h>
#include <unistd.h>

/* A target of bytes that each take six in JSON fits too: nobody gets around the log with one. */
enum { ACCESS_LINE_BYTES = 256 * 1024 };

bool proxy_init(struct proxy *p, struct io_loop *loop, const struct conf *conf,
                struct upstream *upstream, struct limits *limits, struct fault *f)
{
    *p = (struct proxy){ .loop = loop, .upstream = upstream, .limits = limits };
    list_init(&p->clients);
    list_init(&p->admin_clients);
    buf_init(&p->line, ACCESS_LINE_BYTES);
    /* Ids of requests only need to differ between processes and restarts. */
    if (getrandom(&p->next_id, sizeof p->next_id, GRND_NONBLOCK) != (ssize_t)sizeof p->next_id)
        p->next_id = io_now_us() << 16;
    p->policy = proxy_policy_new(conf, f);
    return p->policy != NULL;
}

void proxy_set_policy(struct proxy *p, struct proxy_policy *policy)
{
    proxy_policy_unref(p->policy);
    p->policy = policy;
}

static void cut(struct client *c)
{
    if (c->state == CLIENT_TX)
        tx_abort(c->tx, FAULT_DRAINING);
    else
        client_reset(c);
}

void proxy_done(struct proxy *p)
{
    struct list *const lists[] = { &p->clients, &p->admin_clients };
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        while (!list_is_empty(lists[i]))
            cut(LIST_ENTRY(lists[i]->next, struct client, node));
    tx_free_spare(p);
    proxy_set_tls(p, NULL);
    proxy_policy_unref(p->policy);
    buf_done(&p->line);
}

void proxy_set_tls(struct proxy *p, struct io_tls *t)
{
    io_tls_free(p->tls);
    p->tls = t;
}

/* One that is being answered goes only where all are. */
static bool is_before(const struct client *a, const struct client *b)
{
    bool is_busy = a->state == CLIENT_TX, other_is = b->state == CLIENT_TX;
    return is_busy != other_is ? other_is : a->idle_since_us < b->idle_since_us;
}

static void make_admin_room(struct proxy *p)
{
    struct client *first = NULL;
    if (p->n_admin_clients < PROXY_ADMIN_CLIENTS)
        return;
    LIST_EACH (it, after, &p->admin_clients) {
        struct client *c = LIST_ENTRY(it, struct client, node);
        if (first == NULL || is_before(c, first))
            first = c;
    }
    if (first != NULL && first->state == CLIENT_TX)
        tx_abort(first->tx, FAULT_OVERLOADED);
    else if (first != NULL)
        client_close(first);
}

/* False when fd is not to be served at all. */
static bool admit(struct proxy *p, const struct addr *peer, enum proxy_port port, bool *is_refused,
                  bool *is_counted)
{
    *is_refused = *is_counted = false;
    /* Health checks come in while everything else is full, or shuts down. */
    if (port == PROXY_PORT_ADMIN) {
        make_admin_room(p);
        p->n_admin_clients++;
        return true;
    }
    if (p->is_draining)
        return false;
    enum limits_verdict v = limits_take(p->limits, peer, is_counted);
    *is_refused = v == LIMITS_REFUSE;
    return v != LIMITS_DROP;
}

void proxy_accept(struct proxy *p, int fd, const struct addr *peer, enum proxy_port port)
{
    bool is_refused, is_counted;
    if (!admit(p, peer, port, &is_refused, &is_counted)) {
        metric_add(METRIC_CLIENTS_REFUSED, 1);
        close(fd);
        return;
    }
    struct client *c = client_new(p, fd, peer, port, is_refused);
    if (c == NULL) {
        if (port == PROXY_PORT_ADMIN)
            p->n_admin_clients--;
        else
            limits_give(p->limits, peer, is_counted);
        metric_add(METRIC_CLIENTS_REFUSED, 1);
        close(fd);
        return;
    }
    c->is_counted = is_counted;
    metric_add(is_refused ? METRIC_CLIENTS_REFUSED : METRIC_CLIENTS_ACCEPTED, 1);
}

void proxy_drain(struct proxy *p, void (*on_drained)(void *arg), void *arg)
{
    p->is_draining = true;
    p->on_drained = on_drained;
    p->drained_arg = arg;
    LIST_EACH (it, after, &p->clients)
        client_drain(LIST_ENTRY(it, struct client, node));
    LIST_EACH (it, after, &p->admin_clients)
        client_drain(LIST_ENTRY(it, struct client, node));
    proxy_on_client_closed(p);
}

void proxy_on_client_closed(struct proxy *p)
{
    if (!p->is_draining || p->n_clients > p->n_admin_clients || p->on_drained == NULL)
        return;
    void (*on_drained)(void *) = p->on_drained;
    p->on_drained = NULL;
    on_drained(p->drained_arg);
}

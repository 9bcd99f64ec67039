#include "dns/front_impl.h"

#include "dns/loop.h"
#include "dns/quick.h"
#include "dns/shared.h"
#include "obs/metrics.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { DRAIN_MS = 1000, OUT_BYTES = 1 << 20 };

/* ---- what needs no waiting ---- */

bool front_is_allowed(struct dns_front *f, const struct addr *peer)
{
    if (addr_family(&f->last_allowed) != AF_UNSPEC && addr_ip_eq(peer, &f->last_allowed))
        return true;
    for (size_t i = 0; i < f->conf->dns_allow.n; i++)
        if (cidr_has(&f->conf->dns_allow.v[i], peer)) {
            f->last_allowed = *peer;
            return true;
        }
    return false;
}

void front_count_reply(const uint8_t *message)
{
    static const enum metric by_rcode[] = {
        [DNS_NOERROR] = METRIC_DNS_FRONT_NOERROR,   [DNS_FORMERR] = METRIC_DNS_FRONT_FORMERR,
        [DNS_SERVFAIL] = METRIC_DNS_FRONT_SERVFAIL, [DNS_NXDOMAIN] = METRIC_DNS_FRONT_NXDOMAIN,
        [DNS_NOTIMP] = METRIC_DNS_FRONT_NOTIMP,     [DNS_REFUSED] = METRIC_DNS_FRONT_REFUSED,
    };
    unsigned rcode = message[3] & 15; /* BADVERS, in its low bits, is NOERROR */
    if (rcode < sizeof by_rcode / sizeof by_rcode[0])
        metric_add(by_rcode[rcode], 1);
    if ((message[2] & 0x02) != 0)
        metric_add(METRIC_DNS_FRONT_TRUNCATED, 1);
}

static enum front_verdict verdict_of(enum dns_replied replied, const struct buf *out, size_t start)
{
    if (replied == DNS_REPLIED_NONE)
        return FRONT_DROPPED;
    front_count_reply((const uint8_t *)out->p + start);
    return FRONT_ANSWERED;
}

/* So that who sees REFUSED or SERVFAIL on the client's side finds why in the log. */
static void tell_of_client(struct dns_front *f, enum dns_event_kind kind, const struct addr *peer)
{
    uint64_t now_ms = io_now_ms(f->loop);
    uint64_t *told_ms =
        kind == DNS_EVENT_CLIENT_REFUSED ? &f->told_refused_ms : &f->told_limited_ms;
    if (now_ms < *told_ms)
        return;
    *told_ms = now_ms + DNS_TELL_AGAIN_MS;
    dns_engine_tell(f->engine, &(struct dns_event){ .kind = kind, .client = peer });
}

static struct dns_ask ask_of(const struct dns_request *request)
{
    return (struct dns_ask){ .question = request->question,
                             .dnssec_ok = request->dnssec_ok,
                             .checking_disabled = request->checking_disabled };
}

enum front_verdict front_serve(struct dns_front *f, const struct dns_request *request,
                               enum dns_request_read read, const struct addr *peer,
                               size_t max_bytes, struct buf *out)
{
    enum dns_replied replied;
    size_t start = out->n;
    if (!front_is_allowed(f, peer)) {
        metric_add(METRIC_DNS_FRONT_DENIED, 1);
        tell_of_client(f, DNS_EVENT_CLIENT_REFUSED, peer);
        replied = dns_reply_error(out, max_bytes, request, DNS_REFUSED, DNS_EDE_PROHIBITED,
                                  STR("this address is not in PENSTOCK_DNS_ALLOW"));
        return verdict_of(replied, out, start);
    }
    if (dns_reply_at_once(out, max_bytes, request, read, &replied))
        return verdict_of(replied, out, start);
    struct dns_ask ask = ask_of(request);
    struct dns_cache_hit hit;
    if (dns_loop_is_mark(&ask.question.name) && dns_loop_seen(f->engine, &ask.question.name)) {
        replied = dns_reply_error(out, max_bytes, request, DNS_REFUSED, DNS_EDE_OTHER,
                                  STR("a loop: this question is our own"));
        return verdict_of(replied, out, start);
    }
    if (!dns_quick_find(f->engine, &ask, &hit))
        return FRONT_TO_ASK;
    replied = dns_reply_set(out, max_bytes, request, hit.set, hit.set->ttl_s - hit.ttl_s);
    dns_set_unref(hit.set);
    metric_add(METRIC_DNS_FRONT_CACHED, 1);
    return verdict_of(replied, out, start);
}

/* ---- questions in flight ---- */

static struct list *bucket_of(struct dns_front *f, const struct addr *peer, uint16_t id)
{
    uint8_t key[20];
    size_t n;
    const uint8_t *ip = addr_bytes(peer, &n);
    uint16_t port = addr_port(peer);
    memcpy(key, &id, sizeof id);
    memcpy(key + 2, &port, sizeof port);
    memcpy(key + 4, ip, n);
    uint64_t hash = dns_shared_hash(f->engine->shared, str_of((const char *)key, 4 + n));
    return &f->questions[hash % FRONT_QUESTION_BUCKETS];
}

/* A client that has waited long enough sends its question again; the answer is under way. */
static bool is_repeated(const struct list *bucket, const struct dns_request *request,
                        const struct addr *peer)
{
    LIST_EACH (it, after, bucket) {
        const struct front_question *q = LIST_ENTRY(it, struct front_question, node);
        const struct dns_question *a = &q->request.question, *b = &request->question;
        if (q->conn == NULL && q->request.id == request->id && addr_eq(&q->peer, peer) &&
            a->type == b->type && dns_name_eq(&a->name, &b->name))
            return true;
    }
    return false;
}

/* Nothing was asked of a server. */
static bool knew_all_before(const struct dns_explain *x)
{
    for (unsigned i = 0; i < x->n_tries; i++)
        if (!x->tries[i].from_cache)
            return false;
    return true;
}

static void question_end(struct front_question *q, bool is_refunded)
{
    struct dns_front *f = q->front;
    dns_forward_done(&q->forward);
    list_remove(&q->node);
    list_remove(&q->conn_node);
    front_clients_give(f->clients, q->client, is_refunded);
    if (q->conn == NULL)
        front_socket_leave(q->back.socket);
    f->n_questions--;
    metric_sub(METRIC_DNS_FRONT_WAITING, 1);
    io_free_later(f->loop, q);
}

void front_question_cancel(struct front_question *q)
{
    question_end(q, false);
}

static bool reached_none(const struct dns_explain *x)
{
    for (unsigned i = 0; i < x->n_tries; i++)
        if (x->tries[i].outcome != DNS_TIMED_OUT && x->tries[i].outcome != DNS_UNREACHABLE)
            return false;
    return true;
}

static bool met(const struct dns_explain *x, enum dns_outcome o)
{
    for (unsigned i = 0; i < x->n_tries; i++)
        if (x->tries[i].outcome == o)
            return true;
    return false;
}

static enum dns_ede ede_of(const struct front_question *q, char *text, size_t text_bytes)
{
    const struct dns_explain *x = &q->forward.explain;
    text[0] = 0;
    if (q->limit != FRONT_WITHIN) {
        snprintf(text, text_bytes, "%s",
                 q->limit == FRONT_OVER_RATE
                     ? "over the limit of this client (PENSTOCK_DNS_CLIENT_RATE)"
                     : "too many questions of this client are waiting for their servers");
        return DNS_EDE_OTHER;
    }
    if (x->n_tries == 0) {
        snprintf(text, text_bytes, "there is no DNS server to ask");
        return DNS_EDE_OTHER;
    }
    dns_explain_text(x, text, text_bytes);
    if (met(x, DNS_OVER_BUDGET))
        return DNS_EDE_OTHER;
    if (knew_all_before(x))
        return DNS_EDE_CACHED_ERROR;
    return reached_none(x) ? DNS_EDE_NO_REACHABLE_AUTHORITY : DNS_EDE_NETWORK_ERROR;
}

static enum dns_rcode rcode_of(enum dns_outcome o)
{
    if (o == DNS_REFUSED_OUTCOME)
        return DNS_REFUSED;
    return o == DNS_NOTIMP_OUTCOME ? DNS_NOTIMP : DNS_SERVFAIL;
}

enum dns_replied front_write_answer(struct front_question *q, size_t max_bytes, struct buf *out)
{
    const struct dns_forward *fw = &q->forward;
    char text[FAULT_DETAIL_BYTES];
    size_t start = out->n;
    enum dns_replied replied;
    if (fw->outcome <= DNS_NXDOMAIN_OUTCOME && fw->n_parts > 0) {
        replied = dns_reply_parts(out, max_bytes, &q->request, fw->parts, fw->n_parts);
    } else {
        enum dns_ede ede = ede_of(q, text, sizeof text);
        enum dns_rcode rcode = q->limit != FRONT_WITHIN ? DNS_SERVFAIL : rcode_of(fw->outcome);
        replied = dns_reply_error(out, max_bytes, &q->request, rcode, ede, str_from_c(text));
    }
    if (replied != DNS_REPLIED_NONE)
        front_count_reply((const uint8_t *)out->p + start);
    return replied;
}

static void on_forward_done(struct dns_forward *fw)
{
    struct front_question *q = fw->owner;
    struct dns_front *f = q->front;
    struct front_conn *conn = q->conn;
    bool is_refunded = q->limit == FRONT_WITHIN && knew_all_before(&fw->explain);
    if (conn == NULL) {
        buf_clear(&f->out);
        if (front_write_answer(q, dns_reply_room(&q->request), &f->out) != DNS_REPLIED_NONE)
            front_udp_send(&q->back, buf_str(&f->out));
        question_end(q, is_refunded);
    } else {
        bool is_written = front_tcp_write_answer(conn, q);
        question_end(q, is_refunded);
        front_tcp_go_on(conn, is_written);
    }
    front_look_if_drained(f);
}

static enum front_verdict refuse_for_want_of_room(const struct dns_request *request,
                                                  size_t max_bytes, struct buf *out)
{
    size_t start = out->n;
    metric_add(METRIC_DNS_FRONT_LIMITED, 1);
    enum dns_replied replied =
        dns_reply_error(out, max_bytes, request, DNS_SERVFAIL, DNS_EDE_OTHER,
                        STR("too many questions are waiting for their servers"));
    return verdict_of(replied, out, start);
}

enum front_verdict front_ask(struct dns_front *f, const struct dns_request *request,
                             const struct addr *peer, struct front_conn *conn,
                             const struct front_return *back, size_t max_bytes, struct buf *out)
{
    struct list *bucket = bucket_of(f, peer, request->id);
    if (conn == NULL && is_repeated(bucket, request, peer)) {
        metric_add(METRIC_DNS_FRONT_DROPPED, 1);
        return FRONT_DROPPED;
    }
    struct front_question *q = f->n_questions < FRONT_MAX_QUESTIONS ? calloc(1, sizeof *q) : NULL;
    if (q == NULL) {
        tell_of_client(f, DNS_EVENT_CLIENT_LIMITED, peer);
        return refuse_for_want_of_room(request, max_bytes, out);
    }
    q->front = f;
    q->conn = conn;
    q->peer = *peer;
    q->request = *request;
    if (conn == NULL) {
        q->back = *back;
        q->back.socket->n_questions++;
    }
    q->client = front_clients_take(f->clients, peer, io_now_ms(f->loop), &q->limit);
    list_push_back(bucket, &q->node);
    list_init(&q->conn_node);
    f->n_questions++;
    metric_add(METRIC_DNS_FRONT_WAITING, 1);
    if (q->limit != FRONT_WITHIN) {
        metric_add(METRIC_DNS_FRONT_LIMITED, 1);
        tell_of_client(f, DNS_EVENT_CLIENT_LIMITED, peer);
    }
    if (conn != NULL)
        front_tcp_take(conn, &q->conn_node);
    q->forward.owner = q;
    q->forward.on_done = on_forward_done;
    q->forward.ask = ask_of(request);
    q->forward.join = q->limit == FRONT_WITHIN ? DNS_JOIN_USUAL : DNS_JOIN_CACHED;
    q->forward.finds_loops = true;
    /* Loopback is everybody on this host, the server that we ask and a client that asks us. */
    bool is_local = addr_classify(peer) == ADDR_LOOPBACK;
    dns_forward_start(&q->forward, f->engine, is_local ? NULL : &q->peer);
    return FRONT_DROPPED;
}

/* ---- its life ---- */

bool dns_front_set(struct dns_front *f, const struct conf *conf, struct dns_front_sockets *s,
                   struct fault *fault)
{
    f->is_running = true;
    f->conf = conf;
    f->last_allowed = (struct addr){ 0 };
    front_clients_set_rate(f->clients, conf->dns_client_rate);
    return front_places_set(f, s, fault);
}

static void finish_drain(struct dns_front *f)
{
    void (*on_drained)(void *) = f->on_drained;
    f->on_drained = NULL;
    io_timer_disarm(f->loop, &f->drain_timer);
    if (on_drained != NULL)
        on_drained(f->drained_arg);
}

static void on_drain_late(struct io_timer *t)
{
    finish_drain(LIST_ENTRY(t, struct dns_front, drain_timer));
}

/* Clients' connections leave descriptors for questions to servers. */
static unsigned max_conns(const struct conf *conf)
{
    struct rlimit limit;
    rlim_t share = FRONT_MAX_CONNS;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        share = limit.rlim_cur / 2 / (conf->workers > 0 ? (rlim_t)conf->workers : 1);
    if (share < FRONT_LEAST_CONNS)
        return FRONT_LEAST_CONNS;
    return share < FRONT_MAX_CONNS ? (unsigned)share : FRONT_MAX_CONNS;
}

struct dns_front *dns_front_new_idle(struct io_loop *loop, struct dns_engine *engine,
                                     const struct conf *conf, struct fault *fault)
{
    struct dns_front *f = calloc(1, sizeof *f);
    if (f == NULL)
        goto no_memory;
    f->loop = loop;
    f->engine = engine;
    f->conf = conf;
    f->max_conns = max_conns(conf);
    f->drain_timer.on_fire = on_drain_late;
    list_init(&f->conns);
    list_init(&f->places);
    for (unsigned i = 0; i < FRONT_QUESTION_BUCKETS; i++)
        list_init(&f->questions[i]);
    buf_init(&f->out, OUT_BYTES);
    f->batch = calloc(1, sizeof *f->batch);
    f->clients = front_clients_new(&engine->shared->hash_key, conf->dns_client_rate,
                                   FRONT_MAX_CLIENT_QUESTIONS);
    if (f->batch == NULL || f->clients == NULL)
        goto no_memory;
    front_udp_prepare(f->batch);
    return f;
no_memory:
    fault_set(fault, FAULT_NO_MEMORY, "listen", NULL);
    dns_front_free(f);
    return NULL;
}

struct dns_front *dns_front_new(struct io_loop *loop, struct dns_engine *engine,
                                const struct conf *conf, struct fault *fault)
{
    struct dns_front_sockets *s = dns_front_bind(conf, NULL, fault);
    struct dns_front *f = NULL;
    if (s == NULL)
        return NULL;
    if (dns_front_listen(s, fault))
        f = dns_front_new_idle(loop, engine, conf, fault);
    if (f == NULL) {
        dns_front_sockets_free(s);
        return NULL;
    }
    if (dns_front_set(f, conf, s, fault))
        return f;
    dns_front_free(f);
    return NULL;
}

void dns_front_free(struct dns_front *f)
{
    if (f == NULL)
        return;
    f->on_drained = NULL;
    front_places_stop(f);
    front_tcp_close_all(f);
    for (unsigned i = 0; f->n_questions > 0 && i < FRONT_QUESTION_BUCKETS; i++)
        while (!list_is_empty(&f->questions[i]))
            front_question_cancel(LIST_ENTRY(f->questions[i].next, struct front_question, node));
    front_places_close(f);
    front_clients_free(f->clients);
    free(f->batch);
    buf_done(&f->out);
    if (!f->is_running) {
        free(f);
        return;
    }
    io_timer_disarm(f->loop, &f->drain_timer);
    io_free_later(f->loop, f);
}

void front_look_if_drained(struct dns_front *f)
{
    if (f->is_draining && f->n_questions == 0 && f->n_conns == 0)
        finish_drain(f);
}

void dns_front_drain(struct dns_front *f, void (*on_drained)(void *arg), void *arg)
{
    f->is_draining = true;
    f->on_drained = on_drained;
    f->drained_arg = arg;
    io_timer_arm(f->loop, &f->drain_timer, DRAIN_MS);
    front_places_stop(f);
    front_tcp_close_idle(f);
    front_look_if_drained(f);
}

#include "dns/exchange.h"

#include "dns/probe.h"
#include "io/stream.h"
#include "obs/metrics.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { TCP_MS = 2000, MAX_DATAGRAMS_A_TURN = 16, DATAGRAM_BYTES = 65535 };

static void on_readable(uv_poll_t *poll, int status, int events);

static void on_poll_closed(uv_handle_t *h)
{
    free(h);
}

static void close_udp(struct dns_exchange *x)
{
    if (x->poll != NULL) {
        uv_poll_stop(x->poll);
        x->poll->data = NULL;
        uv_close((uv_handle_t *)x->poll, on_poll_closed);
        x->poll = NULL;
    }
    /* libuv allows closing the descriptor as soon as the poll is stopped. */
    if (x->fd >= 0)
        close(x->fd);
    x->fd = -1;
}

static void release(struct dns_exchange *x)
{
    close_udp(x);
    io_stream_close(x->stream);
    x->stream = NULL;
    io_timer_disarm(x->engine->loop, &x->timer);
    io_defer_cancel(&x->failure);
    buf_done(&x->reply);
    dns_shared_server_unref(x->engine->shared, x->server);
    io_free_later(x->engine->loop, x);
}

static void finish(struct dns_exchange *x, enum dns_outcome outcome, const struct dns_msg *m,
                   const struct dns_verdict *v)
{
    close_udp(x);
    io_timer_disarm(x->engine->loop, &x->timer);
    if (outcome == DNS_UNREACHABLE)
        dns_server_count(&x->server->counts, DNS_SERVER_UNREACHABLE);
    x->on_done(x, outcome, m, v);
    release(x);
}

void dns_exchange_cancel(struct dns_exchange *x)
{
    if (x != NULL)
        release(x);
}

static void count_answer(struct dns_exchange *x)
{
    struct dns_shared *s = x->engine->shared;
    uint64_t took = io_now_us() - x->started_us;
    /* What TCP took, or a second try without EDNS, is no round trip. */
    uint32_t rtt_us = x->by_tcp ? 0 : took > UINT32_MAX ? UINT32_MAX : (uint32_t)took + 1;
    pthread_mutex_lock(&s->lock);
    bool is_well_again = dns_server_answered(x->server, rtt_us);
    if (is_well_again)
        dns_memory_hurry(&s->memory, io_now_ms(x->engine->loop));
    pthread_mutex_unlock(&s->lock);
    if (is_well_again) {
        atomic_fetch_add(&s->epoch, 1);
        dns_engine_tell(x->engine, &(struct dns_event){ .kind = DNS_EVENT_SERVER_WELL,
                                                        .server = &x->server->addr });
    }
}

static void count_failure(struct dns_exchange *x)
{
    struct dns_shared *s = x->engine->shared;
    pthread_mutex_lock(&s->lock);
    bool is_suspect_now = dns_server_failed(x->server, io_now_ms(x->engine->loop));
    pthread_mutex_unlock(&s->lock);
    if (!is_suspect_now)
        return;
    dns_probe_wake(x->engine);
    dns_engine_tell(x->engine, &(struct dns_event){ .kind = DNS_EVENT_SERVER_SUSPECT,
                                                    .server = &x->server->addr });
}

static void write_query(struct dns_exchange *x)
{
    struct dns_query_flags flags = { .udp_bytes = x->with_edns ? DNS_UDP_BYTES : 0,
                                     .dnssec_ok = x->ask->dnssec_ok,
                                     .checking_disabled = x->ask->checking_disabled };
    x->id = dns_engine_id(x->engine);
    x->query_n = dns_write_query(x->query + 2, x->id, &x->ask->question, flags);
    x->query[0] = (uint8_t)(x->query_n >> 8);
    x->query[1] = (uint8_t)x->query_n;
}

static bool spend(struct dns_exchange *x)
{
    struct dns_shared *s = x->engine->shared;
    pthread_mutex_lock(&s->lock);
    bool ok = dns_server_spend(x->server, 1, io_now_ms(x->engine->loop));
    pthread_mutex_unlock(&s->lock);
    return ok;
}

/* False: not sent, and *outcome says why. */
static bool send_udp(struct dns_exchange *x, enum dns_outcome *outcome)
{
    const struct addr *to = &x->server->addr;
    *outcome = DNS_OVER_BUDGET;
    if (!spend(x)) {
        dns_server_count(&x->server->counts, DNS_SERVER_OVER_BUDGET);
        return false;
    }
    *outcome = DNS_UNREACHABLE;
    write_query(x);
    x->fd = socket(addr_family(to), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (x->fd < 0 || connect(x->fd, &to->sa, addr_len(to)) != 0 ||
        send(x->fd, x->query + 2, x->query_n, MSG_NOSIGNAL) < 0)
        return false;
    metric_add(METRIC_DNS_QUERIES, 1);
    dns_server_count(&x->server->counts, DNS_SERVER_UDP);
    x->poll = malloc(sizeof *x->poll);
    if (x->poll == NULL || uv_poll_init(&x->engine->loop->uv, x->poll, x->fd) != 0) {
        free(x->poll);
        x->poll = NULL;
        return false;
    }
    x->poll->data = x;
    return uv_poll_start(x->poll, UV_READABLE, on_readable) == 0;
}

static void on_tcp_ready(struct io_stream *stream, unsigned events);

/* RFC 7766: the same server over TCP; what was truncated is never used. */
static bool start_tcp(struct dns_exchange *x)
{
    int sys_errno;
    close_udp(x);
    x->by_tcp = true;
    metric_add(METRIC_DNS_TCP, 1);
    dns_server_count(&x->server->counts, DNS_SERVER_TCP);
    int fd = io_connect(&x->server->addr, &sys_errno);
    if (fd < 0)
        return false;
    x->stream = io_stream_new(x->engine->loop, fd);
    if (x->stream == NULL) {
        close(fd);
        return false;
    }
    write_query(x);
    x->query_n += 2;
    x->sent = 0;
    x->stream->owner = x;
    x->stream->on_ready = on_tcp_ready;
    io_stream_want(x->stream, IO_WRITE);
    io_timer_arm(x->engine->loop, &x->timer, TCP_MS);
    return true;
}

static bool is_edns_trouble(const struct dns_exchange *x, enum dns_outcome outcome)
{
    return x->with_edns && (outcome == DNS_FORMERR_OUTCOME || outcome == DNS_NOTIMP_OUTCOME);
}

static void again_without_edns(struct dns_exchange *x)
{
    enum dns_outcome outcome;
    struct dns_shared *s = x->engine->shared;
    pthread_mutex_lock(&s->lock);
    x->server->edns_off_until_ms = io_now_ms(x->engine->loop) + DNS_EDNS_OFF_MS;
    pthread_mutex_unlock(&s->lock);
    close_udp(x);
    io_stream_close(x->stream);
    x->stream = NULL;
    x->with_edns = false;
    x->by_tcp = false;
    x->started_us = io_now_us();
    if (!send_udp(x, &outcome))
        finish(x, outcome, NULL, NULL);
}

/* True when the exchange is over or begins anew: x is not to be read from any more. */
static bool take_reply(struct dns_exchange *x, struct str wire)
{
    struct dns_msg m;
    struct dns_verdict v;
    if (!dns_judge(wire, x->id, x->ask, x->same, x->same_arg, &m, &v)) {
        metric_add(METRIC_DNS_IGNORED, 1);
        dns_server_count(&x->server->counts, DNS_SERVER_IGNORED);
        return false;
    }
    metric_add(METRIC_DNS_ANSWERS, 1);
    dns_server_count_rcode(&x->server->counts, m.rcode);
    count_answer(x);
    if (v.wants_tcp && !x->by_tcp) {
        if (!start_tcp(x))
            finish(x, DNS_UNREACHABLE, NULL, NULL);
    } else if (is_edns_trouble(x, v.outcome)) {
        again_without_edns(x);
    } else {
        finish(x, v.wants_tcp ? DNS_BAD_REPLY : v.outcome, &m, &v);
    }
    return true;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct dns_exchange *x = poll->data;
    static _Thread_local uint8_t datagram[DATAGRAM_BYTES];
    for (unsigned i = 0; x != NULL && i < MAX_DATAGRAMS_A_TURN; i++) {
        ssize_t n = recv(x->fd, datagram, sizeof datagram, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (n < 0) {
            /* ICMP: nobody there. Asked for within the time, it counts as a failure like silence.
             */
            if (!x->is_late)
                count_failure(x);
            finish(x, DNS_UNREACHABLE, NULL, NULL);
            return;
        }
        if (take_reply(x, str_of((const char *)datagram, (size_t)n)))
            return;
    }
}

static void on_timer(struct io_timer *t)
{
    struct dns_exchange *x = LIST_ENTRY(t, struct dns_exchange, timer);
    metric_add(METRIC_DNS_TIMEOUTS, 1);
    dns_server_count(&x->server->counts, DNS_SERVER_TIMEOUTS);
    if (x->by_tcp) {
        finish(x, DNS_TIMED_OUT, NULL, NULL);
        return;
    }
    x->is_late = true;
    count_failure(x);
    x->on_late(x);
}

static enum io_result send_tcp(struct dns_exchange *x)
{
    struct fault f = { 0 };
    while (x->sent < x->query_n) {
        struct iovec v = { x->query + x->sent, x->query_n - x->sent };
        size_t n = 0;
        enum io_result r = io_stream_writev(x->stream, &v, 1, &n, &f);
        if (r != IO_OK)
            return r;
        x->sent += n;
    }
    io_stream_want(x->stream, IO_READ);
    return IO_OK;
}

/* IO_OK when the message is whole. */
static enum io_result read_tcp(struct dns_exchange *x)
{
    struct fault f = { 0 };
    for (;;) {
        const uint8_t *p = (const uint8_t *)x->reply.p;
        size_t whole = x->reply.n < 2 ? 2 : 2 + ((size_t)p[0] << 8 | p[1]);
        if (x->reply.n >= 2 && x->reply.n >= whole)
            return IO_OK;
        size_t want = whole - x->reply.n, n = 0;
        char *to = buf_reserve(&x->reply, want);
        if (to == NULL)
            return IO_FAILED;
        enum io_result r = io_stream_read(x->stream, to, want, &n, &f);
        if (r != IO_OK)
            return r;
        x->reply.n += n;
    }
}

static void on_tcp_ready(struct io_stream *stream, unsigned events)
{
    struct dns_exchange *x = stream->owner;
    enum io_result r = IO_OK;
    if (x->sent == 0 && io_connect_result(stream) != 0)
        r = IO_FAILED;
    if (r == IO_OK && x->sent < x->query_n)
        r = send_tcp(x);
    else if (r == IO_OK)
        r = read_tcp(x);
    else
        r = IO_FAILED;
    if (r == IO_AGAIN || (r == IO_OK && x->reply.n < 2))
        return;
    if (r != IO_OK) {
        finish(x, DNS_UNREACHABLE, NULL, NULL);
        return;
    }
    if (!take_reply(x, str_from(buf_str(&x->reply), 2)))
        finish(x, DNS_BAD_REPLY, NULL, NULL);
}

static void on_failure(struct io_task *t)
{
    struct dns_exchange *x = LIST_ENTRY(t, struct dns_exchange, failure);
    finish(x, x->start_outcome, NULL, NULL);
}

struct dns_exchange *dns_exchange_start(struct dns_engine *e, struct dns_server *server,
                                        const struct dns_ask *ask, dns_same_route *same,
                                        void *same_arg)
{
    struct dns_exchange *x = calloc(1, sizeof *x);
    if (x == NULL)
        return NULL;
    x->engine = e;
    x->server = dns_shared_server_ref(e->shared, server);
    x->ask = ask;
    x->same = same;
    x->same_arg = same_arg;
    x->fd = -1;
    x->started_us = io_now_us();
    x->timer.on_fire = on_timer;
    x->failure.on_run = on_failure;
    buf_init(&x->reply, 2 + DNS_MESSAGE_BYTES);

    uint64_t now_ms = io_now_ms(e->loop);
    pthread_mutex_lock(&e->shared->lock);
    x->with_edns = dns_server_takes_edns(server, now_ms);
    unsigned attempt_ms = dns_server_attempt_ms(server);
    pthread_mutex_unlock(&e->shared->lock);

    if (!send_udp(x, &x->start_outcome)) {
        close_udp(x);
        if (x->start_outcome != DNS_OVER_BUDGET)
            count_failure(x);
        io_defer(e->loop, &x->failure);
        return x;
    }
    /* The adaptive time tells when to try elsewhere; only real silence speaks against a server. */
    io_timer_arm(e->loop, &x->timer,
                 attempt_ms < DNS_FIRST_ATTEMPT_MS ? DNS_FIRST_ATTEMPT_MS : attempt_ms);
    return x;
}

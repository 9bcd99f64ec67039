#include "dns/exchange.h"

#include "dns/probe.h"
#include "obs/metrics.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    TCP_MS = 2000,
    /* A connection that was idle may be dead without a word: another one is tried this early. */
    REUSED_MS = 500,
    MAX_DATAGRAMS_A_TURN = 16,
    DATAGRAM_BYTES = 65535,
};

static void on_readable(uv_poll_t *poll, int status, int events);

static void close_udp(struct dns_exchange *x)
{
    if (x->poll != NULL) {
        uv_poll_stop(x->poll);
        x->poll->data = NULL;
        io_close_and_free(x->poll);
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
    dns_link_leave(&x->on_link);
    io_timer_disarm(x->engine->loop, &x->timer);
    io_defer_cancel(&x->failure);
    dns_shared_server_unref(x->engine->shared, x->server);
    io_free_later(x->engine->loop, x);
}

static void tell_over_budget(struct dns_exchange *x)
{
    struct dns_shared *s = x->engine->shared;
    uint64_t now_ms = io_now_ms(x->engine->loop);
    pthread_mutex_lock(&s->lock);
    bool is_due = now_ms >= x->server->budget_told_ms;
    if (is_due)
        x->server->budget_told_ms = now_ms + DNS_TELL_AGAIN_MS;
    pthread_mutex_unlock(&s->lock);
    if (is_due)
        dns_engine_tell(x->engine, &(struct dns_event){ .kind = DNS_EVENT_OVER_BUDGET,
                                                        .server = &x->server->addr });
}

static void finish(struct dns_exchange *x, enum dns_outcome outcome, const struct dns_msg *m,
                   const struct dns_verdict *v)
{
    close_udp(x);
    io_timer_disarm(x->engine->loop, &x->timer);
    if (outcome == DNS_UNREACHABLE)
        dns_server_count(&x->server->counts, DNS_SERVER_UNREACHABLE);
    if (outcome == DNS_OVER_BUDGET) {
        dns_server_count(&x->server->counts, DNS_SERVER_OVER_BUDGET);
        tell_over_budget(x);
    }
    x->on_done(x, outcome, m, v);
    release(x);
}

void dns_exchange_cancel(struct dns_exchange *x)
{
    if (x != NULL)
        release(x);
}

/* -- health ------------------------------------------------------------------------------- */

/* theirs: the server's cookie, or empty. */
static void count_answer(struct dns_exchange *x, struct str theirs)
{
    struct dns_shared *s = x->engine->shared;
    uint64_t took = io_now_us() - x->sent_us;
    /* What TCP took is no round trip. */
    uint32_t rtt_us = x->by_tcp ? 0 : took > UINT32_MAX ? UINT32_MAX : (uint32_t)took + 1;
    if (rtt_us > 0)
        dns_server_count_round_trip(&x->server->counts, rtt_us);
    pthread_mutex_lock(&s->lock);
    bool is_well_again = dns_server_answered(x->server, rtt_us);
    if (is_well_again)
        dns_memory_hurry(&s->memory, io_now_ms(x->engine->loop));
    if (theirs.n > 0)
        dns_cookie_learn(&x->server->cookie, theirs);
    if (x->with_edns && !x->by_tcp)
        x->server->answers_edns = true;
    if (x->is_edns_doubted)
        x->server->edns_doubted_until_ms = io_now_ms(x->engine->loop) + DNS_EDNS_DOUBTED_MS;
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

void dns_exchange_give_up(struct dns_exchange *x)
{
    count_failure(x);
    release(x);
}

static void stop_cookies(struct dns_exchange *x)
{
    struct dns_shared *s = x->engine->shared;
    pthread_mutex_lock(&s->lock);
    dns_cookie_stop(&x->server->cookie, io_now_ms(x->engine->loop));
    pthread_mutex_unlock(&s->lock);
}

/* -- sending ------------------------------------------------------------------------------ */

static void write_query(struct dns_exchange *x)
{
    struct dns_query_flags flags = { .udp_bytes = x->with_edns ? DNS_UDP_BYTES : 0,
                                     .dnssec_ok = x->ask->dnssec_ok,
                                     .checking_disabled = x->ask->checking_disabled,
                                     .cookie = str_of((const char *)x->cookie, x->cookie_n) };
    x->id = dns_engine_id(x->engine);
    x->query_n = dns_write_query(x->query + 2, x->id, &x->ask->question, flags);
}

/* Pays for a packet, and takes the cookie that goes into it. */
static bool prepare_udp(struct dns_exchange *x)
{
    struct dns_shared *s = x->engine->shared;
    uint64_t now_ms = io_now_ms(x->engine->loop);
    x->cookie_n = 0;
    pthread_mutex_lock(&s->lock);
    bool ok = x->is_paid || dns_server_spend(x->server, 1, now_ms);
    x->is_paid = false;
    if (ok && x->with_edns)
        x->cookie_n = (uint8_t)dns_cookie_write(&x->server->cookie, now_ms, x->cookie);
    pthread_mutex_unlock(&s->lock);
    return ok;
}

/* False: not sent, and *outcome says why. */
static bool send_udp(struct dns_exchange *x, enum dns_outcome *outcome)
{
    const struct addr *to = &x->server->addr;
    *outcome = DNS_OVER_BUDGET;
    x->by_tcp = false;
    if (!prepare_udp(x))
        return false;
    *outcome = DNS_UNREACHABLE;
    write_query(x);
    x->sent_us = io_now_us();
    x->fd = socket(addr_family(to), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (x->fd < 0 || connect(x->fd, &to->sa, addr_len(to)) != 0 ||
        send(x->fd, x->query + 2, x->query_n, MSG_NOSIGNAL) < 0) {
        if (dns_is_our_lack(errno))
            *outcome = DNS_NOT_SENT;
        else
            count_failure(x);
        return false;
    }
    metric_add(METRIC_DNS_QUERIES, 1);
    dns_server_count(&x->server->counts, DNS_SERVER_UDP);
    x->poll = malloc(sizeof *x->poll);
    if (x->poll == NULL || uv_poll_init(&x->engine->loop->uv, x->poll, x->fd) != 0) {
        free(x->poll);
        x->poll = NULL;
        *outcome = DNS_NOT_SENT;
        return false;
    }
    x->poll->data = x;
    return uv_poll_start(x->poll, UV_READABLE, on_readable) == 0;
}

/*
 * RFC 7766: the same server over TCP; what was truncated is never used. No cookie goes with it: the
 * handshake proves as much. The question's time begins with its first connection.
 */
static bool send_tcp(struct dns_exchange *x, enum dns_outcome *outcome)
{
    struct io_loop *loop = x->engine->loop;
    uint64_t now_ms = io_now_ms(loop);
    close_udp(x);
    dns_link_leave(&x->on_link);
    x->by_tcp = true;
    x->cookie_n = 0;
    write_query(x);
    if (!dns_link_ask(&x->on_link, x->engine, x->server, x->query, x->query_n, x->is_second_link,
                      outcome))
        return false;
    x->id = x->on_link.id;
    metric_add(METRIC_DNS_TCP, 1);
    dns_server_count(&x->server->counts, DNS_SERVER_TCP);
    if (x->tcp_until_ms == 0)
        x->tcp_until_ms = now_ms + TCP_MS;
    uint64_t left_ms = x->tcp_until_ms > now_ms ? x->tcp_until_ms - now_ms : 0;
    io_timer_arm(loop, &x->timer,
                 x->on_link.is_reused && left_ms > REUSED_MS ? REUSED_MS : left_ms);
    return true;
}

static void go_tcp(struct dns_exchange *x)
{
    enum dns_outcome outcome;
    if (!send_tcp(x, &outcome))
        finish(x, outcome, NULL, NULL);
}

/* The same question anew, with a socket and an ID of its own; what was sent before is void. */
static void ask_again(struct dns_exchange *x)
{
    enum dns_outcome outcome;
    if (x->transport == DNS_BY_TCP) {
        go_tcp(x);
        return;
    }
    close_udp(x);
    dns_link_leave(&x->on_link);
    if (!send_udp(x, &outcome))
        finish(x, outcome, NULL, NULL);
}

static void again_without_edns(struct dns_exchange *x)
{
    struct dns_shared *s = x->engine->shared;
    pthread_mutex_lock(&s->lock);
    x->server->edns_off_until_ms = io_now_ms(x->engine->loop) + DNS_EDNS_OFF_MS;
    pthread_mutex_unlock(&s->lock);
    x->with_edns = false;
    ask_again(x);
}

/* -- replies ------------------------------------------------------------------------------ */

static bool is_edns_trouble(const struct dns_exchange *x, enum dns_outcome outcome)
{
    return x->with_edns && (outcome == DNS_FORMERR_OUTCOME || outcome == DNS_NOTIMP_OUTCOME);
}

static void ignore(struct dns_exchange *x)
{
    metric_add(METRIC_DNS_IGNORED, 1);
    dns_server_count(&x->server->counts, DNS_SERVER_IGNORED);
}

/*
 * The server had cookies, and this reply has none: forged, or from another machine behind the same
 * address, or from a cache before it. RFC 7873 section 5.3 leaves open what to do. It is not
 * believed at once: the question is asked anew, with another port and ID, and what comes without a
 * cookie then as well is genuine.
 */
static bool lacks_cookie(const struct dns_exchange *x, enum dns_cookie_seen seen,
                         const struct dns_verdict *v)
{
    return x->cookie_n > DNS_CLIENT_COOKIE_BYTES && seen == DNS_COOKIE_NONE && !v->wants_tcp;
}

/* A genuine reply. x is over, or begins anew. */
static void act_on(struct dns_exchange *x, const struct dns_msg *m, const struct dns_verdict *v,
                   enum dns_cookie_seen seen)
{
    if (v->wants_tcp && !x->by_tcp) {
        go_tcp(x);
    } else if (m->rcode == DNS_BADCOOKIE && !x->by_tcp) {
        /* RFC 7873 section 5.3: once more with what was learned, then over TCP. */
        bool is_first = !x->is_cookie_renewed && seen == DNS_COOKIE_BOTH;
        x->is_cookie_renewed = true;
        if (is_first)
            ask_again(x);
        else
            go_tcp(x);
    } else if (is_edns_trouble(x, v->outcome) && x->cookie_n > 0 && m->edns.is_present) {
        /* It knows EDNS (RFC 6891 section 7), so it is the option that it does not take. */
        stop_cookies(x);
        ask_again(x);
    } else if (is_edns_trouble(x, v->outcome)) {
        again_without_edns(x);
    } else {
        finish(x, v->wants_tcp ? DNS_BAD_REPLY : v->outcome, m, v);
    }
}

/* True when the exchange is over or begins anew: x is not to be read from any more. */
static bool take_reply(struct dns_exchange *x, struct str wire)
{
    struct dns_msg m;
    struct dns_verdict v;
    struct str theirs = STR("");
    enum dns_cookie_seen seen = DNS_COOKIE_NONE;
    if (!dns_judge(wire, x->id, x->ask, x->same, x->same_arg, &m, &v)) {
        ignore(x);
        return false;
    }
    if (x->cookie_n > 0)
        seen = dns_cookie_look(x->cookie, &m.edns, &theirs);
    if (seen == DNS_COOKIE_WRONG) {
        x->has_wrong_cookies = true;
        ignore(x);
        return false;
    }
    if (lacks_cookie(x, seen, &v)) {
        if (!x->is_doubted) {
            x->is_doubted = true;
            ignore(x);
            ask_again(x);
            return true;
        }
        stop_cookies(x);
    }
    metric_add(METRIC_DNS_ANSWERS, 1);
    dns_server_count_rcode(&x->server->counts, m.rcode);
    count_answer(x, theirs);
    act_on(x, &m, &v, seen);
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

static void on_link_reply(struct dns_link_ask *a, struct str wire)
{
    take_reply(LIST_ENTRY(a, struct dns_exchange, on_link), wire);
}

static void go_second_link(struct dns_exchange *x)
{
    x->is_second_link = true;
    go_tcp(x);
}

static void on_link_broken(struct dns_link_ask *a, bool was_well)
{
    struct dns_exchange *x = LIST_ENTRY(a, struct dns_exchange, on_link);
    /* RFC 7766 section 6.2.4: what was under way when the server closed is asked again. */
    if (was_well && !x->is_second_link)
        go_second_link(x);
    else
        finish(x, DNS_UNREACHABLE, NULL, NULL);
}

/* -- time --------------------------------------------------------------------------------- */

static void on_tcp_timer(struct dns_exchange *x)
{
    struct io_loop *loop = x->engine->loop;
    uint64_t now_ms = io_now_ms(loop);
    if (now_ms >= x->tcp_until_ms) {
        metric_add(METRIC_DNS_TIMEOUTS, 1);
        dns_server_count(&x->server->counts, DNS_SERVER_TIMEOUTS);
        dns_link_give_up(&x->on_link);
        finish(x, DNS_TIMED_OUT, NULL, NULL);
    } else if (dns_link_is_quiet(&x->on_link) && !x->is_second_link) {
        dns_link_give_up(&x->on_link);
        go_second_link(x);
    } else {
        io_timer_arm(loop, &x->timer, x->tcp_until_ms - now_ms);
    }
}

/*
 * Of silence the cookie may be why, since there is what drops or spoils it on the way. A server
 * that had cookies loses them when it is suspect.
 */
static void doubt_cookies(struct dns_exchange *x)
{
    struct dns_shared *s = x->engine->shared;
    pthread_mutex_lock(&s->lock);
    if (x->cookie_n > 0 &&
        (x->cookie_n == DNS_CLIENT_COOKIE_BYTES || x->has_wrong_cookies || x->server->is_suspect))
        dns_cookie_stop(&x->server->cookie, io_now_ms(x->engine->loop));
    pthread_mutex_unlock(&s->lock);
}

/*
 * There are servers, and things before them, that drop what has EDNS without a word. One that never
 * answered a query with it gets its next attempts without; and where it answers those, one more
 * packet at its next silence. A dead one gets no packet more than its attempts.
 */
static bool tries_without_edns(struct dns_exchange *x)
{
    struct dns_shared *s = x->engine->shared;
    pthread_mutex_lock(&s->lock);
    /* Without the packet for it, what was sent is waited for on. */
    x->is_paid = x->with_edns && dns_server_drops_edns(x->server) &&
                 dns_server_spend(x->server, 1, io_now_ms(x->engine->loop));
    pthread_mutex_unlock(&s->lock);
    if (!x->is_paid)
        return false;
    x->with_edns = false;
    x->is_edns_doubted = true;
    return true;
}

static void on_timer(struct io_timer *t)
{
    struct dns_exchange *x = LIST_ENTRY(t, struct dns_exchange, timer);
    if (x->by_tcp) {
        on_tcp_timer(x);
        return;
    }
    metric_add(METRIC_DNS_TIMEOUTS, 1);
    dns_server_count(&x->server->counts, DNS_SERVER_TIMEOUTS);
    x->is_late = true;
    count_failure(x);
    doubt_cookies(x);
    bool is_again = tries_without_edns(x);
    enum dns_outcome outcome;
    if (is_again)
        close_udp(x);
    if (is_again && !send_udp(x, &outcome))
        finish(x, DNS_TIMED_OUT, NULL, NULL); /* whatever kept us from asking again */
    else
        x->on_late(x);
}

static void on_failure(struct io_task *t)
{
    struct dns_exchange *x = LIST_ENTRY(t, struct dns_exchange, failure);
    finish(x, x->start_outcome, NULL, NULL);
}

struct dns_exchange *dns_exchange_start(struct dns_engine *e, struct dns_server *server,
                                        const struct dns_ask *ask, dns_same_route *same,
                                        void *same_arg, enum dns_transport transport)
{
    struct dns_exchange *x = calloc(1, sizeof *x);
    if (x == NULL)
        return NULL;
    x->engine = e;
    x->server = dns_shared_server_ref(e->shared, server);
    x->ask = ask;
    x->same = same;
    x->same_arg = same_arg;
    x->transport = transport;
    x->fd = -1;
    x->started_us = io_now_us();
    x->timer.on_fire = on_timer;
    x->failure.on_run = on_failure;
    x->on_link.on_reply = on_link_reply;
    x->on_link.on_broken = on_link_broken;

    uint64_t now_ms = io_now_ms(e->loop);
    pthread_mutex_lock(&e->shared->lock);
    x->with_edns = dns_server_takes_edns(server, ask->dnssec_ok, now_ms);
    x->is_edns_doubted = x->with_edns && dns_server_may_drop_edns(server);
    x->with_edns &= !x->is_edns_doubted;
    unsigned attempt_ms = dns_server_attempt_ms(server);
    pthread_mutex_unlock(&e->shared->lock);

    bool by_tcp = transport == DNS_BY_TCP;
    if (!(by_tcp ? send_tcp(x, &x->start_outcome) : send_udp(x, &x->start_outcome))) {
        close_udp(x);
        io_defer(e->loop, &x->failure);
    } else if (!by_tcp) {
        /* The adaptive time tells when to try elsewhere; only real silence speaks against a
         * server. */
        io_timer_arm(e->loop, &x->timer,
                     attempt_ms < DNS_FIRST_ATTEMPT_MS ? DNS_FIRST_ATTEMPT_MS : attempt_ms);
    }
    return x;
}

/*
 * Any bytes as an origin's response, taken three times: read at once, gathered in pieces, and read
 * and gathered in turns. The body and its end are the same each time. The first byte says how many
 * bytes come in at once, the second what the turns are; behind them each byte from 0x80 on stands
 * for a run of 'x', so that small inputs fill large blocks.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dns/engine.h"
#include "upstream/exchange.h"
#include "upstream/pool.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { RUN_BYTES = 1999, RESPONSE_BYTES = 1 << 20, MAX_TURNS = 100000 };

/* What a taker does next: one bit of taker.turns each. */
enum { ALL_READ = 0x00, ALL_GATHERED = 0xff };

struct taker {
    struct exchange x;
    struct buf body;
    uint8_t turns;
    unsigned n_turns, n_heads, status;
    enum io_result last;
};

static struct io_loop loop;
static struct upstream *up;
static struct origin origin;

static void must(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static char registry[] = "INTERNAL_REGISTRY_URL=http://registry.test",
                loopback[] = "PENSTOCK_ALLOW_ADDRESSES=127.0.0.0/8",
                servers[] = "PENSTOCK_DNS_SERVERS=127.0.0.1:9", aws[] = "PENSTOCK_DNS_AWS=off";
    char *env[] = { registry, loopback, servers, aws, NULL };
    struct fault f = { .kind = FAULT_NONE };
    struct buf errors;
    buf_init(&errors, 4096);
    struct conf *conf = conf_load(env, NULL, CONF_FOR_SERVE, &errors);
    must(conf != NULL && io_loop_init(&loop));
    buf_done(&errors);
    struct dns_shared *shared = dns_shared_new(conf, &f);
    struct dns_engine *dns = shared == NULL ? NULL : dns_engine_new(&loop, shared, &f);
    struct io_tls *tls = io_tls_client_new(NULL, &f);
    must(dns != NULL && tls != NULL);
    up = upstream_new(&loop, dns, tls, conf, &f);
    must(up != NULL);
    origin = (struct origin){
        .host = STR("127.0.0.1"), .port = 9, .scheme = CONF_HTTP, .policy = DNS_POLICY_S3
    };
    return 0;
}

/* An idle connection to take; returns the origin's end. */
static int connect_pool(void)
{
    struct addr at;
    int fds[2];
    struct pool *p = pool_get(up, &origin);
    must(p != NULL && addr_parse_ip(STR("127.0.0.1"), &at));
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    struct io_stream *s = io_stream_new(&loop, fds[0]);
    must(s != NULL);
    struct connection *c = connection_new(p, s, &at);
    must(c != NULL);
    connection_lease(c, NULL);
    pool_release(c);
    return fds[1];
}

static void take_block(struct taker *t)
{
    struct io_block block = { 0 };
    t->last = exchange_gather(&t->x, &block);
    must((t->last == IO_OK) == (block.p != NULL));
    if (t->last != IO_OK)
        return;
    must(block.start < block.end && block.end <= block.cap);
    buf_append(&t->body, io_block_str(&block));
    memset(block.p, '!', block.cap); /* it is ours */
    io_block_give(&loop, &block);
}

/* Now and then only a part of it, so that gathering finds the rest. */
static void read_some(struct taker *t)
{
    struct str data;
    t->last = exchange_read(&t->x, &data);
    if (t->last != IO_OK)
        return;
    must(data.n > 0);
    if (t->turns != ALL_READ)
        data.n = (data.n + 1) / 2;
    buf_append(&t->body, data);
    exchange_consume(&t->x, data.n);
}

static void take(struct taker *t)
{
    do {
        bool is_gathered = (t->turns >> t->n_turns++ % 8 & 1) != 0;
        if (is_gathered)
            take_block(t);
        else
            read_some(t);
    } while (t->last == IO_OK);
}

static void on_taker(struct exchange *x, enum exchange_event e)
{
    struct taker *t = x->owner;
    if (e == EXCHANGE_HEAD) {
        t->n_heads++;
        t->status = x->head.status;
    }
    if (e == EXCHANGE_FAILED && t->n_heads == 0)
        t->last = IO_FAILED;
    else if (t->n_heads > 0)
        take(t);
}

static bool is_over(const struct taker *t)
{
    return t->last == IO_EOF || t->last == IO_FAILED;
}

/* Plays the response, step bytes at a time, and the end of the connection. */
static void play(struct taker *t, struct str response, size_t step)
{
    struct exchange_request get = { .origin = origin,
                                    .method = HTTP_GET,
                                    .head = STR("GET /k HTTP/1.1\r\nHost: h\r\n\r\n"),
                                    .framing = HTTP_NO_BODY };
    int fd = connect_pool();
    unsigned n_turns = 0;
    buf_init(&t->body, RESPONSE_BYTES);
    t->last = IO_AGAIN;
    t->x.owner = t;
    t->x.on_event = on_taker;
    exchange_start(&t->x, up, &get);
    must(t->x.is_reused);
    for (; n_turns < MAX_TURNS && response.n > 0 && !is_over(t); n_turns++) {
        size_t one = step < response.n ? step : response.n;
        ssize_t sent = send(fd, response.p, one, MSG_NOSIGNAL);
        if (sent > 0)
            response = str_from(response, (size_t)sent);
        uv_run(&loop.uv, UV_RUN_NOWAIT);
    }
    shutdown(fd, SHUT_WR);
    for (; n_turns < MAX_TURNS && !is_over(t); n_turns++)
        uv_run(&loop.uv, UV_RUN_NOWAIT);
    must(is_over(t));
    must(fault_is_set(&t->x.fault) == (t->last == IO_FAILED));
    close(fd);
}

static void done(struct taker *t)
{
    exchange_finish(&t->x);
    buf_done(&t->body);
}

static struct str response_of(const uint8_t *data, size_t n)
{
    static char response[RESPONSE_BYTES];
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        size_t run = data[i] < 0x80 ? 1 : (size_t)(data[i] - 0x7f) * RUN_BYTES;
        if (run > sizeof response - at)
            break;
        memset(response + at, data[i] < 0x80 ? data[i] : 'x', run);
        at += run;
    }
    return str_of(response, at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct taker takers[3];
    if (n < 3)
        return 0;
    struct str response = response_of(data + 2, n - 2);
    /* A few large inputs in tiny steps would take all the time. */
    size_t step = data[0] == 0 ? response.n : (size_t)data[0] * data[0];
    if (response.n / 2000 > step)
        step = response.n / 2000;
    const uint8_t turns[] = { ALL_READ, ALL_GATHERED, data[1] };
    for (unsigned i = 0; i < 3; i++) {
        takers[i] = (struct taker){ .turns = turns[i] };
        play(&takers[i], response, i == 0 ? response.n : step);
    }
    for (unsigned i = 1; i < 3; i++) {
        must(takers[i].status == takers[0].status && takers[i].last == takers[0].last);
        must(takers[i].x.fault.kind == takers[0].x.fault.kind);
        must(str_eq(buf_str(&takers[i].body), buf_str(&takers[0].body)));
    }
    for (unsigned i = 0; i < 3; i++)
        done(&takers[i]);
    for (unsigned i = 0; i < MAX_TURNS && upstream_count(up).n_idle > 0; i++)
        uv_run(&loop.uv, UV_RUN_NOWAIT);
    struct upstream_counts counts = upstream_count(up);
    must(counts.n_busy == 0 && counts.n_idle == 0 && counts.n_dialling == 0);
    return 0;
}

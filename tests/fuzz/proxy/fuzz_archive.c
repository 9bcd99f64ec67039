/*
 * A whole proxy whose registry and S3 say what the input says. What ends cleanly has as many bytes
 * as were announced, and is an archive whose files have the CRCs that it says; what does not is
 * shorter. Afterwards nothing is left: no connection, no exchange, no byte that is held ahead.
 *
 * The input: a byte for the request, one for the settings, one for how many bytes come at once; the
 * registry's response; then, behind 0xff each, what S3 does with one request after the other: "r"
 * and a response, "c" and a digit or more: the object, so many bytes of it, and the end of the
 * connection; "z" the same with a reset; "s" nothing at all; else, and when none is left, the
 * object. Objects are of 'x'. Elsewhere a byte from 0x80 on stands for a run of 'x'.
 */
#include "whole_proxy.h"

#include <errno.h>
#include <libdeflate.h>
#include <sys/socket.h>

#include "../../unit/codec/zip_reader.h"
#include "codec/http1.h"
#include "codec/zip_manifest.h"
#include "io/timer.h"
#include "obs/metrics.h"
#include "upstream/pool.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum {
    RUN_BYTES = 1999,
    TEXT_BYTES = 1 << 20,
    OBJECT_BYTES = 256 * 1024, /* larger ones are not made */
    MIN_IDLE = 3,              /* connections to each origin that stand ready */
    MAX_IDLE = 34,
    MAX_PEERS = 128,
    MAX_TURNS = 3000,
    QUIET_TURNS = 3, /* without a byte, and then time passes */
};

/* The origin's end of a connection. */
struct peer {
    int fd; /* -1: closed */
    bool is_registry, is_ending, is_reset;
    struct buf in, out;
};

static const struct origin origins[2] = {
    { .host = STR_INIT("s3.test"), .port = 9, .scheme = CONF_HTTP, .policy = DNS_POLICY_S3 },
    { .host = STR_INIT("registry.test"),
      .port = 9,
      .scheme = CONF_HTTP,
      .policy = DNS_POLICY_REGISTRY },
};

static struct {
    struct peer peers[MAX_PEERS];
    unsigned n_peers;
    unsigned n_idle; /* as many as a list of so many lines can use at once */
    struct buf list; /* the registry's response */
    struct str script;
    size_t step;
    int client;
    struct buf said; /* to the client */
    bool is_over;    /* the client's connection */
    bool has_moved;
} run;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    px_start();
    return 0;
}

/* ---- the origins ---- */

/* A connection that stands ready. */
static void connect_one(bool is_registry)
{
    struct addr at;
    int fds[2];
    struct pool *p = pool_get(px.up, &origins[is_registry]);
    must(p != NULL && addr_parse_ip(STR("127.0.0.1"), &at));
    if (p->n_idle >= (is_registry ? 1 : run.n_idle) || run.n_peers == MAX_PEERS)
        return;
    addr_set_port(&at, 9);
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    struct io_stream *s = io_stream_new(&px.loop, fds[0]);
    must(s != NULL);
    struct connection *c = connection_new(p, s, &at);
    must(c != NULL);
    connection_lease(c, NULL);
    pool_release(c);
    struct peer *peer = &run.peers[run.n_peers++];
    *peer = (struct peer){ .fd = fds[1], .is_registry = is_registry };
    buf_init(&peer->in, TEXT_BYTES);
    buf_init(&peer->out, 4 * TEXT_BYTES);
}

static void append_runs(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        size_t n = (uint8_t)text.p[i] < 0x80 ? 1 : RUN_BYTES;
        char *to = buf_reserve(out, n);
        if (to == NULL)
            return;
        memset(to, n == 1 ? text.p[i] : 'x', n);
        out->n += n;
    }
}

static struct str next_act(void)
{
    struct str act = str_first(run.script, str_find(run.script, (char)0xff, 0));
    run.script = str_from(run.script, act.n + 1);
    return act;
}

/* As the list has it: the first entry at this target. */
static bool find_size(struct str target, uint64_t *size)
{
    struct str list = buf_str(&run.list);
    const char *why;
    struct zip_entry e;
    while (list.n > 0 && !str_starts(list, STR("\r\n\r\n")))
        list = str_from(list, 1);
    list = str_from(list, 4);
    for (size_t at = 0; zip_manifest_next(list, &at, &e, &why) == ZIP_MANIFEST_ENTRY;)
        if (str_ends(e.location, target)) {
            *size = e.size;
            return e.size > 0;
        }
    return false;
}

/* Bytes [first, last] of an object, at most `most` of them. */
static void give_object(struct peer *p, struct str head, uint64_t most)
{
    struct str target = str_from(head, 4);
    uint64_t size = 0, first = 0, last = 0;
    target = str_first(target, str_find(target, ' ', 0));
    if (!find_size(target, &size)) {
        buf_append(&p->out, STR("HTTP/1.1 404 N\r\nContent-Length: 0\r\n\r\n"));
        return;
    }
    last = size - 1;
    for (struct str rest = head, line; str_next(&rest, '\r', &line);) {
        struct str value = str_from(line, 14);
        if (!str_starts(line, STR("\nRange: bytes=")))
            continue;
        struct str from = str_first(value, str_find(value, '-', 0));
        must(str_to_u64(from, &first));
        must(str_to_u64(str_from(value, from.n + 1), &last));
        must(first <= last);
        last = last < size ? last : size - 1; /* of another entry of that name */
        first = first < last ? first : last;
        buf_printf(&p->out, "HTTP/1.1 206 P\r\nContent-Range: bytes %llu-%llu/%llu\r\n",
                   (unsigned long long)first, (unsigned long long)last, (unsigned long long)size);
    }
    if (p->out.n == 0)
        buf_append(&p->out, STR("HTTP/1.1 200 OK\r\n"));
    uint64_t n = last - first + 1;
    buf_printf(&p->out, "ETag: \"e\"\r\nContent-Length: %llu\r\n\r\n", (unsigned long long)n);
    if (n > OBJECT_BYTES)
        p->is_ending = true;
    n = n < OBJECT_BYTES ? n : OBJECT_BYTES;
    n = n < most ? n : most;
    char *to = buf_reserve(&p->out, n + 1);
    must(to != NULL);
    memset(to, 'x', n);
    p->out.n += n;
}

/* Our requests are as they must be: one line, then fields, nothing of the client's. */
static void answer(struct peer *p, struct str head)
{
    uint64_t most = 0;
    if (p->is_registry) {
        buf_append(&p->out, buf_str(&run.list));
        p->is_ending = true;
        return;
    }
    must(str_starts(head, STR("GET /")) && !str_contains(head, STR("\nCookie:")));
    struct str act = next_act();
    char kind = act.n > 0 ? act.p[0] : 'o';
    if (kind == 'r') {
        append_runs(&p->out, str_from(act, 1));
    } else if (kind == 'c' || kind == 'z') {
        if (!str_to_u64(str_from(act, 1), &most) || most > OBJECT_BYTES)
            most = 1;
        give_object(p, head, most);
        p->is_ending = true;
        p->is_reset = kind == 'z';
    } else if (kind != 's') {
        give_object(p, head, OBJECT_BYTES);
    }
}

static void peer_close(struct peer *p)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
    buf_done(&p->in);
    buf_done(&p->out);
}

static void peer_turn(struct peer *p)
{
    char bytes[16 * 1024];
    ssize_t n = recv(p->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n > 0)
        buf_append(&p->in, str_of(bytes, (size_t)n));
    run.has_moved |= n > 0;
    for (size_t i = 0; i + 4 <= p->in.n; i++)
        if (p->out.n == 0 && memcmp(p->in.p + i, "\r\n\r\n", 4) == 0) {
            answer(p, str_first(buf_str(&p->in), i + 4));
            buf_drop(&p->in, i + 4);
            break;
        }
    if (p->out.n > 0) {
        n = send(p->fd, p->out.p, p->out.n < run.step ? p->out.n : run.step, MSG_NOSIGNAL);
        run.has_moved |= n > 0;
        if (n > 0)
            buf_drop(&p->out, (size_t)n);
    }
    if (n == 0 && p->out.n == 0)
        peer_close(p); /* the proxy left */
    else if (p->out.n == 0 && p->is_ending && p->is_reset)
        peer_close(p);
    else if (p->out.n == 0 && p->is_ending)
        shutdown(p->fd, SHUT_WR);
}

/* ---- the client ---- */

static void client_turn(size_t most)
{
    char bytes[64 * 1024];
    ssize_t n = recv(run.client, bytes, most < sizeof bytes ? most : sizeof bytes, MSG_DONTWAIT);
    if (n > 0)
        buf_append(&run.said, str_of(bytes, (size_t)n));
    run.has_moved |= n > 0;
    run.is_over |= n == 0 || (n < 0 && errno != EAGAIN);
}

static void fetch_said(void *arg, uint64_t at, uint8_t *to, size_t n)
{
    const struct str *s = arg;
    must(at <= s->n && n <= s->n - at);
    if (n > 0)
        memcpy(to, s->p + at, n);
}

static void check_archive(struct str body)
{
    static struct zip_seen seen;
    struct zip_reader z = { .fetch = fetch_said, .arg = &body, .total_bytes = body.n };
    must(zip_reader_end(&z) == NULL);
    for (uint64_t i = 0; i < z.n_entries; i++) {
        must(zip_reader_next(&z, &seen) == NULL);
        must(libdeflate_crc32(0, body.p + seen.data, seen.size) == seen.crc);
    }
}

/* Of a whole archive, or of ranges of one. True when the response was whole. */
static bool check_response(bool is_head)
{
    struct http_head head;
    struct fault f = { .kind = FAULT_NONE };
    size_t scanned = 0, used = 0;
    enum http_parse parsed = http1_parse_response(buf_str(&run.said), &scanned,
                                                  is_head ? HTTP_HEAD : HTTP_GET, &head, &used, &f);
    must(parsed != HTTP_BAD);
    if (parsed != HTTP_DONE)
        return false;
    struct str body = str_from(buf_str(&run.said), used);
    if (is_head)
        must(body.n == 0 && !head.has_content_length);
    else
        must(head.framing == HTTP_LENGTH && body.n <= head.content_length);
    if (!is_head && body.n < head.content_length)
        return false;
    if (!is_head && head.status == 200)
        check_archive(body);
    must(head.status == 200 || head.status == 206 || head.status >= 400);
    return true;
}

/* ---- all of it ---- */

static const char *const requests[] = {
    "GET /zip/x HTTP/1.1\r\nHost: p\r\nCookie: SECRET\r\n\r\n",
    "GET /zip/x HTTP/1.1\r\nHost: p\r\nConnection: close\r\n\r\n",
    "GET /zip/x HTTP/1.1\r\nHost: p\r\nRange: bytes=40-400\r\nIf-Range: \"e\"\r\n\r\n",
    "GET /zip/x HTTP/1.1\r\nHost: p\r\nRange: bytes=0-99,200-300,-100\r\nA: b\r\n\r\n",
    "HEAD /zip/x HTTP/1.1\r\nHost: p\r\n\r\n",
    "POST /zip/x HTTP/1.1\r\nHost: p\r\nContent-Length: 6\r\n\r\nSECRET",
    "POST /zip/x HTTP/1.1\r\nHost: p\r\nContent-Length: 9\r\n\r\nSECRET",
    "GET /zip/x HTTP/1.0\r\nRange: bytes=-22\r\n\r\n",
};

static void turns(uint8_t how, const char *request)
{
    unsigned leaves_after = how & 1 ? 4 + (how >> 4) : MAX_TURNS;
    for (unsigned i = 0, quiet = 0; i < leaves_after && !run.is_over; i++) {
        run.has_moved = false;
        for (int origin = 0; origin < 2; origin++)
            for (unsigned k = 0; k < run.n_idle; k++)
                connect_one(origin == 1);
        if (i == 0)
            must(send(run.client, request, strlen(request), MSG_NOSIGNAL) > 0);
        uv_run(&px.loop.uv, UV_RUN_NOWAIT);
        for (unsigned k = 0; k < run.n_peers; k++)
            if (run.peers[k].fd >= 0)
                peer_turn(&run.peers[k]);
        client_turn(how & 2 ? 3000 : 64 * 1024);
        must(limits_held(px.limits, LIMITS_AHEAD) <= px.conf->archive_ahead);
        must(limits_held(px.limits, LIMITS_AHEAD) == metric_read(METRIC_ARCHIVE_AHEAD));
        quiet = run.has_moved ? 0 : quiet + 1;
        if (quiet < QUIET_TURNS)
            continue;
        /* An idle client's deadline, or the sweep of idle connections: all was said. */
        if (px.loop.timers.root == NULL || quiet > 40 * QUIET_TURNS)
            break;
        io_timers_fire(&px.loop, px.loop.timers.root->heap_ms);
    }
}

static void end(void)
{
    struct upstream_counts busy = { .n_busy = 1 };
    close(run.client);
    for (int i = 0; i < MAX_TURNS && (px.proxy.n_clients > 0 || busy.n_busy + busy.n_dialling > 0);
         i++) {
        uv_run(&px.loop.uv, UV_RUN_NOWAIT);
        busy = upstream_count(px.up);
    }
    must(px.proxy.n_clients == 0 && busy.n_busy == 0 && busy.n_dialling == 0);
    must(limits_n(px.limits) == 0 && limits_held(px.limits, LIMITS_AHEAD) == 0);
    must(limits_held(px.limits, LIMITS_LISTS) == 0);
    must(metric_read(METRIC_ARCHIVE_AHEAD) == 0);
    for (unsigned i = 0; i < run.n_peers; i++)
        peer_close(&run.peers[i]);
    for (int i = 0; i < MAX_TURNS && upstream_count(px.up).n_idle > 0; i++)
        uv_run(&px.loop.uv, UV_RUN_NOWAIT);
    must(upstream_count(px.up).n_idle == 0);
    buf_done(&run.list);
    buf_done(&run.said);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const uint64_t aheads[] = { 16 << 20, 0, 70000, 300000 };
    struct addr peer;
    int fds[2];
    if (n < 4 || n > 64 * 1024)
        return 0;
    const char *request = requests[data[0] % (sizeof requests / sizeof *requests)];
    uint64_t n_archives = metric_read(METRIC_ARCHIVES);
    memset(&run, 0, sizeof run);
    run.script = str_of((const char *)data + 3, n - 3);
    run.step = data[2] == 0 ? TEXT_BYTES : (size_t)data[2] * data[2];
    px.conf->archive_ahead = aheads[data[1] >> 2 & 3];
    buf_init(&run.list, TEXT_BYTES);
    buf_init(&run.said, 64 * TEXT_BYTES);
    append_runs(&run.list, next_act());
    run.n_idle = MIN_IDLE;
    for (size_t i = 0; i < run.list.n && run.n_idle < MAX_IDLE; i++)
        run.n_idle += run.list.p[i] == '\n' && i > 0 && run.list.p[i - 1] != '\r';
    must(addr_parse_ip(STR("127.0.0.1"), &peer));
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    run.client = fds[0];
    proxy_accept(&px.proxy, fds[1], &peer, PROXY_PORT_PUBLIC);
    turns(data[1], request);
    if (metric_read(METRIC_ARCHIVES) > n_archives)
        check_response(request[0] == 'H');
    end();
    return 0;
}

/* The load client of the bench. Four modes, all bounded in connections and time:
 *   closed: N connections, each sends its next request when the last answer is whole; with
 *           --busy, so many of them at a time, the next one in turn after each answer; with
 *           --lead-ms they begin one after the other, all go round for a while, it says {"begun":
 * 1}, and what counts is what was answered between that and the end open:   requests at a constant
 * rate; latency counts from the moment a request was due, so a stall is not left out of the figures
 * (no coordinated omission) idle:   N keep-alive connections that have made one request each, then
 * wait slow:   N downloads that are read at a trickle It prints {"ready": N} when its connections
 * are open and warm, waits for a line on stdin before it measures (so that the caller can read the
 * proxy's CPU time on both sides of it), prints one line of JSON, and keeps the connections until
 * stdin ends. */
#include "http_client.h"

#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>

enum { MAX_SAMPLES = 4000000, MAX_ERRORS = 1000, SLOW_TICK_MS = 100, LEAD_STEPS = 64 };

static struct {
    const char *mode;
    size_t n_conns;
    size_t n_busy;    /* of a closed loop's connections at a time; 0: all */
    uint64_t lead_ms; /* of a closed loop before what counts */
    uint64_t seconds_ms, rate, warm, slow_bytes;
    uint64_t timeout_ms;
    bool is_opaque; /* bodies are something else than the pattern: only their lengths count */
} opt = { .mode = "closed",
          .n_conns = 1,
          .seconds_ms = 1000,
          .warm = 2,
          .slow_bytes = 4096,
          .timeout_ms = 60000 };

static struct client_target target = { .rcvbuf = 0 };
static struct client *conns;
static int epfd;
static uint64_t *samples;
static size_t n_samples, n_busy;
static uint64_t n_answers, n_requests, n_errors, n_reconnects, n_retries, n_late, body_bytes;
static uint64_t give_up_ns;

static void failed(void)
{
    if (++n_errors > MAX_ERRORS)
        die("more than %d errors", MAX_ERRORS);
}

static void reopen(struct client *c)
{
    client_close(c);
    client_open(c, epfd, &target);
    n_reconnects++;
}

static void start(struct client *c, uint64_t start_ns)
{
    client_request(c, epfd, &target, start_ns);
}

/* One event on a busy connection; true when the connection is free again. A kept connection that
 * died before a byte of the answer is the ordinary keep-alive race and is tried once more on a new
 * one. */
static bool finish_one(struct client *c, size_t budget, bool count)
{
    bool kept = c->used;
    if (c->state == CLIENT_FREE) { /* nothing asked: the server closed an idle connection */
        reopen(c);
        return true;
    }
    switch (client_event(c, epfd, &target, budget)) {
    case CLIENT_DONE:
        break;
    case CLIENT_BROKEN: {
        bool again = kept && !c->in_len;
        uint64_t start_ns = c->start_ns;
        reopen(c);
        if (again) {
            n_retries++;
            start(c, start_ns);
            return false;
        }
        failed();
        return true;
    }
    default:
        return false;
    }
    if (c->bad)
        failed();
    if (count) {
        n_requests++;
        body_bytes += c->body_seen + target.body_bytes;
        if (n_samples < MAX_SAMPLES)
            samples[n_samples++] = now_ns() - c->start_ns;
    }
    c->state = CLIENT_FREE;
    if (c->closing)
        reopen(c);
    return true;
}

static void check_time(void)
{
    if (now_ns() > give_up_ns)
        die("gave up after %llu ms", (unsigned long long)opt.timeout_ms);
}

static int wait_events(struct epoll_event *events, int max, uint64_t until_ns)
{
    uint64_t now = now_ns();
    uint64_t ns = until_ns > now ? until_ns - now : 0;
    struct timespec t = { .tv_sec = (time_t)(ns / 1000000000u),
                          .tv_nsec = (long)(ns % 1000000000u) };
    int n = epoll_pwait2(epfd, events, max, &t, NULL);
    check_time();
    return n;
}

/* Every connection makes `rounds` requests that count for nothing and whose bodies are compared;
 * `width` at once. */
static void warm_up(uint64_t rounds, size_t width)
{
    struct epoll_event events[64];
    size_t next = 0, busy = 0, total = opt.n_conns * rounds;
    target.check = !opt.is_opaque;
    while (next < total || busy) {
        for (; next < total && busy < width; next++) {
            struct client *c = &conns[next % opt.n_conns];
            if (c->state == CLIENT_BUSY)
                break;
            start(c, now_ns());
            busy++;
        }
        int n = wait_events(events, 64, now_ns() + 1000000000u);
        for (int i = 0; i < n; i++) {
            struct client *c = events[i].data.ptr;
            bool was_busy = c->state == CLIENT_BUSY;
            if (finish_one(c, 0, false) && was_busy)
                busy--;
        }
    }
    target.check = false;
    if (n_errors)
        die("%llu wrong answers while warming up", (unsigned long long)n_errors);
}

/* The connection whose turn it is among those that wait; there is one. */
static struct client *next_in_turn(void)
{
    static size_t at;
    struct client *c;
    do
        c = &conns[at++ % opt.n_conns];
    while (c->state == CLIENT_BUSY);
    return c;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static double percentile_us(double p)
{
    if (!n_samples)
        return 0;
    size_t i = (size_t)(p * (double)n_samples);
    return (double)samples[i < n_samples ? i : n_samples - 1] / 1000.0;
}

static void report(uint64_t took_ns)
{
    qsort(samples, n_samples, sizeof *samples, by_value);
    printf("{\"requests\": %llu, \"errors\": %llu, \"reconnects\": %llu, \"retries\": %llu, "
           "\"late_starts\": %llu, \"body_bytes\": %llu, \"seconds\": %.6f, \"p50_us\": %.1f, "
           "\"p90_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f}\n",
           (unsigned long long)n_requests, (unsigned long long)n_errors,
           (unsigned long long)n_reconnects, (unsigned long long)n_retries,
           (unsigned long long)n_late, (unsigned long long)body_bytes, (double)took_ns / 1e9,
           percentile_us(0.5), percentile_us(0.9), percentile_us(0.99), percentile_us(0.999),
           percentile_us(1));
    fflush(stdout);
}

/* Until that time, or until none is busy; an answer leads to the next request if is_refilled. */
static void closed_until(uint64_t end_ns, bool is_counted, bool is_refilled)
{
    struct epoll_event events[256];
    uint64_t now;
    while (n_busy && (now = now_ns()) < end_ns) {
        int n = wait_events(events, 256, end_ns - now < 1000000000u ? end_ns : now + 1000000000u);
        for (int i = 0; i < n; i++) {
            struct client *c = events[i].data.ptr;
            bool was_busy = c->state == CLIENT_BUSY;
            if (!finish_one(c, 0, is_counted) || !was_busy)
                continue;
            n_answers++;
            if (is_refilled)
                start(opt.n_busy < opt.n_conns ? next_in_turn() : c, now_ns());
            else
                n_busy--;
        }
    }
}

static void run_closed(void)
{
    uint64_t step_ns = opt.lead_ms * 1000000u / (2 * LEAD_STEPS);
    for (n_busy = 0; n_busy < opt.n_busy;) {
        start(next_in_turn(), now_ns());
        if (++n_busy % (opt.n_busy / LEAD_STEPS + 1) == 0)
            closed_until(now_ns() + step_ns, false, true);
    }
    if (opt.lead_ms) {
        /* Two answers each: their connections to the origin stand, however slow the machine is. */
        do
            closed_until(now_ns() + opt.lead_ms * 500000u, false, true);
        while (n_answers < 2 * opt.n_busy);
        puts("{\"begun\": 1}");
        fflush(stdout);
    }
    uint64_t begin = now_ns();
    closed_until(begin + opt.seconds_ms * 1000000u, true, true);
    if (opt.lead_ms)
        report(now_ns() - begin);
    closed_until(UINT64_MAX, !opt.lead_ms, false);
    if (!opt.lead_ms)
        report(now_ns() - begin);
}

static void run_open(void)
{
    struct epoll_event events[256];
    struct client **freed = calloc(opt.n_conns, sizeof(struct client *));
    uint64_t begin = now_ns(), total = opt.rate * opt.seconds_ms / 1000, next = 0;
    size_t n_free = 0;
    if (!freed)
        die("out of memory");
    for (size_t i = 0; i < opt.n_conns; i++)
        freed[n_free++] = &conns[i];
    while (next < total || n_free < opt.n_conns) {
        uint64_t now = now_ns(), due = begin + next * 1000000000u / opt.rate;
        for (; next < total && n_free && due <= now; due = begin + next * 1000000000u / opt.rate) {
            n_late += now - due > 1000000u;
            start(freed[--n_free], due);
            next++;
        }
        int n = wait_events(events, 256, next < total && n_free ? due : now + 1000000000u);
        for (int i = 0; i < n; i++) {
            struct client *c = events[i].data.ptr;
            bool was_busy = c->state == CLIENT_BUSY;
            if (finish_one(c, 0, true) && was_busy)
                freed[n_free++] = c;
        }
    }
    free(freed);
    report(now_ns() - begin);
}

/* Waits for a line on stdin; false at its end. */
static bool go(void)
{
    char c = 0;
    while (read(STDIN_FILENO, &c, 1) == 1)
        if (c == '\n')
            return true;
    return false;
}

/* Reads a little from every download each tick, until stdin has something to say. */
static void run_slow(void)
{
    bool announced = false;
    for (size_t i = 0; i < opt.n_conns; i++)
        start(&conns[i], now_ns());
    for (;;) {
        size_t flowing = 0;
        struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
        for (size_t i = 0; i < opt.n_conns; i++) {
            if (conns[i].state == CLIENT_BUSY)
                finish_one(&conns[i], (size_t)opt.slow_bytes, true);
            flowing += conns[i].reading_body;
        }
        if (flowing == opt.n_conns && !announced) {
            printf("{\"ready\": %zu}\n", opt.n_conns);
            fflush(stdout);
            announced = true;
        }
        check_time();
        if (poll(&in, 1, SLOW_TICK_MS) != 0)
            break;
    }
    for (size_t i = 0; i < opt.n_conns; i++)
        body_bytes += conns[i].state == CLIENT_BUSY ? conns[i].body_seen : 0;
}

static size_t count_live(void)
{
    size_t live = 0;
    char byte;
    for (size_t i = 0; i < opt.n_conns; i++)
        live += recv(conns[i].fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
    return live;
}

static uint64_t number(const char *text, uint64_t max)
{
    char *rest;
    uint64_t n = strtoull(text, &rest, 10);
    if (*rest || rest == text || n > max)
        die("not a number up to %llu: %s", (unsigned long long)max, text);
    return n;
}

static void parse(int argc, char **argv)
{
    static const struct option names[] = { { "mode", 1, 0, 'm' },
                                           { "connect", 1, 0, 'a' },
                                           { "target", 1, 0, 't' },
                                           { "conns", 1, 0, 'n' },
                                           { "ms", 1, 0, 's' },
                                           { "rate", 1, 0, 'r' },
                                           { "put", 1, 0, 'p' },
                                           { "get", 1, 0, 'g' },
                                           { "warm", 1, 0, 'w' },
                                           { "slow-bytes", 1, 0, 'b' },
                                           { "timeout-ms", 1, 0, 'T' },
                                           { "rcvbuf", 1, 0, 'R' },
                                           { "opaque", 1, 0, 'o' },
                                           { "tls", 1, 0, 'l' },
                                           { "busy", 1, 0, 'B' },
                                           { "lead-ms", 1, 0, 'L' },
                                           { 0 } };
    const char *path = "/";
    for (int o; (o = getopt_long(argc, argv, "", names, NULL)) != -1;)
        switch (o) {
        case 'm':
            opt.mode = optarg;
            break;
        case 'a':
            target.address = parse_address(optarg);
            break;
        case 't':
            path = optarg;
            break;
        case 'n':
            opt.n_conns = number(optarg, 20000);
            break;
        case 's':
            opt.seconds_ms = number(optarg, 600000);
            break;
        case 'r':
            opt.rate = number(optarg, 1000000);
            break;
        case 'p':
            target.body_bytes = number(optarg, 1ull << 40);
            break;
        case 'g':
            target.answer_bytes = number(optarg, 1ull << 40);
            break;
        case 'w':
            opt.warm = number(optarg, 1000);
            break;
        case 'b':
            opt.slow_bytes = number(optarg, BLOCK_BYTES);
            break;
        case 'T':
            opt.timeout_ms = number(optarg, 600000);
            break;
        case 'R':
            target.rcvbuf = (int)number(optarg, 1 << 24);
            break;
        case 'l':
            target.tls = number(optarg, 1) == 1 ? client_tls() : NULL;
            break;
        case 'L':
            opt.lead_ms = number(optarg, 60000);
            break;
        case 'B':
            opt.n_busy = number(optarg, 20000);
            break;
        case 'o':
            opt.is_opaque = number(optarg, 1) == 1;
            break;
        default:
            die("see the top of bench/load.c");
        }
    if (!target.address.sin_port || !opt.n_conns || (!opt.rate && !strcmp(opt.mode, "open")))
        die("--connect, --conns and, for open, --rate are needed");
    if (!opt.n_busy || opt.n_busy > opt.n_conns)
        opt.n_busy = opt.n_conns;
    char length[64] = "";
    if (target.body_bytes)
        snprintf(length, sizeof length, "Content-Length: %llu\r\n",
                 (unsigned long long)target.body_bytes);
    /* About the head that an SDK in a browser sends: a signed request, near 800 bytes. */
    int n = snprintf(
        target.head, sizeof target.head,
        "%s %s HTTP/1.1\r\nHost: proxy.bench\r\nUser-Agent: penstock-bench/1\r\nAccept: */*\r\n"
        "Origin: https://catalog.bench\r\nReferer: https://catalog.bench/\r\n"
        "x-amz-date: 20260101T000000Z\r\nx-amz-content-sha256: UNSIGNED-PAYLOAD\r\n"
        "x-amz-user-agent: aws-sdk-js/2.1692.0 promise\r\n"
        "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260101/us-east-1/s3/"
        "aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-user-agent, "
        "Signature=0000000000000000000000000000000000000000000000000000000000000000\r\n"
        "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n"
        "X-Amzn-Trace-Id: Root=1-00000000-000000000000000000000000\r\n%s\r\n",
        target.body_bytes ? "PUT" : "GET", path, length);
    if (n < 0 || (size_t)n >= sizeof target.head)
        die("the target is too long");
    target.head_len = (size_t)n;
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1);
    raise_nofile();
    give_up_ns = now_ns() + opt.timeout_ms * 1000000u;
    bool slow = strcmp(opt.mode, "slow") == 0, idle = strcmp(opt.mode, "idle") == 0;
    conns = calloc(opt.n_conns, sizeof *conns);
    samples = malloc(MAX_SAMPLES * sizeof *samples);
    epfd = epoll_create1(EPOLL_CLOEXEC);
    if (!conns || !samples || epfd < 0)
        die("no memory or no epoll");
    for (size_t i = 0; i < opt.n_conns; i++) {
        client_open(&conns[i], epfd, &target);
        if (idle &&
            i % 100 == 99) /* not a burst of connects: the accept queue is no part of this */
            usleep(1000);
    }
    if (slow) {
        run_slow();
        report(0);
        return 0;
    }
    warm_up(idle ? 1 : opt.warm, idle ? 32 : opt.lead_ms && opt.n_busy > 64 ? 64 : opt.n_busy);
    n_reconnects = n_retries = 0;
    printf("{\"ready\": %zu}\n", count_live());
    fflush(stdout);
    if (!go())
        return 0;
    if (idle)
        printf("{\"live\": %zu}\n", count_live());
    else if (strcmp(opt.mode, "open") == 0)
        run_open();
    else
        run_closed();
    fflush(stdout);
    go();
    return 0;
}

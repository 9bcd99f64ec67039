#include "cli/admin_client.h"

#include "codec/http1_body.h"

#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool wait_for(int fd, short events, int64_t deadline_ms)
{
    for (;;) {
        int64_t left_ms = deadline_ms - now_ms();
        struct pollfd p = { .fd = fd, .events = events };
        int got = poll(&p, 1, left_ms > 0 ? (int)left_ms : 0);
        if (got >= 0 || errno != EINTR)
            return got > 0;
    }
}

/* A listener on every address is reached by loopback. */
static void make_reachable(struct addr *a)
{
    static const uint8_t v4[] = { 127, 0, 0, 1 };
    if (addr_classify(a) == ADDR_UNSPECIFIED)
        addr_from_bytes(AF_INET, v4, addr_port(a), a);
}

/* Only an address of this host can be bound to: nothing is sent to any other. */
static bool is_here(const struct addr *a)
{
    struct addr own = *a;
    addr_set_port(&own, 0);
    int fd = socket(addr_family(a), SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && bind(fd, &own.sa, addr_len(&own)) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

static int connect_to(const struct addr *a)
{
    int error = 0, fd = socket(addr_family(a), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    socklen_t error_n = sizeof error;
    if (fd < 0)
        return -1;
    bool ok = connect(fd, &a->sa, addr_len(a)) == 0 ||
              (errno == EINPROGRESS && wait_for(fd, POLLOUT, now_ms() + ADMIN_CONNECT_MS));
    if (ok && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_n) == 0 && error == 0)
        return fd;
    close(fd);
    return -1;
}

static bool send_request(int fd, struct str target, int64_t deadline_ms)
{
    struct buf out;
    buf_init(&out, HTTP_REQUEST_HEAD_BYTES);
    http1_write_request_line(&out, STR("GET"), target);
    http1_write_field(&out, STR("Host"), STR("penstock"));
    http1_write_field(&out, STR("Connection"), STR("close"));
    buf_append(&out, STR("\r\n"));
    bool ok = !out.failed;
    size_t sent = 0;
    while (ok && sent < out.n) {
        ssize_t n = send(fd, out.p + sent, out.n - sent, MSG_NOSIGNAL);
        if (n > 0)
            sent += (size_t)n;
        else
            ok = (errno == EAGAIN || errno == EINTR) && wait_for(fd, POLLOUT, deadline_ms);
    }
    buf_done(&out);
    return ok;
}

/* Everything up to the end of the connection, which was asked for. */
static bool receive(int fd, struct buf *in, int64_t deadline_ms)
{
    const size_t piece_bytes = 16384;
    for (;;) {
        char *to = buf_reserve(in, piece_bytes);
        ssize_t n = to != NULL ? recv(fd, to, piece_bytes, 0) : -1;
        if (n > 0)
            in->n += (size_t)n;
        else if (n == 0)
            return true;
        else if (to == NULL || (errno != EAGAIN && errno != EINTR) ||
                 !wait_for(fd, POLLIN, deadline_ms))
            return false;
    }
}

static bool read_body(struct str in, unsigned *status, struct buf *body)
{
    struct http_head head;
    struct fault f = { .kind = FAULT_NONE };
    size_t scanned = 0, used = 0;
    if (http1_parse_response(in, &scanned, HTTP_GET, &head, &used, &f) != HTTP_DONE)
        return false;
    *status = head.status;
    struct http1_body b;
    http1_body_init(&b, head.framing, head.content_length);
    enum http1_body_step step = HTTP1_BODY_DATA;
    for (in = str_from(in, used); step == HTTP1_BODY_DATA; in = str_from(in, used)) {
        struct str data = { NULL, 0 };
        step = http1_body_next(&b, in, &used, &data);
        if (step == HTTP1_BODY_DATA)
            buf_append(body, data);
    }
    bool ok = step == HTTP1_BODY_END || (step == HTTP1_BODY_MORE && http1_body_eof(&b));
    http1_body_done(&b);
    return ok && !body->failed;
}

static bool exchange(int fd, struct str target, unsigned *status, struct buf *body)
{
    struct buf in;
    int64_t deadline_ms = now_ms() + ADMIN_ANSWER_MS;
    buf_init(&in, ADMIN_ANSWER_BYTES);
    bool ok = send_request(fd, target, deadline_ms) && receive(fd, &in, deadline_ms) &&
              read_body(buf_str(&in), status, body);
    buf_done(&in);
    return ok;
}

static json_t *get(const struct addr *at, struct str target, const char **why)
{
    unsigned status = 0;
    json_t *got = NULL;
    struct buf body;
    int fd = is_here(at) ? connect_to(at) : -1;
    *why = "nobody answers there";
    if (fd < 0)
        return NULL;
    buf_init(&body, ADMIN_ANSWER_BYTES);
    *why = "what answers there is no penstock";
    if (exchange(fd, target, &status, &body) && status == 200)
        got = json_loadb(body.p, body.n, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(json_object_get(got, "by"))) {
        json_decref(got);
        got = NULL;
    }
    buf_done(&body);
    close(fd);
    return got;
}

json_t *admin_get(const struct conf *conf, struct str target, struct addr *at, const char **why)
{
    *why = "the admin port is off";
    *at = (struct addr){ .sa.sa_family = AF_UNSPEC };
    for (size_t i = 0; i < conf->admin.n; i++) {
        *at = conf->admin.v[i];
        make_reachable(at);
        json_t *got = get(at, target, why);
        if (got != NULL)
            return got;
    }
    return NULL;
}

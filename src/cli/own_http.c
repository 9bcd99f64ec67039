#include "cli/own_http.h"

#include "codec/http1_body.h"

#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

int64_t own_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

bool own_wait(int fd, short events, int64_t deadline_ms)
{
    for (;;) {
        int64_t left_ms = deadline_ms - own_now_ms();
        struct pollfd p = { .fd = fd, .events = events };
        int got = poll(&p, 1, left_ms > 0 ? (int)left_ms : 0);
        if (got >= 0 || errno != EINTR)
            return got > 0;
    }
}

unsigned own_reach(const struct addr *listener, struct addr at[static OWN_WAYS])
{
    static const uint8_t v4[] = { 127, 0, 0, 1 }, v6[16] = { [15] = 1 };
    at[0] = *listener;
    if (addr_classify(listener) != ADDR_UNSPECIFIED)
        return 1;
    addr_from_bytes(AF_INET, v4, addr_port(listener), &at[0]);
    if (addr_family(listener) == AF_INET)
        return 1;
    addr_from_bytes(AF_INET6, v6, addr_port(listener), &at[1]);
    return 2;
}

/* Only an address of this host can be bound to. */
bool own_is_here(const struct addr *a)
{
    struct addr own = *a;
    addr_set_port(&own, 0);
    int fd = socket(addr_family(a), SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && bind(fd, &own.sa, addr_len(&own)) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

static int connect_to(const struct addr *a, int64_t deadline_ms)
{
    int error = 0, fd = socket(addr_family(a), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    socklen_t error_n = sizeof error;
    if (fd < 0)
        return -1;
    bool ok = connect(fd, &a->sa, addr_len(a)) == 0 ||
              (errno == EINPROGRESS && own_wait(fd, POLLOUT, deadline_ms));
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
    http1_write_field(&out, STR("Host"), STR("localhost"));
    http1_write_field(&out, STR("Connection"), STR("close"));
    buf_append(&out, STR("\r\n"));
    bool ok = !out.failed;
    size_t sent = 0;
    while (ok && sent < out.n) {
        ssize_t n = send(fd, out.p + sent, out.n - sent, MSG_NOSIGNAL);
        if (n > 0)
            sent += (size_t)n;
        else
            ok = (errno == EAGAIN || errno == EINTR) && own_wait(fd, POLLOUT, deadline_ms);
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
                 !own_wait(fd, POLLIN, deadline_ms))
            return false;
    }
}

static bool read_body(struct str in, struct own_reply *r)
{
    struct http_head head;
    struct fault f = { .kind = FAULT_NONE };
    size_t scanned = 0, used = 0;
    if (http1_parse_response(in, &scanned, HTTP_GET, &head, &used, &f) != HTTP_DONE)
        return false;
    r->status = head.status;
    struct http1_body b;
    http1_body_init(&b, head.framing, head.content_length);
    enum http1_body_step step = HTTP1_BODY_DATA;
    for (in = str_from(in, used); step == HTTP1_BODY_DATA; in = str_from(in, used)) {
        struct str data = { NULL, 0 };
        step = http1_body_next(&b, in, &used, &data);
        if (step == HTTP1_BODY_DATA)
            buf_append(&r->body, data);
    }
    bool ok = step == HTTP1_BODY_END || (step == HTTP1_BODY_MORE && http1_body_eof(&b));
    http1_body_done(&b);
    return ok && !r->body.failed;
}

bool own_http_get(const struct addr *at, struct str target, const struct own_limits *limits,
                  struct own_reply *r, const char **why)
{
    struct buf in;
    *why = "nobody answers there";
    int fd = own_is_here(at) ? connect_to(at, own_now_ms() + limits->connect_ms) : -1;
    if (fd < 0)
        return false;
    int64_t deadline_ms = own_now_ms() + limits->answer_ms;
    buf_init(&in, limits->answer_bytes);
    bool is_sent = send_request(fd, target, deadline_ms);
    bool is_whole = is_sent && receive(fd, &in, deadline_ms);
    bool ok = is_whole && read_body(buf_str(&in), r);
    *why = is_whole ? "what answers there is no penstock" : "no whole answer in time";
    buf_done(&in);
    close(fd);
    return ok;
}

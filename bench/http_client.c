#include "http_client.h"

#include <strings.h>
#include <sys/epoll.h>

static char scratch[4 * BLOCK_BYTES];

static void watch(struct client *c, int epfd, uint32_t events)
{
    if (c->armed == events)
        return;
    struct epoll_event e = { .events = events, .data.ptr = c };
    epoll_ctl(epfd, c->armed ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->fd, &e);
    c->armed = events;
}

SSL_CTX *client_tls(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (!ctx || SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256") != 1)
        die("no TLS 1.3");
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return ctx;
}

/* send(2) and recv(2), or what stands for them on TLS: -1 with EAGAIN where they would wait. */
static ssize_t put(struct client *c, const void *from, size_t n, int flags)
{
    size_t k;
    if (!c->ssl)
        return send(c->fd, from, n, flags);
    if (SSL_write_ex(c->ssl, from, n, &k) == 1)
        return (ssize_t)k;
    errno = SSL_get_error(c->ssl, 0) == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
    return -1;
}

static ssize_t get(struct client *c, void *to, size_t n)
{
    size_t k;
    if (!c->ssl)
        return recv(c->fd, to, n, 0);
    if (SSL_read_ex(c->ssl, to, n, &k) == 1)
        return (ssize_t)k;
    int e = SSL_get_error(c->ssl, 0);
    errno = e == SSL_ERROR_WANT_READ ? EAGAIN : EPROTO;
    return e == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

static void shake_hands(struct client *c, SSL_CTX *ctx)
{
    c->ssl = SSL_new(ctx);
    if (!c->ssl || SSL_set_fd(c->ssl, c->fd) != 1 || SSL_connect(c->ssl) != 1)
        die("the TLS handshake failed");
}

void client_open(struct client *c, int epfd, const struct client_target *t)
{
    *c = (struct client){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
    if (c->fd < 0)
        die("socket: %s", strerror(errno));
    if (t->rcvbuf)
        setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &t->rcvbuf, sizeof t->rcvbuf);
    if (connect(c->fd, (const struct sockaddr *)&t->address, sizeof t->address) != 0)
        die("connect: %s", strerror(errno));
    set_nodelay(c->fd);
    if (t->tls)
        shake_hands(c, t->tls);
    set_nonblock(c->fd);
    watch(c, epfd, EPOLLIN);
}

void client_close(struct client *c)
{
    SSL_free(c->ssl);
    c->ssl = NULL;
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

static bool send_request(struct client *c, int epfd, const struct client_target *t)
{
    uint64_t all = t->head_len + t->body_bytes;
    while (c->sent < all) {
        const void *from = t->head + c->sent;
        size_t n = c->sent < t->head_len ? t->head_len - (size_t)c->sent : 0;
        int flags = MSG_NOSIGNAL | (t->body_bytes ? MSG_MORE : 0);
        if (!n) {
            uint64_t offset = c->sent - t->head_len, left = t->body_bytes - offset;
            from = pattern_at(offset);
            n = left < BLOCK_BYTES ? (size_t)left : BLOCK_BYTES;
            flags = MSG_NOSIGNAL;
        }
        ssize_t k = put(c, from, n, flags);
        if (k < 0) {
            watch(c, epfd, EPOLLIN | EPOLLOUT);
            return errno == EAGAIN;
        }
        c->sent += (uint64_t)k;
    }
    c->writing = false;
    watch(c, epfd, EPOLLIN);
    return true;
}

void client_request(struct client *c, int epfd, const struct client_target *t, uint64_t start_ns)
{
    c->start_ns = start_ns;
    c->sent = c->body_seen = c->body_left = 0;
    c->in_len = 0;
    c->reading_body = c->closing = c->bad = false;
    c->writing = true;
    c->state = CLIENT_BUSY;
    send_request(c, epfd, t); /* a failure shows as an event too */
}

static void body(struct client *c, const struct client_target *t, const char *bytes, size_t n)
{
    for (size_t at = 0; t->check && at < n; at += BLOCK_BYTES) {
        size_t k = n - at < BLOCK_BYTES ? n - at : BLOCK_BYTES;
        if (memcmp(bytes + at, pattern_at(c->body_seen + at), k) != 0)
            c->bad = true;
    }
    c->body_seen += n;
    c->body_left -= n;
}

/* A head with its blank line, NUL in place of the last line feed. Only Content-Length framing is
 * known. */
static void read_head(struct client *c, const struct client_target *t)
{
    const char *length = strcasestr(c->in, "\r\ncontent-length:");
    const char *connection = strcasestr(c->in, "\r\nconnection:");
    c->closing = connection && strncasecmp(connection + 14, "close", 5) == 0;
    c->body_left = length ? strtoull(length + 17, NULL, 10) : 0;
    c->bad = strncmp(c->in, "HTTP/1.1 200 ", 13) != 0 || c->body_left != t->answer_bytes || !length;
    c->reading_body = true;
}

static enum client_state receive_head(struct client *c, const struct client_target *t)
{
    ssize_t n = get(c, c->in + c->in_len, sizeof c->in - c->in_len);
    if (n <= 0)
        return n < 0 && errno == EAGAIN ? CLIENT_BUSY : CLIENT_BROKEN;
    c->in_len += (size_t)n;
    char *stop = memmem(c->in, c->in_len, "\r\n\r\n", 4);
    if (!stop)
        return c->in_len == sizeof c->in ? CLIENT_BROKEN : CLIENT_BUSY;
    stop[3] = 0;
    read_head(c, t);
    size_t rest = c->in_len - (size_t)(stop + 4 - c->in);
    if (rest > c->body_left)
        return CLIENT_BROKEN;
    body(c, t, stop + 4, rest);
    return c->body_left ? CLIENT_BUSY : CLIENT_DONE;
}

static enum client_state receive(struct client *c, const struct client_target *t, size_t budget)
{
    size_t room = budget && budget < sizeof scratch ? budget : sizeof scratch;
    if (!c->reading_body) {
        enum client_state s = receive_head(c, t);
        if (s != CLIENT_BUSY || !c->reading_body || budget)
            return s;
    }
    ssize_t n = get(c, scratch, c->body_left < room ? (size_t)c->body_left : room);
    if (n <= 0)
        return n < 0 && errno == EAGAIN ? CLIENT_BUSY : CLIENT_BROKEN;
    body(c, t, scratch, (size_t)n);
    return c->body_left ? CLIENT_BUSY : CLIENT_DONE;
}

enum client_state client_event(struct client *c, int epfd, const struct client_target *t,
                               size_t budget)
{
    if (c->writing && !send_request(c, epfd, t))
        return c->state = CLIENT_BROKEN;
    enum client_state s;
    /* What waits inside TLS makes no event. */
    do
        s = receive(c, t, budget);
    while (s == CLIENT_BUSY && c->ssl && SSL_has_pending(c->ssl) && !budget);
    if (s == CLIENT_DONE) {
        c->used = true;
        if (c->writing) /* an answer before the body was sent: the bench expects none */
            c->bad = c->closing = true;
    }
    return c->state = s;
}

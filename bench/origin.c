/* The S3 of the bench: a TLS origin that costs little. GET /anything/NAME sends an object whose
 * NAME is its size (1k, 64k, 1m, 64m, or bytes), HEAD its headers, PUT swallows a body. One thread,
 * one epoll; keep-alive, session tickets, TLS 1.3 and 1.2. It offers one AES-128-GCM suite for
 * each, so that every proxy pays for the same cipher. */
#include "bench.h"

#include <ctype.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/queue.h>

enum { IN_BYTES = 16384, HEAD_BYTES = 512, TURN_BYTES = 1 << 20 };

struct conn {
    int fd;
    SSL *ssl;
    uint32_t armed;
    bool greeted; /* the handshake is over */
    bool answering, close_after;
    uint64_t body_in;             /* of a PUT, still to come */
    uint64_t body_out, body_sent; /* of a GET */
    size_t in_len, head_len, head_sent;
    uint64_t due_ns; /* when a delayed answer starts */
    TAILQ_ENTRY(conn) delayed;
    char in[IN_BYTES], head[HEAD_BYTES];
};

static TAILQ_HEAD(, conn) waiting = TAILQ_HEAD_INITIALIZER(waiting);
static int epfd;
static SSL_CTX *tls;
static uint64_t delay_ns;
static char scratch[BLOCK_BYTES];

static void watch(struct conn *c, uint32_t events)
{
    if (c->armed == events)
        return;
    struct epoll_event e = { .events = events, .data.ptr = c };
    epoll_ctl(epfd, EPOLL_CTL_MOD, c->fd, &e);
    c->armed = events;
}

static void end(struct conn *c)
{
    if (c->due_ns)
        TAILQ_REMOVE(&waiting, c, delayed);
    SSL_free(c->ssl);
    close(c->fd);
    free(c);
}

/* Why an SSL call did not work: wait for the right event, or give up. */
static bool blocked(struct conn *c, int result)
{
    switch (SSL_get_error(c->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        watch(c, EPOLLIN);
        return true;
    case SSL_ERROR_WANT_WRITE:
        watch(c, EPOLLOUT);
        return true;
    default:
        ERR_clear_error();
        return false;
    }
}

static uint64_t object_size(const char *path)
{
    size_t len = strcspn(path, " ?");
    const char *name = memrchr(path, '/', len);
    char *rest;
    uint64_t n = strtoull(name ? name + 1 : path, &rest, 10);
    int unit = tolower((unsigned char)*rest);
    return unit == 'k' ? n << 10 : unit == 'm' ? n << 20 : unit == 'g' ? n << 30 : n;
}

static const char *field(const char *head, const char *name)
{
    const char *at = strcasestr(head, name);
    return at ? at + strlen(name) : NULL;
}

/* `head` ends in NUL. Prepares the answer; its body starts once the request's is complete. */
static void request(struct conn *c, const char *head)
{
    const char *length = field(head, "\r\ncontent-length:"),
               *connection = field(head, "\r\nconnection:");
    const char *path = strchr(head, ' ');
    bool get = strncmp(head, "GET ", 4) == 0, is_head = strncmp(head, "HEAD ", 5) == 0;
    uint64_t size = path && (get || is_head) ? object_size(path + 1) : 0;
    c->close_after =
        connection && strncasecmp(connection + strspn(connection, " "), "close", 5) == 0;
    c->body_in = length ? strtoull(length, NULL, 10) : 0;
    c->body_out = get ? size : 0;
    c->body_sent = c->head_sent = 0;
    c->answering = true;
    c->head_len = (size_t)snprintf(
        c->head, sizeof c->head,
        "HTTP/1.1 200 OK\r\nx-amz-id-2: pxUwTnZl4xJ0h1mVq0m3hYf8Q7dV8g2kBqk1wZ7uJr9cT5sHnA==\r\n"
        "x-amz-request-id: 4442587FB7D0A2F9\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
        "Last-Modified: Wed, 31 Dec 2025 00:00:00 GMT\r\nETag: \"0123456789abcdef%016llx\"\r\n"
        "Accept-Ranges: bytes\r\nContent-Type: binary/octet-stream\r\nServer: AmazonS3\r\n"
        "Content-Length: %llu\r\n\r\n",
        (unsigned long long)size, (unsigned long long)size);
}

/* What comes next of the answer, head and body together, the same bytes until they are sent. */
static size_t compose(const struct conn *c)
{
    size_t head = c->head_len - c->head_sent, room = sizeof scratch - head;
    uint64_t left = c->body_out - c->body_sent;
    size_t body = left < room ? (size_t)left : room;
    memcpy(scratch, c->head + c->head_sent, head);
    memcpy(scratch + head, pattern_at(c->body_sent), body);
    return head + body;
}

static bool send_answer(struct conn *c)
{
    size_t turn = 0;
    while (c->head_sent < c->head_len || c->body_sent < c->body_out) {
        size_t n = compose(c);
        int sent = SSL_write(c->ssl, scratch, (int)n);
        if (sent <= 0)
            return blocked(c, sent);
        size_t head = c->head_len - c->head_sent, took = (size_t)sent;
        size_t of_head = took < head ? took : head;
        c->head_sent += of_head;
        c->body_sent += took - of_head;
        turn += took;
        if (turn >= TURN_BYTES) { /* the others' turn; this one is writable and comes again */
            watch(c, EPOLLOUT);
            return true;
        }
    }
    c->answering = false;
    watch(c, EPOLLIN);
    return !c->close_after;
}

/* Consumes what stands in c->in: a body's bytes or one head. Returns false when more must come. */
static bool take_input(struct conn *c)
{
    size_t took;
    if (c->answering) {
        took = c->body_in < c->in_len ? (size_t)c->body_in : c->in_len;
        c->body_in -= took;
    } else {
        const char *stop = memmem(c->in, c->in_len, "\r\n\r\n", 4);
        if (!stop)
            return false;
        took = (size_t)(stop - c->in) + 4;
        c->in[took - 2] = 0;
        request(c, c->in);
    }
    memmove(c->in, c->in + took, c->in_len - took);
    c->in_len -= took;
    return took > 0;
}

static bool answer_or_delay(struct conn *c)
{
    if (!delay_ns)
        return send_answer(c);
    c->due_ns = now_ns() + delay_ns;
    TAILQ_INSERT_TAIL(&waiting, c, delayed);
    watch(c, 0);
    return true;
}

static bool swallow(struct conn *c)
{
    while (c->body_in) {
        size_t want = c->body_in < sizeof scratch ? (size_t)c->body_in : sizeof scratch;
        int n = SSL_read(c->ssl, scratch, (int)want);
        if (n <= 0)
            return blocked(c, n);
        c->body_in -= (size_t)n;
    }
    return answer_or_delay(c);
}

static bool receive(struct conn *c)
{
    for (;;) {
        while (c->in_len && take_input(c) && (!c->answering || c->body_in)) {
        }
        if (c->answering && !c->in_len && c->body_in)
            return swallow(c);
        if (c->answering && !c->body_in)
            return answer_or_delay(c);
        if (c->in_len == sizeof c->in)
            return false;
        int n = SSL_read(c->ssl, c->in + c->in_len, (int)(sizeof c->in - c->in_len));
        if (n <= 0)
            return blocked(c, n);
        c->in_len += (size_t)n;
    }
}

static bool on_event(struct conn *c)
{
    if (!c->greeted) {
        int n = SSL_accept(c->ssl);
        if (n != 1)
            return blocked(c, n);
        c->greeted = true;
    }
    if (c->due_ns)
        return true;
    if (c->answering && c->body_in)
        return swallow(c);
    if (c->answering && !send_answer(c))
        return false;
    return c->answering || receive(c);
}

static void accept_all(int listener)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct conn *c = calloc(1, sizeof *c);
        if (!c || !(c->ssl = SSL_new(tls)) || !SSL_set_fd(c->ssl, fd))
            die("out of memory");
        c->fd = fd;
        c->armed = EPOLLIN;
        set_nodelay(fd);
        SSL_set_accept_state(c->ssl);
        struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
        if (epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &e) != 0)
            die("epoll_ctl: %s", strerror(errno));
    }
}

/* Starts the answers that are due; returns the milliseconds until the next one. */
static int run_delayed(void)
{
    struct conn *c;
    uint64_t now = delay_ns ? now_ns() : 0;
    while ((c = TAILQ_FIRST(&waiting))) {
        if (c->due_ns > now)
            return (int)((c->due_ns - now) / 1000000) + 1;
        TAILQ_REMOVE(&waiting, c, delayed);
        c->due_ns = 0;
        if (!send_answer(c) || (!c->answering && !receive(c)))
            end(c);
    }
    return -1;
}

static void tls_init(const char *cert, const char *key)
{
    tls = SSL_CTX_new(TLS_server_method());
    if (!tls || SSL_CTX_use_certificate_chain_file(tls, cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1)
        die("cannot use %s and %s", cert, key);
    SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
    SSL_CTX_set_options(tls, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(tls, 1);
    SSL_CTX_set_session_id_context(tls, (const unsigned char *)"bench", 5);
    if (SSL_CTX_set_ciphersuites(tls, "TLS_AES_128_GCM_SHA256") != 1 ||
        SSL_CTX_set_cipher_list(tls, "ECDHE-RSA-AES128-GCM-SHA256") != 1)
        die("the cipher is missing");
}

int main(int argc, char **argv)
{
    if (argc < 4 || argc > 5)
        die("usage: origin LISTEN CERT KEY [DELAY-MS]");
    signal(SIGPIPE, SIG_IGN);
    raise_nofile();
    delay_ns = argc == 5 ? strtoull(argv[4], NULL, 10) * 1000000u : 0;
    tls_init(argv[2], argv[3]);
    int listener = listen_on(argv[1]);
    epfd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = NULL }, events[256];
    if (epfd < 0 || epoll_ctl(epfd, EPOLL_CTL_ADD, listener, &e) != 0)
        die("epoll: %s", strerror(errno));
    for (;;) {
        int n = epoll_wait(epfd, events, 256, run_delayed());
        for (int i = 0; i < n; i++) {
            if (!events[i].data.ptr)
                accept_all(listener);
            else if (!on_event(events[i].data.ptr))
                end(events[i].data.ptr);
        }
    }
}

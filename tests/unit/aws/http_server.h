#pragma once
/*
 * A small HTTP server on loopback, in a thread: one request a connection, as a test's function
 * answers it. An empty answer closes the connection. Requests are kept, whole, for the test.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"

enum { SERVER_MAX_REQUESTS = 64 };

struct http_server;
typedef void answer_fn(struct http_server *server, struct str request, struct buf *out);

struct http_server {
    int fd;
    pthread_t thread;
    char url[64];
    answer_fn *answer;
    void *arg;
    pthread_mutex_t lock; /* around the rest */
    size_t n;
    struct buf requests[SERVER_MAX_REQUESTS];
};

static inline size_t server_head_end(struct str s)
{
    char *end = s.n > 0 ? memmem(s.p, s.n, "\r\n\r\n", 4) : NULL;
    return end != NULL ? (size_t)(end - s.p) + 4 : 0;
}

static inline size_t server_body_bytes(struct str head)
{
    struct str line;
    while (str_next(&head, '\n', &line)) {
        size_t colon = str_find(line, ':', 0);
        if (str_eq_nocase(str_first(line, colon), STR("content-length")))
            return (size_t)strtoul(line.p + colon + 1, NULL, 10);
    }
    return 0;
}

static inline void server_one(struct http_server *s, int peer)
{
    struct buf in, out;
    size_t end;
    buf_init(&in, 1 << 20);
    buf_init(&out, 1 << 24);
    while ((end = server_head_end(buf_str(&in))) == 0 ||
           in.n < end + server_body_bytes(str_first(buf_str(&in), end))) {
        char chunk[4096];
        ssize_t n = read(peer, chunk, sizeof chunk);
        if (n <= 0)
            break;
        buf_append(&in, str_of(chunk, (size_t)n));
    }
    s->answer(s, buf_str(&in), &out);
    pthread_mutex_lock(&s->lock); /* counted before the client can know the answer */
    if (s->n < SERVER_MAX_REQUESTS)
        s->requests[s->n++] = in;
    else
        buf_done(&in);
    pthread_mutex_unlock(&s->lock);
    for (size_t at = 0; at < out.n;) {
        ssize_t n = send(peer, out.p + at, out.n - at, MSG_NOSIGNAL);
        if (n <= 0)
            break;
        at += (size_t)n;
    }
    buf_done(&out);
}

static inline void *server_main(void *arg)
{
    struct http_server *s = arg;
    for (int peer; (peer = accept(s->fd, NULL, NULL)) >= 0; close(peer))
        server_one(s, peer);
    return NULL;
}

static inline void server_start(struct http_server *s, answer_fn *answer, void *arg)
{
    struct sockaddr_in me = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t n = sizeof me;
    *s = (struct http_server){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
                               .answer = answer,
                               .arg = arg };
    pthread_mutex_init(&s->lock, NULL);
    if (bind(s->fd, (struct sockaddr *)&me, n) != 0 || listen(s->fd, 16) != 0 ||
        getsockname(s->fd, (struct sockaddr *)&me, &n) != 0)
        abort();
    snprintf(s->url, sizeof s->url, "http://127.0.0.1:%u", ntohs(me.sin_port));
    if (pthread_create(&s->thread, NULL, server_main, s) != 0)
        abort();
}

/* No more requests come; those that came may be looked at until server_done. */
static inline void server_stop(struct http_server *s)
{
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
}

static inline void server_done(struct http_server *s)
{
    pthread_mutex_destroy(&s->lock);
    for (size_t i = 0; i < s->n; i++)
        buf_done(&s->requests[i]);
}

/* How many came so far. */
static inline size_t server_count(struct http_server *s)
{
    pthread_mutex_lock(&s->lock);
    size_t n = s->n;
    pthread_mutex_unlock(&s->lock);
    return n;
}

static inline void answer_with(struct buf *out, int status, const char *fields, const char *body)
{
    buf_printf(out, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\nConnection: close\r\n%s\r\n%s", status,
               strlen(body), fields, body);
}

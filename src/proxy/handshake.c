#include "proxy/handshake.h"

#include "obs/log.h"
#include "obs/metrics.h"

/* RFC 8446 section 5.1: what a ClientHello's record begins with, and no HTTP method does. */
enum { TLS_RECORD_HANDSHAKE = 22 };

/* Scanners fail all day long: what they did is for who asks, the number of them is a metric. */
static enum handshake fail(const struct client *c, const struct fault *f)
{
    char peer[ADDR_TEXT_BYTES];
    const SSL *ssl = c->stream->ssl;
    bool is_gone = f->sys_errno != 0 || (ssl != NULL && SSL_want(ssl) != SSL_NOTHING);
    metric_add(is_gone ? METRIC_CLIENT_TLS_GONE : METRIC_CLIENT_TLS_FAILED, 1);
    if (log_is_on(LOG_DEBUG))
        log_event(LOG_DEBUG, "tls_handshake", "%s: %s", addr_text(&c->peer, peer), f->detail);
    return HANDSHAKE_OVER;
}

/* By the first byte: HTTP in the clear, TLS, or nothing that a proxy knows, of which OpenSSL tells
 * the peer. */
static enum handshake begin(struct client *c)
{
    struct fault f = { .kind = FAULT_NONE };
    char first;
    switch (io_stream_peek(c->stream, &first, &f)) {
    case IO_OK:
        break;
    case IO_AGAIN:
        return HANDSHAKE_WAIT;
    default:
        metric_add(METRIC_CLIENT_TLS_GONE, 1);
        return HANDSHAKE_OVER;
    }
    if (first != TLS_RECORD_HANDSHAKE && ascii_is_alpha(first)) {
        metric_add(METRIC_CLIENT_TLS_PLAIN, 1);
        return HANDSHAKE_PLAIN;
    }
    if (c->proxy->tls != NULL &&
        io_stream_start_tls(c->stream, c->proxy->tls, STR(""), addr_port(&c->peer), &f))
        return HANDSHAKE_DONE;
    return fail(c, &f);
}

enum handshake handshake_go(struct client *c)
{
    struct fault f = { .kind = FAULT_NONE };
    if (c->stream->ssl == NULL) {
        enum handshake r = begin(c);
        if (r != HANDSHAKE_DONE)
            return r;
    }
    switch (io_stream_handshake(c->stream, &f)) {
    case IO_AGAIN:
        return HANDSHAKE_WAIT;
    case IO_OK:
        metric_add(METRIC_CLIENT_TLS_OK, 1);
        if (SSL_session_reused(c->stream->ssl))
            metric_add(METRIC_CLIENT_TLS_RESUMED, 1);
        return HANDSHAKE_DONE;
    default:
        return fail(c, &f);
    }
}

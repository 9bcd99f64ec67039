/* The floor: a relay between plain clients and a TLS origin that parses nothing. One thread, one
 * epoll, and the system calls that a proxy cannot do without: epoll_wait, read, SSL_write;
 * epoll_wait, SSL_read, write. Each client has one TLS connection of its own for as long as it
 * stays, so no message ever needs an end. No logs, no limits, no timeouts: what a proxy costs above
 * this is what its work costs. */
#include "bench.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/epoll.h>

struct relay;

/* One end of a relay; epoll points here. */
struct side {
    struct relay *relay;
    int fd;
    uint32_t armed; /* what epoll watches */
};

/* One direction: bytes read from one end that the other has not taken yet. They are read into one
 * buffer that all share, so that it stays in the cache, and copied here only when the other end is
 * full. */
struct flow {
    size_t from, to;
    char *kept;
};

struct relay {
    struct side client, origin;
    SSL *ssl;
    bool dead;
    bool drained; /* SSL holds nothing that could be read without an event */
    struct relay *next_dead;
    struct flow up, down;
};

static int epfd;
static SSL_CTX *tls;
static SSL_SESSION *session; /* the last ticket, for the next connection */
static struct sockaddr_in origin_address;
static const char *origin_name;
static struct relay *dead;
static char scratch[2 * BLOCK_BYTES];

enum { READS_PER_TURN = 16 };

static void watch(struct side *s, uint32_t events)
{
    if (s->armed == events)
        return;
    struct epoll_event e = { .events = events, .data.ptr = s };
    epoll_ctl(epfd, EPOLL_CTL_MOD, s->fd, &e);
    s->armed = events;
}

/* The other end's event may stand in the same batch, so the memory goes after it. */
static void end(struct relay *r)
{
    if (r->dead)
        return;
    r->dead = true;
    SSL_free(r->ssl);
    close(r->client.fd);
    close(r->origin.fd);
    r->next_dead = dead;
    dead = r;
}

static bool would_block(SSL *ssl, int result)
{
    int error = SSL_get_error(ssl, result);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

/* Each end is read only while nothing waits for the other: that is all the backpressure there is.
 */
static void rearm(struct relay *r)
{
    bool up = r->up.from < r->up.to, down = r->down.from < r->down.to;
    watch(&r->client, (up ? 0u : (uint32_t)EPOLLIN) | (down ? (uint32_t)EPOLLOUT : 0u));
    watch(&r->origin, (down ? 0u : (uint32_t)EPOLLIN) | (up ? (uint32_t)EPOLLOUT : 0u));
}

/* Sends what stands at `bytes` and remembers the rest, if the other end would not take all of it.
 */
static bool send_up(struct relay *r, const char *bytes)
{
    struct flow *f = &r->up;
    while (f->from < f->to) {
        int n = SSL_write(r->ssl, bytes + f->from, (int)(f->to - f->from));
        if (n <= 0)
            return would_block(r->ssl, n);
        f->from += (size_t)n;
    }
    f->from = f->to = 0;
    return true;
}

static bool send_down(struct relay *r, const char *bytes)
{
    struct flow *f = &r->down;
    while (f->from < f->to) {
        ssize_t n = write(r->client.fd, bytes + f->from, f->to - f->from);
        if (n < 0)
            return errno == EAGAIN;
        f->from += (size_t)n;
    }
    f->from = f->to = 0;
    return true;
}

static void keep(struct flow *f)
{
    if (f->from == f->to)
        return;
    if (!f->kept && !(f->kept = malloc(sizeof scratch)))
        die("out of memory");
    memcpy(f->kept + f->from, scratch + f->from, f->to - f->from);
}

static bool read_client(struct relay *r)
{
    ssize_t n = sizeof scratch;
    for (int i = 0; i < READS_PER_TURN && n == sizeof scratch && r->up.to == 0; i++) {
        n = read(r->client.fd, scratch, sizeof scratch);
        if (n <= 0)
            return n < 0 && errno == EAGAIN;
        r->up.to = (size_t)n;
        if (!send_up(r, scratch))
            return false;
        keep(&r->up);
    }
    return true;
}

/* Fills the buffer; a short record with nothing behind it ends the reading, as another SSL_read
 * would only meet EAGAIN. Returns the bytes, or -1 when the origin has gone. */
static ssize_t decrypt(struct relay *r)
{
    size_t n = 0;
    r->drained = false;
    while (n < sizeof scratch && !r->drained) {
        int got = SSL_read(r->ssl, scratch + n, (int)(sizeof scratch - n));
        if (got <= 0 && !would_block(r->ssl, got))
            return -1;
        if (got > 0)
            n += (size_t)got;
        r->drained = got <= 0 || (got < SSL3_RT_MAX_PLAIN_LENGTH && !SSL_has_pending(r->ssl));
    }
    return (ssize_t)n;
}

/* Until nothing comes or the client is full. */
static bool read_origin(struct relay *r)
{
    do {
        ssize_t n = decrypt(r);
        if (n < 0)
            return false;
        r->down.to = (size_t)n;
        if (!send_down(r, scratch))
            return false;
        keep(&r->down);
    } while (r->down.to == 0 && !r->drained);
    return true;
}

static int on_session(SSL *ssl, SSL_SESSION *s)
{
    SSL_SESSION_free(session);
    session = s;
    return 1; /* the reference is ours now */
}

static SSL *dial(int *fd)
{
    *fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*fd < 0 || connect(*fd, (struct sockaddr *)&origin_address, sizeof origin_address) != 0)
        die("connect to the origin: %s", strerror(errno));
    set_nodelay(*fd);
    SSL *ssl = SSL_new(tls);
    if (!ssl || !SSL_set_fd(ssl, *fd) || !SSL_set_tlsext_host_name(ssl, origin_name) ||
        !SSL_set1_host(ssl, origin_name))
        die("TLS setup failed");
    if (session)
        SSL_set_session(ssl, session);
    if (SSL_connect(ssl) != 1) {
        ERR_print_errors_fp(stderr);
        die("TLS handshake with the origin failed");
    }
    set_nonblock(*fd);
    return ssl;
}

static void add(struct side *s, struct relay *r, int fd)
{
    *s = (struct side){ .relay = r, .fd = fd, .armed = EPOLLIN };
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = s };
    if (epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &e) != 0)
        die("epoll_ctl: %s", strerror(errno));
}

static void accept_all(int listener)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct relay *r = calloc(1, sizeof *r);
        if (!r)
            die("out of memory");
        r->drained = true;
        set_nodelay(fd);
        int up;
        r->ssl = dial(&up);
        add(&r->client, r, fd);
        add(&r->origin, r, up);
    }
}

static void on_event(struct side *s, uint32_t events)
{
    struct relay *r = s->relay;
    bool ok = true;
    if (r->dead)
        return;
    if (s == &r->client) {
        if (events & EPOLLOUT)
            ok = send_down(r, r->down.kept);
        if (ok && events & (EPOLLIN | EPOLLHUP | EPOLLERR) && r->up.to == 0)
            ok = read_client(r);
    } else {
        if (events & EPOLLOUT)
            ok = send_up(r, r->up.kept);
        if (ok && events & (EPOLLIN | EPOLLHUP | EPOLLERR) && r->down.to == 0)
            ok = read_origin(r);
    }
    /* What SSL has taken from the socket already makes no event. */
    if (ok && r->down.to == 0 && !r->drained)
        ok = read_origin(r);
    if (ok)
        rearm(r);
    else
        end(r);
}

static void tls_init(const char *ca_file)
{
    tls = SSL_CTX_new(TLS_client_method());
    if (!tls || SSL_CTX_load_verify_locations(tls, ca_file, NULL) != 1)
        die("cannot read %s", ca_file);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_read_ahead(tls, 1);
    SSL_CTX_set_default_read_buffer_len(tls, sizeof scratch); /* eight records in one read */
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(tls, on_session);
}

int main(int argc, char **argv)
{
    if (argc != 5)
        die("usage: relay LISTEN ORIGIN ORIGIN-NAME CA-FILE");
    signal(SIGPIPE, SIG_IGN);
    raise_nofile();
    origin_address = parse_address(argv[2]);
    origin_name = argv[3];
    tls_init(argv[4]);
    int listener = listen_on(argv[1]);
    epfd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = NULL }, events[256];
    if (epfd < 0 || epoll_ctl(epfd, EPOLL_CTL_ADD, listener, &e) != 0)
        die("epoll: %s", strerror(errno));
    for (;;) {
        int n = epoll_wait(epfd, events, 256, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr)
                on_event(events[i].data.ptr, events[i].events);
            else
                accept_all(listener);
        }
        while (dead) {
            struct relay *r = dead;
            dead = r->next_dead;
            free(r->up.kept);
            free(r->down.kept);
            free(r);
        }
    }
}

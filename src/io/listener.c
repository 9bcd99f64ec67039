#include "io/listener.h"

#include "io/bind.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    ACCEPTS_PER_TURN = 64, /* so that a flood of connections leaves turns to those that stand */
    BACKLOG = 4096,        /* net.core.somaxconn cuts it */
    PAUSE_MS = 100,
};

static void on_poll(uv_poll_t *h, int status, int events);

static void on_pause_over(struct io_timer *t)
{
    struct io_listener *l =
        (struct io_listener *)(void *)((char *)t - offsetof(struct io_listener, pause));
    uv_poll_start(l->poll, UV_READABLE, on_poll);
}

/* The connection waits in the backlog and keeps the socket readable: without a pause we would spin.
 */
static void pause_accepting(struct io_listener *l)
{
    uv_poll_stop(l->poll);
    io_timer_arm(l->loop, &l->pause, PAUSE_MS);
}

static bool is_out_of_something(int e)
{
    return e == EMFILE || e == ENFILE || e == ENOBUFS || e == ENOMEM;
}

static void accept_all(struct io_listener *l, int most)
{
    for (int i = 0; i < most && l->fd >= 0; i++) {
        struct addr peer = { 0 };
        socklen_t n = sizeof peer;
        int fd = accept4(l->fd, &peer.sa, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (is_out_of_something(errno))
                pause_accepting(l);
            if (errno == ECONNABORTED || errno == EINTR)
                continue;
            return;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
        addr_unmap(&peer);
        l->on_accept(l, fd, &peer);
    }
}

static void on_poll(uv_poll_t *h, int status, int events)
{
    struct io_listener *l = h->data;
    if (status < 0) {
        pause_accepting(l);
        return;
    }
    accept_all(l, ACCEPTS_PER_TURN);
}

/* A socket bound to `at`, or -1 with errno. */
static int bind_at(const struct addr *at, bool reuse_port)
{
    int fd = socket(at->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int one = 1, zero = 0;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (at->sa.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&at->v6.sin6_addr))
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    if ((reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) != 0) ||
        io_bind(fd, at) != 0) {
        int e = errno;
        close(fd);
        errno = e;
        return -1;
    }
    return fd;
}

/* EADDRNOTAVAIL: the module is there and disable_ipv6 is set. */
static bool lacks_ipv6(int e)
{
    return e == EAFNOSUPPORT || e == EADDRNOTAVAIL;
}

static void set_listen_fault(struct fault *f, const struct addr *at, int e)
{
    char text[ADDR_TEXT_BYTES];
    fault_set(f, FAULT_SYSTEM, "listen", "%s: %s", addr_text(at, text), strerror(e));
    f->sys_errno = e;
}

/* Like bind_at, with the fallback from [::]; what it bound to is noted in `bound`. */
static int bind_or_fault(const struct addr *at, bool reuse_port, struct addr *bound,
                         struct fault *f)
{
    *bound = *at;
    int fd = bind_at(at, reuse_port);
    if (fd < 0 && lacks_ipv6(errno) && at->sa.sa_family == AF_INET6 &&
        IN6_IS_ADDR_UNSPECIFIED(&at->v6.sin6_addr)) {
        addr_from_bytes(AF_INET, (const uint8_t[4]){ 0 }, addr_port(at), bound);
        fd = bind_at(bound, reuse_port);
    }
    if (fd < 0)
        set_listen_fault(f, at, errno);
    socklen_t n = sizeof *bound;
    if (fd >= 0)
        getsockname(fd, &bound->sa, &n);
    return fd;
}

bool io_listener_bind(struct io_listener *l, const struct addr *at, bool reuse_port,
                      struct fault *f)
{
    l->poll = NULL;
    l->fd = bind_or_fault(at, reuse_port, &l->local, f);
    l->is_bound = l->fd >= 0;
    return l->is_bound;
}

bool io_listener_listen(struct io_listener *l, struct fault *f)
{
    if (listen(l->fd, BACKLOG) == 0)
        return true;
    set_listen_fault(f, &l->local, errno);
    return false;
}

bool io_listener_start(struct io_listener *l, struct io_loop *loop, struct fault *f)
{
    l->loop = loop;
    l->pause = (struct io_timer){ .on_fire = on_pause_over };
    l->poll = malloc(sizeof *l->poll);
    if (l->poll == NULL)
        return fault_set(f, FAULT_NO_MEMORY, "listen", NULL);
    int e = uv_poll_init(&loop->uv, l->poll, l->fd);
    if (e != 0) {
        free(l->poll);
        l->poll = NULL;
        return fault_sys(f, FAULT_SYSTEM, "listen", -e);
    }
    l->poll->data = l;
    uv_poll_start(l->poll, UV_READABLE, on_poll);
    return true;
}

bool io_listener_open(struct io_listener *l, struct io_loop *loop, const struct addr *at,
                      bool reuse_port, struct fault *f)
{
    if (io_listener_bind(l, at, reuse_port, f) && io_listener_listen(l, f) &&
        io_listener_start(l, loop, f))
        return true;
    io_listener_close(l);
    return false;
}

bool io_listener_is_free(const struct addr *at, struct fault *f)
{
    struct addr bound;
    int fd = bind_or_fault(at, false, &bound, f);
    if (fd < 0)
        return false;
    close(fd);
    return true;
}

void io_listener_close(struct io_listener *l)
{
    if (!l->is_bound)
        return;
    if (l->poll != NULL) {
        io_timer_disarm(l->loop, &l->pause);
        io_close_and_free(l->poll);
        l->poll = NULL;
    }
    close(l->fd);
    l->fd = -1;
    l->is_bound = false;
}

void io_listener_retire(struct io_listener *l)
{
    if (l->poll != NULL)
        accept_all(l, BACKLOG);
    io_listener_close(l);
}

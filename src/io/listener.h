#pragma once
/* A listening TCP socket of one worker (SO_REUSEPORT when there are several). */
#include "base/fault.h"
#include "codec/addr.h"
#include "io/loop.h"
#include "io/timer.h"

struct io_listener {
    void *owner;
    /*
     * fd is the callee's: non-blocking, close-on-exec, TCP_NODELAY. An IPv4 peer of a dual-stack
     * socket comes as IPv4. The listener may be closed in here, not freed.
     */
    void (*on_accept)(struct io_listener *l, int fd, const struct addr *peer);
    struct addr local; /* with the port that was given, where 0 was asked for */
    /* private */
    struct io_loop *loop;
    uv_poll_t *poll; /* outlives the listener until the loop has closed it */
    struct io_timer pause;
    int fd;
    bool is_bound;
};

/*
 * Binds and listens. [::] is dual stack; where the host has no IPv6, it falls back to 0.0.0.0.
 * Out of descriptors: accepting pauses 100 ms at a time instead of spinning.
 */
bool io_listener_open(struct io_listener *l, struct io_loop *loop, const struct addr *at,
                      bool reuse_port, struct fault *f);
void io_listener_close(struct io_listener *l);

/*
 * The same in steps, for addresses that are to be had before anything else changes. The first two
 * may run on any thread. bind: nobody can connect yet. listen: what connects waits, and nobody else
 * can have the address. start: what waits is accepted. io_listener_close is right after each of
 * them.
 */
bool io_listener_bind(struct io_listener *l, const struct addr *at, bool reuse_port,
                      struct fault *f);
bool io_listener_listen(struct io_listener *l, struct fault *f);
bool io_listener_start(struct io_listener *l, struct io_loop *loop, struct fault *f);
/* Takes what has connected already, and closes then: for an address that is given up while the
 * process goes on. */
void io_listener_retire(struct io_listener *l);

/*
 * Whether nobody has the address, other processes' SO_REUSEPORT included. Binds without listening:
 * what connects meanwhile is refused, and tries again; a listener that closes would reset it.
 */
bool io_listener_is_free(const struct addr *at, struct fault *f);

#pragma once
/*
 * A byte stream: TCP, or TLS over TCP, without buffering of its own. The owner asks to be told when
 * the stream is ready and then reads or writes; readiness is level-triggered. The owner decides
 * when to read, so backpressure is not reading. A stream is allocated here and freed at the end of
 * the turn in which it is closed, so its owner may die at once.
 */
#include "base/fault.h"
#include "codec/addr.h"
#include "io/loop.h"
#include "io/tls.h"

#include <sys/uio.h>

enum { IO_READ = 1, IO_WRITE = 2 };

struct io_stream {
    void *owner;
    /* events: those of IO_READ, IO_WRITE that were wanted and may go on now. Errors and hang-ups
     * come as both. */
    void (*on_ready)(struct io_stream *s, unsigned events);
    struct io_loop *loop;
    int fd;
    SSL *ssl; /* NULL on plain TCP */
    /* private */
    uv_poll_t poll;
    struct io_wire wire;
    struct io_task again; /* tells of bytes that wait inside TLS */
    unsigned wanted;      /* what the owner asked for */
    unsigned polled;      /* what the kernel is asked for */
    uint8_t read_waits;   /* TLS: what a read waits for: IO_READ, or IO_WRITE during a key update */
    uint8_t write_waits;
    unsigned long
        tls_error;    /* OpenSSL's code, of a failure that waits until read bytes were handed out */
    uint32_t n_retry; /* TLS: length of the record that is under way and must be offered again */
    bool is_closed;
    bool is_tls_dead; /* SSL_ERROR_SSL or SYSCALL happened: no SSL_shutdown */
    bool is_ended;    /* close_notify was sent */
    bool may_hold;    /* TLS: the last read ended because its cap was full */
};

enum io_result { IO_OK, IO_AGAIN, IO_EOF, IO_FAILED };

/* Takes over a connected or connecting non-blocking socket. NULL without memory (fd stays the
 * caller's). */
struct io_stream *io_stream_new(struct io_loop *l, int fd);
/*
 * Sockets of our own: non-blocking, close-on-exec, TCP_NODELAY. -1 and errno on failure; in
 * progress is success. One that is silent for half a minute is probed, so that a peer that is gone
 * is found out although nothing is sent to it, and no device in between forgets the connection.
 */
int io_connect(const struct addr *to, int *sys_errno);
/* After IO_WRITE on a connecting socket: 0, or the errno with which the connection failed. */
int io_connect_result(struct io_stream *s);

/* For how many milliseconds nothing has come from a peer that owes us acknowledgements of what we
 * sent, again and again by now; 0 when it owes none. */
uint64_t io_stream_unheard_ms(const struct io_stream *s);

/*
 * The next byte, which stays where it is: what the peer speaks is known by it. Not once TLS was
 * started. Results as io_stream_read's.
 */
enum io_result io_stream_peek(struct io_stream *s, char *byte, struct fault *f);
/* Starts TLS on a connected stream; then call io_stream_handshake whenever the stream is ready. */
bool io_stream_start_tls(struct io_stream *s, struct io_tls *t, struct str host, uint16_t port,
                         struct fault *f);
/* IO_OK when the handshake is done; IO_AGAIN after having asked the loop for what it waits for. */
enum io_result io_stream_handshake(struct io_stream *s, struct fault *f);

/* TLS: the peer has ended the connection, if only its half of it. */
bool io_stream_is_at_end(const struct io_stream *s);

/*
 * At most cap bytes into p; *n is how many. IO_AGAIN: nothing now. IO_EOF: an orderly end (FIN, and
 * on TLS close_notify first; a TLS stream that ends without close_notify is IO_FAILED with
 * UPSTREAM_CLOSED). On TLS it goes on over records until cap is full or the socket is empty.
 */
enum io_result io_stream_read(struct io_stream *s, void *p, size_t cap, size_t *n, struct fault *f);
/*
 * Writes what goes; *n may be short. IO_AGAIN when nothing went. What did not go must come first in
 * the next call, and not shortened: on TLS it may be encrypted already. SIGPIPE never happens.
 */
enum io_result io_stream_writev(struct io_stream *s, const struct iovec *v, int n_v, size_t *n,
                                struct fault *f);
/*
 * TLS: bytes may wait inside (a read says whether). While IO_READ is wanted, on_ready tells of them
 * as it does of bytes in the socket. Always false on plain TCP.
 */
bool io_stream_has_pending(const struct io_stream *s);

/* Replaces the set of wanted events. 0 stops them (hang-ups too). */
void io_stream_want(struct io_stream *s, unsigned events);

/*
 * Sends FIN; on TLS close_notify first. IO_AGAIN: there is no room for that yet, so call again when
 * the stream is ready for writing; a peer that gets FIN alone takes what it has for cut.
 */
enum io_result io_stream_shutdown(struct io_stream *s);
/* Orderly close: close_notify best effort, then close(2). NULL is fine. No callback runs after it.
 */
void io_stream_close(struct io_stream *s);
/* RST, so that the peer cannot take a cut body for a whole one. */
void io_stream_reset(struct io_stream *s);

#pragma once
/*
 * The forwarder's insides, for the front files alone.
 *
 * front.c decides what becomes of a request and keeps the questions in flight; front_places.c has
 * the sockets; front_udp.c, front_send.c and front_tcp.c move bytes. A question in flight belongs
 * to dns_front; its TCP connection lists it, and cancels it when it closes.
 */
#include "dns/forward.h"
#include "dns/front.h"
#include "dns/front_clients.h"
#include "dns/reply.h"
#include "io/listener.h"
#include "io/stream.h"

enum {
    FRONT_MAX_QUESTIONS = 4096, /* in flight in a worker */
    FRONT_MAX_CLIENT_QUESTIONS = FRONT_MAX_QUESTIONS / 4,
    FRONT_QUESTION_BUCKETS = 4096,
    FRONT_MAX_CONNS = 1024,
    FRONT_LEAST_CONNS = 4,         /* however few descriptors there are */
    FRONT_MAX_STRANGERS = 64,      /* of them, from addresses that may not ask: they hear REFUSED */
    FRONT_MAX_CONN_QUESTIONS = 32, /* in flight of one connection */
    FRONT_CONN_BYTES = 16 << 20,   /* in the buffers of all connections */
    FRONT_BATCH = 64,              /* datagrams for a system call */
    FRONT_REQUEST_BYTES = 1280,    /* over UDP; none that is meant well comes near */
    FRONT_CONTROL_BYTES = 64,
    FRONT_GROUP_CONTROL_BYTES = FRONT_CONTROL_BYTES + CMSG_SPACE(sizeof(uint16_t)),
};

struct front_socket {
    struct dns_front *front;
    uv_poll_t *poll; /* outlives it until the loop has closed it */
    int fd;
    bool is_apart;        /* the kernel does not take answers in groups here */
    unsigned n_questions; /* in flight */
};

/* For the turn: what came, and what goes. Sockets bound to a wildcard tell in a control message
 * which address a datagram came to; it is answered from there. */
struct front_batch {
    struct mmsghdr in[FRONT_BATCH], out[FRONT_BATCH];
    struct iovec in_at[FRONT_BATCH], out_at[FRONT_BATCH];
    struct sockaddr_in6 peers[FRONT_BATCH];
    _Alignas(struct cmsghdr) uint8_t controls[FRONT_BATCH][FRONT_CONTROL_BYTES];
    uint8_t requests[FRONT_BATCH][FRONT_REQUEST_BYTES];
    /* Of out, in groups: front_send.c. */
    struct mmsghdr groups[FRONT_BATCH];
    struct iovec group_at[FRONT_BATCH];
    _Alignas(struct cmsghdr) uint8_t group_controls[FRONT_BATCH][FRONT_GROUP_CONTROL_BYTES];
};

/* Where the answer to a datagram goes. */
struct front_return {
    struct front_socket *socket;
    struct addr peer; /* as the socket gave it: IPv4 may be mapped */
    uint8_t n_control;
    _Alignas(struct cmsghdr) uint8_t control[FRONT_CONTROL_BYTES];
};

struct front_conn;

struct front_question {
    struct list node;      /* in its bucket */
    struct list conn_node; /* in its connection's list */
    struct dns_front *front;
    struct front_client *client;
    struct front_conn *conn; /* NULL: over UDP */
    struct front_return back;
    struct addr peer; /* who asked; never mapped */
    struct dns_request request;
    struct dns_forward forward;
    enum front_limit limit;
};

/* An address. One that was given up stays until its last question over UDP has its answer. */
struct front_place {
    struct list node;
    struct dns_front *front; /* NULL: nobody's yet */
    struct addr at;          /* as the setting has it */
    struct io_listener tcp;
    struct front_socket udp;
    bool is_given_up;
};

struct dns_front_sockets {
    struct list places;
};

struct dns_front {
    struct io_loop *loop;
    struct dns_engine *engine;
    const struct conf *conf;
    struct front_clients *clients;
    struct list places;
    bool is_running; /* it has used its loop */
    struct front_batch *batch;
    struct buf out;           /* replies of a batch, or one that was waited for */
    struct addr last_allowed; /* the access list is long, and most clients ask again */
    unsigned n_questions;
    struct list questions[FRONT_QUESTION_BUCKETS];
    struct list conns;  /* the one that was busy last is the last */
    unsigned max_conns; /* FRONT_MAX_CONNS, or half of the worker's descriptors */
    unsigned n_conns, n_strangers;
    size_t conn_bytes;                         /* in their buffers */
    uint64_t told_refused_ms, told_limited_ms; /* DNS_EVENT_CLIENT_*, next not before */
    bool is_draining;
    struct io_timer drain_timer;
    void (*on_drained)(void *arg);
    void *drained_arg;
};

/* front.c */

enum front_verdict {
    FRONT_ANSWERED, /* a reply was appended */
    FRONT_DROPPED,  /* nothing is said */
    FRONT_TO_ASK,   /* front_ask takes it on */
};
bool front_is_allowed(struct dns_front *f, const struct addr *peer);
/* All that needs no waiting. */
enum front_verdict front_serve(struct dns_front *f, const struct dns_request *request,
                               enum dns_request_read read, const struct addr *peer,
                               size_t max_bytes, struct buf *out);
/*
 * Takes on a question of conn, or of a datagram that came the way back says. ANSWERED: there are
 * too many, and out says so. DROPPED: it was taken on (or is a repetition of one that is in
 * flight); the answer goes out later.
 */
enum front_verdict front_ask(struct dns_front *f, const struct dns_request *request,
                             const struct addr *peer, struct front_conn *conn,
                             const struct front_return *back, size_t max_bytes, struct buf *out);
/* The answer to a question that is over. */
enum dns_replied front_write_answer(struct front_question *q, size_t max_bytes, struct buf *out);
void front_question_cancel(struct front_question *q);
/* The reply that stands at message was given. */
void front_count_reply(const uint8_t *message);
void front_look_if_drained(struct dns_front *f);

/* front_places.c */

bool front_places_set(struct dns_front *f, struct dns_front_sockets *s, struct fault *fault);
/* A question over UDP has ended. */
void front_socket_leave(struct front_socket *s);
/* No more questions; answers can still be sent. */
void front_places_stop(struct dns_front *f);
void front_places_close(struct dns_front *f);

/* front_udp.c */

void front_udp_prepare(struct front_batch *b);
bool front_udp_bind(struct front_socket *s, const struct addr *at, bool reuse_port,
                    struct fault *fault);
bool front_udp_start(struct front_socket *s, struct dns_front *f, struct fault *fault);
bool front_udp_is_free(const struct addr *at, struct fault *fault);
/* No more questions; answers can still be sent. */
void front_udp_stop(struct front_socket *s);
void front_udp_close(struct front_socket *s);
void front_udp_send(const struct front_return *back, struct str reply);

/* front_send.c */

/* The first n of the batch's out. What cannot be sent is counted and gone. */
void front_send_batch(struct front_socket *s, struct front_batch *b, unsigned n);

/* front_tcp.c */

void front_tcp_accept(struct io_listener *l, int fd, const struct addr *peer);
/* One of its questions is in flight; node takes it out. */
void front_tcp_take(struct front_conn *c, struct list *node);
/* The answer to one of its questions; false: there is no room for it. */
bool front_tcp_write_answer(struct front_conn *c, struct front_question *q);
/* After a question of it has ended. */
void front_tcp_go_on(struct front_conn *c, bool is_written);
void front_tcp_close_idle(struct dns_front *f); /* draining */
void front_tcp_close_all(struct dns_front *f);

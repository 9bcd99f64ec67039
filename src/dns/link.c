#include "dns/link.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    /* What a new connection costs besides its questions: SYN, its last ACK, FIN. */
    OPEN_PACKETS = 3,
    READS_A_TURN = 8,
};

struct dns_link {
    struct list node; /* in the engine */
    struct dns_engine *engine;
    struct dns_server *server; /* referenced */
    struct io_stream *stream;  /* NULL: closed, and freed at the end of the turn */
    struct io_timer idle;
    struct io_task burial;
    struct list asks;
    unsigned n_asks;
    unsigned n_sent, n_messages, n_answers;
    bool is_connected, is_retired, is_alone;
    struct buf out;
    size_t out_at;
    struct dns_frames in;
};

/* A message that is being looked at may stand in the buffers until here. */
static void on_burial(struct io_task *t)
{
    struct dns_link *l = LIST_ENTRY(t, struct dns_link, burial);
    buf_done(&l->out);
    dns_frames_done(&l->in);
    free(l);
}

static void close_link(struct dns_link *l)
{
    list_remove(&l->node);
    l->engine->n_links--;
    io_timer_disarm(l->engine->loop, &l->idle);
    io_stream_close(l->stream);
    l->stream = NULL;
    dns_shared_server_unref(l->engine->shared, l->server);
    io_defer(l->engine->loop, &l->burial);
}

static void break_link(struct dns_link *l)
{
    bool was_well = l->n_answers > 0;
    close_link(l);
    /* Callbacks may take other questions off as well. */
    while (!list_is_empty(&l->asks)) {
        struct dns_link_ask *a = LIST_ENTRY(l->asks.next, struct dns_link_ask, node);
        dns_link_leave(a);
        a->on_broken(a, was_well);
    }
}

static void on_idle(struct io_timer *t)
{
    close_link(LIST_ENTRY(t, struct dns_link, idle));
}

static struct dns_link *find_link(struct dns_engine *e, const struct dns_server *server)
{
    LIST_EACH (it, after, &e->links) {
        struct dns_link *l = LIST_ENTRY(it, struct dns_link, node);
        if (l->server == server && !l->is_retired && !l->is_alone)
            return l;
    }
    return NULL;
}

void dns_link_leave(struct dns_link_ask *a)
{
    struct dns_link *l = a->link;
    if (l == NULL)
        return;
    list_remove(&a->node);
    a->link = NULL;
    if (--l->n_asks > 0 || l->stream == NULL)
        return;
    if (l->is_retired || l->n_answers == 0 ||
        (l->is_alone && find_link(l->engine, l->server) != NULL)) {
        close_link(l);
        return;
    }
    l->is_alone = false;
    io_timer_arm(l->engine->loop, &l->idle, DNS_LINK_IDLE_MS);
}

bool dns_link_is_quiet(const struct dns_link_ask *a)
{
    return a->link != NULL && a->link->n_messages == a->n_before;
}

void dns_link_give_up(struct dns_link_ask *a)
{
    if (dns_link_is_quiet(a))
        a->link->is_retired = true;
    dns_link_leave(a);
}

void dns_links_close(struct dns_engine *e)
{
    while (!list_is_empty(&e->links))
        close_link(LIST_ENTRY(e->links.next, struct dns_link, node));
}

/* -- bytes -------------------------------------------------------------------------------- */

static void deliver(struct dns_link *l, struct str message)
{
    l->n_messages++;
    if (message.n < DNS_HEADER_BYTES)
        return;
    const uint8_t *p = (const uint8_t *)message.p;
    uint16_t id = (uint16_t)(p[0] << 8 | p[1]);
    LIST_EACH (it, after, &l->asks) {
        struct dns_link_ask *a = LIST_ENTRY(it, struct dns_link_ask, node);
        if (a->id == id) {
            l->n_answers++;
            a->on_reply(a, message);
            return;
        }
    }
}

/* False: broken, and l is not to be looked at any more. */
static bool read_some(struct dns_link *l)
{
    struct fault f = { 0 };
    for (unsigned i = 0; i < READS_A_TURN; i++) {
        struct str message;
        size_t room, n = 0;
        char *to = dns_frames_room(&l->in, &room);
        enum io_result r = to != NULL ? io_stream_read(l->stream, to, room, &n, &f) : IO_FAILED;
        if (r == IO_AGAIN)
            return true;
        if (r != IO_OK)
            return false;
        dns_frames_add(&l->in, n);
        while (dns_frames_next(&l->in, &message)) {
            deliver(l, message);
            if (l->stream == NULL)
                return true;
            if (l->n_messages > l->n_sent + DNS_LINK_MAX_STRAYS)
                return false;
        }
        if (n < room)
            return true;
    }
    return true;
}

static bool write_some(struct dns_link *l)
{
    struct fault f = { 0 };
    while (l->out_at < l->out.n) {
        struct iovec v = { l->out.p + l->out_at, l->out.n - l->out_at };
        size_t n = 0;
        enum io_result r = io_stream_writev(l->stream, &v, 1, &n, &f);
        if (r == IO_AGAIN)
            return true;
        if (r != IO_OK)
            return false;
        l->out_at += n;
    }
    buf_clear(&l->out);
    l->out_at = 0;
    io_stream_want(l->stream, IO_READ);
    return true;
}

static void on_ready(struct io_stream *stream, unsigned events)
{
    struct dns_link *l = stream->owner;
    bool ok = l->is_connected || io_connect_result(stream) == 0;
    if (ok && !l->is_connected) {
        l->is_connected = true;
        io_stream_want(stream, IO_READ | IO_WRITE);
        events = IO_WRITE;
    }
    /* What came before the end counts, though there be no more writing. */
    if (ok && (events & IO_READ) != 0)
        ok = read_some(l);
    if (ok && l->stream != NULL && (events & IO_WRITE) != 0)
        ok = write_some(l);
    if (!ok)
        break_link(l);
}

bool dns_is_our_lack(int sys_errno)
{
    return sys_errno == EMFILE || sys_errno == ENFILE || sys_errno == ENOBUFS ||
           sys_errno == ENOMEM || sys_errno == EAGAIN || sys_errno == EADDRNOTAVAIL;
}

/* -- questions ---------------------------------------------------------------------------- */

/* NULL: *outcome says why. */
static struct dns_link *open_link(struct dns_engine *e, struct dns_server *server, bool alone,
                                  enum dns_outcome *outcome)
{
    int sys_errno = ENOMEM;
    int fd = e->n_links < DNS_MAX_LINKS ? io_connect(&server->addr, &sys_errno) : -1;
    *outcome = fd < 0 && !dns_is_our_lack(sys_errno) ? DNS_UNREACHABLE : DNS_NOT_SENT;
    if (fd < 0)
        return NULL;
    struct dns_link *l = calloc(1, sizeof *l);
    struct io_stream *stream = l != NULL ? io_stream_new(e->loop, fd) : NULL;
    if (stream == NULL) {
        close(fd);
        free(l);
        return NULL;
    }
    stream->owner = l;
    stream->on_ready = on_ready;
    l->engine = e;
    l->server = dns_shared_server_ref(e->shared, server);
    l->stream = stream;
    l->is_alone = alone;
    l->idle.on_fire = on_idle;
    l->burial.on_run = on_burial;
    list_init(&l->asks);
    buf_init(&l->out, (size_t)DNS_LINK_MAX_ASKS * DNS_LINK_QUERY_BYTES);
    dns_frames_init(&l->in);
    list_push_back(&e->links, &l->node);
    e->n_links++;
    return l;
}

static bool spend(struct dns_engine *e, struct dns_server *server, unsigned n_packets)
{
    pthread_mutex_lock(&e->shared->lock);
    bool ok = dns_server_spend(server, n_packets, io_now_ms(e->loop));
    pthread_mutex_unlock(&e->shared->lock);
    return ok;
}

static uint16_t unused_id(struct dns_link *l)
{
    for (;;) {
        uint16_t id = dns_engine_id(l->engine);
        bool is_used = false;
        LIST_EACH (it, after, &l->asks)
            is_used |= LIST_ENTRY(it, struct dns_link_ask, node)->id == id;
        if (!is_used)
            return id;
    }
}

static bool enqueue(struct dns_link *l, struct dns_link_ask *a, uint8_t *framed, size_t n)
{
    a->id = unused_id(l);
    framed[0] = (uint8_t)(n >> 8);
    framed[1] = (uint8_t)n;
    framed[2] = (uint8_t)(a->id >> 8);
    framed[3] = (uint8_t)a->id;
    buf_drop(&l->out, l->out_at);
    l->out_at = 0;
    buf_append(&l->out, str_of((const char *)framed, 2 + n));
    return !l->out.failed;
}

bool dns_link_ask(struct dns_link_ask *a, struct dns_engine *e, struct dns_server *server,
                  uint8_t *framed, size_t n, bool alone, enum dns_outcome *outcome)
{
    struct dns_link *l = alone ? NULL : find_link(e, server);
    *outcome = DNS_OVER_BUDGET;
    if ((l != NULL && l->n_asks == DNS_LINK_MAX_ASKS) ||
        !spend(e, server, l != NULL ? 1 : 1 + OPEN_PACKETS))
        return false;
    *outcome = DNS_NOT_SENT;
    if (l == NULL)
        l = open_link(e, server, alone, outcome);
    if (l == NULL)
        return false;
    *outcome = DNS_UNREACHABLE;
    if (!enqueue(l, a, framed, n)) {
        /* The server takes nothing more, or there is no memory. */
        l->out.failed = false;
        l->is_retired = true;
        if (l->n_asks == 0)
            close_link(l);
        return false;
    }
    a->link = l;
    a->is_reused = l->n_answers > 0;
    a->n_before = l->n_messages;
    list_push_back(&l->asks, &a->node);
    l->n_asks++;
    l->n_sent++;
    io_timer_disarm(e->loop, &l->idle);
    io_stream_want(l->stream, l->is_connected ? IO_READ | IO_WRITE : IO_WRITE);
    return true;
}

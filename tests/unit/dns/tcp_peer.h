#pragma once
/*
 * A rig with one server whose TCP side is scripted by its manner, and single questions (exchanges)
 * to it. The server's UDP side is the rig's.
 */
#include "rig.h"

#include "dns/exchange.h"

enum { MAX_CONNS = 300, MAX_QUESTIONS = 300 };

/* What the server does on a connection. */
enum manner {
    IN_ORDER,
    REVERSED,      /* waits for wave questions, answers the last one first */
    ONE_BYTE,      /* a byte each turn of the loop */
    ONE_EACH,      /* one answer, then it closes */
    CLOSES_FIRST,  /* without an answer */
    SHUTS_QUIETLY, /* answers wave questions; the next one finds the connection closed */
    DEAF_LATER,    /* answers wave questions, then nothing more */
    DEAF,
    HALF,       /* the beginning of an answer */
    JUNK_FIRST, /* lengths 0 and 3, another ID, another question; then what was asked for */
    JUNK_WITHOUT_END,
    TRUNCATES,
    NO_EDNS_THERE, /* FORMERR to EDNS */
    TWICE,         /* each answer two times */
};

struct conn {
    struct peer *peer;
    struct io_stream *stream;
    struct io_task more; /* ONE_BYTE */
    struct dns_frames in;
    struct buf out;
    size_t out_at;
    unsigned n_answers, n_held;
    struct dns_msg *held[MAX_QUESTIONS];
};

struct peer {
    struct rig *rig;
    struct io_listener tcp;
    enum manner manner, later; /* later: from the second connection on */
    unsigned wave;
    unsigned n_conns, n_questions, n_open, most_open;
    bool has_equal_ids;
    struct conn *conns[MAX_CONNS];
};

/* One question, and what became of it. */
struct one {
    struct rig *rig;
    struct dns_ask ask;
    struct dns_exchange *x;
    bool is_done, by_tcp;
    enum dns_outcome outcome;
    unsigned octet; /* the last one of the address */
    uint64_t start_ms, took_ms;
};

static inline void conn_close(struct conn *c)
{
    if (c->stream == NULL)
        return;
    io_stream_close(c->stream);
    io_defer_cancel(&c->more);
    c->stream = NULL;
    c->peer->n_open--;
}

static inline void conn_send(struct conn *c, size_t most)
{
    while (c->stream != NULL && c->out_at < c->out.n) {
        size_t n = c->out.n - c->out_at < most ? c->out.n - c->out_at : most;
        ssize_t sent = send(c->stream->fd, c->out.p + c->out_at, n, MSG_NOSIGNAL);
        if (sent < 0) {
            conn_close(c);
            return;
        }
        c->out_at += (size_t)sent;
        if (most == 1) {
            io_defer(&c->peer->rig->loop, &c->more);
            return;
        }
    }
}

static inline void conn_on_more(struct io_task *t)
{
    conn_send(LIST_ENTRY(t, struct conn, more), 1);
}

static inline unsigned octet_of(const struct dns_name *name)
{
    return (unsigned)strtoul((const char *)name->wire + 2, NULL, 10);
}

/* "n17.test" is 127.0.0.17. */
static inline void put_answer(struct conn *c, const struct dns_msg *q, int id_change,
                              bool other_name, unsigned rcode, bool truncated)
{
    struct dns_writer w;
    struct dns_question question = q->question;
    uint8_t ip[4] = { 127, 0, 0, (uint8_t)octet_of(&q->question.name) };
    struct dns_reply_flags flags = { .id = (uint16_t)(q->id + id_change),
                                     .rcode = (uint16_t)rcode,
                                     .recursion_available = true };
    if (other_name)
        assert_true(dns_name_parse(STR("evil.test"), &question.name));
    size_t at = c->out.n;
    buf_append(&c->out, STR("\0\0"));
    dns_write_begin(&w, &c->out, 4096, flags, &question);
    if (rcode == DNS_NOERROR)
        dns_write_rr(&w, DNS_ANSWER, &question.name, DNS_A, DNS_CLASS_IN, 60,
                     str_of((const char *)ip, 4));
    dns_write_end(&w);
    size_t n = c->out.n - at - 2;
    c->out.p[at] = (char)(n >> 8);
    c->out.p[at + 1] = (char)n;
    if (truncated)
        c->out.p[at + 4] |= 2;
}

static inline void put_junk(struct conn *c, const struct dns_msg *q)
{
    buf_append(&c->out, STR("\0\0"));
    buf_append(&c->out, STR("\0\3abc"));
    put_answer(c, q, 1, false, DNS_NOERROR, false);
    put_answer(c, q, 0, true, DNS_NOERROR, false);
}

static inline void answer_one(struct conn *c, const struct dns_msg *q)
{
    enum manner manner = c->peer->n_conns > 1 ? c->peer->later : c->peer->manner;
    c->n_answers++;
    switch (manner) {
    case DEAF:
        return;
    case CLOSES_FIRST:
        conn_close(c);
        return;
    case DEAF_LATER:
    case SHUTS_QUIETLY:
        if (c->n_answers <= c->peer->wave)
            put_answer(c, q, 0, false, DNS_NOERROR, false);
        else if (manner == SHUTS_QUIETLY)
            conn_close(c);
        break;
    case HALF:
        buf_append(&c->out, STR("\1\0half"));
        break;
    case JUNK_FIRST:
        put_junk(c, q);
        put_answer(c, q, 0, false, DNS_NOERROR, false);
        break;
    case JUNK_WITHOUT_END:
        for (unsigned i = 0; i < 40; i++)
            put_junk(c, q);
        break;
    case TRUNCATES:
        put_answer(c, q, 0, false, DNS_NOERROR, true);
        break;
    case NO_EDNS_THERE:
        put_answer(c, q, 0, false, q->edns.is_present ? DNS_FORMERR : DNS_NOERROR, false);
        break;
    case TWICE:
        put_answer(c, q, 0, false, DNS_NOERROR, false);
        put_answer(c, q, 0, false, DNS_NOERROR, false);
        break;
    default:
        put_answer(c, q, 0, false, DNS_NOERROR, false);
    }
    conn_send(c, manner == ONE_BYTE ? 1 : SIZE_MAX);
    if (manner == ONE_EACH)
        conn_close(c);
}

static inline void hold(struct conn *c, const struct dns_msg *q)
{
    for (unsigned i = 0; i < c->n_held; i++)
        c->peer->has_equal_ids |= c->held[i]->id == q->id;
    assert_true(c->n_held < MAX_QUESTIONS);
    c->held[c->n_held] = malloc(sizeof *q);
    *c->held[c->n_held] = *q;
    if (++c->n_held < c->peer->wave)
        return;
    while (c->n_held > 0) {
        c->n_held--;
        answer_one(c, c->held[c->n_held]);
        free(c->held[c->n_held]);
    }
}

static inline void conn_on_ready(struct io_stream *s, unsigned events)
{
    struct conn *c = s->owner;
    struct fault f = { 0 };
    struct str message;
    size_t room, n = 0;
    char *to = dns_frames_room(&c->in, &room);
    enum io_result r = io_stream_read(s, to, room, &n, &f);
    if (r == IO_AGAIN)
        return;
    if (r != IO_OK) {
        conn_close(c);
        return;
    }
    dns_frames_add(&c->in, n);
    while (c->stream != NULL && dns_frames_next(&c->in, &message)) {
        static struct dns_msg q;
        assert_int_equal(dns_msg_parse(message, &q), DNS_PARSE_OK);
        c->peer->n_questions++;
        if (c->peer->manner == REVERSED)
            hold(c, &q);
        else
            answer_one(c, &q);
    }
}

static inline void peer_on_accept(struct io_listener *l, int fd, const struct addr *from)
{
    struct peer *p = l->owner;
    struct conn *c = calloc(1, sizeof *c);
    assert_true(p->n_conns < MAX_CONNS);
    p->conns[p->n_conns++] = c;
    p->n_open++;
    if (p->n_open > p->most_open)
        p->most_open = p->n_open;
    c->peer = p;
    c->more.on_run = conn_on_more;
    dns_frames_init(&c->in);
    buf_init(&c->out, 1 << 20);
    c->stream = io_stream_new(l->loop, fd);
    c->stream->owner = c;
    c->stream->on_ready = conn_on_ready;
    io_stream_want(c->stream, IO_READ);
}

/* A rig with one server, whose TCP is ours. */
static inline struct dns_server *peer_open(struct peer *p, struct rig *g, enum manner manner)
{
    struct fault f = { 0 };
    memset(p, 0, sizeof *p);
    rig_init(g, 1, 0);
    rig_go(g);
    p->rig = g;
    p->manner = p->later = manner;
    p->tcp = (struct io_listener){ .owner = p, .on_accept = peer_on_accept };
    io_listener_close(&g->fakes[0].tcp);
    rig_run_for(g, 1);
    assert_true(io_listener_open(&p->tcp, &g->loop, &g->fakes[0].addr, false, &f));
    return dns_shared_server(g->shared, &g->fakes[0].addr);
}

static inline void peer_close(struct peer *p, struct rig *g, struct dns_server *server)
{
    io_listener_close(&p->tcp);
    for (unsigned i = 0; i < p->n_conns; i++) {
        struct conn *c = p->conns[i];
        conn_close(c);
        while (c->n_held > 0)
            free(c->held[--c->n_held]);
        buf_done(&c->out);
        dns_frames_done(&c->in);
        free(c);
    }
    dns_shared_server_unref(g->shared, server);
    rig_done(g);
}

static inline void one_on_done(struct dns_exchange *x, enum dns_outcome outcome,
                               const struct dns_msg *m, const struct dns_verdict *v)
{
    struct one *o = x->owner;
    assert_false(o->is_done);
    o->is_done = true;
    o->x = NULL;
    o->outcome = outcome;
    o->by_tcp = x->by_tcp;
    o->took_ms = io_now_us() / 1000 - o->start_ms;
    if (outcome == DNS_ANSWERED)
        o->octet = (uint8_t)m->wire.p[m->rrs[v->kept[0]].rdata_at + 3];
}

static inline void one_on_late(struct dns_exchange *x)
{
}

static inline void one_start(struct one *o, struct rig *g, struct dns_server *server,
                             unsigned octet, enum dns_transport transport)
{
    char name[32];
    *o = (struct one){ .rig = g, .start_ms = io_now_us() / 1000 };
    snprintf(name, sizeof name, "n%u.test", octet);
    assert_true(dns_name_parse(str_from_c(name), &o->ask.question.name));
    o->ask.question.type = DNS_A;
    o->ask.question.class = DNS_CLASS_IN;
    uv_update_time(&g->loop.uv);
    o->x = dns_exchange_start(g->engine, server, &o->ask, NULL, NULL, transport);
    assert_non_null(o->x);
    o->x->owner = o;
    o->x->on_done = one_on_done;
    o->x->on_late = one_on_late;
}

static inline void run_until_done(struct rig *g, struct one *v, unsigned n, unsigned most_ms)
{
    uint64_t until_ms = io_now_us() / 1000 + most_ms;
    for (;;) {
        unsigned n_done = 0;
        for (unsigned i = 0; i < n; i++)
            n_done += v[i].is_done;
        if (n_done == n)
            return;
        if (io_now_us() / 1000 >= until_ms)
            fail_msg("%u of %u done after %u ms", n_done, n, most_ms);
        rig_run_for(g, 2);
    }
}

/* Questions over TCP: one connection for many, and what a server may do to it. */
#include "rig.h"

#include "dns/exchange.h"

#include <sys/resource.h>

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

static void conn_close(struct conn *c)
{
    if (c->stream == NULL)
        return;
    io_stream_close(c->stream);
    io_defer_cancel(&c->more);
    c->stream = NULL;
    c->peer->n_open--;
}

static void conn_send(struct conn *c, size_t most)
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

static void conn_on_more(struct io_task *t)
{
    conn_send(LIST_ENTRY(t, struct conn, more), 1);
}

static unsigned octet_of(const struct dns_name *name)
{
    return (unsigned)strtoul((const char *)name->wire + 2, NULL, 10);
}

/* "n17.test" is 127.0.0.17. */
static void put_answer(struct conn *c, const struct dns_msg *q, int id_change, bool other_name,
                       unsigned rcode, bool truncated)
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

static void put_junk(struct conn *c, const struct dns_msg *q)
{
    buf_append(&c->out, STR("\0\0"));
    buf_append(&c->out, STR("\0\3abc"));
    put_answer(c, q, 1, false, DNS_NOERROR, false);
    put_answer(c, q, 0, true, DNS_NOERROR, false);
}

static void answer_one(struct conn *c, const struct dns_msg *q)
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

static void hold(struct conn *c, const struct dns_msg *q)
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

static void conn_on_ready(struct io_stream *s, unsigned events)
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

static void peer_on_accept(struct io_listener *l, int fd, const struct addr *from)
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
static struct dns_server *peer_open(struct peer *p, struct rig *g, enum manner manner)
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

static void peer_close(struct peer *p, struct rig *g, struct dns_server *server)
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

static void one_on_done(struct dns_exchange *x, enum dns_outcome outcome, const struct dns_msg *m,
                        const struct dns_verdict *v)
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

static void one_on_late(struct dns_exchange *x)
{
}

static void one_start(struct one *o, struct rig *g, struct dns_server *server, unsigned octet,
                      enum dns_transport transport)
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

static void run_until_done(struct rig *g, struct one *v, unsigned n, unsigned most_ms)
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

static void each_manner(void **state)
{
    static const struct {
        const char *name;
        enum manner manner;
        unsigned n, wave;
        enum dns_outcome outcome;
        unsigned n_conns, least_ms, most_ms;
    } rows[] = {
        { "one question", IN_ORDER, 1, 0, DNS_ANSWERED, 1, 0, 200 },
        { "many share a connection", IN_ORDER, 200, 0, DNS_ANSWERED, 1, 0, 500 },
        { "answers in any order", REVERSED, 200, 200, DNS_ANSWERED, 1, 0, 500 },
        { "a byte at a time", ONE_BYTE, 20, 0, DNS_ANSWERED, 1, 0, 1000 },
        { "each answer twice", TWICE, 10, 0, DNS_ANSWERED, 1, 0, 200 },
        { "a server that answers once a connection", ONE_EACH, 10, 0, DNS_ANSWERED, 10, 0, 500 },
        { "closed without an answer", CLOSES_FIRST, 5, 0, DNS_UNREACHABLE, 1, 0, 200 },
        { "no answer", DEAF, 5, 0, DNS_TIMED_OUT, 1, 1950, 2400 },
        { "half an answer", HALF, 5, 0, DNS_TIMED_OUT, 1, 1950, 2400 },
        { "junk first", JUNK_FIRST, 4, 0, DNS_ANSWERED, 1, 0, 200 },
        /* The ID fits once, so it is tried once more. */
        { "nothing but junk", JUNK_WITHOUT_END, 1, 0, DNS_UNREACHABLE, 2, 0, 200 },
        { "truncated over TCP too", TRUNCATES, 2, 0, DNS_BAD_REPLY, 1, 0, 200 },
        { "EDNS is not taken", NO_EDNS_THERE, 2, 0, DNS_ANSWERED, 1, 0, 200 },
    };
    static struct one v[200];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig g;
        static struct peer p;
        struct dns_server *server = peer_open(&p, &g, rows[i].manner);
        p.wave = rows[i].wave;
        for (unsigned k = 0; k < rows[i].n; k++)
            one_start(&v[k], &g, server, k + 1, DNS_BY_TCP);
        run_until_done(&g, v, rows[i].n, 3000);
        for (unsigned k = 0; k < rows[i].n; k++) {
            if (v[k].outcome != rows[i].outcome || v[k].took_ms < rows[i].least_ms ||
                v[k].took_ms > rows[i].most_ms)
                fail_msg("%s, question %u: %s after %u ms", rows[i].name, k + 1,
                         dns_outcome_text(v[k].outcome), (unsigned)v[k].took_ms);
            assert_true(v[k].by_tcp);
            if (v[k].outcome == DNS_ANSWERED)
                assert_int_equal(v[k].octet, k + 1);
        }
        if (p.n_conns != rows[i].n_conns)
            fail_msg("%s: %u connections", rows[i].name, p.n_conns);
        assert_false(p.has_equal_ids);
        assert_int_equal(g.fakes[0].n_udp, 0);
        assert_false(server->is_suspect);
        peer_close(&p, &g, server);
    }
}

/* What was truncated over UDP goes over the connection that is there. */
static void truncated_answers_share_a_connection(void **state)
{
    struct rig g;
    static struct peer p;
    static struct one v[20];
    struct dns_server *server = peer_open(&p, &g, IN_ORDER);
    g.fakes[0].mode = FAKE_TRUNCATED;
    g.fakes[0].ip = "127.6.6.6"; /* never used */
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned k = 0; k < 20; k++)
            one_start(&v[k], &g, server, k + 1, DNS_BY_UDP);
        run_until_done(&g, v, 20, 1000);
        for (unsigned k = 0; k < 20; k++) {
            assert_int_equal(v[k].outcome, DNS_ANSWERED);
            assert_int_equal(v[k].octet, k + 1);
            assert_true(v[k].by_tcp);
        }
    }
    assert_int_equal(p.n_conns, 1);
    assert_int_equal(g.fakes[0].n_udp, 40);
    peer_close(&p, &g, server);
}

static void a_connection_that_the_server_closed_is_replaced(void **state)
{
    struct rig g;
    static struct peer p;
    static struct one v[10];
    struct dns_server *server = peer_open(&p, &g, SHUTS_QUIETLY);
    p.later = IN_ORDER;
    p.wave = 1;
    one_start(&v[0], &g, server, 1, DNS_BY_TCP);
    run_until_done(&g, v, 1, 500);
    for (unsigned k = 0; k < 10; k++)
        one_start(&v[k], &g, server, k + 1, DNS_BY_TCP);
    run_until_done(&g, v, 10, 1000);
    for (unsigned k = 0; k < 10; k++)
        assert_int_equal(v[k].outcome, DNS_ANSWERED);
    /* Closed while nobody asks: the next one opens another at once. */
    unsigned before = p.n_conns;
    for (unsigned i = 0; i < p.n_conns; i++)
        conn_close(p.conns[i]);
    rig_run_for(&g, 20);
    one_start(&v[0], &g, server, 1, DNS_BY_TCP);
    run_until_done(&g, v, 1, 100);
    assert_int_equal(v[0].outcome, DNS_ANSWERED);
    assert_int_equal(p.n_conns, before + 1);
    peer_close(&p, &g, server);
}

static void a_dead_connection_is_left_early(void **state)
{
    struct rig g;
    static struct peer p;
    struct one v[2];
    struct dns_server *server = peer_open(&p, &g, DEAF_LATER);
    p.later = IN_ORDER;
    p.wave = 1;
    one_start(&v[0], &g, server, 1, DNS_BY_TCP);
    run_until_done(&g, v, 1, 500);
    p.manner = DEAF;
    p.later = DEAF;
    one_start(&v[0], &g, server, 2, DNS_BY_TCP);
    rig_run_for(&g, 300);
    assert_false(v[0].is_done);
    assert_int_equal(p.n_conns, 1);
    p.later = IN_ORDER;
    run_until_done(&g, v, 1, 500);
    assert_int_equal(v[0].outcome, DNS_ANSWERED);
    assert_int_equal(v[0].octet, 2);
    assert_int_equal(p.n_conns, 2);
    assert_int_equal(p.n_open, 1); /* the dead one was closed */
    peer_close(&p, &g, server);
}

static void idle_connections_are_closed(void **state)
{
    struct rig g;
    static struct peer p;
    struct one v[1];
    struct dns_server *server = peer_open(&p, &g, IN_ORDER);
    one_start(&v[0], &g, server, 1, DNS_BY_TCP);
    run_until_done(&g, v, 1, 500);
    rig_run_for(&g, DNS_LINK_IDLE_MS - 500);
    assert_int_equal(p.n_open, 1);
    rig_run_for(&g, 1000);
    assert_int_equal(p.n_open, 0);
    assert_int_equal(g.engine->n_links, 0);
    peer_close(&p, &g, server);
}

static void cancelled_questions_leave_nothing(void **state)
{
    struct rig g;
    static struct peer p;
    static struct one v[50];
    struct dns_server *server = peer_open(&p, &g, REVERSED);
    p.wave = 50;
    for (unsigned k = 0; k < 49; k++)
        one_start(&v[k], &g, server, k + 1, DNS_BY_TCP);
    rig_run_for(&g, 20);
    for (unsigned k = 0; k < 49; k += 2)
        dns_exchange_cancel(v[k].x);
    one_start(&v[49], &g, server, 50, DNS_BY_TCP);
    /* Their answers come, and are nobody's. */
    rig_run_for(&g, 100);
    for (unsigned k = 0; k < 50; k++) {
        assert_int_equal(v[k].is_done, k % 2);
        if (k % 2)
            assert_int_equal(v[k].octet, k + 1);
    }
    assert_int_equal(p.n_conns, 1);
    for (unsigned k = 0; k < 3; k++)
        one_start(&v[k], &g, server, k + 1, DNS_BY_TCP);
    rig_run_for(&g, 1);
    for (unsigned k = 0; k < 3; k++)
        dns_exchange_cancel(v[k].x);
    peer_close(&p, &g, server); /* with the connection open */
}

static void no_more_than_so_many_at_once(void **state)
{
    struct rig g;
    static struct peer p;
    static struct one v[DNS_LINK_MAX_ASKS + 10];
    struct dns_server *server = peer_open(&p, &g, DEAF);
    server->budget_per_s = 100000;
    server->budget_milli = 100000 * 1000;
    for (unsigned k = 0; k < DNS_LINK_MAX_ASKS + 10; k++)
        one_start(&v[k], &g, server, k % 250, DNS_BY_TCP);
    rig_run_for(&g, 100);
    for (unsigned k = 0; k < DNS_LINK_MAX_ASKS + 10; k++) {
        assert_int_equal(v[k].is_done, k >= DNS_LINK_MAX_ASKS);
        if (v[k].is_done)
            assert_int_equal(v[k].outcome, DNS_OVER_BUDGET);
        dns_exchange_cancel(v[k].x);
    }
    assert_int_equal(p.n_conns, 1);
    peer_close(&p, &g, server);
}

static void tcp_pays_from_the_budget(void **state)
{
    struct rig g;
    static struct peer p;
    struct one v[4];
    struct dns_server *server = peer_open(&p, &g, IN_ORDER);
    server->budget_per_s = 6; /* a connection takes three, each question one */
    server->budget_milli = 6000;
    for (unsigned k = 0; k < 4; k++)
        one_start(&v[k], &g, server, k + 1, DNS_BY_TCP);
    run_until_done(&g, v, 4, 500);
    for (unsigned k = 0; k < 4; k++)
        assert_int_equal(v[k].outcome, k < 3 ? DNS_ANSWERED : DNS_OVER_BUDGET);
    peer_close(&p, &g, server);
}

static void nobody_listens(void **state)
{
    struct rig g;
    static struct peer p;
    struct one v[3];
    struct dns_server *server = peer_open(&p, &g, IN_ORDER);
    io_listener_close(&p.tcp);
    rig_run_for(&g, 1);
    for (unsigned k = 0; k < 3; k++)
        one_start(&v[k], &g, server, k + 1, DNS_BY_TCP);
    run_until_done(&g, v, 3, 500);
    for (unsigned k = 0; k < 3; k++)
        assert_int_equal(v[k].outcome, DNS_UNREACHABLE);
    assert_int_equal(server->n_failures, 0); /* UDP is what a server's health is */
    assert_int_equal(g.engine->n_links, 0);
    peer_close(&p, &g, server);
}

/* A truncated reply twice, and then a whole one that is wrong: only what TCP says counts. */
static void send_truncated_twice(struct fake *f, const struct dns_msg *q, const struct addr *from)
{
    struct buf out;
    buf_init(&out, 4096);
    fake_write(&out, f, q, FAKE_OK, "127.6.6.6", NULL);
    out.p[2] = (char)(out.p[2] | 2);
    for (unsigned i = 0; i < 3; i++) {
        if (i == 2)
            out.p[2] = (char)(out.p[2] & ~2);
        sendto(f->fd, out.p, out.n, 0, &from->sa, addr_len(from));
    }
    buf_done(&out);
}

static void late_datagrams_are_void_once_tcp_began(void **state)
{
    struct rig g;
    static struct peer p;
    struct one v[1];
    struct dns_server *server = peer_open(&p, &g, IN_ORDER);
    g.fakes[0].on_query = send_truncated_twice;
    one_start(&v[0], &g, server, 7, DNS_BY_UDP);
    run_until_done(&g, v, 1, 500);
    assert_int_equal(v[0].outcome, DNS_ANSWERED);
    assert_int_equal(v[0].octet, 7);
    assert_int_equal(p.n_questions, 1);
    peer_close(&p, &g, server);
}

static void our_own_lack_is_not_the_servers_failure(void **state)
{
    struct rig g;
    static struct peer p;
    struct one v[2];
    struct rlimit usual, none;
    struct dns_server *server = peer_open(&p, &g, IN_ORDER);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
    none = usual;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    one_start(&v[0], &g, server, 1, DNS_BY_UDP);
    one_start(&v[1], &g, server, 1, DNS_BY_TCP);
    run_until_done(&g, v, 2, 500);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
    for (unsigned k = 0; k < 2; k++)
        assert_int_equal(v[k].outcome, DNS_NOT_SENT);
    assert_int_equal(server->n_failures, 0);
    one_start(&v[0], &g, server, 1, DNS_BY_UDP);
    one_start(&v[1], &g, server, 1, DNS_BY_TCP);
    run_until_done(&g, v, 2, 500);
    for (unsigned k = 0; k < 2; k++)
        assert_int_equal(v[k].outcome, DNS_ANSWERED);
    peer_close(&p, &g, server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_manner),
        cmocka_unit_test(truncated_answers_share_a_connection),
        cmocka_unit_test(a_connection_that_the_server_closed_is_replaced),
        cmocka_unit_test(a_dead_connection_is_left_early),
        cmocka_unit_test(idle_connections_are_closed),
        cmocka_unit_test(cancelled_questions_leave_nothing),
        cmocka_unit_test(no_more_than_so_many_at_once),
        cmocka_unit_test(tcp_pays_from_the_budget),
        cmocka_unit_test(nobody_listens),
        cmocka_unit_test(late_datagrams_are_void_once_tcp_began),
        cmocka_unit_test(our_own_lack_is_not_the_servers_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* DNS cookies: what goes into queries, which replies are believed, and that nobody is worse off. */
#include "rig.h"

#include "dns/exchange.h"

enum kind {
    PLAIN, /* EDNS without a cookie */
    BARE,  /* no EDNS */
    OURS,  /* the client's alone */
    BOTH,
    OTHERS,    /* another client's, with a server's */
    SHORT,     /* five bytes */
    HALF_LONG, /* a server's part of seven bytes, or of 33 */
    TOO_LONG,
    SILENCE,
    /* A forged reply (of kind PLAIN or OTHERS), and the genuine one behind it. */
    FORGED_PLAIN,
    FORGED_OTHERS,
};

struct step {
    enum kind kind;
    unsigned rcode;
};

enum { MAX_STEPS = 8 };

struct script {
    struct rig g;
    struct dns_server *server;
    struct step steps[MAX_STEPS];
    unsigned n_steps, n_seen;
    /* Of each query: bytes of its cookie, and whether it had EDNS. */
    size_t cookie_n[64];
    bool has_edns[64];
    uint8_t client[DNS_CLIENT_COOKIE_BYTES];
    uint8_t version; /* of the server's cookies */
    struct dns_exchange *x;
    struct dns_ask ask;
    bool is_done, is_late, by_tcp;
    bool waits_on; /* when it is late */
    enum dns_outcome outcome;
    unsigned octet;
};

static void put_u16(struct buf *out, unsigned v)
{
    buf_byte(out, (char)(v >> 8));
    buf_byte(out, (char)v);
}

static void put_cookie(struct buf *out, const struct script *s, enum kind kind)
{
    static const size_t server_n[] = {
        [BOTH] = 16, [OTHERS] = 8, [HALF_LONG] = 7, [TOO_LONG] = 33
    };
    size_t n = kind == OURS || kind == SHORT ? 0 : server_n[kind];
    put_u16(out, DNS_OPTION_COOKIE);
    put_u16(out, (unsigned)(kind == SHORT ? 5 : 8 + n));
    for (unsigned i = 0; i < (kind == SHORT ? 5 : 8); i++)
        buf_byte(out, (char)(kind == OTHERS ? ~s->client[i] : s->client[i]));
    for (size_t i = 0; i < n; i++)
        buf_byte(out, (char)s->version);
}

/* The genuine answer is 127.0.0.10, a forged one 127.6.6.6. */
static void reply(struct script *s, const struct dns_msg *q, const struct addr *from,
                  enum kind kind, unsigned rcode, const char *ip)
{
    struct fake *f = &s->g.fakes[0];
    struct buf out;
    buf_init(&out, 4096);
    fake_write(&out, f, q,
               rcode == DNS_SERVFAIL   ? FAKE_SERVFAIL
               : rcode == DNS_NXDOMAIN ? FAKE_NXDOMAIN
                                       : FAKE_OK,
               ip, NULL);
    out.p[3] = (char)((out.p[3] & 0xf0) | (int)(rcode & 15));
    if (kind != BARE) {
        struct buf options;
        buf_init(&options, 256);
        put_u16(&options, 65001); /* another option before it */
        put_u16(&options, 2);
        buf_append(&options, STR("xy"));
        if (kind != PLAIN)
            put_cookie(&options, s, kind);
        out.p[11] = 1;
        buf_append(&out, str_of("\0\0\x29\x04\xd0", 5));
        buf_byte(&out, (char)(rcode >> 4));
        buf_append(&out, str_of("\0\0\0", 3));
        put_u16(&out, (unsigned)options.n);
        buf_append(&out, buf_str(&options));
        buf_done(&options);
    }
    sendto(f->fd, out.p, out.n, 0, &from->sa, addr_len(from));
    buf_done(&out);
}

static void on_query(struct fake *f, const struct dns_msg *q, const struct addr *from)
{
    struct script *s = LIST_ENTRY(f, struct script, g.fakes[0]);
    struct step step = s->steps[s->n_seen < s->n_steps ? s->n_seen : s->n_steps - 1];
    struct str cookie = STR("");
    assert_true(s->n_seen < 64);
    s->has_edns[s->n_seen] = q->edns.is_present;
    if (dns_edns_option(&q->edns, DNS_OPTION_COOKIE, &cookie))
        memcpy(s->client, cookie.p, sizeof s->client);
    s->cookie_n[s->n_seen] = cookie.n;
    s->n_seen++;
    if (step.kind == SILENCE)
        return;
    if (step.kind == FORGED_PLAIN || step.kind == FORGED_OTHERS) {
        reply(s, q, from, step.kind == FORGED_PLAIN ? PLAIN : OTHERS, 0, "127.6.6.6");
        step.kind = BOTH;
    }
    if (cookie.n == 0 && step.kind > BARE)
        step.kind = q->edns.is_present ? PLAIN : BARE;
    reply(s, q, from, step.kind, step.rcode, "127.0.0.10");
}

static void on_done(struct dns_exchange *x, enum dns_outcome outcome, const struct dns_msg *m,
                    const struct dns_verdict *v)
{
    struct script *s = x->owner;
    s->is_done = true;
    s->by_tcp = x->by_tcp;
    s->outcome = outcome;
    s->octet = 0;
    if (outcome == DNS_ANSWERED)
        s->octet = (uint8_t)m->wire.p[m->rrs[v->kept[0]].rdata_at + 3];
    s->x = NULL;
    io_loop_stop(&s->g.loop);
}

static void on_late(struct dns_exchange *x)
{
    struct script *s = x->owner;
    s->is_late = true;
    if (!s->waits_on)
        io_loop_stop(&s->g.loop);
}

/* Until the answer, or until it is late (and then given up, as a query would at its end). */
static void ask(struct script *s)
{
    s->is_done = s->is_late = false;
    assert_true(dns_name_parse(STR("www.example"), &s->ask.question.name));
    s->ask.question.type = DNS_A;
    s->ask.question.class = DNS_CLASS_IN;
    uv_update_time(&s->g.loop.uv);
    s->x = dns_exchange_start(s->g.engine, s->server, &s->ask, NULL, NULL, DNS_BY_UDP);
    s->x->owner = s;
    s->x->on_done = on_done;
    s->x->on_late = on_late;
    rig_run_for(&s->g, 3000);
    assert_true(s->is_done || s->is_late);
    dns_exchange_cancel(s->x);
    s->x = NULL;
}

static void script_open(struct script *s, const struct step *steps, unsigned n)
{
    memset(s, 0, sizeof *s);
    rig_init(&s->g, 1, 0);
    rig_go(&s->g);
    memcpy(s->steps, steps, n * sizeof *steps);
    s->n_steps = n;
    s->version = 1;
    s->g.fakes[0].on_query = on_query;
    s->server = dns_shared_server(s->g.shared, &s->g.fakes[0].addr);
}

static void script_close(struct script *s)
{
    dns_shared_server_unref(s->g.shared, s->server);
    rig_done(&s->g);
}

/* clang-format off */
static const struct {
    const char *name;
    struct step steps[MAX_STEPS]; /* the last one goes on */
    unsigned n_steps, n_asked;
    size_t cookie_n[6]; /* of the queries */
    unsigned n_queries;
    enum dns_outcome outcome; /* of the last one */
    bool by_tcp;
} servers[] = {
    { "none", { { PLAIN, 0 } }, 1, 3, { 8, 8, 8 }, 3, DNS_ANSWERED, false },
    { "none, nor EDNS", { { BARE, 0 } }, 1, 2, { 8, 8 }, 2, DNS_ANSWERED, false },
    { "ours comes back alone", { { OURS, 0 } }, 1, 2, { 8, 8 }, 2, DNS_ANSWERED, false },
    { "its own is sent back", { { BOTH, 0 } }, 1, 3, { 8, 24, 24 }, 3, DNS_ANSWERED, false },
    { "an error with cookies",
      { { BOTH, DNS_SERVFAIL } }, 1, 2, { 8, 24 }, 2, DNS_SERVFAIL_OUTCOME, false },
    { "forged, for another client, before the genuine one",
      { { BOTH, 0 }, { FORGED_OTHERS, 0 } }, 2, 2, { 8, 24 }, 2, DNS_ANSWERED, false },
    { "forged without a cookie before the genuine one: asked anew",
      { { BOTH, 0 }, { FORGED_PLAIN, 0 }, { BOTH, 0 } }, 3, 3, { 8, 24, 24, 24 }, 4,
      DNS_ANSWERED, false },
    { "a cache before it: believed when repeated, then none for a while",
      { { BOTH, 0 }, { PLAIN, 0 } }, 2, 3, { 8, 24, 24, 0 }, 4, DNS_ANSWERED, false },
    { "one of several machines has none",
      { { BOTH, 0 }, { PLAIN, 0 }, { BOTH, 0 } }, 3, 3, { 8, 24, 24, 24 }, 4, DNS_ANSWERED,
      false },
    { "BADCOOKIE once",
      { { BOTH, DNS_BADCOOKIE }, { BOTH, 0 } }, 2, 1, { 8, 24 }, 2, DNS_ANSWERED, false },
    { "BADCOOKIE for ever: over TCP",
      { { BOTH, DNS_BADCOOKIE } }, 1, 1, { 8, 24 }, 2, DNS_ANSWERED, true },
    { "BADCOOKIE without a cookie: over TCP",
      { { OURS, DNS_BADCOOKIE } }, 1, 1, { 8 }, 1, DNS_ANSWERED, true },
    { "FORMERR to the option alone",
      { { PLAIN, DNS_FORMERR }, { PLAIN, 0 } }, 2, 2, { 8, 0, 0 }, 3, DNS_ANSWERED, false },
    { "FORMERR to EDNS",
      { { BARE, DNS_FORMERR }, { BARE, 0 } }, 2, 2, { 8, 0, 0 }, 3, DNS_ANSWERED, false },
};
/* clang-format on */

static void what_a_server_may_do(void **state)
{
    for (size_t i = 0; i < sizeof servers / sizeof *servers; i++) {
        static struct script s;
        script_open(&s, servers[i].steps, servers[i].n_steps);
        print_message("  %s\n", servers[i].name);
        for (unsigned k = 0; k < servers[i].n_asked; k++) {
            ask(&s);
            assert_true(s.is_done);
            if (s.outcome == DNS_ANSWERED)
                assert_int_equal(s.octet, 10);
        }
        assert_int_equal(s.n_seen, servers[i].n_queries);
        for (unsigned k = 0; k < s.n_seen; k++)
            assert_int_equal(s.cookie_n[k], servers[i].cookie_n[k]);
        assert_int_equal(s.outcome, servers[i].outcome);
        assert_int_equal(s.by_tcp, servers[i].by_tcp);
        assert_false(s.server->is_suspect);
        script_close(&s);
    }
}

/* EDNS stays when it is only the option that a server does not take. */
static void edns_is_kept_where_it_is_taken(void **state)
{
    static struct script s;
    script_open(&s, (struct step[]){ { PLAIN, DNS_FORMERR }, { PLAIN, 0 } }, 2);
    ask(&s);
    assert_true(s.has_edns[0] && s.has_edns[1]);
    script_close(&s);
    script_open(&s, (struct step[]){ { BARE, DNS_NOTIMP }, { BARE, 0 } }, 2);
    ask(&s);
    ask(&s);
    assert_true(s.has_edns[0] && !s.has_edns[1] && !s.has_edns[2]);
    script_close(&s);
}

static void what_is_dropped_is_not_sent_again(void **state)
{
    static const struct {
        const char *name;
        struct step steps[3];
        unsigned n_steps, late; /* this question is late, and the next one goes without */
    } rows[] = {
        { "cookies are dropped", { { SILENCE, 0 }, { PLAIN, 0 } }, 2, 0 },
        { "another client's, always", { { OTHERS, 0 } }, 1, 0 },
        { "of five bytes, always", { { SHORT, 0 } }, 1, 0 },
        { "a server's part of seven", { { HALF_LONG, 0 } }, 1, 0 },
        { "a server's part of 33", { { TOO_LONG, 0 } }, 1, 0 },
        { "spoiled later", { { BOTH, 0 }, { OTHERS, 0 } }, 2, 1 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        static struct script s;
        print_message("  %s\n", rows[i].name);
        script_open(&s, rows[i].steps, rows[i].n_steps);
        for (unsigned k = 0; k <= rows[i].late; k++) {
            ask(&s);
            assert_int_equal(s.is_late, k == rows[i].late);
        }
        ask(&s);
        assert_true(s.is_done);
        assert_int_equal(s.octet, 10);
        assert_int_equal(s.cookie_n[s.n_seen - 1], 0);
        script_close(&s);
    }
}

static void silence_of_a_server_that_had_them(void **state)
{
    static struct script s;
    script_open(&s, (struct step[]){ { BOTH, 0 }, { SILENCE, 0 } }, 2);
    for (unsigned i = 0; i < 5; i++)
        ask(&s);
    /* Until it is suspect: from then on, what may come through. */
    static const size_t want_n[] = { 8, 24, 24, 24, 0 };
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(s.cookie_n[i], want_n[i]);
    script_close(&s);
}

static void drop_edns(struct fake *f, const struct dns_msg *q, const struct addr *from)
{
    struct script *s = LIST_ENTRY(f, struct script, g.fakes[0]);
    s->has_edns[s->n_seen++] = q->edns.is_present;
    if (!q->edns.is_present)
        reply(s, q, from, BARE, 0, "127.0.0.10");
}

/* Silence to EDNS: the next attempt goes without, which is remembered for a minute, but not where
 * DO is asked for; there, once more without within the same question. */
static void edns_that_is_dropped(void **state)
{
    static struct script s;
    static const bool want_edns[] = { true, false, false, true, false };
    script_open(&s, (struct step[]){ { BARE, 0 } }, 1);
    s.g.fakes[0].on_query = drop_edns;
    for (unsigned i = 0; i < 4; i++) {
        s.waits_on = i == 3;
        s.ask.dnssec_ok = i == 3;
        ask(&s);
        assert_int_equal(s.is_done, i > 0);
        assert_int_equal(s.is_late, i == 0 || i == 3);
        assert_int_equal(s.octet, i > 0 ? 10 : 0);
    }
    assert_int_equal(s.n_seen, 5);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(s.has_edns[i], want_edns[i]);
    script_close(&s);
}

static void clients_cookies_differ(void **state)
{
    struct hash_key one = { 1, 2 }, two = { 1, 3 };
    static const struct {
        const char *ip;
        uint16_t port;
    } rows[] = { { "192.0.2.1", 53 },
                 { "192.0.2.2", 53 },
                 { "192.0.2.1", 54 },
                 { "2001:db8::1", 53 },
                 { "::ffff:192.0.2.9", 53 } };
    enum { N = sizeof rows / sizeof *rows };
    struct dns_cookie v[2 * N], again;
    struct addr a;
    for (unsigned i = 0; i < N; i++) {
        assert_true(addr_parse(str_from_c(rows[i].ip), rows[i].port, &a));
        dns_cookie_init(&v[2 * i], &one, &a);
        dns_cookie_init(&v[2 * i + 1], &two, &a);
        dns_cookie_init(&again, &one, &a);
        assert_memory_equal(again.client, v[2 * i].client, sizeof again.client);
    }
    for (unsigned i = 0; i < 2 * N; i++)
        for (unsigned k = 0; k < i; k++)
            assert_memory_not_equal(v[i].client, v[k].client, sizeof v[i].client);
}

static void time_ends_the_pause(void **state)
{
    struct hash_key key = { 1, 2 };
    struct dns_cookie c;
    struct addr a;
    uint8_t out[DNS_COOKIE_BYTES];
    assert_true(addr_parse(STR("192.0.2.1"), 53, &a));
    dns_cookie_init(&c, &key, &a);
    assert_int_equal(dns_cookie_write(&c, 0, out), 8);
    dns_cookie_learn(&c, STR("0123456789abcdef0123456789abcdef"));
    assert_int_equal(dns_cookie_write(&c, 0, out), DNS_COOKIE_BYTES);
    assert_memory_equal(out, c.client, 8);
    assert_memory_equal(out + 8, "0123456789abcdef0123456789abcdef", 32);
    dns_cookie_learn(&c, STR("01234567"));
    assert_int_equal(dns_cookie_write(&c, 0, out), 16);
    dns_cookie_stop(&c, 1000);
    assert_int_equal(dns_cookie_write(&c, 1000, out), 0);
    assert_int_equal(dns_cookie_write(&c, 999 + DNS_COOKIE_OFF_MS, out), 0);
    /* What the server had then is forgotten. */
    assert_int_equal(dns_cookie_write(&c, 1000 + DNS_COOKIE_OFF_MS, out), 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clients_cookies_differ),
        cmocka_unit_test(time_ends_the_pause),
        cmocka_unit_test(what_a_server_may_do),
        cmocka_unit_test(edns_is_kept_where_it_is_taken),
        cmocka_unit_test(edns_that_is_dropped),
        cmocka_unit_test(what_is_dropped_is_not_sent_again),
        cmocka_unit_test(silence_of_a_server_that_had_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

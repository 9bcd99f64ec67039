#pragma once
/*
 * A scripted S3 of objects (codec/zip_made.h says what is in them), beside a registry that gives
 * lists of them. It serves what is asked for, ranges too, and where a row of the script fits a
 * request, what the row says.
 */
#include "rig.h"

#include "../codec/zip_made.h"
#include "../codec/zip_reader.h"
#include "proxy/zip_part.h"

enum { ALL = 0x7fffffff };

struct object {
    const char *key; /* "/b/k?q"; NULL: end of the list */
    size_t n;
    const char *crc; /* in the list; NULL: the right one */
};

/* For one request each, the first that fits. */
struct say {
    const char *wait; /* the request's head has it; NULL: end of the list */
    const char *send; /* NULL: the object's head as it should be, and n bytes of its body */
    size_t n;
    enum after after;
    unsigned gate; /* not before store_open of it */
};

struct store {
    struct origin_server o;
    const struct object *objects;
    const struct say *script;
    bool was_said[32];
    const struct say *waits[ORIGIN_MAX_PEERS]; /* for their gate, by peer */
    const char *etag;
    unsigned gate, n_requests;
    struct buf log; /* the heads of all requests */
};

struct lab {
    struct px *px;
    struct store store;
    struct origin_server registry;
};

/* ---- S3 ---- */

static inline const struct object *store_find(const struct store *s, struct str target)
{
    for (const struct object *o = s->objects; o->key; o++)
        if (str_eq(target, str_from_c(o->key)))
            return o;
    return NULL;
}

static inline struct str location_of(const struct object *o, char to[static 256])
{
    return str_of(to, (size_t)snprintf(to, 256, "/s3.test%s", o->key));
}

static inline void store_send_object(struct peer *p, struct str head, size_t n)
{
    struct store *s = LIST_ENTRY(p->origin, struct store, o);
    struct str target = str_from(head, 4);
    size_t first = 0, last, body;
    char range[64], location[256];
    target = str_first(target, str_find(target, ' ', 0));
    const struct object *o = store_find(s, target);
    if (!o)
        fail_msg("no object %.*s", STR_ARG(target));
    char *copy = strndup(head.p, head.n), *at = strstr(copy, "Range: bytes=");
    last = o->n - 1;
    bool is_range = at && sscanf(at, "Range: bytes=%63s", range) == 1;
    if (is_range)
        assert_int_equal(sscanf(range, "%zu-%zu", &first, &last), 2);
    free(copy);
    assert_true(first <= last && last < o->n);
    body = last - first + 1;
    buf_printf(&p->out, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n",
               is_range ? "206 Partial" : "200 OK", body);
    if (is_range)
        buf_printf(&p->out, "Content-Range: bytes %zu-%zu/%zu\r\n", first, last, o->n);
    if (s->etag)
        buf_printf(&p->out, "ETag: %s\r\n", s->etag);
    buf_append(&p->out, STR("\r\n"));
    n = n < body ? n : body;
    char *to = buf_reserve(&p->out, n + 1);
    zip_made_data(location_of(o, location), first, to, n);
    p->out.n += n;
}

static inline const struct say *store_next(struct store *s, struct str head)
{
    for (size_t i = 0; s->script && s->script[i].wait; i++) {
        assert_true(i < sizeof s->was_said);
        if (s->was_said[i] || !str_contains(head, str_from_c(s->script[i].wait)))
            continue;
        s->was_said[i] = true;
        return &s->script[i];
    }
    return NULL;
}

/* Answers the head at p->seen; false while its gate is closed. */
static inline bool store_answer(struct peer *p, struct str head)
{
    static const struct say plain = { .wait = "", .n = ALL };
    struct store *s = LIST_ENTRY(p->origin, struct store, o);
    const struct say *say = s->waits[p->number];
    if (!say) {
        s->n_requests++;
        buf_append(&s->log, head);
        say = store_next(s, head);
    }
    say = say ? say : &plain;
    s->waits[p->number] = say->gate > s->gate ? say : NULL;
    if (s->waits[p->number])
        return false;
    if (say->send)
        buf_append(&p->out, str_from_c(say->send));
    else
        store_send_object(p, head, say->n);
    p->after = say->after;
    peer_flush(p);
    return true;
}

static inline void store_go_on(struct peer *p)
{
    for (;;) {
        struct str in = str_from(buf_str(&p->in), p->seen);
        size_t n = 0;
        while (n + 4 <= in.n && memcmp(in.p + n, END, 4) != 0)
            n++;
        if (p->is_over || !p->s || n + 4 > in.n || !store_answer(p, str_first(in, n + 4)))
            return;
        p->seen += n + 4;
    }
}

static inline void on_store_peer(struct io_stream *s, unsigned events)
{
    struct peer *p = s->owner;
    struct fault f = { 0 };
    char bytes[16384];
    size_t n = 0;
    if ((events & IO_WRITE) != 0)
        peer_flush(p);
    if (!p->s || (events & IO_READ) == 0)
        return;
    enum io_result r = io_stream_read(s, bytes, sizeof bytes, &n, &f);
    if (r == IO_OK) {
        buf_append(&p->in, str_of(bytes, n));
        store_go_on(p);
    } else if (r != IO_AGAIN) {
        p->is_eof = true;
        io_stream_want(s, 0);
    }
}

static inline void on_store_accept(struct io_listener *l, int fd, const struct addr *from)
{
    struct origin_server *o = l->owner;
    static const struct act none[] = { { 0 } };
    o->acts = none;
    on_accept(l, fd, from);
    o->peers[o->n_peers - 1].s->on_ready = on_store_peer;
}

static inline void store_open(struct store *s, unsigned gate)
{
    s->gate = gate;
    for (unsigned i = 0; i < s->o.n_peers; i++)
        if (s->waits[i])
            store_go_on(&s->o.peers[i]);
}

/* ---- all of it ---- */

static inline struct lab *lab_new(void)
{
    struct lab *l = calloc(1, sizeof *l);
    l->px = px_new(100, 0);
    /* A machine that is busy is no origin that stalls. */
    struct conf *conf = l->px->rig->conf;
    conf->body_timeout_ms = conf->upstream_head_timeout_ms = conf->connect_timeout_ms = 2000;
    return l;
}

static inline void lab_close(struct lab *l)
{
    struct rig *r = l->px->rig;
    origin_close(&l->store.o);
    origin_close(&l->registry);
    buf_done(&l->store.log);
    TURN_UNTIL(r, upstream_count(r->up).n_idle == 0);
}

static inline void lab_free(struct lab *l)
{
    if (l->store.o.rig)
        lab_close(l);
    for (int use = 0; use < N_LIMITS_USES; use++)
        assert_int_equal(limits_held(l->px->limits, (enum limits_use)use), 0);
    px_free(l->px);
    free(l);
}

/* Afresh. script may be NULL. */
static inline void lab_serve(struct lab *l, const struct object *objects, const struct say *script,
                             const struct act *registry)
{
    struct rig *r = l->px->rig;
    if (l->store.o.rig)
        lab_close(l);
    memset(&l->store, 0, sizeof l->store);
    l->store.objects = objects;
    l->store.script = script;
    l->store.etag = "\"e\"";
    buf_init(&l->store.log, 1 << 20);
    origin_open(r, &l->store.o, "127.0.0.1", 0, false, NULL);
    l->store.o.listener.on_accept = on_store_accept;
    r->conf->allow_hosts.v[0].port = addr_port(&l->store.o.listener.local);
    if (registry) {
        origin_open(r, &l->registry, "127.0.0.1", 0, false, registry);
        r->conf->registry.port = addr_port(&l->registry.listener.local);
    }
}

/* The list of all objects. */
static inline void lab_list(const struct object *objects, struct buf *out)
{
    char location[256];
    for (const struct object *o = objects; o->key; o++) {
        struct str at = location_of(o, location);
        if (o->crc)
            buf_printf(out, "%s", o->crc);
        else
            buf_printf(out, "%08x", zip_made_crc(at, o->n));
        buf_printf(out, " %zu %.*s name of %s\n", o->n, STR_ARG(at), o->key);
    }
}

static inline size_t log_count(const struct store *s, const char *what)
{
    size_t n = 0, len = strlen(what);
    for (size_t i = 0; i + len <= s->log.n; i++)
        n += memcmp(s->log.p + i, what, len) == 0;
    return n;
}

/* ---- archives ---- */

static inline void fetch_from_str(void *arg, uint64_t at, uint8_t *to, size_t n)
{
    const struct str *s = arg;
    assert_true(at <= s->n && n <= s->n - at);
    if (n > 0)
        memcpy(to, s->p + at, n);
}

/* It is the whole archive of these, byte for byte. */
static inline void check_archive(struct str body, const struct object *objects)
{
    static struct zip_seen seen;
    struct zip_reader z = { .fetch = fetch_from_str, .arg = &body, .total_bytes = body.n };
    const char *why = zip_reader_end(&z);
    char location[256], name[300];
    for (uint64_t i = 0; why == NULL && i < z.n_entries; i++) {
        const struct object *o = &objects[i];
        assert_non_null(o->key);
        if ((why = zip_reader_next(&z, &seen)) != NULL)
            break;
        snprintf(name, sizeof name, "name of %s", o->key);
        assert_true(str_eq(str_of(seen.name, seen.name_n), str_from_c(name)));
        assert_int_equal(seen.size, o->n);
        char *data = malloc(o->n + 1);
        zip_made_data(location_of(o, location), 0, data, o->n);
        assert_memory_equal(body.p + seen.data, data, o->n);
        assert_int_equal(seen.crc, libdeflate_crc32(0, data, o->n));
        free(data);
    }
    if (why)
        fail_msg("%s", why);
    assert_null(objects[z.n_entries].key);
}

/* ---- tests ---- */

static inline int setup(void **state)
{
    *state = lab_new();
    return 0;
}

static inline int teardown(void **state)
{
    lab_free(*state);
    return 0;
}

/* It is given a lab. */
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#pragma once
/*
 * One part of an archive, read to its end as an archive does, in its turn or ahead of it. A fetch
 * owns its part and what came of it, until fetch_done.
 */
#include "store.h"

#define KIB 1024
#define BLOCK ((uint64_t)ZIP_PART_BLOCK_BYTES)

static const struct object objects[] = { { "/b/k", 1000, NULL },
                                         { "/b/big", 1000 * KIB, NULL },
                                         { "/b/q?X-Amz-Signature=SECRET", 1000, NULL },
                                         { 0 } };

struct fetch {
    struct lab *l;
    struct zip_part *p;
    struct buf body;
    enum io_result end; /* IO_AGAIN until it has one */
    unsigned n_changes, n_pauses;
    uint64_t pauses[8];
    bool is_lazy;
    size_t bite; /* the most that is consumed at once; 0: all */
    char location[256];
};

static inline void fetch_read(struct fetch *t)
{
    struct str data;
    while (!t->is_lazy && (t->end = zip_part_read(t->p, &data)) == IO_OK) {
        size_t n = t->bite > 0 && data.n > t->bite ? t->bite : data.n;
        assert_true(n > 0);
        buf_append(&t->body, str_first(data, n));
        zip_part_consume(t->p, n);
    }
}

static inline void on_fetch(struct zip_part *p)
{
    struct fetch *t = p->owner;
    t->n_changes++;
    if (p->is_leading)
        fetch_read(t);
}

/* Bytes [first, first + n) of an object; reserve 0: it leads. */
static inline void fetch_start(struct fetch *t, struct lab *l, unsigned object, uint64_t first,
                               uint64_t n, uint64_t reserve)
{
    const struct object *o = &l->store.objects[object];
    struct zip_piece piece = {
        .kind = ZIP_PIECE_DATA, .n = n, .first = first, .number = ZIP_NO_CRC
    };
    piece.entry = (struct zip_entry){ .name = STR("the name"),
                                      .location = location_of(o, t->location),
                                      .size = o->n,
                                      .has_crc = o->crc == NULL };
    if (piece.entry.has_crc)
        piece.entry.crc = zip_made_crc(piece.entry.location, o->n);
    t->l = l;
    t->end = IO_AGAIN;
    buf_init(&t->body, 64u << 20);
    t->p = zip_part_new(&l->px->proxy, l->px->rig->conf, &piece, STR("X-Passed: y\r\n"), reserve);
    assert_non_null(t->p);
    t->p->owner = t;
    t->p->on_change = on_fetch;
    t->p->may_persist = true;
    if (reserve == 0)
        zip_part_lead(t->p);
}

static inline void whole(struct fetch *t, struct lab *l, unsigned object, uint64_t reserve)
{
    fetch_start(t, l, object, 0, l->store.objects[object].n, reserve);
}

static inline void fetch_done(struct fetch *t)
{
    zip_part_free(t->p);
    buf_done(&t->body);
}

/* Pauses are noted and passed over. What is held never exceeds what was set aside. */
static inline bool fetch_is_settled(struct fetch *t)
{
    struct zip_part *p = t->p;
    if (p->state == ZIP_PART_PAUSED && p->pause.is_armed) {
        uint64_t now = io_now_ms(&t->l->px->rig->loop);
        if (p->pause.deadline_ms > now + 2) {
            assert_true(t->n_pauses < 8);
            /* The clock may have gone on a little since. */
            t->pauses[t->n_pauses++] = (p->pause.deadline_ms - now + 50) / 100 * 100;
            io_timer_arm(&t->l->px->rig->loop, &p->pause, 1);
        }
    }
    if (!p->is_leading)
        assert_true(p->held <= p->reserved);
    return t->end == IO_EOF || t->end == IO_FAILED ||
           (!p->is_leading && p->state >= ZIP_PART_WHOLE);
}

#define AWAIT(t) TURN_UNTIL((t)->l->px->rig, fetch_is_settled(t))

static inline bool body_is(const struct fetch *t, size_t first, size_t n)
{
    char *data = malloc(n + 1);
    zip_made_data(str_from_c(t->location), first, data, n);
    bool is_so = t->body.n == n && memcmp(t->body.p, data, n) == 0;
    free(data);
    return is_so;
}

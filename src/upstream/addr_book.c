#include "upstream/addr_book.h"

static struct addr_book_entry *book_find(const struct addr_book *b, const struct addr *a)
{
    for (unsigned i = 0; i < b->n; i++) {
        if (addr_eq(&b->entries[i].addr, a))
            return (struct addr_book_entry *)&b->entries[i];
    }
    return NULL;
}

static struct addr_book_entry *book_slot(struct addr_book *b)
{
    if (b->n < ADDR_BOOK_MAX)
        return &b->entries[b->n++];
    struct addr_book_entry *oldest = &b->entries[0];
    for (unsigned i = 1; i < b->n; i++) {
        if (b->entries[i].seen_ms < oldest->seen_ms)
            oldest = &b->entries[i];
    }
    return oldest;
}

void addr_book_seen(struct addr_book *b, const struct addr *addrs, unsigned n, uint64_t now_ms)
{
    for (unsigned i = 0; i < b->n; i++)
        b->entries[i].is_newest = false;
    for (unsigned i = 0; i < n; i++) {
        struct addr_book_entry *e = book_find(b, &addrs[i]);
        if (!e) {
            e = book_slot(b);
            *e = (struct addr_book_entry){ .addr = addrs[i] };
        }
        e->seen_ms = now_ms;
        e->is_offered = e->is_newest = true;
    }
}

void addr_book_negative(struct addr_book *b)
{
    for (unsigned i = 0; i < b->n; i++)
        b->entries[i].is_offered = false;
}

static bool book_is_current(const struct addr_book *b, const struct addr_book_entry *e,
                            uint64_t now_ms)
{
    return b->is_newest_only ? e->is_newest : now_ms - e->seen_ms < ADDR_BOOK_KEEP_MS;
}

bool addr_book_expire(struct addr_book *b, uint64_t now_ms)
{
    unsigned kept = 0, n = b->n;
    for (unsigned i = 0; i < n; i++) {
        if (book_is_current(b, &b->entries[i], now_ms))
            b->entries[kept++] = b->entries[i];
    }
    b->n = kept;
    return kept < n;
}

static void book_set_aside(struct addr_book_entry *e, uint64_t now_ms)
{
    unsigned shift = e->n_fails > 1 ? e->n_fails - 1 : 0;
    uint64_t ms = shift < 5 ? (uint64_t)ADDR_BOOK_ASIDE_MS << shift : ADDR_BOOK_ASIDE_MAX_MS;
    e->aside_ms = now_ms + ms;
}

void addr_book_failed(struct addr_book *b, const struct addr *a, uint64_t now_ms)
{
    struct addr_book_entry *e = book_find(b, a);
    if (!e)
        return;
    e->n_fails++;
    e->is_offered = false;
    book_set_aside(e, now_ms);
}

void addr_book_slow(struct addr_book *b, const struct addr *a, uint64_t now_ms)
{
    struct addr_book_entry *e = book_find(b, a);
    if (e)
        book_set_aside(e, now_ms);
}

void addr_book_worked(struct addr_book *b, const struct addr *a)
{
    struct addr_book_entry *e = book_find(b, a);
    if (!e)
        return;
    e->n_fails = 0;
    e->aside_ms = 0;
    e->is_offered = true;
}

bool addr_book_is_good(const struct addr_book *b, const struct addr *a)
{
    const struct addr_book_entry *e = book_find(b, a);
    return e && e->n_fails == 0;
}

static bool addr_is_in(const struct addr *list, unsigned n, const struct addr *a)
{
    for (unsigned i = 0; i < n; i++) {
        if (addr_eq(&list[i], a))
            return true;
    }
    return false;
}

static bool book_is_aside(const struct addr_book *b, const struct addr *a, uint64_t now_ms)
{
    const struct addr_book_entry *e = book_find(b, a);
    return e && e->aside_ms > now_ms;
}

unsigned addr_book_order(const struct addr_book *b, const struct addr *answer, unsigned n_answer,
                         uint64_t now_ms, struct addr *out, unsigned max)
{
    unsigned n = 0;
    for (unsigned i = 0; i < n_answer && n < max; i++) {
        if (!book_is_aside(b, &answer[i], now_ms))
            out[n++] = answer[i];
    }
    for (unsigned i = 0; i < b->n && n < max; i++) {
        const struct addr_book_entry *e = &b->entries[i];
        if (e->is_offered && e->aside_ms <= now_ms && book_is_current(b, e, now_ms) &&
            !addr_is_in(answer, n_answer, &e->addr))
            out[n++] = e->addr;
    }
    for (unsigned i = 0; i < n_answer && n < max; i++) {
        if (book_is_aside(b, &answer[i], now_ms))
            out[n++] = answer[i];
    }
    return n;
}

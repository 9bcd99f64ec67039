#pragma once
/*
 * What one pool knows of its host's addresses: those that positive answers of the last 30 s gave,
 * and those that failed and are set aside for a while. S3 answers with a few of many addresses, so
 * what was seen lately stays good although the newest answer does not name it. The registry is not
 * like that: where its newest answer does not name an address, it has moved away from there. Pure:
 * the time is an argument. Owned by its pool.
 */
#include "codec/addr.h"

enum {
    ADDR_BOOK_MAX = 64,
    ADDR_BOOK_KEEP_MS = 30 * 1000,
    ADDR_BOOK_ASIDE_MS = 1000, /* after the first failure; doubles */
    ADDR_BOOK_ASIDE_MAX_MS = 30 * 1000,
};

struct addr_book_entry {
    struct addr addr;
    uint64_t seen_ms;  /* in the last positive answer that had it */
    uint64_t aside_ms; /* until then others are dialled first */
    unsigned n_fails;  /* in a row */
    bool is_newest;    /* the last positive answer had it */
    bool is_offered;   /* for new connections: not after a failure or a negative answer */
};

struct addr_book {
    bool is_newest_only; /* what the newest positive answer does not name is forgotten */
    unsigned n;
    struct addr_book_entry entries[ADDR_BOOK_MAX];
};

/* A positive answer. When the book is full, the entry that was seen longest ago makes room. */
void addr_book_seen(struct addr_book *b, const struct addr *addrs, unsigned n, uint64_t now_ms);
/* A negative answer: nothing is offered beyond what a next answer names. */
void addr_book_negative(struct addr_book *b);
/* Forgets what no answer of the last 30 s named (or the newest one, where that alone counts); true
 * when that was any. Only after a positive answer: while DNS is down, the last good addresses stay.
 */
bool addr_book_expire(struct addr_book *b, uint64_t now_ms);
/* It did not take a connection. */
void addr_book_failed(struct addr_book *b, const struct addr *a, uint64_t now_ms);
/* A later attempt overtook it: dialled last for a while, its connections are fine. */
void addr_book_slow(struct addr_book *b, const struct addr *a, uint64_t now_ms);
void addr_book_worked(struct addr_book *b, const struct addr *a);
/* Known, and not failed since it last worked. */
bool addr_book_is_good(const struct addr_book *b, const struct addr *a);

/*
 * In which order to dial: the answer's addresses, then others that were offered lately, then those
 * of the answer that are set aside. At most max go to out; returns how many.
 */
unsigned addr_book_order(const struct addr_book *b, const struct addr *answer, unsigned n_answer,
                         uint64_t now_ms, struct addr *out, unsigned max);

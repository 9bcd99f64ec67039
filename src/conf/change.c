/* Settings that follow others in a running process. */
#include "conf/value.h"

#include <stdlib.h>

/* What is counted is no part of what it says. */
static atomic_uint *refs_of(const struct conf *c)
{
    return &((struct conf *)(uintptr_t)c)->n_more_refs;
}

const struct conf *conf_ref(const struct conf *c)
{
    atomic_fetch_add_explicit(refs_of(c), 1, memory_order_relaxed);
    return c;
}

void conf_unref(const struct conf *c)
{
    if (c == NULL || atomic_fetch_sub_explicit(refs_of(c), 1, memory_order_acq_rel) != 0)
        return;
    struct conf *own = (struct conf *)(uintptr_t)c;
    arena_done(&own->arena);
    free(own);
}

static bool is_same(const struct conf *a, const struct conf *b, unsigned s)
{
    return str_eq(a->origins[s].text, b->origins[s].text);
}

void conf_compare(const struct conf *c, const struct conf *running, struct conf_changes *out)
{
    for (unsigned s = 0; s < N_CONF_SETTINGS; s++) {
        bool is_other = !is_same(c, running, s);
        out->is_changed[s] = is_other && !conf_rows[s].is_at_start;
        out->needs_restart[s] = is_other && conf_rows[s].is_at_start;
    }
}

bool conf_keep_at_start(struct conf *c, const struct conf *running)
{
    for (unsigned s = 0; s < N_CONF_SETTINGS; s++) {
        const struct conf_row *row = &conf_rows[s];
        if (!row->is_at_start)
            continue;
        size_t n = row->type == CONF_TYPE_WORKERS ? sizeof(unsigned) : sizeof(uint64_t);
        memcpy((char *)c + row->offset, (const char *)running + row->offset, n);
        if (is_same(c, running, s))
            continue;
        struct str text = arena_copy(&c->arena, running->origins[s].text);
        if (text.p == NULL && running->origins[s].text.n > 0)
            return false;
        c->origins[s] = running->origins[s];
        c->origins[s].text = text;
    }
    return true;
}

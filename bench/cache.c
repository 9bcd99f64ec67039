/* What the DNS cache costs without sockets: nanoseconds from a question's name, type and class to a
 * referenced answer, the key's making included. Prints JSON for run_dns.py. Rounds of the rows take
 * turns. */
#include "dns/cache.h"

#include "bench.h"

enum { ROUNDS = 9, LOOKUPS = 200000, TTL_S = 3600, CACHE_BYTES = 64 << 20 };

struct row {
    const char *what;
    unsigned n_names;
    bool is_miss;
    double ns[ROUNDS];
};

/* The i-th name of a row, written over the last one: a question that has just been read is in the
 * processor's cache, whatever the DNS cache is. */
static void name_at(const struct row *r, unsigned i, struct dns_name *name)
{
    static const char wire[] = "\12name-00000\7service\5bench\7example";
    memcpy(name->wire, wire, sizeof wire);
    name->n = sizeof wire;
    name->wire[1] = r->is_miss ? 'x' : r->n_names > 1000 ? 'm' : 'n';
    for (unsigned at = 10; at > 5; at--, i /= 10)
        name->wire[at] = (uint8_t)('0' + i % 10);
}

/* An answer of two addresses, as a server's reply is kept. */
static struct dns_set *answer(const struct dns_name *name)
{
    static struct dns_msg m;
    static struct dns_verdict v;
    struct dns_ask ask = { .question = { *name, DNS_A, DNS_CLASS_IN } };
    struct buf out;
    struct dns_writer w;
    buf_init(&out, 4096);
    dns_write_begin(&w, &out, 1232, (struct dns_reply_flags){ .recursion_available = true },
                    &ask.question);
    dns_write_rr(&w, DNS_ANSWER, name, DNS_A, DNS_CLASS_IN, TTL_S, STR("\300\0\2\1"));
    dns_write_rr(&w, DNS_ANSWER, name, DNS_A, DNS_CLASS_IN, TTL_S, STR("\300\0\2\2"));
    dns_write_end(&w);
    if (!dns_judge(buf_str(&out), 0, &ask, NULL, NULL, &m, &v) || v.outcome != DNS_ANSWERED)
        die("the answer is not taken for one");
    struct dns_set *set = dns_set_new(&m, &ask.question, &v, TTL_S, TTL_S);
    buf_done(&out);
    if (set == NULL)
        die("out of memory");
    return set;
}

static struct dns_cache_key key_of(const struct dns_name *name)
{
    return (struct dns_cache_key){ .group = 1, .name = name, .type = DNS_A, .class = DNS_CLASS_IN };
}

static void fill(struct dns_cache *c, const struct row *r)
{
    struct dns_name name;
    for (unsigned i = 0; i < r->n_names && !r->is_miss; i++) {
        name_at(r, i, &name);
        struct dns_set *set = answer(&name);
        struct dns_cache_key key = key_of(&name);
        dns_cache_put(c, &key, set, 0, 0);
        dns_set_unref(set);
    }
}

/* Names in an order that no prefetcher guesses; by the clock of a server that looks up this many
 * names a second, as entries are not moved at each hit. */
static double look_up(struct dns_cache *c, const struct row *r, uint64_t *now_ms)
{
    struct dns_name name;
    unsigned n_found = 0;
    uint32_t at = 12345;
    uint64_t begin = now_ns();
    for (unsigned i = 0; i < LOOKUPS; i++) {
        at = at * 1664525 + 1013904223;
        name_at(r, (unsigned)((uint64_t)at * r->n_names >> 32), &name);
        struct dns_cache_key key = key_of(&name);
        struct dns_cache_hit hit;
        dns_cache_get(c, &key, *now_ms + i * 1000 / LOOKUPS, 1, &hit);
        n_found += hit.state == DNS_CACHE_FRESH;
        dns_set_unref(hit.set);
    }
    double ns = (double)(now_ns() - begin) / LOOKUPS;
    *now_ms += 1000;
    if (n_found != (r->is_miss ? 0 : LOOKUPS))
        die("%s: %u of %d look-ups hit", r->what, n_found, LOOKUPS);
    return ns;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(void)
{
    static struct row rows[] = {
        { .what = "hit, 300 names", .n_names = 300 },
        { .what = "hit, 50000 names", .n_names = 50000 },
        { .what = "miss beside them", .n_names = 50000, .is_miss = true },
    };
    enum { N = sizeof rows / sizeof rows[0] };
    uint64_t now_ms = 1000;
    struct dns_cache *c = dns_cache_new(CACHE_BYTES);
    if (c == NULL)
        die("out of memory");
    for (unsigned i = 0; i < N; i++)
        fill(c, &rows[i]);
    for (unsigned round = 0; round < ROUNDS; round++)
        for (unsigned i = 0; i < N; i++)
            rows[i].ns[round] = look_up(c, &rows[i], &now_ms);
    printf("{\"rounds\": %d, \"rows\": [", ROUNDS);
    for (unsigned i = 0; i < N; i++) {
        qsort(rows[i].ns, ROUNDS, sizeof(double), compare);
        printf("%s{\"what\": \"%s\", \"min_ns\": %.1f, \"median_ns\": %.1f, \"max_ns\": %.1f}",
               i > 0 ? ", " : "", rows[i].what, rows[i].ns[0], rows[i].ns[ROUNDS / 2],
               rows[i].ns[ROUNDS - 1]);
    }
    puts("]}");
    dns_cache_free(c);
}

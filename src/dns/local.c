#include "dns/local.h"

#include "base/arena.h"
#include "base/hash.h"
#include "codec/resolv_conf.h"

#include <stdlib.h>
#include <sys/random.h>

enum { MAX_HOSTS = 65536, HOSTS_ARENA_BYTES = 32 * 1024 * 1024 };

struct host {
    struct host *next; /* in its bucket, in the order of the file */
    struct addr addr;
    uint8_t n;
    uint8_t name[]; /* lower case wire form */
};

struct dns_hosts {
    atomic_uint refs;
    struct arena arena;
    struct hash_key key;
    size_t n, mask;
    bool failed;
    struct host **buckets;
};

static uint64_t bucket_of(const struct dns_hosts *h, const struct dns_name *lower)
{
    return hash_bytes(&h->key, str_of((const char *)lower->wire, lower->n)) & h->mask;
}

static bool add_host(void *arg, struct str address, struct str text, unsigned line)
{
    struct dns_hosts *h = arg;
    struct addr addr;
    struct dns_name name;
    if (!addr_parse_ip(address, &addr) || !dns_name_parse(text, &name))
        return true;
    dns_name_lower(&name);
    struct host *host = arena_alloc(&h->arena, sizeof *host + name.n);
    if (host == NULL || h->n == MAX_HOSTS) {
        h->failed = host == NULL;
        return false;
    }
    host->addr = addr;
    host->n = name.n;
    memcpy(host->name, name.wire, name.n);
    struct host **at = &h->buckets[bucket_of(h, &name)];
    while (*at != NULL)
        at = &(*at)->next;
    *at = host;
    h->n++;
    return true;
}

struct dns_hosts *dns_hosts_new(struct str text)
{
    struct dns_hosts *h = calloc(1, sizeof *h);
    if (h == NULL)
        return NULL;
    atomic_init(&h->refs, 1);
    arena_init(&h->arena, HOSTS_ARENA_BYTES);
    size_t n_buckets = 64;
    while (n_buckets < text.n / 16 && n_buckets < MAX_HOSTS)
        n_buckets *= 2;
    h->mask = n_buckets - 1;
    h->buckets = calloc(n_buckets, sizeof(struct host *));
    if (h->buckets == NULL || getrandom(&h->key, sizeof h->key, 0) < 0)
        h->failed = true;
    else
        hosts_parse(text, add_host, h);
    if (h->failed) {
        dns_hosts_unref(h);
        return NULL;
    }
    return h;
}

struct dns_hosts *dns_hosts_ref(struct dns_hosts *h)
{
    atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
    return h;
}

void dns_hosts_unref(struct dns_hosts *h)
{
    if (h == NULL || atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) != 1)
        return;
    arena_done(&h->arena);
    free(h->buckets);
    free(h);
}

size_t dns_hosts_n(const struct dns_hosts *h)
{
    return h->n;
}

unsigned dns_hosts_find(const struct dns_hosts *h, const struct dns_name *name, struct addr *out,
                        unsigned cap)
{
    struct dns_name lower = *name;
    unsigned n = 0;
    dns_name_lower(&lower);
    for (const struct host *at = h->buckets[bucket_of(h, &lower)]; at != NULL && n < cap;
         at = at->next)
        if (at->n == lower.n && memcmp(at->name, lower.wire, lower.n) == 0)
            out[n++] = at->addr;
    return n;
}

static bool is_below(const struct dns_name *name, struct str zone_text)
{
    struct dns_name zone;
    return dns_name_parse(zone_text, &zone) && dns_name_is_in(name, &zone);
}

enum dns_local dns_local_find(const struct dns_hosts *h, const struct dns_name *name,
                              struct addr *out, unsigned cap, unsigned *n)
{
    *n = h != NULL ? dns_hosts_find(h, name, out, cap) : 0;
    if (*n > 0)
        return DNS_LOCAL_ADDRS;
    if (is_below(name, STR("localhost"))) {
        static const uint8_t v4[4] = { 127, 0, 0, 1 }, v6[16] = { [15] = 1 };
        addr_from_bytes(AF_INET, v4, 0, &out[(*n)++]);
        if (*n < cap)
            addr_from_bytes(AF_INET6, v6, 0, &out[(*n)++]);
        return DNS_LOCAL_ADDRS;
    }
    if (is_below(name, STR("invalid")) || is_below(name, STR("onion")))
        return DNS_LOCAL_DENIED;
    return DNS_LOCAL_NOT;
}

#include "dns/local.h"

#include "base/arena.h"
#include "base/hash.h"
#include "codec/dns_reverse.h"
#include "codec/resolv_conf.h"

#include <stdlib.h>
#include <sys/random.h>

enum { MAX_HOSTS = 65536, HOSTS_ARENA_BYTES = 32 * 1024 * 1024 };

struct host {
    struct host *next;         /* in its bucket, in the order of the file */
    struct host *next_reverse; /* likewise, by address; only the first of each */
    struct addr addr;
    uint8_t n;
    uint8_t name[]; /* lower case wire form */
};

/* A name may have thousands of lines: the next one is put behind the last. */
struct bucket {
    struct host *first, *last;
};

struct dns_hosts {
    atomic_uint refs;
    struct arena arena;
    struct hash_key key;
    size_t n, mask;
    bool failed;
    struct bucket *buckets; /* by name */
    struct host **reverse;  /* by address */
};

static uint64_t bucket_of(const struct dns_hosts *h, const struct dns_name *lower)
{
    return hash_bytes(&h->key, str_of((const char *)lower->wire, lower->n)) & h->mask;
}

static struct host **reverse_bucket_of(const struct dns_hosts *h, const struct addr *a)
{
    size_t n;
    const uint8_t *ip = addr_bytes(a, &n);
    return &h->reverse[hash_bytes(&h->key, str_of((const char *)ip, n)) & h->mask];
}

static struct host *find_reverse(const struct dns_hosts *h, const struct addr *a)
{
    struct host *at = *reverse_bucket_of(h, a);
    while (at != NULL && !addr_ip_eq(&at->addr, a))
        at = at->next_reverse;
    return at;
}

static void add_reverse(struct dns_hosts *h, struct host *host)
{
    if (find_reverse(h, &host->addr) != NULL)
        return;
    struct host **bucket = reverse_bucket_of(h, &host->addr);
    host->next_reverse = *bucket;
    *bucket = host;
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
    struct bucket *bucket = &h->buckets[bucket_of(h, &name)];
    if (bucket->last != NULL)
        bucket->last->next = host;
    else
        bucket->first = host;
    bucket->last = host;
    add_reverse(h, host);
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
    h->buckets = calloc(n_buckets, sizeof(struct bucket));
    h->reverse = calloc(n_buckets, sizeof(struct host *));
    if (h->buckets == NULL || h->reverse == NULL || getrandom(&h->key, sizeof h->key, 0) < 0)
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
    free(h->reverse);
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
    for (const struct host *at = h->buckets[bucket_of(h, &lower)].first; at != NULL && n < cap;
         at = at->next)
        if (at->n == lower.n && memcmp(at->name, lower.wire, lower.n) == 0)
            out[n++] = at->addr;
    return n;
}

/* The first name of an address; false when the file does not have it. */
static bool name_of_addr(const struct dns_hosts *h, const struct addr *a, struct dns_name *out)
{
    const struct host *host = find_reverse(h, a);
    if (host == NULL)
        return false;
    out->n = host->n;
    memcpy(out->wire, host->name, host->n);
    return true;
}

#define ZONE(wire)                                                                                 \
    {                                                                                              \
        sizeof wire, wire                                                                          \
    } /* with the root */
static const struct dns_name localhost = ZONE("\11localhost"), invalid = ZONE("\7invalid"),
                             onion = ZONE("\5onion"), resolver = ZONE("\10resolver\4arpa"),
                             arpa = ZONE("\4arpa");

enum dns_local dns_local_find(const struct dns_hosts *h, const struct dns_name *name,
                              struct addr *out, unsigned cap, unsigned *n)
{
    *n = h != NULL ? dns_hosts_find(h, name, out, cap) : 0;
    if (*n > 0)
        return DNS_LOCAL_ADDRS;
    if (dns_name_is_in(name, &localhost)) {
        static const uint8_t v4[4] = { 127, 0, 0, 1 }, v6[16] = { [15] = 1 };
        addr_from_bytes(AF_INET, v4, 0, &out[(*n)++]);
        if (*n < cap)
            addr_from_bytes(AF_INET6, v6, 0, &out[(*n)++]);
        return DNS_LOCAL_ADDRS;
    }
    if (dns_name_is_in(name, &invalid) || dns_name_is_in(name, &onion))
        return DNS_LOCAL_DENIED;
    return DNS_LOCAL_NOT;
}

bool dns_local_may_be(const struct dns_hosts *h, const struct dns_ask *ask)
{
    const struct dns_name *name = &ask->question.name;
    struct addr one;
    return (h != NULL && h->n > 0 && dns_hosts_find(h, name, &one, 1) > 0) ||
           dns_name_is_in(name, &localhost) || dns_name_is_in(name, &invalid) ||
           dns_name_is_in(name, &onion) || dns_name_is_in(name, &arpa);
}

/* -- answers ------------------------------------------------------------------------------ */

enum { LOCAL_TTL_S = 5, LOCAL_BYTES = 4096, MAX_LOCAL_ADDRS = 32 };

struct local_answer {
    enum dns_outcome outcome;
    unsigned n;
    struct addr addrs[MAX_LOCAL_ADDRS];
    struct dns_name target; /* of PTR, where n is 0 and outcome is ANSWERED */
};

static struct dns_set *write_local(const struct dns_ask *ask, const struct local_answer *a)
{
    const struct dns_question *q = &ask->question;
    struct dns_writer w;
    struct buf wire;
    buf_init(&wire, LOCAL_BYTES);
    struct dns_reply_flags flags = {
        .rcode = a->outcome == DNS_NXDOMAIN_OUTCOME ? DNS_NXDOMAIN : DNS_NOERROR,
        .recursion_desired = true,
        .recursion_available = true,
    };
    dns_write_begin(&w, &wire, LOCAL_BYTES, flags, q);
    for (unsigned i = 0; i < a->n; i++) {
        struct str ip;
        ip.p = (const char *)addr_bytes(&a->addrs[i], &ip.n);
        dns_write_rr(&w, DNS_ANSWER, &q->name, q->type, q->class, LOCAL_TTL_S, ip);
    }
    if (a->outcome == DNS_ANSWERED && a->n == 0)
        dns_write_rr(&w, DNS_ANSWER, &q->name, q->type, q->class, LOCAL_TTL_S,
                     str_of((const char *)a->target.wire, a->target.n));
    dns_write_end(&w);
    struct dns_set *set =
        wire.failed ? NULL : dns_set_of_message(buf_str(&wire), a->outcome, LOCAL_TTL_S);
    buf_done(&wire);
    return set;
}

/* The addresses of one family. */
static void keep_family(struct local_answer *a, int family)
{
    unsigned n = 0;
    for (unsigned i = 0; i < a->n; i++)
        if (addr_family(&a->addrs[i]) == family)
            a->addrs[n++] = a->addrs[i];
    a->n = n;
    a->outcome = n > 0 ? DNS_ANSWERED : DNS_NODATA_OUTCOME;
}

static bool find_ptr(const struct dns_hosts *h, const struct dns_name *name, struct local_answer *a)
{
    struct addr of;
    if (!dns_reverse_addr(name, &of))
        return false;
    a->outcome = DNS_ANSWERED;
    if (h != NULL && name_of_addr(h, &of, &a->target))
        return true;
    a->target = localhost;
    return addr_classify(&of) == ADDR_LOOPBACK;
}

bool dns_local_answer(const struct dns_hosts *h, const struct dns_ask *ask, struct dns_set **set)
{
    const struct dns_question *q = &ask->question;
    struct local_answer a = { .outcome = DNS_NODATA_OUTCOME };
    if (q->class != DNS_CLASS_IN)
        return false;
    enum dns_local local = dns_local_find(h, &q->name, a.addrs, MAX_LOCAL_ADDRS, &a.n);
    if (local == DNS_LOCAL_DENIED) {
        a.outcome = DNS_NXDOMAIN_OUTCOME;
    } else if (local == DNS_LOCAL_ADDRS && (q->type == DNS_A || q->type == DNS_AAAA)) {
        keep_family(&a, q->type == DNS_A ? AF_INET : AF_INET6);
    } else if (local == DNS_LOCAL_ADDRS) {
        a.n = 0;
        if (q->type != DNS_HTTPS && q->type != DNS_SVCB && !dns_name_is_in(&q->name, &localhost))
            return false;
    } else if (!dns_name_is_in(&q->name, &resolver) &&
               !(q->type == DNS_PTR && find_ptr(h, &q->name, &a))) {
        return false;
    }
    *set = write_local(ask, &a);
    return true;
}

#include "dns/counts.h"

#include "dns/status.h"

#include <stdio.h>
#include <stdlib.h>

static const struct metric_family families[N_DNS_FAMILIES] = {
#define DNS_FAMILY(id, type, name, help, use)                                                      \
    [DNS_FAMILY_##id] = { METRIC_##type, name, help, use },
#include "dns/counts.def"
};

struct row {
    enum dns_family_id family;
    const char *labels;
};

static const struct row server_rows[N_DNS_SERVER_COUNTS] = {
#define DNS_SERVER_COUNT(id, family, labels) [DNS_SERVER_##id] = { DNS_FAMILY_##family, labels },
#include "dns/counts.def"
};

static const struct row zone_rows[N_DNS_ZONE_COUNTS] = {
#define DNS_ZONE_COUNT(id, family, labels) [DNS_ZONE_##id] = { DNS_FAMILY_##family, labels },
#include "dns/counts.def"
};

const struct metric_family *dns_counts_family(unsigned family)
{
    return family < N_DNS_FAMILIES ? &families[family] : NULL;
}

static const char *labels_of(const struct row *rows, unsigned n_rows, unsigned family, unsigned n)
{
    for (unsigned i = 0; i < n_rows; i++)
        if (rows[i].family == family && n-- == 0)
            return rows[i].labels;
    return NULL;
}

const char *dns_counts_labels(unsigned family, unsigned n, const char **dynamic)
{
    bool is_servers = labels_of(server_rows, N_DNS_SERVER_COUNTS, family, 0) != NULL;
    bool is_zones = labels_of(zone_rows, N_DNS_ZONE_COUNTS, family, 0) != NULL;
    bool is_caches = family == DNS_FAMILY_CACHE_ENTRIES || family == DNS_FAMILY_CACHE_BYTES;
    *dynamic = is_zones ? "zone" : is_caches ? NULL : "server";
    if (is_servers)
        return labels_of(server_rows, N_DNS_SERVER_COUNTS, family, n);
    if (is_zones)
        return labels_of(zone_rows, N_DNS_ZONE_COUNTS, family, n);
    return n == 0 ? "" : NULL;
}

void dns_server_count_rcode(struct dns_server_counts *s, unsigned rcode)
{
    static const uint8_t of[] = {
        [DNS_NOERROR] = DNS_SERVER_NOERROR,   [DNS_FORMERR] = DNS_SERVER_FORMERR,
        [DNS_SERVFAIL] = DNS_SERVER_SERVFAIL, [DNS_NXDOMAIN] = DNS_SERVER_NXDOMAIN,
        [DNS_NOTIMP] = DNS_SERVER_NOTIMP,     [DNS_REFUSED] = DNS_SERVER_REFUSED,
    };
    dns_server_count(s, rcode < sizeof of ? (enum dns_server_count)of[rcode] : DNS_SERVER_OTHER);
}

struct dns_zone *dns_zone_take(struct dns_shared *s, const struct dns_name *name)
{
    struct dns_zone *found = NULL;
    pthread_mutex_lock(&s->lock);
    LIST_EACH (it, after, &s->zones) {
        struct dns_zone *z = LIST_ENTRY(it, struct dns_zone, node);
        if (dns_name_eq(&z->name, name))
            found = z;
    }
    if (found == NULL && (found = calloc(1, sizeof *found)) != NULL) {
        found->name = *name;
        dns_name_lower(&found->name);
        list_push_back(&s->zones, &found->node);
    }
    if (found != NULL)
        found->refs++;
    pthread_mutex_unlock(&s->lock);
    return found;
}

void dns_zone_give(struct dns_shared *s, struct dns_zone *z)
{
    if (z == NULL)
        return;
    pthread_mutex_lock(&s->lock);
    if (--z->refs == 0) {
        list_remove(&z->node);
        free(z);
    }
    pthread_mutex_unlock(&s->lock);
}

/* A sample's name and its labels; the value is the caller's. label_value needs no escapes: names
 * are printable, and what dns_name_text escapes is escaped once more. */
static void write_sample(struct buf *out, const char *name, const char *label, const char *value,
                         const char *labels)
{
    buf_printf(out, "%s{%s=\"", name, label);
    for (const char *c = value; *c; c++) {
        if (*c == '\\' || *c == '"')
            buf_byte(out, '\\');
        buf_byte(out, *c);
    }
    buf_printf(out, "\"%s%s} ", labels[0] ? "," : "", labels);
}

/* The rows of one family stand together, and all servers (or zones) within it: the format wants a
 * family in one piece. */
static unsigned family_end(const struct row *rows, unsigned from, unsigned n)
{
    unsigned to = from + 1;
    while (to < n && rows[to].family == rows[from].family)
        to++;
    return to;
}

static void write_servers(struct buf *out, const struct dns_status *st)
{
    for (unsigned from = 0, to; from < N_DNS_SERVER_COUNTS; from = to) {
        to = family_end(server_rows, from, N_DNS_SERVER_COUNTS);
        if (st->n_servers > 0)
            metric_family_write(out, &families[server_rows[from].family]);
        for (size_t s = 0; s < st->n_servers; s++)
            for (unsigned c = from; c < to; c++) {
                char text[ADDR_TEXT_BYTES];
                write_sample(out, families[server_rows[c].family].name, "server",
                             addr_text(&st->servers[s].addr, text), server_rows[c].labels);
                buf_u64(out, st->servers[s].counts[c]);
                buf_byte(out, '\n');
            }
    }
}

static void write_zones(struct buf *out, const struct dns_status *st)
{
    for (unsigned from = 0, to; from < N_DNS_ZONE_COUNTS; from = to) {
        to = family_end(zone_rows, from, N_DNS_ZONE_COUNTS);
        if (st->n_zones > 0)
            metric_family_write(out, &families[zone_rows[from].family]);
        for (size_t z = 0; z < st->n_zones; z++)
            for (unsigned c = from; c < to; c++) {
                char text[DNS_NAME_TEXT_BYTES];
                write_sample(out, families[zone_rows[c].family].name, "zone",
                             dns_name_text(&st->zones[z].name, text), zone_rows[c].labels);
                buf_u64(out, st->zones[z].counts[c]);
                buf_byte(out, '\n');
            }
    }
}

static bool rtt(const struct dns_server_status *s, char text[static 32])
{
    snprintf(text, 32, "%u.%06u", s->srtt_us / 1000000, s->srtt_us % 1000000);
    return s->has_rtt;
}

static bool suspect(const struct dns_server_status *s, char text[static 32])
{
    snprintf(text, 32, "%d", s->is_suspect);
    return true;
}

static bool budget(const struct dns_server_status *s, char text[static 32])
{
    snprintf(text, 32, "%u", s->budget_left);
    return true;
}

/* What is no counter: one family each, a sample a server, and none for a server without a value. */
static const struct gauge {
    enum dns_family_id family;
    bool (*value)(const struct dns_server_status *s, char text[static 32]);
} gauges[] = {
    { DNS_FAMILY_SERVER_RTT_SECONDS, rtt },
    { DNS_FAMILY_SERVER_SUSPECT, suspect },
    { DNS_FAMILY_SERVER_BUDGET_PACKETS, budget },
};

static void write_gauge(struct buf *out, const struct dns_status *st, const struct gauge *g)
{
    const struct metric_family *family = &families[g->family];
    bool has_family = false;
    for (size_t s = 0; s < st->n_servers; s++) {
        char text[ADDR_TEXT_BYTES], value[32];
        if (!g->value(&st->servers[s], value))
            continue;
        if (!has_family)
            metric_family_write(out, family);
        has_family = true;
        write_sample(out, family->name, "server", addr_text(&st->servers[s].addr, text), "");
        buf_printf(out, "%s\n", value);
    }
}

/* How many were measured and what they took in all: the mean over any time is a division. */
static void write_round_trips(struct buf *out, const struct dns_status *st)
{
    const struct metric_family *family = &families[DNS_FAMILY_SERVER_ROUND_TRIP_SECONDS];
    char sum[128], count[128];
    snprintf(sum, sizeof sum, "%s_sum", family->name);
    snprintf(count, sizeof count, "%s_count", family->name);
    if (st->n_servers > 0)
        metric_family_write(out, family);
    for (size_t s = 0; s < st->n_servers; s++) {
        const struct dns_server_status *server = &st->servers[s];
        char text[ADDR_TEXT_BYTES];
        addr_text(&server->addr, text);
        write_sample(out, sum, "server", text, "");
        buf_printf(out, "%llu.%06u\n", (unsigned long long)(server->round_trips_us / 1000000),
                   (unsigned)(server->round_trips_us % 1000000));
        write_sample(out, count, "server", text, "");
        buf_u64(out, server->n_round_trips);
        buf_byte(out, '\n');
    }
}

static void write_size(struct buf *out, enum dns_family_id family, size_t size)
{
    metric_family_write(out, &families[family]);
    metric_sample_write(out, families[family].name, "");
    buf_printf(out, "%zu\n", size);
}

void dns_counts_write(struct dns_shared *s, uint64_t now_ms, struct buf *out)
{
    struct dns_status st;
    if (!dns_status_read(s, now_ms, &st)) {
        out->failed = true;
        return;
    }
    write_servers(out, &st);
    write_round_trips(out, &st);
    for (size_t g = 0; g < sizeof gauges / sizeof *gauges; g++)
        write_gauge(out, &st, &gauges[g]);
    write_zones(out, &st);
    write_size(out, DNS_FAMILY_CACHE_ENTRIES, dns_cache_n(s->cache));
    write_size(out, DNS_FAMILY_CACHE_BYTES, dns_cache_bytes(s->cache));
    dns_status_done(&st);
}

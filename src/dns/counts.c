#include "dns/counts.h"

#include "dns/status.h"

#include <stdio.h>
#include <stdlib.h>

struct row {
    const char *name, *labels, *help;
};

static const struct row server_rows[N_DNS_SERVER_COUNTS] = {
#define DNS_SERVER_COUNT(id, name, labels, help) [DNS_SERVER_##id] = { name, labels, help },
#include "dns/counts.def"
};

static const struct row zone_rows[N_DNS_ZONE_COUNTS] = {
#define DNS_ZONE_COUNT(id, name, labels, help) [DNS_ZONE_##id] = { name, labels, help },
#include "dns/counts.def"
};

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

static void write_family(struct buf *out, const struct row *row, const char *type)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name, type);
}

/* The rows of one family stand together, and all servers (or zones) within it: the format wants a
 * family in one piece. */
static unsigned family_end(const struct row *rows, unsigned from, unsigned n)
{
    unsigned to = from + 1;
    while (to < n && strcmp(rows[to].name, rows[from].name) == 0)
        to++;
    return to;
}

static void write_servers(struct buf *out, const struct dns_status *st)
{
    for (unsigned from = 0, to; from < N_DNS_SERVER_COUNTS; from = to) {
        to = family_end(server_rows, from, N_DNS_SERVER_COUNTS);
        if (st->n_servers > 0)
            write_family(out, &server_rows[from], "counter");
        for (size_t s = 0; s < st->n_servers; s++)
            for (unsigned c = from; c < to; c++) {
                char text[ADDR_TEXT_BYTES];
                write_sample(out, server_rows[c].name, "server",
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
            write_family(out, &zone_rows[from], "counter");
        for (size_t z = 0; z < st->n_zones; z++)
            for (unsigned c = from; c < to; c++) {
                char text[DNS_NAME_TEXT_BYTES];
                write_sample(out, zone_rows[c].name, "zone",
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
    struct row row;
    bool (*value)(const struct dns_server_status *s, char text[static 32]);
} gauges[] = {
    { { "penstock_dns_server_rtt_seconds", "", "Usual round trip to a DNS server." }, rtt },
    { { "penstock_dns_server_suspect", "",
        "1: the DNS server failed three times in a row, is asked last and probed." },
      suspect },
    { { "penstock_dns_server_budget_packets", "",
        "Packets that may be sent to a DNS server right now." },
      budget },
};

static void write_gauge(struct buf *out, const struct dns_status *st, const struct gauge *g)
{
    bool has_family = false;
    for (size_t s = 0; s < st->n_servers; s++) {
        char text[ADDR_TEXT_BYTES], value[32];
        if (!g->value(&st->servers[s], value))
            continue;
        if (!has_family)
            write_family(out, &g->row, "gauge");
        has_family = true;
        write_sample(out, g->row.name, "server", addr_text(&st->servers[s].addr, text), "");
        buf_printf(out, "%s\n", value);
    }
}

/* How many were measured and what they took in all: the mean over any time is a division. */
static void write_round_trips(struct buf *out, const struct dns_status *st)
{
    static const struct row row = { "penstock_dns_server_round_trip_seconds", "",
                                    "Round trips to a DNS server over UDP, probes too." };
    if (st->n_servers > 0)
        write_family(out, &row, "summary");
    for (size_t s = 0; s < st->n_servers; s++) {
        const struct dns_server_status *server = &st->servers[s];
        char text[ADDR_TEXT_BYTES];
        addr_text(&server->addr, text);
        write_sample(out, "penstock_dns_server_round_trip_seconds_sum", "server", text, "");
        buf_printf(out, "%llu.%06u\n", (unsigned long long)(server->round_trips_us / 1000000),
                   (unsigned)(server->round_trips_us % 1000000));
        write_sample(out, "penstock_dns_server_round_trip_seconds_count", "server", text, "");
        buf_u64(out, server->n_round_trips);
        buf_byte(out, '\n');
    }
}

static void write_cache(struct buf *out, struct dns_cache *cache)
{
    static const struct row entries = { "penstock_dns_cache_entries", "",
                                        "Answers in the DNS cache." };
    static const struct row bytes = { "penstock_dns_cache_bytes", "",
                                      "Memory that the DNS cache uses." };
    write_family(out, &entries, "gauge");
    buf_printf(out, "%s %zu\n", entries.name, dns_cache_n(cache));
    write_family(out, &bytes, "gauge");
    buf_printf(out, "%s %zu\n", bytes.name, dns_cache_bytes(cache));
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
    write_cache(out, s->cache);
    dns_status_done(&st);
}

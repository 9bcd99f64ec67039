#pragma once
/*
 * The shared state as it is at one moment, copied out for those who show it: metrics, the routing
 * table. The copy is its reader's; nothing in it moves any more.
 */
#include "dns/shared.h"

struct dns_server_status {
    struct addr addr;
    bool has_rtt, is_suspect;
    uint32_t srtt_us;
    unsigned n_failures; /* in a row */
    uint64_t used_ms;    /* 0: never */
    uint64_t edns_off_until_ms;
    uint32_t budget_left; /* packets */
    uint64_t avoided_zone[DNS_MAX_AVOIDED_ZONES], avoided_until_ms[DNS_MAX_AVOIDED_ZONES];
    uint64_t counts[N_DNS_SERVER_COUNTS];
    uint64_t n_round_trips, round_trips_us;
};

struct dns_zone_status {
    struct dns_name name;
    uint64_t counts[N_DNS_ZONE_COUNTS];
};

struct dns_status {
    size_t n_servers, n_zones, n_endpoints;
    struct dns_server_status *servers;
    struct dns_zone_status *zones;
    struct dns_endpoint *endpoints; /* those in use */
};

/* False without memory; then there is nothing to release. */
bool dns_status_read(struct dns_shared *s, uint64_t now_ms, struct dns_status *out);
void dns_status_done(struct dns_status *st);

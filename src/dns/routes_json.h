#pragma once
/*
 * The routing table as JSON, with where each row comes from and how each server fares: what
 * /dns/routes serves, and what `penstock routes` shows.
 *
 *   routes      zone, from, groups (name, from, where, servers by address), counters
 *   servers     address, health, failures in a row, rtt_ms, last used, what it is spared for
 *   left_out    servers of resolv.conf that are our own addresses
 *   endpoints   names for which another group than the first is asked first, or none worked
 *   cache       entries, bytes, max_bytes
 */
#include "codec/dns_name.h"
#include "codec/json_write.h"
#include "dns/engine.h"
#include "dns/router.h"

/* now_ms: of the loop whose engines use s. by: who says it, see dns_report_by. out->failed when
 * memory was out. */
void dns_routes_json(struct dns_shared *s, uint64_t now_ms, const char *by, struct buf *out);
/* The route of one name, as a member of an object: without health and counters. */
void dns_route_json(struct dns_shared *s, const struct dns_name *name, const char *key,
                    struct json *j);

/* The setting that a group's servers come from; false: resolv.conf has them. */
bool dns_group_setting(const struct conf *conf, const struct dns_route *route,
                       const struct dns_group *group, enum conf_setting *out);

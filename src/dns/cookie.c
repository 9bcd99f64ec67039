#include "dns/cookie.h"

void dns_cookie_init(struct dns_cookie *c, const struct hash_key *key, const struct addr *server)
{
    uint8_t who[16 + 2];
    size_t n;
    const uint8_t *ip = addr_bytes(server, &n);
    memcpy(who, ip, n);
    who[n] = (uint8_t)(addr_port(server) >> 8);
    who[n + 1] = (uint8_t)addr_port(server);
    uint64_t h = hash_bytes(key, str_of((const char *)who, n + 2));
    *c = (struct dns_cookie){ .server_n = 0 };
    memcpy(c->client, &h, sizeof c->client);
}

size_t dns_cookie_write(const struct dns_cookie *c, uint64_t now_ms,
                        uint8_t out[static DNS_COOKIE_BYTES])
{
    if (now_ms < c->off_until_ms)
        return 0;
    memcpy(out, c->client, sizeof c->client);
    memcpy(out + sizeof c->client, c->server, c->server_n);
    return sizeof c->client + c->server_n;
}

enum dns_cookie_seen dns_cookie_look(const uint8_t client[static DNS_CLIENT_COOKIE_BYTES],
                                     const struct dns_edns *edns, struct str *server)
{
    struct str cookie;
    if (!edns->is_present || !dns_edns_option(edns, DNS_OPTION_COOKIE, &cookie))
        return DNS_COOKIE_NONE;
    if (cookie.n < DNS_CLIENT_COOKIE_BYTES ||
        memcmp(cookie.p, client, DNS_CLIENT_COOKIE_BYTES) != 0)
        return DNS_COOKIE_WRONG;
    *server = str_from(cookie, DNS_CLIENT_COOKIE_BYTES);
    if (server->n == 0)
        return DNS_COOKIE_OURS;
    bool is_legal =
        server->n >= DNS_MIN_SERVER_COOKIE_BYTES && server->n <= DNS_MAX_SERVER_COOKIE_BYTES;
    return is_legal ? DNS_COOKIE_BOTH : DNS_COOKIE_WRONG;
}

void dns_cookie_learn(struct dns_cookie *c, struct str server)
{
    memcpy(c->server, server.p, server.n);
    c->server_n = (uint8_t)server.n;
}

void dns_cookie_stop(struct dns_cookie *c, uint64_t now_ms)
{
    c->server_n = 0;
    c->off_until_ms = now_ms + DNS_COOKIE_OFF_MS;
}

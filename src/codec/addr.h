#pragma once
/* Socket addresses as values: IPv4 and IPv6 with a port. Text forms are those of RFC 5952. */
#include "base/str.h"

#include <netinet/in.h>
#include <sys/socket.h>

struct addr {
    union {
        struct sockaddr sa;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    };
};

enum { ADDR_TEXT_BYTES = 64 };

static inline int addr_family(const struct addr *a)
{
    return a->sa.sa_family;
}
socklen_t addr_len(const struct addr *a);
uint16_t addr_port(const struct addr *a);
void addr_set_port(struct addr *a, uint16_t port);

/* Address literal without brackets, with an optional IPv6 zone; the port is 0. */
bool addr_parse_ip(struct str text, struct addr *out);
/* "1.2.3.4", "1.2.3.4:53", "[::1]:53", "::1", ":80" (-> IPv6 unspecified, dual stack); default_port
 * where none stands. */
bool addr_parse(struct str text, uint16_t default_port, struct addr *out);
void addr_from_bytes(int family, const uint8_t *ip, uint16_t port, struct addr *out);
/* The raw address: 4 or 16 bytes. */
const uint8_t *addr_bytes(const struct addr *a, size_t *n);

/* ::ffff:a.b.c.d becomes a.b.c.d, with its port; anything else stays. */
void addr_unmap(struct addr *a);

bool addr_eq(const struct addr *a, const struct addr *b);
bool addr_ip_eq(const struct addr *a, const struct addr *b);
/* NUL-terminated; "10.0.0.1:443", "[::1]:443". Returns text. */
const char *addr_text(const struct addr *a, char text[static ADDR_TEXT_BYTES]);
/* Without port and brackets. */
const char *addr_ip_text(const struct addr *a, char text[static ADDR_TEXT_BYTES]);

/* A prefix; prefix_bits counts from the left. */
struct cidr {
    struct addr addr;
    unsigned prefix_bits;
};
/* "10.0.0.0/8", "::1", "fd00::/8". Bits behind the prefix must be zero. */
bool cidr_parse(struct str text, struct cidr *out);
/* A v4-mapped address is compared as the IPv4 address inside. */
bool cidr_has(const struct cidr *c, const struct addr *a);

/*
 * The kinds of address that a proxy must not be lured to. IPv4 inside IPv6 (v4-mapped, NAT64
 * 64:ff9b::/96 and 64:ff9b:1::/48, 6to4, v4-compatible, v4-translated) counts as the IPv4 address
 * inside.
 */
enum addr_class {
    ADDR_GLOBAL,      /* and RFC 1918, ULA: where interface endpoints live */
    ADDR_UNSPECIFIED, /* 0.0.0.0/8, :: */
    ADDR_LOOPBACK,
    ADDR_LINK_LOCAL, /* 169.254.0.0/16, fe80::/10, fd00:ec2::/32 */
    ADDR_MULTICAST,  /* and 255.255.255.255, 240.0.0.0/4 */
};
enum addr_class addr_classify(const struct addr *a);
const char *addr_class_name(enum addr_class c);

#pragma once
/* Socket addresses as values: IPv4 and IPv6 with a port. Text forms are those of RFC 5952. */
#include "base/str.h"

#include <netinet/in.h>
#include <sys/socket.h>

struct io_addr {
    union {
        struct sockaddr sa;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    };
};

enum { IO_ADDR_TEXT_BYTES = 64 };

static inline int io_addr_family(const struct io_addr *a)
{
    return a->sa.sa_family;
}
socklen_t io_addr_len(const struct io_addr *a);
uint16_t io_addr_port(const struct io_addr *a);
void io_addr_set_port(struct io_addr *a, uint16_t port);

/* Address literal without brackets, with an optional IPv6 zone; the port is 0. */
bool io_addr_parse_ip(struct str text, struct io_addr *out);
/* "1.2.3.4", "1.2.3.4:53", "[::1]:53", "::1", ":80" (-> IPv6 unspecified, dual stack); default_port
 * where none stands. */
bool io_addr_parse(struct str text, uint16_t default_port, struct io_addr *out);
void io_addr_from_bytes(int family, const uint8_t *ip, uint16_t port, struct io_addr *out);
/* The raw address: 4 or 16 bytes. */
const uint8_t *io_addr_bytes(const struct io_addr *a, size_t *n);

bool io_addr_eq(const struct io_addr *a, const struct io_addr *b);
bool io_addr_ip_eq(const struct io_addr *a, const struct io_addr *b);
/* NUL-terminated; "10.0.0.1:443", "[::1]:443". Returns text. */
const char *io_addr_text(const struct io_addr *a, char text[static IO_ADDR_TEXT_BYTES]);
/* Without port and brackets. */
const char *io_addr_ip_text(const struct io_addr *a, char text[static IO_ADDR_TEXT_BYTES]);

/* A prefix; prefix_bits counts from the left. */
struct io_cidr {
    struct io_addr addr;
    unsigned prefix_bits;
};
/* "10.0.0.0/8", "::1", "fd00::/8". Bits behind the prefix must be zero. */
bool io_cidr_parse(struct str text, struct io_cidr *out);
bool io_cidr_has(const struct io_cidr *c, const struct io_addr *a);

/*
 * The kinds of address that a proxy must not be lured to. IPv4 inside IPv6 (v4-mapped, NAT64
 * 64:ff9b::/96, 6to4) counts as the IPv4 address inside.
 */
enum io_addr_class {
    IO_ADDR_GLOBAL,      /* and RFC 1918, ULA: where interface endpoints live */
    IO_ADDR_UNSPECIFIED, /* 0.0.0.0/8, :: */
    IO_ADDR_LOOPBACK,
    IO_ADDR_LINK_LOCAL, /* 169.254.0.0/16, fe80::/10, fd00:ec2::/32 */
    IO_ADDR_MULTICAST,  /* and 255.255.255.255, 240.0.0.0/4 */
};
enum io_addr_class io_addr_classify(const struct io_addr *a);
const char *io_addr_class_name(enum io_addr_class c);

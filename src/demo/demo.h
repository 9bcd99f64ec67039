#pragma once
/*
 * The private VPC in small: two DNS servers, an S3-like origin and a registry on loopback, on a
 * thread of their own, and the settings with which the product's own server runs in front of them.
 * Nothing is sent off the machine. The struct owns all of it; it must not move between start and
 * stop.
 */
#include "conf/settings.h"
#include "demo/ca.h"
#include "demo/dns_server.h"
#include "demo/registry.h"
#include "demo/s3_origin.h"
#include "dns/answer.h"

enum { DEMO_MAX_ENV = 16, DEMO_DIR_BYTES = 4096 };
/* Where it listens, unless that is taken. The admin port is the product's usual one, so that
 * `penstock lookup` finds it. */
enum { DEMO_PORT = 8080, DEMO_ADMIN_PORT = 9901, DEMO_DNS_PORT = 8053 };

#define DEMO_REGISTRY_HOST "registry.demo"
#define DEMO_INTRANET_HOST "intranet.corp.demo"

struct demo_options {
    const char *dir;           /* what the bucket holds; NULL: samples in a folder that goes away */
    const struct addr *listen; /* NULL: 127.0.0.1:8080, or another port when that is taken */
};

struct demo {
    struct demo_dns_server corporate, amazon;
    struct demo_store store;
    struct demo_http_server origin, registry;
    struct demo_ca ca;
    struct addr proxy, admin, dns;
    char dir[DEMO_DIR_BYTES];    /* what the store keeps its objects in */
    bool is_dir_ours;            /* removed at the end */
    char *env[DEMO_MAX_ENV + 1]; /* the proxy's settings: for conf_load */
    /* private */
    unsigned n_env;
    struct arena arena; /* of env */
    struct io_loop loop;
    struct io_tls *tls;
    uv_thread_t thread;
    bool has_loop, has_thread;
};

/* Opens everything and starts the thread. False, with a fault and nothing left open, when something
 * is missing. */
bool demo_start(struct demo *d, const struct demo_options *options, struct fault *f);
void demo_stop(struct demo *d);

#pragma once
/*
 * An S3-like origin over TLS: one bucket, kept by a store. It speaks enough of S3 for curl,
 * browsers and SDKs to read, list, write and delete; signatures and checksums are not looked at.
 * It belongs to one loop; TLS context and store are borrowed.
 */
#include "demo/s3_store.h"
#include "io/listener.h"
#include "io/tls.h"

enum {
    DEMO_S3_MAX_CONNECTIONS = 512,
    DEMO_S3_IDLE_MS = 5000,   /* between requests, as S3 */
    DEMO_S3_STALL_MS = 60000, /* inside one */
};
#define DEMO_S3_MAX_OBJECT ((uint64_t)5 << 30)

struct demo_s3_origin {
    struct addr local;
    struct demo_store *store;
    /* private */
    struct io_loop *loop;
    struct io_tls *tls;
    struct io_listener listener;
    struct list connections;
    unsigned n_connections;
    uint64_t n_requests;
};

bool demo_s3_origin_open(struct demo_s3_origin *o, struct io_loop *loop, struct io_tls *tls,
                         struct demo_store *store, const struct addr *at, struct fault *f);
/* Harmless on a zeroed origin, and twice. Uploads that are under way are forgotten. */
void demo_s3_origin_close(struct demo_s3_origin *o);

#pragma once
/*
 * An S3-like origin over TLS: one bucket, kept by a store. It speaks enough of S3 for curl,
 * browsers and SDKs to read, list, write and delete; signatures and checksums are not looked at.
 * It belongs to one loop; TLS context and store are borrowed.
 */
#include "demo/http_server.h"
#include "demo/s3_store.h"

#define DEMO_S3_MAX_OBJECT ((uint64_t)5 << 30)

bool demo_s3_origin_open(struct demo_http_server *s, struct io_loop *loop, struct io_tls *tls,
                         struct demo_store *store, const struct addr *at, struct fault *f);

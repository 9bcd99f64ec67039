#pragma once
/*
 * The DNS engine. What the process shares stands in struct dns_shared (routes, cache, server
 * health, the group that worked for each zone; a mutex inside); each worker has a struct dns_engine
 * with its loop's questions in flight.
 */
#include "conf/settings.h"
#include "dns/answer.h"
#include "io/loop.h"

struct dns_shared;
struct dns_engine;

/* From settings: routes, servers, hosts file, resolv.conf. conf is borrowed and outlives it. */
struct dns_shared *dns_shared_new(const struct conf *conf, struct fault *f);
void dns_shared_free(struct dns_shared *s);
/* Addresses that are our own listeners: never asked as a server, never handed out for dialling.
 * Before engines start. */
void dns_shared_add_own(struct dns_shared *s, const struct addr *own);

/* The first engine of a process also watches resolv.conf and the hosts file. */
struct dns_engine *dns_engine_new(struct io_loop *loop, struct dns_shared *shared, struct fault *f);
/* Cancels what is in flight without calling back. */
void dns_engine_free(struct dns_engine *e);

/*
 * Told of each finished question, also those that were answered from the cache: for the log, the
 * demo and the doctor. The explanation is borrowed for the call.
 */
void dns_engine_on_decision(struct dns_engine *e,
                            void (*on_decision)(void *arg, const struct dns_explain *x), void *arg);

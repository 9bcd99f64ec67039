#pragma once
/*
 * The DNS engine. What the process shares stands in struct dns_shared (routes, cache, server
 * health, the group that worked for each endpoint; locks inside); each worker has a struct
 * dns_engine with its loop's questions in flight.
 */
#include "conf/settings.h"
#include "dns/answer.h"
#include "io/loop.h"

struct dns_shared;
struct dns_engine;

/* From settings: routes, servers, hosts file, resolv.conf. With a reference to conf. */
struct dns_shared *dns_shared_new(const struct conf *conf, struct fault *f);
/* After its engines. */
void dns_shared_free(struct dns_shared *s);
/* False when no setting and no file names a server: then only local names resolve. */
bool dns_shared_has_servers(struct dns_shared *s);
/* Addresses that are our own listeners: never asked as a server, never handed out for dialling.
 * Before engines start. The unspecified address stands for every address of this host. */
void dns_shared_add_own(struct dns_shared *s, const struct addr *own);

/*
 * Other settings, in two steps: what takes time or can fail is done first, on any thread, and read
 * again with it are resolv.conf and the hosts file; NULL with a fault, and nothing has changed.
 * own: see dns_shared_add_own, all of them. apply is for the thread of the first engine, and frees
 * r: engines take over with their next question. Both borrow.
 */
struct dns_reload;
struct dns_reload *dns_reload_new(struct dns_shared *s, const struct conf *conf,
                                  const struct addr *own, size_t n_own, struct fault *f);
void dns_reload_apply(struct dns_reload *r, struct dns_engine *first);
void dns_reload_free(struct dns_reload *r); /* NULL is fine */

/* The first engine of a process also watches resolv.conf and the hosts file. */
struct dns_engine *dns_engine_new(struct io_loop *loop, struct dns_shared *shared, struct fault *f);
/* Every question goes by TCP, at once. For `penstock lookup --tcp`; before the first question. */
void dns_engine_use_tcp(struct dns_engine *e);
/* Cancels what is in flight without calling back. Resolves are cancelled before it; the loop runs
 * once more afterwards (io_loop_done does). NULL is fine. */
void dns_engine_free(struct dns_engine *e);

/*
 * Told of each finished question, also those that were answered from the cache: for the log and
 * the demo. The explanation is borrowed for the call.
 */
void dns_engine_on_decision(struct dns_engine *e,
                            void (*on_decision)(void *arg, const struct dns_explain *x), void *arg);

/*
 * Somebody looks at the servers' health: for DNS_LOOK_FOR_MS from now on every server of the
 * routing table is asked twice a second, within its budget, whether a client asks or not. One
 * engine of the process, on its loop's thread.
 */
enum { DNS_LOOK_FOR_MS = 5000 };
void dns_engine_look(struct dns_engine *e);

/* Changes that an operator wants to know of. The rooms below server do not log: this is how. */
enum dns_event_kind {
    DNS_EVENT_SERVER_SUSPECT, /* three failures in a row: asked last, probed */
    DNS_EVENT_SERVER_WELL,    /* it answers again */
    DNS_EVENT_GROUP_SWITCHED, /* another group is asked first for this endpoint */
    /* At most once a minute of each server, and of a worker's clients. */
    DNS_EVENT_OVER_BUDGET,      /* its packets of this second are spent: it is not asked */
    DNS_EVENT_CLIENT_REFUSED,   /* the access list does not have it */
    DNS_EVENT_CLIENT_LIMITED,   /* over its rate, or too many of its questions wait */
    DNS_EVENT_LOOP,             /* a server asks us what we ask it: left out for the zone */
    DNS_EVENT_RESOLV_CONF,      /* read anew */
    DNS_EVENT_RESOLV_CONF_KEPT, /* empty or unreadable: the last good one is kept */
    DNS_EVENT_HOSTS,
    DNS_EVENT_HOSTS_KEPT,
    N_DNS_EVENTS
};
struct dns_event {
    enum dns_event_kind kind;
    const struct addr *server;   /* SERVER_*, OVER_BUDGET, LOOP */
    const struct addr *client;   /* CLIENT_* */
    const struct dns_name *name; /* GROUP_SWITCHED: the endpoint; LOOP: what was asked */
    const char *group;           /* GROUP_SWITCHED: its new group */
    const char *path;            /* RESOLV_CONF*, HOSTS* */
    unsigned n;                  /* servers, or names, that were read */
};
const char *dns_event_name(enum dns_event_kind kind); /* "dns_server_suspect" ... */
/* event and what it points to are borrowed for the call. */
enum { DNS_TELL_AGAIN_MS = 60 * 1000 };
void dns_engine_on_event(struct dns_engine *e,
                         void (*on_event)(void *arg, const struct dns_event *), void *arg);

#pragma once
/*
 * What requests are judged by: the settings, and what is made of them once. A transaction holds the
 * one of its birth to its end, so it is judged by one only, and what it borrows of the settings
 * stays. Belongs to one worker, as its count does.
 */
#include "base/buf.h"
#include "conf/settings.h"

struct proxy_policy {
    const struct conf *conf;
    struct buf expose; /* the value of Access-Control-Expose-Headers */
    unsigned n_refs;
};

/* With a reference to conf. On any thread, until it is given to a worker. NULL, with a fault,
 * without memory. */
struct proxy_policy *proxy_policy_new(const struct conf *conf, struct fault *f);
struct proxy_policy *proxy_policy_ref(struct proxy_policy *p);
void proxy_policy_unref(struct proxy_policy *p); /* NULL is fine */

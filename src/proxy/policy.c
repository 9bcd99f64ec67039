#include "proxy/policy.h"

#include "codec/http1.h"
#include "proxy/cors.h"

#include <stdlib.h>

struct proxy_policy *proxy_policy_new(const struct conf *conf, struct fault *f)
{
    struct proxy_policy *p = calloc(1, sizeof *p);
    if (p == NULL) {
        fault_set(f, FAULT_NO_MEMORY, "start", NULL);
        return NULL;
    }
    p->n_refs = 1;
    p->conf = conf_ref(conf);
    buf_init(&p->expose, HTTP_REQUEST_HEAD_BYTES);
    cors_write_expose(&p->expose, conf->expose_headers.v, conf->expose_headers.n);
    if (!p->expose.failed)
        return p;
    fault_set(f, FAULT_NO_MEMORY, "start", NULL);
    proxy_policy_unref(p);
    return NULL;
}

struct proxy_policy *proxy_policy_ref(struct proxy_policy *p)
{
    p->n_refs++;
    return p;
}

void proxy_policy_unref(struct proxy_policy *p)
{
    if (p == NULL || --p->n_refs > 0)
        return;
    buf_done(&p->expose);
    conf_unref(p->conf);
    free(p);
}

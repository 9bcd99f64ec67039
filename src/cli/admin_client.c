#include "cli/admin_client.h"

#include "cli/own_http.h"

static json_t *get(const struct addr *at, struct str target, const char **why)
{
    static const struct own_limits limits = { ADMIN_CONNECT_MS, ADMIN_ANSWER_MS,
                                              ADMIN_ANSWER_BYTES };
    struct own_reply r = { .status = 0 };
    json_t *got = NULL;
    buf_init(&r.body, ADMIN_ANSWER_BYTES);
    if (own_http_get(at, target, &limits, &r, why)) {
        *why = "what answers there is no penstock";
        if (r.status == 200)
            got = json_loadb(r.body.p, r.body.n, JSON_REJECT_DUPLICATES, NULL);
        if (!json_is_object(json_object_get(got, "by"))) {
            json_decref(got);
            got = NULL;
        }
    }
    buf_done(&r.body);
    return got;
}

json_t *admin_get(const struct conf *conf, struct str target, struct addr *at, const char **why)
{
    *why = "the admin port is off";
    *at = (struct addr){ .sa.sa_family = AF_UNSPEC };
    for (size_t i = 0; i < conf->admin.n; i++) {
        struct addr ways[OWN_WAYS];
        unsigned n = own_reach(&conf->admin.v[i], ways);
        json_t *got = NULL;
        for (unsigned k = 0; k < n && got == NULL; k++) {
            *at = ways[k];
            got = get(at, target, why);
        }
        if (got != NULL)
            return got;
    }
    return NULL;
}

#include "server/ready.h"

static bool is_within(uint64_t then_ms, uint64_t now_ms, uint64_t window_ms)
{
    return then_ms > 0 && then_ms + window_ms > now_ms;
}

static struct ready_layer judge_drain(const struct ready_facts *f)
{
    if (f->is_draining)
        return (struct ready_layer){ READY_FAILING,
                                     "shutting down: requests in flight are finished" };
    return (struct ready_layer){ READY_OK, NULL };
}

static struct ready_layer judge_dns(const struct ready_facts *f)
{
    if (is_within(f->dns_answered_ms, f->now_ms, READY_WINDOW_MS))
        return (struct ready_layer){ READY_OK, NULL };
    if (f->dns_all_suspect && is_within(f->dns_failed_ms, f->now_ms, READY_KNOWN_MS))
        return (struct ready_layer){
            READY_FAILING, "no DNS server for Amazon's names answers: all of them failed three "
                           "times in a row, and no lookup was answered for a minute"
        };
    return (struct ready_layer){ READY_UNKNOWN, NULL };
}

static struct ready_layer judge_origin(const struct ready_facts *f, uint64_t answered_ms,
                                       uint64_t n_unreached, const char *sentence)
{
    if (is_within(answered_ms, f->now_ms, READY_WINDOW_MS))
        return (struct ready_layer){ READY_OK, NULL };
    if (n_unreached >= READY_UNREACHED)
        return (struct ready_layer){ READY_FAILING, sentence };
    return (struct ready_layer){ READY_UNKNOWN, NULL };
}

void ready_judge(const struct ready_facts *f, struct ready *out)
{
    *out = (struct ready){
        .is_ready = true,
        .layers = {
            [READY_DRAIN] = judge_drain(f),
            [READY_DNS] = judge_dns(f),
            [READY_REGISTRY] = { READY_UNKNOWN, NULL },
            [READY_S3] = { READY_UNKNOWN, NULL },
        },
    };
    if (f->has_registry)
        out->layers[READY_REGISTRY] =
            judge_origin(f, f->registry_answered_ms, f->n_unreached_registry,
                         "no request reached the registry in the last minute, though several "
                         "tried: /browse/ and /zip/ fail");
    if (f->has_s3)
        out->layers[READY_S3] =
            judge_origin(f, f->s3_answered_ms, f->n_unreached_s3,
                         "no request reached S3 in the last minute, though several tried");
    for (unsigned i = 0; i < N_READY_LAYERS; i++)
        if (ready_is_vital(i) && out->layers[i].state == READY_FAILING)
            out->is_ready = false;
}

const char *ready_layer_text(enum ready_layer_name layer)
{
    static const char *const names[N_READY_LAYERS] = {
        [READY_DRAIN] = "drain",
        [READY_DNS] = "dns",
        [READY_REGISTRY] = "registry",
        [READY_S3] = "s3",
    };
    return names[layer];
}

const char *ready_state_text(enum ready_state state)
{
    static const char *const names[] = {
        [READY_OK] = "ok",
        [READY_UNKNOWN] = "unknown",
        [READY_FAILING] = "failing",
    };
    return names[state];
}

bool ready_is_vital(enum ready_layer_name layer)
{
    return layer != READY_REGISTRY;
}

void ready_json(const struct ready *r, struct json *j, const char *key)
{
    json_open(j, key, '{');
    json_put_bool(j, "is_ready", r->is_ready);
    json_open(j, "layers", '[');
    for (unsigned i = 0; i < N_READY_LAYERS; i++) {
        const struct ready_layer *l = &r->layers[i];
        json_open(j, NULL, '{');
        json_put_text(j, "name", ready_layer_text(i));
        json_put_text(j, "state", ready_state_text(l->state));
        json_put_text(j, "sentence", l->sentence != NULL ? l->sentence : "");
        json_put_bool(j, "is_vital", ready_is_vital(i));
        json_close(j, '{');
    }
    json_close(j, '[');
    json_close(j, '{');
}

void ready_text(const struct ready *r, struct buf *out)
{
    buf_append(out, r->is_ready ? STR("ready\n") : STR("not ready\n"));
    for (unsigned i = 0; i < N_READY_LAYERS; i++) {
        const struct ready_layer *l = &r->layers[i];
        buf_printf(out, "%s: %s%s%s\n", ready_layer_text(i), ready_state_text(l->state),
                   l->sentence != NULL ? ": " : "", l->sentence != NULL ? l->sentence : "");
    }
}

#include "server/verdict.h"

#include <stdarg.h>
#include <stdio.h>

__attribute__((format(printf, 3, 4))) static void say(struct verdict *v, enum verdict_state state,
                                                      const char *format, ...)
{
    /* Who speaks first has the worst to say. */
    if (v->sentence[0] != 0)
        return;
    va_list ap;
    v->state = state;
    va_start(ap, format);
    vsnprintf(v->sentence, sizeof v->sentence, format, ap);
    va_end(ap);
}

static void say_layer(struct verdict *v, const struct ready *r, enum ready_layer_name layer,
                      enum verdict_state state, const char *name)
{
    if (r->layers[layer].state == READY_FAILING)
        say(v, state, "%s: %s.", name, r->layers[layer].sentence);
}

void verdict_judge(const struct verdict_facts *f, struct verdict *out)
{
    *out = (struct verdict){ .state = VERDICT_WELL };
    say_layer(out, f->ready, READY_DNS, VERDICT_ERROR, "DNS");
    say_layer(out, f->ready, READY_S3, VERDICT_ERROR, "S3");
    if (f->finding_error != NULL)
        say(out, VERDICT_ERROR, "%s", f->finding_error);
    say_layer(out, f->ready, READY_REGISTRY, VERDICT_ERROR, "Registry");
    say_layer(out, f->ready, READY_DRAIN, VERDICT_WARNING, "Drain");
    if (f->reload_problem != NULL)
        say(out, VERDICT_WARNING, "The settings could not be read anew, the old ones hold: %s",
            f->reload_problem);
    if (f->has_suspect_first)
        say(out, VERDICT_WARNING,
            "DNS server %s, which is asked first for %s, failed three times in a row.", f->suspect,
            f->suspect_zone);
    if (f->finding_warning != NULL)
        say(out, VERDICT_WARNING, "%s", f->finding_warning);
    if (f->n_faults > 0)
        say(out, VERDICT_WARNING, "%llu request%s failed in the last minute: %s.",
            (unsigned long long)f->n_faults, f->n_faults == 1 ? "" : "s", f->fault);
    say(out, VERDICT_WELL, "All is well.");
}

const char *verdict_state_text(enum verdict_state state)
{
    static const char *const names[] = {
        [VERDICT_WELL] = "well",
        [VERDICT_WARNING] = "warning",
        [VERDICT_ERROR] = "error",
    };
    return names[state];
}

#include "doctor/check.h"
#include "doctor/facts_view.h"

#include "base/buf.h"

enum { POLICY_BYTES = 8192 };

/* Every action that was lacking, once each. */
static struct fact_texts missing_actions(struct diagnosis *d)
{
    struct fact_texts all = { NULL, 0, 0 };
    for (unsigned code = 0; code < N_FINDING_CODES; code++) {
        const struct check_result *r = &d->results[code];
        for (size_t i = 0; r->state == CHECK_UNKNOWN && i < r->actions.n; i++)
            if (!fact_has_text(&all, r->actions.v[i]))
                fact_add_text(&d->book, &all, r->actions.v[i]);
    }
    /* A log is read for evidence, which no check has to have. */
    const struct fact_call *log = view_call(d->facts, "logs:FilterLogEvents");
    if (log != NULL && !view_is(log->outcome, "ok") && !fact_has_text(&all, log->action))
        fact_add_text(&d->book, &all, log->action);
    return all;
}

/* What a policy lets through: a call that failed for another reason is no matter of permissions. */
static bool is_action(struct str action)
{
    size_t colon = str_find(action, ':', 0);
    for (size_t i = 0; i < action.n; i++)
        if (!ascii_is_alpha(action.p[i]) && !ascii_is_digit(action.p[i]) && i != colon)
            return false;
    return colon > 0 && colon + 1 < action.n;
}

static void put_policy(struct diagnosis *d, struct finding *f, const struct fact_texts *actions)
{
    struct buf text;
    buf_init(&text, POLICY_BYTES);
    buf_append(&text, STR("{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\","
                          "\"Action\":["));
    unsigned n = 0;
    for (size_t i = 0; i < actions->n; i++)
        if (is_action(actions->v[i]))
            buf_printf(&text, n++ ? ",\"%.*s\"" : "\"%.*s\"", STR_ARG(actions->v[i]));
    buf_append(&text, STR("],\"Resource\":\"*\"}]}"));
    if (!text.failed && n > 0)
        finding_fix(d, f, "%.*s", STR_ARG(buf_str(&text)));
    buf_done(&text);
}

struct reasons {
    bool is_denied, is_unreachable, is_without, is_other;
};

static void show_action(struct diagnosis *d, struct finding *f, struct str action,
                        struct reasons *why)
{
    const struct fact_call *call = view_call(d->facts, action.p);
    if (call == NULL) {
        why->is_without = true;
        struct str error = d->facts->identity.error;
        finding_evidence(d, f, "%.*s: not asked%s%.*s", STR_ARG(action), error.n > 0 ? ": " : "",
                         STR_ARG(error));
        return;
    }
    why->is_denied |= view_is(call->outcome, "denied");
    why->is_unreachable |= view_is(call->outcome, "unreachable");
    why->is_without |= view_is(call->outcome, "no_credentials");
    why->is_other |= !view_is(call->outcome, "denied") && !view_is(call->outcome, "unreachable") &&
                     !view_is(call->outcome, "no_credentials");
    finding_evidence(d, f, "%.*s: %.*s%s%.*s%s%.*s", STR_ARG(action), STR_ARG(call->outcome),
                     call->code.n > 0 ? ", " : "", STR_ARG(call->code),
                     call->message.n > 0 ? ": " : "", STR_ARG(call->message));
}

void check_access(struct diagnosis *d)
{
    struct fact_texts actions = missing_actions(d);
    struct reasons why = { .is_denied = false };
    const struct fact_identity *who = &d->facts->identity;
    if (actions.n == 0) {
        if (who->error.n > 0)
            check_skip(d, PS6001, "nobody asked for it, and there are no credentials: %.*s",
                       STR_ARG(who->error));
        else
            check_pass(d, PS6001);
        return;
    }
    struct finding *f = check_fail(d, PS6001, d->facts->identity.arn);
    for (size_t i = 0; i < actions.n; i++)
        show_action(d, f, actions.v[i], &why);
    if (why.is_without)
        finding_fix(d, f,
                    "Run the doctor where read-only credentials are, with --vpc, or --cluster "
                    "and --task.");
    if (why.is_unreachable)
        finding_fix(d, f,
                    "Give the APIs a way: endpoints of the VPC with private DNS, or "
                    "AWS_ENDPOINT_URL_EC2 and its like for those without.");
    if (why.is_denied)
        finding_fix(
            d, f, "Let %.*s make these calls; they change nothing.",
            STR_ARG(d->facts->identity.arn.n > 0 ? d->facts->identity.arn : STR("the role")));
    if (why.is_other)
        finding_fix(d, f, "Try again when what AWS says of these calls is put right.");
    if (why.is_denied || why.is_without)
        put_policy(d, f, &actions);
}

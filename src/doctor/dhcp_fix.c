#include "doctor/dhcp_fix.h"

#include "aws/call.h"
#include "doctor/facts_view.h"

#include <stdarg.h>
#include <stdio.h>

enum { PARAM_NAME_BYTES = 64, MAX_PARAMS = DHCP_MAX_OPTIONS * (DHCP_MAX_VALUES + 1) + 3 };

static struct str zone_below(struct str zone)
{
    return zone.n > 1 && zone.p[zone.n - 1] == '.' ? str_first(zone, zone.n - 1) : zone;
}

/* A rule whose association is on its way out, or never came, forwards nothing soon. */
static bool is_in_force(const struct fact_resolver_rule *r)
{
    return view_is(r->type, "FORWARD") && !view_is(r->status, "DELETING") &&
           !view_is(r->status, "FAILED") && !view_is(r->status, "OVERRIDDEN");
}

void dhcp_state_of(struct fact_book *book, struct dhcp_strs zones, struct dhcp_state *state)
{
    const struct fact_facts *f = &book->facts;
    struct fact_texts forwarded = { NULL, 0, 0 };
    struct {
        struct dhcp_service *v;
        size_t n, cap;
    } services = { NULL, 0, 0 };
    *state = (struct dhcp_state){ .region = f->surroundings.region,
                                  .vpc = f->vpc.id,
                                  .cidr = f->vpc.cidrs.n > 0 ? f->vpc.cidrs.v[0] : STR(""),
                                  .set_id = f->dhcp.id,
                                  .set_name = f->dhcp.name,
                                  .zones = zones };
    for (size_t i = 0; i < f->dhcp.options.n; i++)
        for (size_t k = 0; k < f->dhcp.options.v[i].values.n; k++)
            dhcp_options_add(&state->options, f->dhcp.options.v[i].key,
                             f->dhcp.options.v[i].values.v[k]);
    for (size_t i = 0; i < f->resolver_rules.n; i++)
        if (is_in_force(&f->resolver_rules.v[i]))
            fact_add_text(book, &forwarded, zone_below(f->resolver_rules.v[i].domain));
    for (size_t i = 0; i < f->resolver_endpoints.n && state->outbound_endpoint.n == 0; i++)
        if (view_is(f->resolver_endpoints.v[i].direction, "OUTBOUND"))
            state->outbound_endpoint = f->resolver_endpoints.v[i].id;
    for (size_t i = 0; i < f->ecs_services.n; i++) {
        struct dhcp_service s = { f->ecs_services.v[i].cluster, f->ecs_services.v[i].name };
        fact_add(book, &services, &s);
    }
    state->forwarded = (struct dhcp_strs){ forwarded.n, forwarded.v };
    state->n_services = services.n;
    state->services = services.v;
    state->n_lone_tasks = f->lone_tasks > 0 ? (size_t)f->lone_tasks : 0;
}

/* Parameters of a query-form call, with the names that they number themselves. */
struct params {
    size_t n;
    struct aws_param v[MAX_PARAMS];
    char names[MAX_PARAMS][PARAM_NAME_BYTES];
};

static void add(struct params *p, struct str value, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void add(struct params *p, struct str value, const char *format, ...)
{
    va_list args;
    if (p->n == MAX_PARAMS)
        return;
    va_start(args, format);
    vsnprintf(p->names[p->n], PARAM_NAME_BYTES, format, args);
    va_end(args);
    p->v[p->n] = (struct aws_param){ p->names[p->n], value };
    p->n++;
}

/* It will stand in commands. */
static bool is_id(struct str id)
{
    for (size_t i = 0; i < id.n; i++)
        if (!ascii_is_alpha(id.p[i]) && !ascii_is_digit(id.p[i]) && id.p[i] != '-')
            return false;
    return id.n > 0 && id.n < DHCP_ID_BYTES;
}

static bool create(struct aws_session *s, const struct dhcp_plan *plan, struct dhcp_applied *out)
{
    struct params p = { .n = 0 };
    for (unsigned i = 0; i < plan->proposed.n; i++) {
        const struct dhcp_option *option = &plan->proposed.v[i];
        add(&p, option->key, "DhcpConfiguration.%u.Key", i + 1);
        for (unsigned k = 0; k < option->n_values; k++)
            add(&p, option->values[k], "DhcpConfiguration.%u.Value.%u", i + 1, k + 1);
    }
    if (plan->name[0] != 0) {
        add(&p, STR("dhcp-options"), "TagSpecification.1.ResourceType");
        add(&p, STR("Name"), "TagSpecification.1.Tag.1.Key");
        add(&p, str_from_c(plan->name), "TagSpecification.1.Tag.1.Value");
    }
    struct aws_request request = {
        .service = AWS_EC2, .operation = "CreateDhcpOptions", .params = p.v, .n_params = p.n
    };
    struct aws_reply reply;
    if (aws_call(s, &request, &reply)) {
        struct str id = xml_text(xml_root(reply.xml), "dhcpOptions/dhcpOptionsId");
        if (is_id(id))
            snprintf(out->new_id, sizeof out->new_id, "%.*s", STR_ARG(id));
        else
            aws_error_set(&reply.error, AWS_PROTOCOL, "the reply names no option set");
    }
    out->error = reply.error;
    aws_reply_done(&reply);
    return out->new_id[0] != 0;
}

static bool associate(struct aws_session *s, struct str vpc, struct dhcp_applied *out)
{
    struct aws_param params[] = { { "DhcpOptionsId", str_from_c(out->new_id) }, { "VpcId", vpc } };
    struct aws_request request = {
        .service = AWS_EC2, .operation = "AssociateDhcpOptions", .params = params, .n_params = 2
    };
    struct aws_reply reply;
    bool is_done = aws_call(s, &request, &reply);
    out->error = reply.error;
    aws_reply_done(&reply);
    return is_done;
}

static bool replace(struct aws_session *s, const struct dhcp_service *service,
                    struct dhcp_applied *out)
{
    json_t *body =
        json_pack("{s:s%, s:s%, s:b}", "cluster", service->cluster.p, service->cluster.n, "service",
                  service->service.p, service->service.n, "forceNewDeployment", 1);
    struct aws_request request = { .service = AWS_ECS, .operation = "UpdateService", .body = body };
    struct aws_reply reply;
    bool is_done = aws_call(s, &request, &reply);
    out->error = reply.error;
    aws_reply_done(&reply);
    json_decref(body);
    return is_done;
}

bool dhcp_apply(struct aws_session *s, const struct dhcp_state *state, const struct dhcp_plan *plan,
                bool replaces, struct dhcp_applied *out)
{
    *out = (struct dhcp_applied){ .step = DHCP_STEP_CREATE };
    if (!create(s, plan, out))
        return false;
    out->step = DHCP_STEP_ASSOCIATE;
    if (!associate(s, state->vpc, out))
        return false;
    out->step = DHCP_STEP_REPLACE;
    for (; replaces && out->n_replaced < state->n_services; out->n_replaced++)
        if (!replace(s, &state->services[out->n_replaced], out))
            return false;
    out->step = DHCP_STEP_DONE;
    return true;
}

bool dhcp_is_uncertain(const struct dhcp_applied *a)
{
    const struct aws_error *e = &a->error;
    switch (e->kind) {
    case AWS_BROKEN:
    case AWS_PROTOCOL:
        return true;
    case AWS_UNREACHABLE:
        return e->reach == AWS_REACH_TIMEOUT || e->reach == AWS_REACH_LOST;
    default:
        return false;
    }
}

const char *dhcp_step_action(enum dhcp_step step)
{
    static const char *const actions[] = { [DHCP_STEP_CREATE] = "ec2:CreateDhcpOptions",
                                           [DHCP_STEP_ASSOCIATE] = "ec2:AssociateDhcpOptions",
                                           [DHCP_STEP_REPLACE] = "ecs:UpdateService",
                                           [DHCP_STEP_DONE] = "" };
    return actions[step];
}

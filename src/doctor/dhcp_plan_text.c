#include "doctor/dhcp_plan.h"

#include "codec/escape.h"

enum { SHOWN_BYTES = 256, KEY_WIDTH = 36 };

/* One word for sh, whatever it holds. Inside '...' nothing has a meaning but the quote itself. */
static void write_word(struct buf *out, struct str s)
{
    static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                               "-_./:,@%+";
    size_t n_safe = 0;
    if (s.p == NULL)
        s = STR("");
    while (n_safe < s.n && s.p[n_safe] != 0 && strchr(safe, s.p[n_safe]) != NULL)
        n_safe++;
    if (s.n > 0 && n_safe == s.n) {
        buf_append(out, s);
        return;
    }
    buf_byte(out, '\'');
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '\'')
            buf_append(out, STR("'\\''"));
        else
            buf_byte(out, s.p[i]);
    buf_byte(out, '\'');
}

/* Each step but the first begins behind "&&". */
static void begin_step(struct buf *out, unsigned *n_steps)
{
    buf_append(out, (*n_steps)++ > 0 ? STR(" &&\n") : STR(""));
}

/* "aws ec2 WHAT --region REGION" */
static void begin_call(struct buf *out, const struct dhcp_state *s, const char *what)
{
    buf_printf(out, "aws %s", what);
    if (s->region.n > 0) {
        buf_append(out, STR(" --region "));
        write_word(out, s->region);
    }
}

static void write_flag(struct buf *out, const char *flag, struct str value)
{
    buf_printf(out, " %s ", flag);
    write_word(out, value);
}

static bool needs_rules(const struct dhcp_plan *plan)
{
    bool needs = false;
    for (unsigned i = 0; i < plan->n_zones; i++)
        needs |= !plan->zones[i].is_forwarded;
    return needs && plan->n_servers > 0;
}

static void write_endpoint(const struct dhcp_state *s, struct buf *out, unsigned *n_steps)
{
    begin_step(out, n_steps);
    if (s->outbound_endpoint.n > 0) {
        buf_append(out, STR("outbound="));
        write_word(out, s->outbound_endpoint);
        return;
    }
    buf_append(out, STR("outbound=$("));
    begin_call(out, s, "route53resolver create-resolver-endpoint");
    buf_append(out, STR(" --direction OUTBOUND --creator-request-id "));
    struct buf id;
    buf_init(&id, SHOWN_BYTES);
    buf_printf(&id, "penstock-%.*s", STR_ARG(s->vpc));
    write_word(out, buf_str(&id));
    out->failed |= id.failed;
    buf_done(&id);
    buf_append(out, STR(" --security-group-ids SECURITY-GROUP --ip-addresses SubnetId=SUBNET-1 "
                        "SubnetId=SUBNET-2 --query ResolverEndpoint.Id --output text)"));
    begin_step(out, n_steps);
    buf_append(out, STR("until [ \"$("));
    begin_call(out, s, "route53resolver get-resolver-endpoint");
    buf_append(out, STR(" --resolver-endpoint-id \"$outbound\" --query ResolverEndpoint.Status "
                        "--output text)\" = OPERATIONAL ]; do sleep 5; done"));
}

static void write_rule(const struct dhcp_state *s, const struct dhcp_plan *plan, const char *zone,
                       struct buf *out, unsigned *n_steps)
{
    char text[ADDR_TEXT_BYTES];
    struct buf id;
    begin_step(out, n_steps);
    buf_append(out, STR("rule=$("));
    begin_call(out, s, "route53resolver create-resolver-rule");
    buf_init(&id, (size_t)2 * SHOWN_BYTES);
    buf_printf(&id, "penstock-%.*s-%s", STR_ARG(s->vpc), zone);
    write_flag(out, "--creator-request-id", buf_str(&id));
    out->failed |= id.failed;
    buf_done(&id);
    buf_append(out, STR(" --rule-type FORWARD"));
    write_flag(out, "--domain-name", str_from_c(zone));
    buf_append(out, STR(" --resolver-endpoint-id \"$outbound\" --target-ips"));
    for (unsigned i = 0; i < plan->n_servers; i++)
        buf_printf(out, " %s=%s,Port=53",
                   addr_family(&plan->servers[i]) == AF_INET6 ? "Ipv6" : "Ip",
                   addr_ip_text(&plan->servers[i], text));
    buf_append(out, STR(" --query ResolverRule.Id --output text)"));
    begin_step(out, n_steps);
    begin_call(out, s, "route53resolver associate-resolver-rule");
    buf_append(out, STR(" --resolver-rule-id \"$rule\""));
    write_flag(out, "--vpc-id", s->vpc);
}

/* As JSON, where a value may hold commas and spaces. */
static void write_options(const struct dhcp_options *o, struct buf *json)
{
    buf_byte(json, '[');
    for (unsigned i = 0; i < o->n; i++) {
        buf_append(json, i > 0 ? STR(",{\"Key\":\"") : STR("{\"Key\":\""));
        escape_json(json, o->v[i].key);
        buf_append(json, STR("\",\"Values\":["));
        for (unsigned k = 0; k < o->v[i].n_values; k++) {
            buf_append(json, k > 0 ? STR(",\"") : STR("\""));
            escape_json(json, o->v[i].values[k]);
            buf_byte(json, '"');
        }
        buf_append(json, STR("]}"));
    }
    buf_byte(json, ']');
}

static void write_create(const struct dhcp_state *s, const struct dhcp_plan *plan, struct buf *out)
{
    struct buf json;
    buf_init(&json, DHCP_TEXT_BYTES);
    buf_append(out, STR("new=$("));
    begin_call(out, s, "ec2 create-dhcp-options");
    write_options(&plan->proposed, &json);
    write_flag(out, "--dhcp-configurations", buf_str(&json));
    out->failed |= json.failed;
    buf_clear(&json);
    buf_append(&json, STR("[{\"ResourceType\":\"dhcp-options\",\"Tags\":[{\"Key\":\"Name\","
                          "\"Value\":\""));
    escape_json(&json, str_from_c(plan->name));
    buf_append(&json, STR("\"}]}]"));
    write_flag(out, "--tag-specifications", buf_str(&json));
    out->failed |= json.failed;
    buf_done(&json);
    buf_append(out, STR(" --query DhcpOptions.DhcpOptionsId --output text)"));
}

static void write_associate(const struct dhcp_state *s, struct buf *out)
{
    begin_call(out, s, "ec2 associate-dhcp-options");
    write_flag(out, "--vpc-id", s->vpc);
    buf_append(out, STR(" --dhcp-options-id "));
}

/* New tasks get the new servers; those that run keep what they started with. */
static void write_deployments(const struct dhcp_state *s, struct buf *out, unsigned *n_steps)
{
    for (size_t i = 0; i < s->n_services; i++) {
        begin_step(out, n_steps);
        begin_call(out, s, "ecs update-service");
        write_flag(out, "--cluster", s->services[i].cluster);
        write_flag(out, "--service", s->services[i].service);
        buf_append(out, STR(" --force-new-deployment --query service.serviceName --output text"));
    }
}

void dhcp_plan_write_commands(const struct dhcp_state *state, const struct dhcp_plan *plan,
                              struct buf *out)
{
    unsigned n_steps = 0;
    if (plan->verdict != DHCP_CHANGE)
        return;
    if (needs_rules(plan))
        write_endpoint(state, out, &n_steps);
    for (unsigned i = 0; needs_rules(plan) && i < plan->n_zones; i++)
        if (!plan->zones[i].is_forwarded)
            write_rule(state, plan, plan->zones[i].name, out, &n_steps);
    begin_step(out, &n_steps);
    write_create(state, plan, out);
    begin_step(out, &n_steps);
    write_associate(state, out);
    buf_append(out, STR("\"$new\""));
    write_deployments(state, out, &n_steps);
    buf_byte(out, '\n');
}

void dhcp_plan_write_delete(const struct dhcp_state *state, struct str new_id, struct buf *out)
{
    begin_call(out, state, "ec2 delete-dhcp-options");
    buf_append(out, STR(" --dhcp-options-id "));
    if (new_id.n > 0)
        write_word(out, new_id);
    else
        buf_append(out, STR("\"$new\""));
    buf_byte(out, '\n');
}

void dhcp_plan_write_rollback(const struct dhcp_state *state, const struct dhcp_plan *plan,
                              struct str new_id, struct buf *out)
{
    unsigned n_steps = 0;
    if (plan->verdict != DHCP_CHANGE)
        return;
    begin_step(out, &n_steps);
    write_associate(state, out);
    write_word(out, state->set_id);
    write_deployments(state, out, &n_steps);
    begin_step(out, &n_steps);
    dhcp_plan_write_delete(state, new_id, out);
}

static void show(struct buf *out, struct str s)
{
    escape_plain(out, s, SHOWN_BYTES);
}

static void show_options(const struct dhcp_options *o, struct buf *out)
{
    if (o->n == 0)
        buf_append(out, STR("    nothing\n"));
    for (unsigned i = 0; i < o->n; i++) {
        size_t begin = out->n;
        buf_append(out, STR("    "));
        show(out, o->v[i].key);
        do
            buf_byte(out, ' ');
        while (!out->failed && out->n - begin < KEY_WIDTH);
        for (unsigned k = 0; k < o->v[i].n_values; k++) {
            buf_append(out, k > 0 ? STR("  ") : STR(""));
            show(out, o->v[i].values[k]);
        }
        buf_byte(out, '\n');
    }
}

static void show_state(const struct dhcp_state *s, struct buf *out)
{
    buf_append(out, STR("in force in "));
    show(out, s->vpc);
    buf_append(out, STR(": "));
    show(out, s->set_id.n > 0 ? s->set_id : STR("an unknown set"));
    if (s->set_name.n > 0) {
        buf_append(out, STR(" ("));
        show(out, s->set_name);
        buf_byte(out, ')');
    }
    buf_byte(out, '\n');
    show_options(&s->options, out);
}

/* Corporate names, which Amazon's resolver does not know by itself. */
static void show_zones(const struct dhcp_state *s, const struct dhcp_plan *plan, struct buf *out)
{
    if (plan->n_servers == 0)
        return;
    buf_append(out, STR("corporate zones, by outbound Resolver rules, before the change:\n"));
    for (unsigned i = 0; i < plan->n_zones; i++)
        buf_printf(out, "    %s%s\n", plan->zones[i].name,
                   plan->zones[i].is_forwarded ? "  (there is a rule already)" : "");
    if (plan->n_zones == 0)
        buf_append(out, STR("    none known: names that only the corporate servers know would no "
                            "longer resolve. Name their zones first.\n"));
    if (plan->n_bad_zones > 0)
        buf_printf(out, "    %u words are no zones, or too many: look at them yourself\n",
                   plan->n_bad_zones);
    if (needs_rules(plan) && s->outbound_endpoint.n == 0)
        buf_append(out, STR("    there is no outbound endpoint: put a security group (UDP and TCP "
                            "53 out) and two subnets for the words in capitals\n"));
}

static void show_notes(const struct dhcp_plan *plan, struct buf *out)
{
    if (plan->mode == DHCP_AMAZON_FIRST && plan->n_servers > 0)
        buf_append(out, STR("note: the corporate servers are asked only while Amazon's is silent; "
                            "its \"no such name\" is final\n"));
    if (plan->n_left_out > 0)
        buf_printf(out,
                   "note: an option set takes four servers: %u of the corporate ones do not "
                   "fit\n",
                   plan->n_left_out);
    if (plan->n_odd > 0)
        buf_printf(out,
                   "note: %u values of domain-name-servers are no addresses; they are not "
                   "taken over\n",
                   plan->n_odd);
    if (plan->has_wrong_domain)
        buf_printf(out,
                   "note: domain-name is Amazon's of another region; here it is %s. It is "
                   "kept as it stands\n",
                   plan->domain);
}

static void show_tasks(const struct dhcp_state *s, struct buf *out)
{
    buf_printf(out,
               "tasks that run keep their old servers for good; services that get a new "
               "deployment: %zu",
               s->n_services);
    if (s->n_lone_tasks > 0)
        buf_printf(out, "; tasks without a service, to be started anew by you: %zu",
                   s->n_lone_tasks);
    buf_append(out,
               STR("\nEC2 instances take it over when their lease is renewed, within hours\n"));
}

void dhcp_plan_write(const struct dhcp_state *state, const struct dhcp_plan *plan, struct buf *out)
{
    show_state(state, out);
    if (plan->verdict != DHCP_CHANGE) {
        buf_printf(out, "%s: %s\n", plan->verdict == DHCP_REFUSED ? "no plan" : "nothing to do",
                   plan->why);
        show_notes(plan, out);
        return;
    }
    buf_printf(out, "why: %s\nproposed: %s\n", plan->why, plan->name);
    show_options(&plan->proposed, out);
    show_notes(plan, out);
    show_zones(state, plan, out);
    show_tasks(state, out);
    buf_append(out, STR("\nthe commands:\n"));
    dhcp_plan_write_commands(state, plan, out);
    buf_append(out, STR("\nto take it back (Resolver rules may stay, they do no harm):\n"));
    dhcp_plan_write_rollback(state, plan, STR(""), out);
}

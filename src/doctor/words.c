#include "doctor/words.h"

#include "doctor/evidence.h"
#include "doctor/facts_view.h"
#include "doctor/shell_word.h"

static bool is_in_aws(const struct fact_facts *f)
{
    return f->surroundings.on_ecs == FACT_YES || f->surroundings.link_local_allowed == FACT_YES ||
           view_amazon(f) != NULL || f->vpc.id.n > 0 || f->surroundings.vpc_id.n > 0;
}

void words_fix_tasks(struct diagnosis *d, struct finding *to)
{
    const struct fact_facts *f = d->facts;
    if (!is_in_aws(f))
        return;
    finding_fix(d, to,
                "aws ecs update-service%.*s --cluster %.*s --service %.*s --force-new-deployment",
                STR_ARG(shell_region(d)), STR_ARG(shell_cluster(f)), STR_ARG(shell_service(f)));
}

void words_fix_dhcp(struct diagnosis *d, struct finding *to)
{
    const struct fact_facts *f = d->facts;
    if (!is_in_aws(f)) {
        finding_fix(d, to,
                    "Let this server pass AWS's public names on to the internet's DNS, or ask "
                    "another one; penstock takes its servers from PENSTOCK_DNS_SERVERS where that "
                    "is set.");
        return;
    }
    if (view_dhcp_is_right(f)) {
        finding_fix(d, to,
                    "Start new tasks: the VPC's option set %.*s names Amazon's server alone "
                    "already, but running tasks keep the servers that they began with.",
                    STR_ARG(f->dhcp.id));
        words_fix_tasks(d, to);
        return;
    }
    finding_fix(d, to,
                "Use AmazonProvidedDNS alone in the VPC's DHCP option set, with an outbound "
                "Resolver rule for each corporate zone; then start new tasks, since running ones "
                "keep their servers.");
    finding_fix(d, to, "penstock fix dhcp --vpc %.*s%.*s", STR_ARG(shell_vpc(f)),
                STR_ARG(shell_region(d)));
    words_fix_tasks(d, to);
}

void words_fix_forwarding(struct diagnosis *d, struct finding *to)
{
    const struct fact_facts *f = d->facts;
    if (!is_in_aws(f) || view_dhcp_is_right(f))
        return;
    struct buf ips;
    buf_init(&ips, EVIDENCE_BYTES);
    for (size_t i = 0; i < f->resolver_endpoints.n; i++) {
        const struct fact_resolver_endpoint *e = &f->resolver_endpoints.v[i];
        if (!view_is(e->direction, "INBOUND"))
            continue;
        for (size_t k = 0; k < e->addresses.n; k++)
            buf_printf(&ips, "%s%.*s", ips.n > 0 ? "," : "", STR_ARG(e->addresses.v[k]));
    }
    finding_fix(d, to,
                "Where the option set cannot be changed: let that server forward AWS's names to a "
                "Resolver inbound endpoint of the VPC (never to VPC+2).");
    finding_fix(d, to, "penstock forwarding --for bind --to %.*s",
                STR_ARG(shell_word(buf_str(&ips), "INBOUND-IP")));
    buf_done(&ips);
}

void words_note_proxy(struct diagnosis *d, struct finding *to, struct str server)
{
    const struct fact_proxy *p = &d->facts->proxy;
    if (p->running != FACT_YES)
        return;
    if (p->resolves == FACT_NO) {
        finding_note(d, to, "this proxy is affected: it has no answer for the S3 name now");
        return;
    }
    if (p->resolves != FACT_YES || p->used.n == 0 || str_eq(p->used, server))
        return;
    if (p->since_s > 0)
        finding_note(d, to,
                     "this proxy is not affected: it asks %.*s for these names by itself (since "
                     "%02d:%02d:%02d)",
                     STR_ARG(p->used), (int)(p->since_s / 3600 % 24), (int)(p->since_s / 60 % 60),
                     (int)(p->since_s % 60));
    else
        finding_note(d, to, "this proxy is not affected: it asks %.*s for these names by itself",
                     STR_ARG(p->used));
}

#include "doctor/forwarding.h"

/* Before and behind each address of a list. */
static void write_addresses(const struct forwarding *f, const char *before, const char *between,
                            const char *behind, struct buf *out)
{
    char text[ADDR_TEXT_BYTES];
    for (unsigned i = 0; i < f->n_addresses; i++)
        buf_printf(out, "%s%s%s%s", i > 0 ? between : "", before,
                   addr_ip_text(&f->addresses[i], text), behind);
}

static void write_bind(const struct forwarding *f, const struct forwarding_zone *zone,
                       struct buf *out)
{
    buf_printf(out, "zone \"%s\" {\n    type forward;\n    forward only;\n    forwarders { ",
               zone->name);
    write_addresses(f, "", " ", ";", out);
    buf_append(out, STR(" };\n};\n"));
}

static bool is_in_test(const char *name)
{
    struct str s = str_from_c(name);
    return str_eq(s, STR("test")) || str_ends(s, STR(".test"));
}

/*
 * private-domain: a zone that may have private addresses, where private-address is set.
 * domain-insecure: what Amazon's resolver says of a private zone carries no signatures, and the
 * public tree would prove that there is no such name.
 */
static void write_unbound(const struct forwarding *f, const struct forwarding_zone *zone,
                          struct buf *out)
{
    buf_printf(out, "server:\n    private-domain: \"%s\"\n    domain-insecure: \"%s\"\n",
               zone->name, zone->name);
    /* Unbound answers names under "test" by itself, unless a longer zone is told not to. */
    if (is_in_test(zone->name))
        buf_printf(out, "    local-zone: \"%s\" transparent\n", zone->name);
    buf_printf(out, "forward-zone:\n    name: \"%s\"\n    forward-first: no\n", zone->name);
    write_addresses(f, "    forward-addr: ", "", "\n", out);
}

static void write_dnsmasq(const struct forwarding *f, const struct forwarding_zone *zone,
                          struct buf *out)
{
    char text[ADDR_TEXT_BYTES];
    for (unsigned i = 0; i < f->n_addresses; i++)
        buf_printf(out, "server=/%s/%s\n", zone->name, addr_ip_text(&f->addresses[i], text));
    buf_printf(out, "rebind-domain-ok=/%s/\n", zone->name);
}

static void write_windows(const struct forwarding *f, const struct forwarding_zone *zone,
                          struct buf *out)
{
    buf_printf(out, "Add-DnsServerConditionalForwarderZone -Name '%s' -MasterServers ", zone->name);
    write_addresses(f, "'", ",", "'", out);
    buf_byte(out, '\n');
}

/* One server block for all zones. */
static void write_coredns(const struct forwarding *f, struct buf *out)
{
    for (unsigned i = 0; i < f->n_zones; i++)
        buf_printf(out, "# %s: %s\n", f->zones[i].name, f->zones[i].what);
    for (unsigned i = 0; i < f->n_zones; i++)
        buf_printf(out, "%s%s", f->zones[i].name, i + 1 < f->n_zones ? " " : " {\n");
    /* Cloud Map's TTLs are short on purpose, and answers that say no must not stay long either. */
    buf_append(out, STR("    errors\n    cache 30\n    forward . "));
    write_addresses(f, "", " ", "", out);
    buf_append(out, STR("\n}\n"));
}

static const struct form {
    const char *comment;
    const char *where; /* the text goes */
    void (*write_zone)(const struct forwarding *f, const struct forwarding_zone *zone,
                       struct buf *out); /* NULL: all at once */
    const char *notes;
} forms[N_FORWARDING_SERVERS] = {
    [FORWARDING_BIND] = { "//",
                          "named.conf: include it outside of options; with views, in each of them.",
                          write_bind, "then: named-checkconf, rndc reconfig, rndc flush." },
    [FORWARDING_UNBOUND] = { "#", "unbound.conf: include it, or put it into unbound.conf.d/.",
                             write_unbound,
                             "then: unbound-checkconf, and restart Unbound: a cached \"no such "
                             "name\" would stay." },
    [FORWARDING_DNSMASQ] = { "#", "dnsmasq.conf: conf-file=, or put it into dnsmasq.d/.",
                             write_dnsmasq,
                             "then: dnsmasq --test, and restart dnsmasq: it reads this file at "
                             "its start alone.\n- dnsmasq: --stop-dns-rebind is taken care of "
                             "(rebind-domain-ok); DNSSEC is not validated for zones that are "
                             "forwarded like this." },
    [FORWARDING_COREDNS] = { "#", "Corefile: import it, outside of other server blocks.", NULL,
                             "then: reload CoreDNS. Where the Corefile's other zones name a port "
                             "or bind an address, these need the same.\n- CoreDNS neither "
                             "validates DNSSEC nor drops private addresses by itself; a plugin "
                             "that does must leave these zones alone." },
    [FORWARDING_WINDOWS] = { "#",
                             "PowerShell on the DNS server, as an administrator. For all domain "
                             "controllers: add -ReplicationScope Forest.",
                             write_windows,
                             "then: Clear-DnsServerCache -Force. A zone that is there already: "
                             "Remove-DnsServerZone first.\n- Windows: without -UseRecursion the "
                             "server asks nobody else for these zones, which is right. DNSSEC: "
                             "where a trust anchor for the root is set, private zones fail." },
};

void forwarding_write(const struct forwarding *f, struct buf *out)
{
    const struct form *form = &forms[f->server];
    const char *c = form->comment;
    buf_printf(out,
               "%s Conditional forwarding to Amazon's resolver, through a Route 53 Resolver "
               "inbound endpoint.\n%s Made by penstock forwarding --for %s; partition %s.\n%s %s\n",
               c, c, forwarding_server_name(f->server), f->partition->name, c, form->where);
    buf_printf(out,
               "%s These zones are asked there and nowhere else: anybody else's answer, "
               "\"no such name\" too, is wrong.\n",
               c);
    if (form->write_zone == NULL) {
        write_coredns(f, out);
        return;
    }
    for (unsigned i = 0; i < f->n_zones; i++) {
        buf_printf(out, "\n%s %s: %s\n", c, f->zones[i].name, f->zones[i].what);
        form->write_zone(f, &f->zones[i], out);
    }
}

/* What BIND has at one place alone, and what may stand there already. */
static void write_bind_notes(const struct forwarding *f, struct buf *out)
{
    buf_append(out, STR("- BIND: if it validates DNSSEC (it does by itself), add to options: "
                        "validate-except {"));
    for (unsigned i = 0; i < f->n_zones; i++)
        buf_printf(out, " \"%s\";", f->zones[i].name);
    buf_append(out,
               STR(" };\n- BIND: if options has deny-answer-addresses, add to it: except-from {"));
    for (unsigned i = 0; i < f->n_zones; i++)
        buf_printf(out, " \"%s\";", f->zones[i].name);
    buf_append(out, STR(" };\n"));
}

static bool has_single_label(const struct forwarding *f)
{
    for (unsigned i = f->partition->n_zones; i < f->n_zones; i++)
        if (strchr(f->zones[i].name, '.') == NULL)
            return true;
    return false;
}

void forwarding_write_notes(const struct forwarding *f, struct buf *out)
{
    buf_append(out,
               STR("- The inbound endpoint's security group must let UDP and TCP port 53 in from "
                   "these DNS servers,\n  and so must VPN, Direct Connect, firewalls and network "
                   "ACLs, both ways.\n"
                   "- No outbound Resolver rule of that VPC may send these zones back here: it "
                   "would be a loop.\n"));
    if (f->n_namespaces == 0)
        buf_append(out, STR("- No Cloud Map namespace is among the zones: give --namespace (the "
                            "stack's, where registry.STACK lives),\n  or set "
                            "INTERNAL_REGISTRY_URL.\n"));
    if (has_single_label(f))
        buf_append(out, STR("- A zone of one label hides a top-level domain of that name (dev, "
                            "app), if there is one.\n"));
    if (f->server == FORWARDING_BIND)
        write_bind_notes(f, out);
    if (f->server == FORWARDING_UNBOUND)
        buf_append(out, STR("- Unbound: DNSSEC (domain-insecure) and private-address "
                            "(private-domain) are taken care of.\n"));
    buf_printf(out, "- %s\n", forms[f->server].notes);
}

#include "network_make.h"

/* Which servers are listed and how they are reached: PS1007-PS1015, PS1018, PS1021. */
#define SERVER "10.9.0.53"
#define SERVER6 "fd00:9::53"
#define PLUS_TWO "10.0.0.2"
#define REG "10.0.1.99"

struct row {
    const char *name;
    const char *servers; /* of resolv.conf; each knows all */
    void (*also)(struct fact_book *b);
    const char *argument; /* of also */
    enum finding_code code;
    enum check_state state;
    enum finding_severity severity;
    const char *evidence;
};

static const char *argument; /* of the row that is built */

#define FAILS(code, severity, evidence) code, CHECK_FAIL, severity, evidence
#define IS(code, state) code, state, 0, NULL
#define E FINDING_ERROR
#define W FINDING_WARNING
#define I FINDING_INFO

static void outside(struct fact_book *b)
{
    b->facts.surroundings.inside = FACT_NO;
}

/* The option set in force, as the argument says. */
static void option_set(struct fact_book *b)
{
    make_aws_call(b, "ec2:DescribeDhcpOptions", "ok");
    fact_add_text(b, &b->facts.vpc.cidrs, STR("10.0.0.0/16"));
    b->facts.dhcp.id = make_text(b, "dopt-1");
    struct fact_dhcp_option *o = make_dhcp_option(b, &b->facts.dhcp.options);
    o->key = make_text(b, argument[0] ? "domain-name-servers" : "domain-name");
    o->values = make_texts(b, argument);
}

static void option_set_outside(struct fact_book *b)
{
    option_set(b);
    outside(b);
}

static void option_set_denied(struct fact_book *b)
{
    make_aws_call(b, "ec2:DescribeDhcpOptions", "denied");
}

static void metadata(struct fact_book *b)
{
    make_network(b, &b->facts.metadata.networks)->dns_servers = make_texts(b, argument);
}

static void option_set_and_metadata(struct fact_book *b)
{
    option_set(b);
    metadata(b);
}

static void definition(struct fact_book *b)
{
    struct fact_container *c = make_container(b, &b->facts.task.containers);
    c->dns_servers = make_texts(b, SERVER);
    option_set_and_metadata(b);
}

static void unreadable(struct fact_book *b)
{
    b->facts.resolv_conf.error = make_text(b, "Permission denied");
}

static void bad_lines(struct fact_book *b)
{
    b->facts.resolv_conf.bad_lines = 2;
}

static void never_read(struct fact_book *b)
{
    b->facts.resolv_conf.path = (struct str){ NULL, 0 };
}

static void settings(struct fact_book *b)
{
    make_dns_server(b, SERVER, "settings");
}

static void become(struct fact_book *b, const char *server, const char *outcome)
{
    for (size_t i = 0; i < b->facts.questions.n; i++)
        if (str_eq(b->facts.questions.v[i].server, str_from_c(server))) {
            b->facts.questions.v[i].outcome = make_text(b, outcome);
            b->facts.questions.v[i].detail = make_text(b, "Network is unreachable");
            lose(&b->facts.questions.v[i], 0, 3);
        }
}

static void no_route(struct fact_book *b)
{
    become(b, argument, "no_route");
}

static void silent(struct fact_book *b)
{
    become(b, argument, "timeout");
}

static void one_no_route(struct fact_book *b)
{
    ask(b, SERVER, S3, "no_route", "");
}

static void unbracketed(struct fact_book *b)
{
    fact_add_text(b, &b->facts.surroundings.unbracketed, STR("PENSTOCK_DNS_SERVERS"));
}

static void tcp(struct fact_book *b)
{
    ask(b, SERVER, S3, argument, "")->transport = make_text(b, "tcp");
}

static void tcp_alone(struct fact_book *b)
{
    tcp(b);
    become(b, SERVER, "timeout");
}

static void tcp_once(struct fact_book *b)
{
    tcp(b);
    ask(b, SERVER, REGISTRY, "answer", REG)->transport = make_text(b, "tcp");
}

/* EDNS is lost; plain fares as the argument says. */
static void edns_lost(struct fact_book *b)
{
    become(b, SERVER, "timeout");
    ask(b, SERVER, S3, argument, strcmp(argument, "answer") == 0 ? PRIVATE : "")->edns = FACT_NO;
}

static void edns_once(struct fact_book *b)
{
    edns_lost(b);
    ask(b, SERVER, REGISTRY, "answer", REG);
}

/* ndots, then the search list. */
static void search(struct fact_book *b)
{
    b->facts.resolv_conf.ndots = argument[0] - '0';
    b->facts.resolv_conf.search = make_texts(b, argument + 2);
}

static void search_answers(struct fact_book *b)
{
    search(b);
    make_dns_name(b, REGISTRY ".corp.example", "search");
    ask(b, SERVER, REGISTRY ".corp.example", "answer", "10.66.6.6");
}

static void search_denies(struct fact_book *b)
{
    search(b);
    make_dns_name(b, REGISTRY ".corp.example", "search");
    ask(b, SERVER, REGISTRY ".corp.example", "nxdomain", "");
}

static void search_after_no(struct fact_book *b)
{
    search_answers(b);
    for (size_t i = 0; i < b->facts.questions.n; i++)
        if (str_eq(b->facts.questions.v[i].name, STR(REGISTRY)) &&
            str_eq(b->facts.questions.v[i].server, STR(SERVER)))
            b->facts.questions.v[i].outcome = make_text(b, "nxdomain");
}

static const struct row rows[] = {
    /* PS1007 */
    { "Amazon's second", SERVER " " AMAZON, NULL, "", FAILS(PS1007, W, SERVER ", " AMAZON) },
    { "VPC+2 second", SERVER " " PLUS_TWO, option_set, "AmazonProvidedDNS",
      FAILS(PS1007, W, SERVER ", " PLUS_TWO) },
    { "Amazon's first", AMAZON " " SERVER, NULL, "", IS(PS1007, CHECK_PASS) },
    { "Amazon's nowhere", SERVER, NULL, "", IS(PS1007, CHECK_SKIPPED) },
    { "order, outside", SERVER " " AMAZON, outside, "", IS(PS1007, CHECK_SKIPPED) },
    /* PS1008 */
    { "mixed in resolv.conf", AMAZON " " SERVER, NULL, "",
      FAILS(PS1008, W, "resolv.conf: " AMAZON ", " SERVER) },
    { "mixed in the option set", SERVER, option_set, "AmazonProvidedDNS 10.9.0.53",
      FAILS(PS1008, W, "option set: AmazonProvidedDNS, 10.9.0.53") },
    { "mixed in the option set, seen from outside", SERVER, option_set_outside, SERVER " " PLUS_TWO,
      FAILS(PS1008, W, PLUS_TWO) },
    { "both of Amazon's", AMAZON " fd00:ec2::253", NULL, "", IS(PS1008, CHECK_PASS) },
    { "custom ones alone", SERVER " 10.9.0.54", NULL, "", IS(PS1008, CHECK_PASS) },
    { "no list", "", NULL, "", IS(PS1008, CHECK_SKIPPED) },
    /* PS1009 */
    { "four servers", "10.9.0.1 10.9.0.2 10.9.0.3 10.9.0.4", NULL, "",
      FAILS(PS1009, W, "never asked by the C library: 10.9.0.4") },
    { "three servers", "10.9.0.1 10.9.0.2 10.9.0.3", NULL, "", IS(PS1009, CHECK_PASS) },
    { "number, nothing listed", "", NULL, "", IS(PS1009, CHECK_SKIPPED) },
    /* PS1010 */
    { "none", "", NULL, "", FAILS(PS1010, E, "/etc/resolv.conf: no nameserver line") },
    { "none that is understood", "", bad_lines, "", FAILS(PS1010, E, "2 lines") },
    { "unreadable", "", unreadable, "", FAILS(PS1010, E, "/etc/resolv.conf: Permission denied") },
    { "none, but penstock has its own", "", settings, "", FAILS(PS1010, W, "no nameserver") },
    { "one", SERVER, NULL, "", IS(PS1010, CHECK_PASS) },
    { "none, outside", "", outside, "", IS(PS1010, CHECK_SKIPPED) },
    { "never read", "", never_read, "", IS(PS1010, CHECK_SKIPPED) },
    /* PS1011 */
    { "no route", SERVER, no_route, SERVER,
      FAILS(PS1011, E, SERVER ": Network is unreachable, for 2 of 2 questions") },
    { "no route to the second", SERVER " 10.9.0.54", no_route, "10.9.0.54",
      FAILS(PS1011, W, "10.9.0.54: Network is unreachable") },
    { "no route once", SERVER, one_no_route, "", IS(PS1011, CHECK_PASS) },
    { "no route, outside", SERVER, outside, "", IS(PS1011, CHECK_SKIPPED) },
    { "IPv6 without route counts where it is the only one", SERVER6, no_route, SERVER6,
      FAILS(PS1011, E, SERVER6) },
    { "IPv6 without route behind IPv4 is a lesser thing", SERVER " " SERVER6, no_route, SERVER6,
      IS(PS1011, CHECK_PASS) },
    /* PS1012 */
    { "IPv6 without route", SERVER " " SERVER6, no_route, SERVER6,
      FAILS(PS1012, W,
            SERVER6 ": Network is unreachable, 0 of 6 tries answered; this host has no "
                    "IPv6 address") },
    { "IPv6 in silence", SERVER " " SERVER6, silent, SERVER6,
      FAILS(PS1012, W, SERVER6 ": silent") },
    { "IPv6 that answers", SERVER6, NULL, "", IS(PS1012, CHECK_PASS) },
    { "IPv4 in silence", SERVER, silent, SERVER, IS(PS1012, CHECK_PASS) },
    { "without brackets", SERVER, unbracketed, "", FAILS(PS1012, W, "PENSTOCK_DNS_SERVERS") },
    { "IPv6, nothing asked", "", NULL, "", IS(PS1012, CHECK_SKIPPED) },
    /* PS1013 */
    { "TCP is silent", SERVER, tcp, "timeout",
      FAILS(PS1013, W, "UDP answers 2 of 2 tries; TCP port 53: no answer to 1 of 1") },
    { "TCP is refused", SERVER, tcp, "failed", FAILS(PS1013, W, SERVER) },
    { "TCP answers", SERVER, tcp, "nxdomain", IS(PS1013, CHECK_PASS) },
    { "TCP answers once", SERVER, tcp_once, "timeout", IS(PS1013, CHECK_PASS) },
    { "neither answers", SERVER, tcp_alone, "timeout", IS(PS1013, CHECK_SKIPPED) },
    { "TCP was not asked", SERVER, tcp, "not_asked", IS(PS1013, CHECK_SKIPPED) },
    /* PS1014 */
    { "EDNS is lost", SERVER, edns_lost, "answer",
      FAILS(PS1014, W, "with EDNS no answer to 3 of 3 tries for " S3 "; without: " PRIVATE) },
    { "all is lost", SERVER, edns_lost, "timeout", IS(PS1014, CHECK_PASS) },
    { "EDNS is lost once", SERVER, edns_once, "answer", IS(PS1014, CHECK_PASS) },
    { "EDNS was not asked", "", NULL, "", IS(PS1014, CHECK_SKIPPED) },
    /* PS1015 */
    { "ndots and a long list", SERVER, search, "5 a.example b.example",
      FAILS(PS1015, I, "registry.stk has fewer dots than ndots (5): 3 names") },
    { "ndots and one domain", SERVER, search, "5 a.example", IS(PS1015, CHECK_PASS) },
    { "a long list and few dots", SERVER, search, "1 a.example b.example", IS(PS1015, CHECK_PASS) },
    { "a search domain answers first", SERVER, search_answers, "2 corp.example",
      FAILS(PS1015, W,
            "10.66.6.6 in 3 ms for registry.stk.corp.example; programs ask for it before") },
    { "a search domain that nobody asks for", SERVER, search_answers, "1 corp.example",
      IS(PS1015, CHECK_PASS) },
    { "unless the name is denied", SERVER, search_after_no, "1 corp.example",
      FAILS(PS1015, W, "after a no for registry.stk") },
    { "a search domain denies", SERVER, search_denies, "2 corp.example", IS(PS1015, CHECK_PASS) },
    { "no search list", SERVER, search, "5 ", IS(PS1015, CHECK_SKIPPED) },
    /* PS1018 */
    { "older than the option set", SERVER, option_set, "AmazonProvidedDNS",
      FAILS(PS1018, W, "option set in force: AmazonProvidedDNS") },
    { "AmazonProvidedDNS is VPC+2", PLUS_TWO, option_set, "AmazonProvidedDNS",
      IS(PS1018, CHECK_PASS) },
    { "over IPv6 as well", PLUS_TWO " fd00:ec2::253", option_set, "AmazonProvidedDNS",
      IS(PS1018, CHECK_PASS) },
    { "another order is another list", "10.9.0.54 " SERVER, option_set, SERVER " 10.9.0.54",
      FAILS(PS1018, W, "resolv.conf: 10.9.0.54, " SERVER) },
    { "one less", SERVER, option_set, SERVER " 10.9.0.54", FAILS(PS1018, W, "10.9.0.54") },
    { "one more", SERVER " 10.9.0.54", option_set, SERVER, FAILS(PS1018, W, "10.9.0.54") },
    { "the same", SERVER, option_set, SERVER, IS(PS1018, CHECK_PASS) },
    { "edited, not older", SERVER, option_set_and_metadata, PLUS_TWO, IS(PS1018, CHECK_PASS) },
    { "the definition's own", SERVER, definition, PLUS_TWO, IS(PS1018, CHECK_SKIPPED) },
    { "a resolver of this host", "127.0.0.1", option_set, "AmazonProvidedDNS",
      IS(PS1018, CHECK_SKIPPED) },
    { "the option set names none", SERVER, option_set, "", IS(PS1018, CHECK_SKIPPED) },
    { "the option set was denied", SERVER, option_set_denied, "", IS(PS1018, CHECK_UNKNOWN) },
    { "age, outside", SERVER, option_set_outside, PLUS_TWO, IS(PS1018, CHECK_SKIPPED) },
    /* PS1021 */
    { "edited", SERVER, metadata, PLUS_TWO,
      FAILS(PS1021, W, "DomainNameServers of the task's metadata: " PLUS_TWO) },
    { "not edited", SERVER, metadata, SERVER, IS(PS1021, CHECK_PASS) },
    { "a resolver of this task", "127.0.0.1", metadata, SERVER, IS(PS1021, CHECK_PASS) },
    { "the definition's own is no edit", SERVER, definition, PLUS_TWO, IS(PS1021, CHECK_PASS) },
    { "no metadata", SERVER, NULL, "", IS(PS1021, CHECK_SKIPPED) },
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *row = &rows[i];
        struct fact_book b;
        struct diagnosis d;
        fact_book_init(&b);
        build_network(&b, row->servers);
        for (size_t k = 0; k < b.facts.servers.n; k++)
            says(&b, b.facts.servers.v[k].address.p, PRIVATE, REG);
        argument = row->argument;
        if (row->also != NULL)
            row->also(&b);
        diagnose(&b.facts, &d);
        if (row->state == CHECK_FAIL)
            expect_finding(&d, row->code, row->severity, row->evidence, row->name);
        else
            expect_state(&d, row->code, row->state, row->name);
        if (row->state == CHECK_UNKNOWN)
            assert_true(d.results[row->code].actions.n > 0);
        diagnosis_done(&d);
        fact_book_done(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

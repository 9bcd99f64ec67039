#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <jansson.h>

#include "doctor/dhcp_plan.h"

#define N(rows) (sizeof(rows) / sizeof *(rows))

/* "key=value,value;key=value" */
static struct dhcp_options options(const char *text)
{
    struct dhcp_options o = { 0 };
    struct str rest = str_from_c(text), option, value;
    while (str_next(&rest, ';', &option)) {
        size_t equals = str_find(option, '=', 0);
        struct str key = str_first(option, equals), values = str_from(option, equals + 1);
        while (str_next(&values, ',', &value))
            assert_true(dhcp_options_add(&o, key, value));
    }
    return o;
}

static void write_options(const struct dhcp_options *o, struct buf *out)
{
    for (unsigned i = 0; i < o->n; i++) {
        buf_printf(out, "%s%.*s=", i > 0 ? ";" : "", STR_ARG(o->v[i].key));
        for (unsigned k = 0; k < o->v[i].n_values; k++)
            buf_printf(out, "%s%.*s", k > 0 ? "," : "", STR_ARG(o->v[i].values[k]));
    }
}

static const struct dhcp_service services[] = {
    { { "main", 4 }, { "proxy", 5 } },
    { { "main", 4 }, { "registry", 8 } },
};

static struct dhcp_state state_of(const char *text)
{
    return (struct dhcp_state){
        .region = STR("eu-west-1"),
        .vpc = STR("vpc-1a2b"),
        .cidr = STR("10.20.0.0/16"),
        .set_id = STR("dopt-0old"),
        .set_name = STR("corp"),
        .options = options(text),
        .n_services = N(services),
        .services = services,
    };
}

/* proposed NULL: nothing to do. */
static const struct {
    const char *what;
    enum dhcp_mode mode;
    const char *in_force, *proposed, *why;
} plans[] = {
    { "corporate servers alone", DHCP_AMAZON_ALONE, "domain-name-servers=10.1.0.53,10.1.0.54",
      "domain-name-servers=AmazonProvidedDNS", "has no Amazon resolver" },
    { "everything else is kept, in its order", DHCP_AMAZON_ALONE,
      "domain-name=corp.example;domain-name-servers=10.1.0.53;ntp-servers=10.1.0.1,10.1.0.2;"
      "netbios-name-servers=10.1.0.9;netbios-node-type=2;"
      "ipv6-address-preferred-lease-time=3600;something-new=a,b",
      "domain-name=corp.example;domain-name-servers=AmazonProvidedDNS;ntp-servers=10.1.0.1,"
      "10.1.0.2;netbios-name-servers=10.1.0.9;netbios-node-type=2;"
      "ipv6-address-preferred-lease-time=3600;something-new=a,b",
      "has no Amazon resolver" },
    { "no servers at all", DHCP_AMAZON_ALONE, "domain-name=corp.example",
      "domain-name=corp.example;domain-name-servers=AmazonProvidedDNS", "names no DNS server" },
    { "an empty set", DHCP_AMAZON_FIRST, "", "domain-name-servers=AmazonProvidedDNS",
      "names no DNS server" },
    { "right already", DHCP_AMAZON_ALONE,
      "domain-name=eu-west-1.compute.internal;domain-name-servers=AmazonProvidedDNS", NULL,
      "nobody else already" },
    { "right by address", DHCP_AMAZON_ALONE, "domain-name-servers=169.254.169.253", NULL,
      "nobody else already" },
    { "right by VPC+2", DHCP_AMAZON_ALONE, "domain-name-servers=10.20.0.2", NULL,
      "nobody else already" },
    { "right by both families", DHCP_AMAZON_ALONE,
      "domain-name-servers=169.254.169.253,fd00:ec2::253", NULL, "nobody else already" },
    { "another VPC's +2 is a corporate server", DHCP_AMAZON_ALONE, "domain-name-servers=10.0.0.2",
      "domain-name-servers=AmazonProvidedDNS", "has no Amazon resolver" },
    { "mixed, Amazon first", DHCP_AMAZON_ALONE, "domain-name-servers=AmazonProvidedDNS,10.1.0.53",
      "domain-name-servers=AmazonProvidedDNS", "is mixed with other servers" },
    { "mixed, Amazon second", DHCP_AMAZON_ALONE, "domain-name-servers=10.1.0.53,AmazonProvidedDNS",
      "domain-name-servers=AmazonProvidedDNS", "listed, but not first" },
    { "the article's option B, wrong way round", DHCP_AMAZON_ALONE,
      "domain-name-servers=10.1.0.53,10.20.0.2", "domain-name-servers=AmazonProvidedDNS",
      "listed, but not first" },
    { "Amazon's first, where asked", DHCP_AMAZON_FIRST, "domain-name-servers=10.1.0.53,10.1.0.54",
      "domain-name-servers=10.20.0.2,10.1.0.53,10.1.0.54", "has no Amazon resolver" },
    { "the keyword goes, where addresses stand", DHCP_AMAZON_FIRST,
      "domain-name-servers=AmazonProvidedDNS,10.1.0.53", "domain-name-servers=10.20.0.2,10.1.0.53",
      "is mixed" },
    { "four servers at most", DHCP_AMAZON_FIRST,
      "domain-name-servers=10.1.0.53,10.1.0.54,10.1.0.55,10.1.0.56",
      "domain-name-servers=10.20.0.2,10.1.0.53,10.1.0.54,10.1.0.55", "has no Amazon" },
    { "IPv6 servers", DHCP_AMAZON_FIRST, "domain-name-servers=fd12::53,10.1.0.53",
      "domain-name-servers=10.20.0.2,fd12::53,10.1.0.53", "has no Amazon" },
    { "each once", DHCP_AMAZON_FIRST, "domain-name-servers=10.1.0.53,10.1.0.53,fd12::53,fd12:0::53",
      "domain-name-servers=10.20.0.2,10.1.0.53,fd12::53", "has no Amazon" },
    { "Amazon's own are moved to the front", DHCP_AMAZON_FIRST,
      "domain-name-servers=10.1.0.53,169.254.169.253,fd00:ec2::253",
      "domain-name-servers=10.20.0.2,10.1.0.53", "listed, but not first" },
    { "first already", DHCP_AMAZON_FIRST, "domain-name-servers=10.20.0.2,10.1.0.53", NULL,
      "first already" },
    { "first already, by the other address", DHCP_AMAZON_FIRST,
      "domain-name-servers=169.254.169.253,10.1.0.53", NULL, "first already" },
    { "first, but alone is asked", DHCP_AMAZON_ALONE, "domain-name-servers=10.20.0.2,10.1.0.53",
      "domain-name-servers=AmazonProvidedDNS", "is mixed" },
    { "first, without corporate servers", DHCP_AMAZON_FIRST,
      "domain-name-servers=AmazonProvidedDNS", NULL, "nobody else already" },
    { "what is no address is dropped", DHCP_AMAZON_FIRST,
      "domain-name-servers=10.20.0.2,dns.corp.example,10.1.0.53",
      "domain-name-servers=10.20.0.2,10.1.0.53", "is mixed" },
};

static void the_new_set(void **state)
{
    for (size_t i = 0; i < N(plans); i++) {
        struct dhcp_state s = state_of(plans[i].in_force);
        struct dhcp_plan plan;
        struct buf text;
        buf_init(&text, 4096);
        dhcp_plan_make(&s, plans[i].mode, &plan);
        write_options(&plan.proposed, &text);
        if ((plan.verdict == DHCP_CHANGE) != (plans[i].proposed != NULL) ||
            strstr(plan.why, plans[i].why) == NULL ||
            (plans[i].proposed != NULL && !str_eq(buf_str(&text), str_from_c(plans[i].proposed))))
            fail_msg("%s: %d, %s, %.*s", plans[i].what, (int)plan.verdict, plan.why,
                     STR_ARG(buf_str(&text)));
        buf_done(&text);
    }
}

static bool writes(const struct dhcp_state *s, const struct dhcp_plan *plan, const char *part)
{
    struct buf text;
    buf_init(&text, DHCP_TEXT_BYTES);
    dhcp_plan_write(s, plan, &text);
    assert_false(text.failed);
    bool is_there = str_contains(buf_str(&text), str_from_c(part));
    buf_done(&text);
    return is_there;
}

static void a_vpc_without_a_set(void **state)
{
    struct dhcp_state s = state_of("");
    struct dhcp_plan plan;
    s.set_id = STR("default");
    dhcp_plan_make(&s, DHCP_AMAZON_ALONE, &plan);
    assert_int_equal(plan.verdict, DHCP_NOTHING_TO_DO);
    assert_true(writes(&s, &plan, "nothing to do: the VPC has no option set"));
    /* Somebody looked the region's default set up under that name. */
    s.options = options("domain-name-servers=10.1.0.53");
    dhcp_plan_make(&s, DHCP_AMAZON_ALONE, &plan);
    assert_int_equal(plan.verdict, DHCP_CHANGE);
    assert_true(writes(&s, &plan, "--dhcp-options-id default &&"));
}

static void what_no_plan_is_made_of(void **state)
{
    static const char *const odd[] = { "domain-name=a\nb;domain-name-servers=10.1.0.53",
                                       "a\033[31m=b;domain-name-servers=10.1.0.53",
                                       "domain-name=\xc3\xa4;domain-name-servers=10.1.0.53" };
    struct dhcp_plan plan;
    struct buf text;
    buf_init(&text, DHCP_TEXT_BYTES);
    for (size_t i = 0; i < N(odd); i++) {
        struct dhcp_state s = state_of(odd[i]);
        dhcp_plan_make(&s, DHCP_AMAZON_ALONE, &plan);
        assert_int_equal(plan.verdict, DHCP_REFUSED);
        dhcp_plan_write_commands(&s, &plan, &text);
        dhcp_plan_write_rollback(&s, &plan, STR(""), &text);
        assert_int_equal(text.n, 0);
        dhcp_plan_write(&s, &plan, &text);
        for (size_t k = 0; k < text.n; k++)
            assert_true(text.p[k] == '\n' || (text.p[k] >= ' ' && text.p[k] <= '~'));
        buf_clear(&text);
    }
    struct dhcp_state s = state_of("domain-name-servers=10.1.0.53");
    s.set_id = STR("");
    dhcp_plan_make(&s, DHCP_AMAZON_ALONE, &plan);
    assert_int_equal(plan.verdict, DHCP_REFUSED);
    assert_true(writes(&s, &plan, "no way back"));
    s = state_of("a=1;b=1;c=1;d=1;e=1;f=1;g=1;h=1;i=1;j=1;k=1;l=1;m=1;n=1;o=1;p=1");
    dhcp_plan_make(&s, DHCP_AMAZON_ALONE, &plan);
    assert_int_equal(plan.verdict, DHCP_REFUSED);
    buf_done(&text);
}

static void options_have_maxima(void **state)
{
    struct dhcp_options o = { 0 };
    char keys[DHCP_MAX_OPTIONS + 1][8];
    for (unsigned i = 0; i < DHCP_MAX_VALUES; i++)
        assert_true(dhcp_options_add(&o, STR("a"), STR("1")));
    assert_false(dhcp_options_add(&o, STR("a"), STR("1")));
    for (unsigned i = 1; i < DHCP_MAX_OPTIONS; i++) {
        snprintf(keys[i], sizeof keys[i], "k%u", i);
        assert_true(dhcp_options_add(&o, str_from_c(keys[i]), STR("1")));
    }
    assert_false(dhcp_options_add(&o, STR("more"), STR("1")));
    assert_int_equal(o.n, DHCP_MAX_OPTIONS);
    assert_int_equal(dhcp_options_find(&o, STR("a"))->n_values, DHCP_MAX_VALUES);
    assert_null(dhcp_options_find(&o, STR("A")));
}

/* domain-name, region -> corporate zones, and is it told that the domain is another region's? */
static const struct {
    const char *domain, *region, *zones;
    bool is_wrong;
    unsigned n_bad;
} domains[] = {
    { "corp.example", "eu-west-1", "corp.example ", false, 0 },
    { "Corp.Example. lab.corp.example", "eu-west-1", "corp.example lab.corp.example ", false, 0 },
    { "corp.example  CORP.example", "eu-west-1", "corp.example ", false, 0 },
    { "eu-west-1.compute.internal", "eu-west-1", "", false, 0 },
    { "ec2.internal", "us-east-1", "", false, 0 },
    { "ec2.internal", "eu-west-1", "", true, 0 },
    { "us-east-1.compute.internal", "us-east-1", "", true, 0 },
    { "us-west-2.compute.internal corp.example", "eu-west-1", "corp.example ", true, 0 },
    { "us-west-2.compute.internal", "", "", false, 0 },
    { "mycompute.internal", "eu-west-1", "mycompute.internal ", false, 0 },
    { "10.0.0.1", "eu-west-1", "", false, 1 },
    { "a_b.example $(x)", "eu-west-1", "", false, 2 },
};

static void corporate_zones(void **state)
{
    for (size_t i = 0; i < N(domains); i++) {
        struct dhcp_state s = state_of("domain-name-servers=10.1.0.53");
        struct dhcp_plan plan;
        char zones[1024] = "";
        s.region = str_from_c(domains[i].region);
        assert_true(
            dhcp_options_add(&s.options, STR("domain-name"), str_from_c(domains[i].domain)));
        dhcp_plan_make(&s, DHCP_AMAZON_ALONE, &plan);
        for (unsigned k = 0; k < plan.n_zones; k++)
            snprintf(zones + strlen(zones), 300, "%s ", plan.zones[k].name);
        if (strcmp(zones, domains[i].zones) != 0 || plan.has_wrong_domain != domains[i].is_wrong ||
            plan.n_bad_zones != domains[i].n_bad)
            fail_msg("%s: \"%s\" %d %u", domains[i].domain, zones, plan.has_wrong_domain,
                     plan.n_bad_zones);
        assert_int_equal(writes(&s, &plan, "Amazon's of another region"), domains[i].is_wrong);
    }
}

static void rules_that_are_there(void **state)
{
    static const struct {
        const char *rule;
        bool covers; /* corp.example */
    } rows[] = {
        { "corp.example", true },      { "CORP.example.", true },
        { "example", true },           { ".", true },
        { "rp.example", false },       { "a.corp.example", false },
        { "orp.example.", false },     { "", false },
        { "corp.example.com", false },
    };
    for (size_t i = 0; i < N(rows); i++) {
        struct str rule = str_from_c(rows[i].rule);
        struct dhcp_state s = state_of("domain-name=corp.example;domain-name-servers=10.1.0.53");
        struct dhcp_plan plan;
        s.forwarded = (struct dhcp_strs){ 1, &rule };
        dhcp_plan_make(&s, DHCP_AMAZON_ALONE, &plan);
        if (plan.zones[0].is_forwarded != rows[i].covers)
            fail_msg("%s", rows[i].rule);
        assert_int_equal(writes(&s, &plan, "create-resolver-rule"), !rows[i].covers);
    }
}

/* Runs the commands in sh, with an aws that writes down its arguments and gives an ID; it fails at
 * the n-th call. What it wrote goes to *log. */
static int run(const struct buf *commands, unsigned fails_at, struct buf *log)
{
    char script[] = "/tmp/penstock-plan-XXXXXX", path[] = "/tmp/penstock-plan-XXXXXX", line[256];
    int fd = mkstemp(script), log_fd = mkstemp(path);
    assert_true(fd >= 0 && log_fd >= 0);
    FILE *f = fdopen(fd, "w");
    assert_non_null(f);
    fprintf(f,
            "log=%s\naws() {\n echo x >>$log.n; n=$(wc -l <$log.n)\n"
            " printf '%%s\\n' '# call' \"$@\" >>$log\n [ $n != %u ] || return 1\n"
            " case $2 in get-resolver-endpoint) echo OPERATIONAL;; *) echo id-$n;; esac\n}\n",
            path, fails_at);
    fwrite(commands->p, 1, commands->n, f);
    fclose(f);
    snprintf(line, sizeof line, "sh %s; code=$?; rm -f %s.n; exit $code", script, path);
    int code = system(line);
    char bytes[65536];
    ssize_t n = read(log_fd, bytes, sizeof bytes);
    buf_append(log, str_of(bytes, n > 0 ? (size_t)n : 0));
    close(log_fd);
    unlink(script);
    unlink(path);
    return code;
}

static size_t count(const struct buf *b, const char *part)
{
    size_t n = 0, bytes = strlen(part);
    for (size_t i = 0; i + bytes <= b->n; i++)
        n += memcmp(b->p + i, part, bytes) == 0;
    return n;
}

static bool has(const struct buf *b, const char *part)
{
    return count(b, part) > 0;
}

struct ran {
    struct dhcp_plan plan;
    struct buf commands, log;
};

static int run_plan(const struct dhcp_state *s, unsigned fails_at, struct ran *r)
{
    buf_init(&r->commands, DHCP_TEXT_BYTES);
    buf_init(&r->log, DHCP_TEXT_BYTES);
    dhcp_plan_make(s, DHCP_AMAZON_ALONE, &r->plan);
    dhcp_plan_write_commands(s, &r->plan, &r->commands);
    assert_false(r->commands.failed);
    return run(&r->commands, fails_at, &r->log);
}

static void ran_done(struct ran *r)
{
    buf_done(&r->commands);
    buf_done(&r->log);
}

static void the_commands_do_it_in_order(void **state)
{
    static const struct str forwarded[] = { { "lab.corp.example", 16 }, { "", 0 } };
    struct dhcp_state s =
        state_of("domain-name=corp.example b.lab.corp.example;domain-name-servers=10.1.0.53,"
                 "fd12::53");
    struct ran r;
    s.forwarded = (struct dhcp_strs){ N(forwarded), forwarded };
    assert_int_equal(run_plan(&s, 0, &r), 0);
    /* endpoint, its state, rule, association, set, association, two services */
    assert_int_equal(count(&r.log, "# call"), 8);
    assert_true(has(&r.log, "create-resolver-endpoint\n--region\neu-west-1\n"));
    assert_true(has(&r.log, "--domain-name\ncorp.example\n--resolver-endpoint-id\nid-1\n"
                            "--target-ips\nIp=10.1.0.53,Port=53\nIpv6=fd12::53,Port=53\n"));
    assert_true(has(&r.log, "--resolver-rule-id\nid-3\n--vpc-id\nvpc-1a2b\n"));
    assert_false(has(&r.log, "--domain-name\nb.lab.corp.example"));
    assert_true(has(&r.log, "associate-dhcp-options\n--region\neu-west-1\n--vpc-id\nvpc-1a2b\n"
                            "--dhcp-options-id\nid-5\n"));
    assert_true(has(&r.log, "--cluster\nmain\n--service\nproxy\n--force-new-deployment\n"));
    assert_true(has(&r.log, "--cluster\nmain\n--service\nregistry\n--force-new-deployment\n"));
    ran_done(&r);
    /* With an endpoint that is there none is made. */
    s.outbound_endpoint = STR("rslvr-out-9");
    assert_int_equal(run_plan(&s, 0, &r), 0);
    assert_int_equal(count(&r.log, "# call"), 6);
    assert_true(has(&r.log, "--resolver-endpoint-id\nrslvr-out-9\n"));
    ran_done(&r);
}

static void no_step_after_one_that_failed(void **state)
{
    struct dhcp_state s = state_of("domain-name=corp.example;domain-name-servers=10.1.0.53");
    for (unsigned fails_at = 1; fails_at <= 8; fails_at++) {
        struct ran r;
        if (fails_at == 2)
            continue; /* the state of the endpoint is asked for again */
        assert_int_not_equal(run_plan(&s, fails_at, &r), 0);
        assert_int_equal(count(&r.log, "# call"), fails_at);
        ran_done(&r);
    }
}

static void the_rollback_takes_it_back(void **state)
{
    struct dhcp_state s = state_of("domain-name-servers=10.1.0.53");
    struct dhcp_plan plan;
    struct buf commands, log;
    buf_init(&commands, DHCP_TEXT_BYTES);
    buf_init(&log, DHCP_TEXT_BYTES);
    dhcp_plan_make(&s, DHCP_AMAZON_FIRST, &plan);
    dhcp_plan_write_rollback(&s, &plan, STR("dopt-0new"), &commands);
    assert_int_equal(run(&commands, 0, &log), 0);
    assert_int_equal(count(&log, "# call"), 4);
    assert_true(has(&log, "--vpc-id\nvpc-1a2b\n--dhcp-options-id\ndopt-0old\n"));
    assert_true(has(&log, "--service\nproxy\n--force-new-deployment\n"));
    assert_true(has(&log, "delete-dhcp-options\n--region\neu-west-1\n--dhcp-options-id\n"
                          "dopt-0new\n"));
    buf_clear(&commands);
    dhcp_plan_write_rollback(&s, &plan, STR(""), &commands);
    assert_true(has(&commands, "--dhcp-options-id \"$new\"\n"));
    buf_done(&commands);
    buf_done(&log);
}

static const char *const hostile[] = {
    "x'; touch /tmp/penstock-owned; '",
    "$(touch /tmp/penstock-owned)",
    "`touch /tmp/penstock-owned`",
    "\"; touch /tmp/penstock-owned; \"",
    "a b\\",
    "$HOME",
    "&& false",
    "*",
    "~",
    "-x",
    "#",
    "\\'",
    "!!",
    "'",
    "''",
    "\"]}",
    "{\"Key\":\"x\"}",
};

/* Whatever the words are: they arrive as words, and the options as the JSON of just these options.
 */
static void hostile_words_stay_words(void **state)
{
    for (size_t i = 0; i < N(hostile); i++) {
        struct str word = str_from_c(hostile[i]);
        struct dhcp_service service = { word, word };
        struct dhcp_state s = state_of("domain-name-servers=10.1.0.53");
        struct ran r;
        char want[256];
        s.set_name = s.vpc = s.region = s.set_id = word;
        s.services = &service;
        s.n_services = 1;
        assert_true(dhcp_options_add(&s.options, word, word));
        assert_int_equal(run_plan(&s, 0, &r), 0);
        assert_int_equal(count(&r.log, "# call"), 3);
        snprintf(want, sizeof want, "--cluster\n%s\n--service\n%s\n--force", hostile[i],
                 hostile[i]);
        if (!has(&r.log, want))
            fail_msg("%s:\n%.*s", hostile[i], STR_ARG(buf_str(&r.log)));
        buf_byte(&r.log, 0);
        char *json = strstr(r.log.p, "--dhcp-configurations\n") + strlen("--dhcp-configurations\n");
        *strchr(json, '\n') = 0;
        json_t *set = json_loads(json, 0, NULL);
        assert_int_equal(json_array_size(set), 2);
        json_t *odd = json_array_get(set, 1);
        assert_string_equal(json_string_value(json_object_get(odd, "Key")), hostile[i]);
        assert_string_equal(json_string_value(json_array_get(json_object_get(odd, "Values"), 0)),
                            hostile[i]);
        json_decref(set);
        ran_done(&r);
    }
    assert_int_not_equal(access("/tmp/penstock-owned", F_OK), 0);
}

static void the_text_tells_all(void **state)
{
    static const char *const parts[] = {
        "in force in vpc-1a2b: dopt-0old (corp)\n",
        "    domain-name-servers             10.1.0.53  10.1.0.54  10.1.0.55  10.1.0.56\n",
        "proposed: corp, AWS DNS\n",
        "    domain-name-servers             10.20.0.2  10.1.0.53  10.1.0.54  10.1.0.55\n",
        "its \"no such name\" is final",
        "1 of the corporate ones do not fit",
        "    corp.example\n",
        "there is no outbound endpoint",
        "services that get a new deployment: 2; tasks without a service, to be started anew by "
        "you: 3",
        "\nthe commands:\noutbound=$(aws route53resolver",
        "\nto take it back (Resolver rules may stay, they do no harm):\naws ec2 "
        "associate-dhcp-options",
    };
    struct dhcp_state s = state_of(
        "domain-name=corp.example;domain-name-servers=10.1.0.53,10.1.0.54,10.1.0.55,10.1.0.56");
    struct dhcp_plan plan;
    s.n_lone_tasks = 3;
    dhcp_plan_make(&s, DHCP_AMAZON_FIRST, &plan);
    for (size_t i = 0; i < N(parts); i++)
        if (!writes(&s, &plan, parts[i]))
            fail_msg("%s", parts[i]);
    s.options = options("domain-name-servers=10.1.0.53");
    dhcp_plan_make(&s, DHCP_AMAZON_ALONE, &plan);
    assert_true(writes(&s, &plan, "Name their zones first"));
    /* Without a primary CIDR VPC+2 is not guessed. */
    s.cidr = STR("10.20.0.0/8");
    dhcp_plan_make(&s, DHCP_AMAZON_FIRST, &plan);
    assert_string_equal(plan.resolver, "169.254.169.253");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_new_set),
        cmocka_unit_test(a_vpc_without_a_set),
        cmocka_unit_test(what_no_plan_is_made_of),
        cmocka_unit_test(options_have_maxima),
        cmocka_unit_test(corporate_zones),
        cmocka_unit_test(rules_that_are_there),
        cmocka_unit_test(the_commands_do_it_in_order),
        cmocka_unit_test(no_step_after_one_that_failed),
        cmocka_unit_test(the_rollback_takes_it_back),
        cmocka_unit_test(hostile_words_stay_words),
        cmocka_unit_test(the_text_tells_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

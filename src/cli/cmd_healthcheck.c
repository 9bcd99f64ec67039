#include "cli/arguments.h"
#include "cli/cli.h"
#include "cli/own_dns.h"
#include "cli/own_http.h"

#include "codec/escape.h"
#include "conf/settings.h"

#include <stdio.h>

enum { DEFAULT_TIMEOUT_S = 2, MAX_TIMEOUT_S = 60, ANSWER_BYTES = 256 * 1024, SHOWN_BYTES = 200 };

struct check {
    struct str target, must_begin; /* of a page, and its body */
    const struct dns_name *name;   /* instead: a name for the DNS listener */
    const struct conf_addrs *listeners;
    const char *setting; /* that names them */
    int timeout_ms;
};

/* The first line of what was answered, harmless. */
static void tell_reply(const struct own_reply *r, struct buf *said)
{
    struct str body = buf_str(&r->body), line = { NULL, 0 };
    buf_printf(said, "answered %u", r->status);
    str_next(&body, '\n', &line);
    if (str_trim(line).n == 0)
        return;
    buf_append(said, STR(": "));
    escape_plain(said, str_trim(line), SHOWN_BYTES);
}

static bool check_page(const struct check *c, const struct addr *at, struct buf *said)
{
    const struct own_limits limits = { c->timeout_ms, c->timeout_ms, ANSWER_BYTES };
    struct own_reply r = { .status = 0 };
    const char *why;
    buf_init(&r.body, ANSWER_BYTES);
    bool is_whole = own_http_get(at, c->target, &limits, &r, &why);
    bool is_well = is_whole && r.status == 200 && str_starts(buf_str(&r.body), c->must_begin);
    if (is_whole)
        tell_reply(&r, said);
    else
        buf_append(said, str_from_c(why));
    buf_done(&r.body);
    return is_well;
}

static bool check_name(const struct check *c, const struct addr *at, struct buf *said)
{
    char text[DNS_NAME_TEXT_BYTES], rcode[16];
    struct own_dns_reply r;
    const char *why;
    if (!own_dns_ask(at, c->name, c->timeout_ms, &r, &why)) {
        buf_append(said, str_from_c(why));
        return false;
    }
    buf_printf(said, "%s: %s, %zu records", dns_name_text(c->name, text),
               dns_rcode_text(r.rcode, rcode), r.n_answers);
    return r.rcode == DNS_NOERROR && r.n_answers > 0;
}

/* The first listener that is well decides; else the last one's word is told. */
static int check(const struct check *c)
{
    struct buf said;
    char text[ADDR_TEXT_BYTES];
    bool is_well = false;
    buf_init(&said, 4096);
    buf_printf(&said, "%s is off", c->setting);
    for (size_t i = 0; i < c->listeners->n && !is_well; i++) {
        struct addr ways[OWN_WAYS];
        unsigned n = own_reach(&c->listeners->v[i], ways);
        for (unsigned k = 0; k < n && !is_well; k++) {
            buf_clear(&said);
            buf_printf(&said, "%s%.*s: ", addr_text(&ways[k], text), STR_ARG(c->target));
            is_well =
                c->name != NULL ? check_name(c, &ways[k], &said) : check_page(c, &ways[k], &said);
        }
    }
    fprintf(is_well ? stdout : stderr, "%s: %.*s\n", is_well ? "well" : "not well",
            STR_ARG(buf_str(&said)));
    buf_done(&said);
    return is_well && fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
}

/* 0, or the exit code. */
static int read_timeout(const char *text, int *timeout_ms)
{
    uint64_t seconds = DEFAULT_TIMEOUT_S;
    if (text != NULL &&
        (!str_to_u64(str_from_c(text), &seconds) || seconds == 0 || seconds > MAX_TIMEOUT_S))
        return cli_usage_error("healthcheck", "--timeout takes 1 to 60 seconds, not", text);
    *timeout_ms = (int)seconds * 1000;
    return EXIT_OK;
}

static int check_dns(const struct conf *conf, struct check *c, const char *wanted)
{
    struct dns_name name;
    if (!dns_name_parse(str_from_c(wanted != NULL ? wanted : "localhost"), &name))
        return cli_usage_error("healthcheck", "no name that DNS takes:", wanted);
    c->name = &name;
    c->listeners = &conf->dns_listen;
    c->setting = conf_key(CONF_DNS_LISTEN);
    int code = check(c);
    c->name = NULL; /* it ends here */
    return code;
}

static int check_with(const struct conf *conf, const struct arguments *a, struct check *c)
{
    if (arguments_get(a, "--dns") != NULL)
        return check_dns(conf, c, arguments_get(a, "--name"));
    bool wants_ready = arguments_get(a, "--ready") != NULL;
    bool wants_live = arguments_get(a, "--live") != NULL;
    c->listeners = wants_ready || wants_live ? &conf->admin : &conf->listen;
    c->setting = conf_key(wants_ready || wants_live ? CONF_ADMIN : CONF_LISTEN);
    c->target = wants_ready ? STR("/readyz") : wants_live ? STR("/livez") : STR("/");
    if (!wants_ready && !wants_live)
        c->must_begin = STR("S3 Proxy");
    return check(c);
}

int cmd_healthcheck(int argc, char **argv)
{
    struct arguments a;
    struct check c = { .timeout_ms = 0 };
    if (!arguments_read(CLI_HEALTHCHECK, argc, argv, &a))
        return EXIT_USAGE_ERROR;
    int wrong = read_timeout(arguments_get(&a, "--timeout"), &c.timeout_ms);
    if (wrong)
        return wrong;
    bool is_dns = arguments_get(&a, "--dns") != NULL;
    bool is_admin = arguments_get(&a, "--ready") != NULL || arguments_get(&a, "--live") != NULL;
    if (is_dns && is_admin)
        return cli_usage_error("healthcheck", "--dns asks another listener than --ready and --live",
                               NULL);
    if (arguments_get(&a, "--ready") != NULL && arguments_get(&a, "--live") != NULL)
        return cli_usage_error("healthcheck", "--ready and --live exclude each other", NULL);
    if (!is_dns && arguments_get(&a, "--name") != NULL)
        return cli_usage_error("healthcheck", "--name goes with --dns", NULL);
    /* The admin listener is serve's and the forwarder's alike. */
    enum conf_use use = is_dns ? CONF_FOR_DNS : is_admin ? CONF_FOR_TOOL : CONF_FOR_SERVE;
    struct conf *conf = cli_load_conf(arguments_get(&a, "--config"), use);
    if (conf == NULL)
        return EXIT_FAILED;
    int code = check_with(conf, &a, &c);
    conf_unref(conf);
    return code;
}

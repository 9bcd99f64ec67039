/* Connections and their steps, ECS's metadata over HTTP, and the proxy that runs. */
/* Before the rig, whose END is another one than that of the facts' table. */
#include "doctor/probe_connect.h"
#include "doctor/probe_metadata.h"
#include "doctor/probe_proxy.h"

#include "../upstream/rig.h"

#include <openssl/x509_vfy.h>
#include <time.h>

#define NAME "s3.test"
#define HEAD_OK                                                                                    \
    "HTTP/1.1 307 Moved\r\nx-amz-bucket-region: eu-central-1\r\nContent-Length: 9\r\n\r\n"

struct probe_job {
    struct rig *rig;
    struct fact_book book;
    struct probe_names names;
    struct probe_connect connect;
    struct probe_metadata metadata;
    struct probe_proxy proxy;
    unsigned n_done;
};

static void on_connected(struct probe_connect *c)
{
    ((struct probe_job *)c->owner)->n_done++;
}

static void answer_of(struct probe_job *j, const char *server, bool is_amazon,
                      const char *addresses)
{
    struct fact_server s;
    struct fact_question q;
    struct str rest = str_from_c(addresses), one;
    FACT_CLEAR(server, &s);
    s.address = fact_text(&j->book, str_from_c(server));
    s.is_amazon = fact_truth_of(is_amazon);
    fact_add(&j->book, &j->book.facts.servers, &s);
    FACT_CLEAR(question, &q);
    q.server = s.address;
    q.name = fact_text(&j->book, STR(NAME));
    q.outcome = fact_text(&j->book, STR("answer"));
    while (str_next(&rest, ',', &one))
        fact_add_text(&j->book, &q.addresses, one);
    fact_add(&j->book, &j->book.facts.questions, &q);
}

static struct probe_job *job_new(struct rig *r, bool is_tls, bool is_registry)
{
    struct probe_job *j = calloc(1, sizeof *j);
    uint16_t port = r->origin.rig != NULL ? addr_port(&r->origin.listener.local) : 9;
    j->rig = r;
    fact_book_init(&j->book);
    j->names.n = j->names.n_targets = 1;
    j->names.v[0].text = fact_text(&j->book, STR(NAME));
    assert_true(dns_name_parse(STR(NAME), &j->names.v[0].dns));
    j->names.targets[0] = (struct probe_target){ .name = &j->names.v[0],
                                                 .purpose = is_registry ? "registry" : "s3",
                                                 .host_field = STR(NAME),
                                                 .path = STR("/"),
                                                 .port = port,
                                                 .is_tls = is_tls,
                                                 .is_registry = is_registry };
    return j;
}

static void job_free(struct probe_job *j)
{
    probe_connect_cancel(&j->connect);
    probe_metadata_cancel(&j->metadata);
    probe_proxy_cancel(&j->proxy);
    fact_book_done(&j->book);
    free(j);
}

static void connect_for(struct probe_job *j, unsigned ms)
{
    j->connect.owner = j;
    j->connect.on_done = on_connected;
    probe_connect_start(&j->connect, &j->rig->loop, j->rig->client, j->rig->conf, &j->names,
                        io_now_us() + ms * 1000, &j->book);
    assert_int_equal(j->n_done, 0);
    TURN_UNTIL(j->rig, j->n_done > 0);
    turn_ms(j->rig, 5);
    assert_int_equal(j->n_done, 1);
}

static void expect_text(struct str got, const char *wanted, const char *what)
{
    if (!str_eq(got, str_from_c(wanted)))
        fail_msg("%s: \"%.*s\", not \"%s\"", what, STR_ARG(got), wanted != NULL ? wanted : "");
}

static const struct act says_head[] = { { 0, END, HEAD_OK, 0, CLOSE }, { 0 } };
static const struct act closes[] = { { 0, END, "", 0, CLOSE }, { 1, END, "", 0, CLOSE }, { 0 } };
static const struct act mumbles[] = { { 0, END, "SSH-2.0-x\r\n\r\n", 0, CLOSE },
                                      { 1, END, "SSH-2.0-x\r\n\r\n", 0, CLOSE },
                                      { 0 } };
static const struct act resets[] = { { 0, "\x16", "", 0, RESET },
                                     { 1, "\x16", "", 0, RESET },
                                     { 0 } };
static const struct act ends_early[] = { { 0, "\x16", "", 0, CLOSE },
                                         { 1, "\x16", "", 0, CLOSE },
                                         { 0 } };
static const struct act is_no_tls[] = { { 0, "\x16", "HTTP/1.1 400 Bad\r\n\r\n", 0, CLOSE },
                                        { 1, "\x16", "HTTP/1.1 400 Bad\r\n\r\n", 0, CLOSE },
                                        { 0 } };
static const struct act silent[] = { { 0, "\x16", "", 0, STAY }, { 0 } };

static void each_step_of_a_connection_is_told_apart(void **state)
{
    enum who { US, STRANGER, NOT_TLS };
    static const struct {
        const char *name;
        const struct act *acts; /* NULL: nobody listens */
        bool is_tls;
        enum who who;
        const char *san, *outcome, *tls, *http;
        int verify;
        unsigned tries;
    } rows[] = {
        { "plain", says_head, false, NOT_TLS, NULL, "ok", NULL, "ok", 0, 1 },
        { "TLS", says_head, true, US, "DNS:" NAME, "ok", "ok", "ok", 0, 1 },
        { "an interceptor", says_head, true, STRANGER, "DNS:" NAME, "ok", "untrusted", NULL,
          X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, 1 },
        { "another's certificate", says_head, true, US, "DNS:other.test,DNS:more.test", "ok",
          "name", NULL, X509_V_ERR_HOSTNAME_MISMATCH, 1 },
        { "RST in the handshake", resets, true, NOT_TLS, NULL, "ok", "reset", NULL, 0, 2 },
        { "FIN in the handshake", ends_early, true, NOT_TLS, NULL, "ok", "reset", NULL, 0, 2 },
        { "no TLS there", is_no_tls, true, NOT_TLS, NULL, "ok", "failed", NULL, 0, 2 },
        { "a silent handshake", silent, true, NOT_TLS, NULL, "ok", "timeout", NULL, 0, 1 },
        { "no response", closes, true, US, "DNS:" NAME, "ok", "ok", "closed", 0, 2 },
        { "no HTTP", mumbles, false, NOT_TLS, NULL, "ok", NULL, "malformed", 0, 2 },
        { "nobody there", NULL, false, NOT_TLS, NULL, "refused", NULL, NULL, 0, 2 },
    };
    struct rig *r = *state;
    struct pki stranger;
    pki_init(&stranger, "Corporate proxy");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        io_tls_free(r->server);
        r->server = server_tls(rows[i].who == STRANGER ? &stranger : &r->ca,
                               rows[i].san != NULL ? rows[i].san : "DNS:" NAME);
        origin_close(&r->origin);
        if (rows[i].acts != NULL)
            origin_open(r, &r->origin, "127.0.0.1", 0, rows[i].who != NOT_TLS, rows[i].acts);
        struct probe_job *j = job_new(r, rows[i].is_tls, false);
        answer_of(j, "127.0.0.53", false, "127.0.0.1");
        connect_for(j, 700);
        assert_int_equal(j->book.facts.connections.n, 1);
        const struct fact_connection *c = &j->book.facts.connections.v[0];
        expect_text(c->outcome, rows[i].outcome, rows[i].name);
        expect_text(c->tls, rows[i].tls, rows[i].name);
        expect_text(c->http, rows[i].http, rows[i].name);
        assert_int_equal(c->tries, rows[i].tries);
        if (rows[i].who != NOT_TLS) {
            assert_int_equal(c->tls_verify, rows[i].verify);
            assert_true(str_contains(c->cert_issuer, rows[i].who == STRANGER
                                                         ? STR("Corporate proxy")
                                                         : STR("Test authority")));
            assert_int_equal(c->cert_names.n, str_contains(str_from_c(rows[i].san), STR(",")) + 1);
        }
        if (rows[i].http != NULL && strcmp(rows[i].http, "ok") == 0) {
            assert_int_equal(c->status, 307);
            expect_text(c->bucket_region, "eu-central-1", rows[i].name);
        }
        job_free(j);
    }
    pki_done(&stranger);
}

static void the_clock_is_compared(void **state)
{
    static const int64_t skews_s[] = { 0, 3600, -900 };
    struct rig *r = *state;
    for (size_t i = 0; i < 3; i++) {
        char date[64], head[256];
        time_t theirs = time(NULL) + skews_s[i];
        struct tm tm;
        gmtime_r(&theirs, &tm);
        strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
        snprintf(head, sizeof head, "HTTP/1.1 403 No\r\nDate: %s\r\nContent-Length: 0\r\n\r\n",
                 date);
        const struct act acts[] = { { 0, END, head, 0, CLOSE }, { 0 } };
        serve(r, false, acts);
        struct probe_job *j = job_new(r, false, false);
        answer_of(j, "127.0.0.53", false, "127.0.0.1");
        connect_for(j, 1000);
        int64_t got = j->book.facts.connections.v[0].skew_s;
        assert_true(got >= skews_s[i] - 2 && got <= skews_s[i] + 1);
        job_free(j);
    }
}

static void nothing_is_sent_that_is_not_needed(void **state)
{
    struct rig *r = *state;
    serve(r, false, says_head);
    struct probe_job *j = job_new(r, false, false);
    answer_of(j, "127.0.0.53", false, "127.0.0.1");
    connect_for(j, 1000);
    const struct peer *p = &r->origin.peers[0];
    expect_text(buf_str(&p->in),
                "HEAD / HTTP/1.1\r\nHost: " NAME "\r\nUser-Agent: penstock-doctor\r\n"
                "Accept: */*\r\nConnection: close\r\n\r\n",
                "request");
    job_free(j);
}

static void addresses_that_the_proxy_never_dials_are_not_dialled(void **state)
{
    static const struct {
        const char *address;
        bool is_registry, is_denied;
    } rows[] = {
        { "127.0.0.1", false, true }, { "127.0.0.1", true, false },   { "0.0.0.0", false, true },
        { "0.0.0.0", true, true },    { "169.254.1.1", false, true }, { "169.254.1.1", true, true },
    };
    struct rig *r = *state;
    struct conf_cidrs allowed = r->conf->allow_addresses;
    r->conf->allow_addresses = (struct conf_cidrs){ NULL, 0 };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        serve(r, false, says_head);
        struct probe_job *j = job_new(r, false, rows[i].is_registry);
        answer_of(j, "127.0.0.53", false, rows[i].address);
        connect_for(j, 1000);
        const struct fact_connection *c = &j->book.facts.connections.v[0];
        expect_text(c->outcome, rows[i].is_denied ? "denied" : "ok", rows[i].address);
        assert_int_equal(c->tries, rows[i].is_denied ? 0 : 1);
        assert_int_equal(r->origin.n_peers, rows[i].is_denied ? 0 : 1);
        job_free(j);
    }
    r->conf->allow_addresses = allowed;
}

/* Two of the first server, two of Amazon's, then of others as many as are left. */
static void each_view_gets_its_addresses(void **state)
{
    struct rig *r = *state;
    origin_close(&r->origin);
    struct probe_job *j = job_new(r, false, false);
    answer_of(j, "127.0.0.53", false, "127.0.1.1,127.0.1.2,127.0.1.3");
    answer_of(j, "127.0.0.54", false, "127.0.2.1,127.0.2.2");
    answer_of(j, "127.0.0.55", false, "127.0.3.1,127.0.3.2");
    answer_of(j, "127.0.0.56", false, "127.0.4.1,127.0.4.2");
    answer_of(j, "127.0.0.57", true, "127.0.5.1,127.0.1.1,127.0.5.3");
    connect_for(j, 1000);
    static const char *const wanted[] = { "127.0.1.1", "127.0.5.1", "127.0.2.1", "127.0.3.1",
                                          "127.0.4.1", "127.0.1.2", "127.0.2.2", "127.0.3.2" };
    assert_int_equal(j->book.facts.connections.n, PROBE_CONNECTIONS);
    for (size_t i = 0; i < PROBE_CONNECTIONS; i++)
        expect_text(j->book.facts.connections.v[i].address, wanted[i], "address");
    assert_int_equal(j->book.facts.connections.v[0].servers.n, 2);
    expect_text(j->book.facts.connections.v[0].servers.v[1], "127.0.0.57", "server");
    job_free(j);
}

/* -- metadata ----------------------------------------------------------------------------- */

static void on_metadata(struct probe_metadata *m)
{
    ((struct probe_job *)m->owner)->n_done++;
}

static void ask_metadata(struct probe_job *j, const char *uri)
{
    char variable[256];
    snprintf(variable, sizeof variable, "ECS_CONTAINER_METADATA_URI_V4=%s", uri);
    char *env[] = { (char *)"PATH=/bin", variable, NULL };
    struct probe_request request = { .conf = j->rig->conf, .env = env };
    j->metadata.owner = j;
    j->metadata.on_done = on_metadata;
    probe_metadata_start(&j->metadata, &j->rig->loop, &request, &j->book);
    assert_int_equal(j->n_done, 0);
    TURN_UNTIL(j->rig, j->n_done > 0);
}

static void the_container_and_its_task_are_asked(void **state)
{
    static const struct act acts[] = {
        { 0, "GET /v4/abc HTTP/1.1\r\nHost: 127.0.0.1:",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e\r\n"
          "{\"Labels\":{\"com.amazonaws.ecs.cluster\":\"c\"},\"LogOptions\":{\"aws\r\n"
          "1d\r\nlogs-group\":\"/ecs/penstock\"}}\r\n0\r\n\r\n",
          0, STAY },
        { 1, "GET /v4/abc/task HTTP/1.1",
          "HTTP/1.1 200 OK\r\nContent-Length: 73\r\n\r\n"
          "{\"TaskARN\":\"arn:aws:ecs:eu-west-1:1:task/c/8f03\",\"LaunchType\":\"FARGATE\"} ",
          0, CLOSE },
        { 0 },
    };
    struct rig *r = *state;
    char uri[64];
    serve(r, false, acts);
    snprintf(uri, sizeof uri, "http://127.0.0.1:%u/v4/abc", addr_port(&r->origin.listener.local));
    struct probe_job *j = job_new(r, false, false);
    ask_metadata(j, uri);
    const struct fact_metadata *m = &j->book.facts.metadata;
    assert_int_equal(m->error.n, 0);
    expect_text(m->log_group, "/ecs/penstock", "log group");
    expect_text(m->launch_type, "FARGATE", "launch type");
    expect_text(j->book.facts.surroundings.task, "arn:aws:ecs:eu-west-1:1:task/c/8f03", "task");
    expect_text(j->book.facts.surroundings.cluster, "c", "cluster");
    job_free(j);
}

static void metadata_that_fails_is_an_error_and_no_more(void **state)
{
    static const struct act refuses[] = {
        { 0, END, "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", 0, CLOSE },
        { 1, END, "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", 0, CLOSE },
        { 0 }
    };
    static const struct act no_json[] = { { 0, END, OK5, 0, CLOSE },
                                          { 1, END, OK5, 0, CLOSE },
                                          { 0 } };
    static const struct {
        const char *uri; /* NULL: the origin's */
        const struct act *acts;
        const char *error;
    } rows[] = {
        { NULL, refuses, "container: status 500" },
        { NULL, no_json, "container: the reply is no JSON object" },
        { "https://127.0.0.1/v4", NULL, "the URI is none of ECS's" },
        { "http://metadata.example/v4", NULL, "the URI is none of ECS's" },
        { "http://127.0.0.1:1/v4", NULL, "container: Connection refused" },
        { "", NULL, NULL },
    };
    struct rig *r = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char uri[64];
        if (rows[i].acts != NULL)
            serve(r, false, rows[i].acts);
        snprintf(uri, sizeof uri, "http://127.0.0.1:%u/v4",
                 rows[i].acts != NULL ? addr_port(&r->origin.listener.local) : 0);
        struct probe_job *j = job_new(r, false, false);
        ask_metadata(j, rows[i].uri != NULL ? rows[i].uri : uri);
        expect_text(j->book.facts.metadata.error, rows[i].error, uri);
        job_free(j);
    }
}

/* -- the proxy ---------------------------------------------------------------------------- */

static void on_proxy(struct probe_proxy *p)
{
    ((struct probe_job *)p->owner)->n_done++;
}

static void the_running_proxy_says_whom_it_asks(void **state)
{
#define LOOKUP                                                                                     \
    "{\"by\":{},\"questions\":[{\"answered\":true,\"group\":\"vpc\",\"tries\":["                   \
    "{\"server\":\"10.9.0.53:53\",\"answered\":false},"                                            \
    "{\"server\":\"169.254.169.253:53\",\"answered\":true}]}]}"
#define ROUTES "{\"by\":{},\"endpoints\":[{\"name\":\"" NAME "\",\"asked_first_for_ms\":60000}]}"
    static const struct act acts[] = {
        { 0, "GET /dns/lookup?name=s3.test&type=A HTTP/1.1", "HTTP/1.1 200 OK\r\n\r\n" LOOKUP, 0,
          CLOSE },
        { 1, "GET /dns/routes HTTP/1.1", "HTTP/1.1 200 OK\r\n\r\n" ROUTES, 0, CLOSE },
        { 0 },
    };
    static const struct act stranger[] = { { 0, END, OK5, 0, CLOSE }, { 0 } };
    struct rig *r = *state;
    struct conf_addrs before = r->conf->admin;
    for (int is_stranger = 0; is_stranger < 2; is_stranger++) {
        serve(r, false, is_stranger ? stranger : acts);
        struct addr admin = r->origin.listener.local;
        r->conf->admin = (struct conf_addrs){ &admin, 1 };
        struct probe_job *j = job_new(r, false, false);
        j->proxy.owner = j;
        j->proxy.on_done = on_proxy;
        probe_proxy_start(&j->proxy, &r->loop, r->conf, j->names.v[0].text, &j->book);
        TURN_UNTIL(r, j->n_done > 0);
        const struct fact_proxy *p = &j->book.facts.proxy;
        assert_int_equal(p->running, is_stranger ? FACT_NO : FACT_YES);
        if (!is_stranger) {
            expect_text(p->used, "169.254.169.253", "used");
            expect_text(p->group, "vpc", "group");
            assert_int_equal(p->resolves, FACT_YES);
            assert_in_range(p->since_s, time(NULL) - 62, time(NULL) - 60);
        }
        job_free(j);
    }
    r->conf->admin = before;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_step_of_a_connection_is_told_apart, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(the_clock_is_compared, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(nothing_is_sent_that_is_not_needed, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(addresses_that_the_proxy_never_dials_are_not_dialled,
                                        rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(each_view_gets_its_addresses, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(the_container_and_its_task_are_asked, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(metadata_that_fails_is_an_error_and_no_more, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(the_running_proxy_says_whom_it_asks, rig_setup,
                                        rig_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What is asked of which DNS server, what is made of the replies, and that no more goes out than
 * may. */
#include "../dns/rig.h"
#include "doctor/probe.h"

#include <pthread.h>

#define S3 "s3.eu-west-1.amazonaws.com"
#define BUCKET "my-bucket." S3
#define REGISTRY "registry.stack"
enum { PROBE_PACKETS = PROBE_DNS_PACKETS - PROBE_NAMES_PACKETS };

/* A probe in a thread of its own, its DNS servers in the test's loop. */
struct job {
    struct rig *rig;
    struct probe_request request;
    struct fact_book book;
    struct str bucket;
    struct conf_strs buckets;
    char resolv_conf[64];
    const struct str *names; /* for probe_resolve, instead of probe_run */
    unsigned n_names;
    struct probe_addresses addresses[PROBE_MAX_NAMES];
    bool ok;
};

static void write_file(char path[static 64], const char *text)
{
    strcpy(path, P_tmpdir "/penstock-probe-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void job_init(struct job *j, struct rig *g, unsigned n_system, unsigned n_aws)
{
    memset(j, 0, sizeof *j);
    rig_init(g, n_system, n_aws);
    write_file(j->resolv_conf, "search corp.example\n");
    fact_book_init(&j->book);
    g->conf.resolv_conf = str_from_c(j->resolv_conf);
    g->conf.hosts_file = STR("/nonexistent");
    g->conf.registry.authority = g->conf.registry.host;
    g->conf.registry.port = 9;
    j->rig = g;
    j->bucket = STR("my-bucket");
    j->buckets = (struct conf_strs){ &j->bucket, 1 };
    j->request = (struct probe_request){ .conf = &g->conf,
                                         .region = STR("eu-west-1"),
                                         .buckets = &j->buckets,
                                         .registry = &g->conf.registry,
                                         .link_local_allowed = true };
}

static void job_done(struct job *j)
{
    unlink(j->resolv_conf);
    fact_book_done(&j->book);
    rig_done(j->rig);
}

static void on_end(void *arg)
{
    io_loop_stop(&((struct rig *)arg)->loop);
}

static void *run_job(void *arg)
{
    struct job *j = arg;
    struct fault f = { 0 };
    j->ok = j->n_names > 0 ? probe_resolve(&j->book, j->names, j->n_names, j->addresses)
                           : probe_run(&j->request, &j->book, &f);
    io_loop_post(&j->rig->loop, on_end, j->rig);
    return NULL;
}

/* The milliseconds that it took. */
static unsigned job_run(struct job *j)
{
    pthread_t thread;
    uint64_t started_us = io_now_us();
    assert_int_equal(pthread_create(&thread, NULL, run_job, j), 0);
    rig_run_for(j->rig, 15000);
    assert_false(j->rig->is_late);
    pthread_join(thread, NULL);
    return (unsigned)((io_now_us() - started_us) / 1000);
}

static unsigned n_seen(const struct rig *g)
{
    unsigned n = 0;
    for (unsigned i = 0; i < 4; i++)
        n += g->fakes[i].n_udp + g->fakes[i].n_tcp;
    return n;
}

static struct str text_of(const struct fake *f)
{
    static char text[ADDR_TEXT_BYTES];
    return str_from_c(addr_text(&f->addr, text));
}

/* way: "udp", "plain" (UDP without EDNS), "tcp". */
static const struct fact_question *find(const struct job *j, const struct fake *f, const char *name,
                                        const char *type, const char *way)
{
    bool by_tcp = strcmp(way, "tcp") == 0;
    for (size_t i = 0; i < j->book.facts.questions.n; i++) {
        const struct fact_question *q = &j->book.facts.questions.v[i];
        if (str_eq(q->server, text_of(f)) && str_eq(q->name, str_from_c(name)) &&
            str_eq(q->type, str_from_c(type)) &&
            str_eq(q->transport, by_tcp ? STR("tcp") : STR("udp")) &&
            (by_tcp || (q->edns == FACT_YES) == (strcmp(way, "udp") == 0)))
            return q;
    }
    return NULL;
}

static const struct fact_question *must(const struct job *j, const struct fake *f, const char *name,
                                        const char *type, const char *way)
{
    const struct fact_question *q = find(j, f, name, type, way);
    if (q == NULL)
        fail_msg("%s %s by %s was not asked", name, type, way);
    return q;
}

static void expect(const struct fact_question *q, const char *outcome)
{
    if (!str_eq(q->outcome, str_from_c(outcome)))
        fail_msg("%.*s: %.*s, not %s", STR_ARG(q->name), STR_ARG(q->outcome), outcome);
}

static const struct fact_server *server_of(const struct job *j, const struct fake *f)
{
    for (size_t i = 0; i < j->book.facts.servers.n; i++)
        if (str_eq(j->book.facts.servers.v[i].address, text_of(f)))
            return &j->book.facts.servers.v[i];
    fail();
    return NULL;
}

static void every_name_is_asked_of_a_server_that_answers(void **state)
{
    struct rig g;
    struct job j;
    job_init(&j, &g, 1, 1);
    job_run(&j);
    for (unsigned i = 0; i < 2; i++) {
        const struct fact_question *first = must(&j, &g.fakes[i], S3, "A", "udp");
        expect(first, "answer");
        assert_int_equal(first->addresses.n, 1);
        assert_true(str_eq(first->addresses.v[0], STR("127.0.0.10")));
        assert_int_equal(first->ttl_s, 60);
        assert_int_equal(first->tries, first->replies);
        assert_true(first->tries > 3); /* the same again, to see loss */
        expect(must(&j, &g.fakes[i], REGISTRY, "A", "udp"), "answer");
        expect(must(&j, &g.fakes[i], BUCKET, "A", "udp"), "answer");
        expect(must(&j, &g.fakes[i], S3, "A", "tcp"), "answer");
    }
    expect(must(&j, &g.fakes[0], S3, "AAAA", "udp"), "nodata");
    expect(must(&j, &g.fakes[0], REGISTRY ".corp.example", "A", "udp"), "answer");
    assert_null(find(&j, &g.fakes[1], REGISTRY ".corp.example", "A", "udp"));
    assert_int_equal(server_of(&j, &g.fakes[0])->is_amazon, FACT_NO);
    assert_int_equal(server_of(&j, &g.fakes[1])->is_amazon, FACT_YES);
    assert_int_equal(n_seen(&g), j.book.facts.dns_packets);
    assert_in_range(n_seen(&g), 15, PROBE_PACKETS);
    job_done(&j);
}

static void what_a_server_says_is_told_as_it_is(void **state)
{
    static const struct {
        enum mode mode;
        const char *outcome;
        int64_t rcode;
        enum fact_truth has_question;
        bool is_repeated;
    } rows[] = {
        { FAKE_NXDOMAIN, "nxdomain", 3, FACT_YES, false },
        { FAKE_SERVFAIL, "servfail", 2, FACT_YES, true },
        { FAKE_REFUSED, "refused", 5, FACT_YES, true },
        { FAKE_REFUSED_HEADER, "refused", 5, FACT_NO, true },
        { FAKE_NODATA, "nodata", 0, FACT_YES, false },
        { FAKE_LAME, "nodata", 0, FACT_YES, false },
        { FAKE_CNAME, "nodata", 0, FACT_YES, false },
        { FAKE_WRONG_FIRST, "answer", 0, FACT_YES, false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig g;
        struct job j;
        job_init(&j, &g, 1, 0);
        g.fakes[0].mode = rows[i].mode;
        g.fakes[0].alias = "elsewhere.example";
        job_run(&j);
        const struct fact_question *q = must(&j, &g.fakes[0], REGISTRY, "A", "udp");
        expect(q, rows[i].outcome);
        assert_int_equal(q->rcode, rows[i].rcode);
        assert_int_equal(q->has_question, rows[i].has_question);
        assert_int_equal(q->tries, rows[i].is_repeated ? 2 : 1);
        assert_int_equal(q->replies, q->tries);
        assert_int_equal(q->aliases.n, rows[i].mode == FAKE_CNAME);
        /* The IPv6 addresses of a name without IPv4 ones are asked for. */
        assert_true((strcmp(rows[i].outcome, "nodata") == 0) <=
                    (find(&j, &g.fakes[0], BUCKET, "AAAA", "udp") != NULL));
        assert_int_equal(n_seen(&g), j.book.facts.dns_packets);
        job_done(&j);
    }
}

static void truncated_answers_are_asked_by_tcp(void **state)
{
    struct rig g;
    struct job j;
    job_init(&j, &g, 1, 0);
    g.fakes[0].mode = FAKE_TRUNCATED;
    job_run(&j);
    assert_int_equal(must(&j, &g.fakes[0], REGISTRY, "A", "udp")->truncated, FACT_YES);
    expect(must(&j, &g.fakes[0], REGISTRY, "A", "tcp"), "answer");
    job_done(&j);
}

static void edns_that_is_refused_is_left_out(void **state)
{
    struct rig g;
    struct job j;
    job_init(&j, &g, 1, 0);
    g.fakes[0].mode = FAKE_NO_EDNS;
    job_run(&j);
    expect(must(&j, &g.fakes[0], S3, "A", "udp"), "formerr");
    expect(must(&j, &g.fakes[0], S3, "A", "plain"), "answer");
    expect(must(&j, &g.fakes[0], REGISTRY, "A", "plain"), "answer");
    assert_null(find(&j, &g.fakes[0], REGISTRY, "A", "udp"));
    job_done(&j);
}

static void answer(struct fake *f, const struct dns_msg *q, const struct addr *to)
{
    struct buf out;
    buf_init(&out, 4096);
    fake_write(&out, f, q, FAKE_OK, f->ip, NULL);
    sendto(f->fd, out.p, out.n, 0, &to->sa, addr_len(to));
    buf_done(&out);
}

static void drop_edns(struct fake *f, const struct dns_msg *q, const struct addr *from)
{
    if (!q->edns.is_present)
        answer(f, q, from);
}

static void drop_every_third(struct fake *f, const struct dns_msg *q, const struct addr *from)
{
    if (f->n_udp % 3 != 2)
        answer(f, q, from);
}

static void silence_dead_edns_and_loss_are_told_apart(void **state)
{
    struct rig g;
    struct job j;
    job_init(&j, &g, 3, 1);
    g.fakes[0].mode = FAKE_SILENT;
    g.fakes[1].on_query = drop_edns;
    g.fakes[3].on_query = drop_every_third;
    fake_close(&g.fakes[2]);
    unsigned ms = job_run(&j);
    assert_in_range(ms, 3500, PROBE_MS);

    const struct fact_question *q = must(&j, &g.fakes[0], S3, "A", "udp");
    expect(q, "timeout");
    assert_int_equal(q->tries, 3);
    assert_int_equal(q->replies, 0);
    expect(must(&j, &g.fakes[0], S3, "A", "plain"), "timeout");
    assert_non_null(find(&j, &g.fakes[0], S3, "A", "tcp"));
    q = must(&j, &g.fakes[0], REGISTRY, "A", "plain");
    expect(q, "timeout");
    assert_int_equal(q->tries, 1);
    assert_true(server_of(&j, &g.fakes[0])->not_asked.n > 0);
    assert_int_equal(g.fakes[0].n_udp, 5);

    q = must(&j, &g.fakes[1], S3, "A", "udp");
    expect(q, "timeout");
    assert_int_equal(q->tries, 3);
    expect(must(&j, &g.fakes[1], S3, "A", "plain"), "answer");
    expect(must(&j, &g.fakes[1], REGISTRY, "A", "plain"), "answer");
    assert_null(find(&j, &g.fakes[1], REGISTRY, "A", "udp"));

    q = must(&j, &g.fakes[2], S3, "A", "udp");
    expect(q, "unreachable");
    assert_int_equal(q->tries, 2);
    assert_true(q->detail.n > 0);

    q = must(&j, &g.fakes[3], S3, "A", "udp");
    expect(q, "answer");
    assert_true(q->tries > q->replies && q->replies > 0);

    int64_t closed = server_of(&j, &g.fakes[2])->sent;
    assert_int_equal(n_seen(&g) + closed, j.book.facts.dns_packets);
    assert_in_range(j.book.facts.dns_packets, 15, PROBE_PACKETS);
    job_done(&j);
}

/* A reply that waits; enough of them for one run. */
struct slow {
    struct io_timer timer;
    struct fake *fake;
    struct dns_msg query;
    struct addr from;
};
static struct slow slow[16];
static unsigned n_slow;

static void on_slow(struct io_timer *t)
{
    struct slow *s = LIST_ENTRY(t, struct slow, timer);
    struct buf out;
    buf_init(&out, 4096);
    fake_write(&out, s->fake, &s->query, FAKE_SERVFAIL, NULL, NULL);
    sendto(s->fake->fd, out.p, out.n, 0, &s->from.sa, addr_len(&s->from));
    buf_done(&out);
}

static void fail_slowly(struct fake *f, const struct dns_msg *q, const struct addr *from)
{
    assert_true(n_slow < 16);
    struct slow *s = &slow[n_slow++];
    *s = (struct slow){ .timer.on_fire = on_slow, .fake = f, .query = *q, .from = *from };
    s->query.wire = (struct str){ NULL, 0 };
    uv_update_time(&f->loop->uv);
    io_timer_arm(f->loop, &s->timer, 1800);
}

static void a_slow_failure_is_no_silence_and_no_loss(void **state)
{
    struct rig g;
    struct job j;
    job_init(&j, &g, 1, 0);
    n_slow = 0;
    g.fakes[0].on_query = fail_slowly;
    job_run(&j);
    for (size_t i = 0; i < j.book.facts.questions.n; i++) {
        const struct fact_question *q = &j.book.facts.questions.v[i];
        if (!str_eq(q->transport, STR("udp")))
            continue;
        expect(q, "servfail");
        assert_int_equal(q->replies, q->tries);
        assert_in_range(q->time_us, 1700000, 2600000);
    }
    for (unsigned i = 0; i < n_slow; i++)
        io_timer_disarm(&g.loop, &slow[i].timer);
    job_done(&j);
}

/* Sockets that read nothing, as many as resolv.conf is believed. */
static void however_many_servers_are_silent_the_packets_are_few(void **state)
{
    enum { SILENT = 10 };
    struct rig g;
    struct job j;
    struct addr servers[SILENT];
    int fds[SILENT];
    unsigned n = 0;
    job_init(&j, &g, 0, 1);
    for (unsigned i = 0; i < SILENT; i++) {
        socklen_t len = sizeof servers[i];
        assert_true(addr_parse(STR("127.0.0.1"), 0, &servers[i]));
        fds[i] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(fds[i], &servers[i].sa, addr_len(&servers[i])), 0);
        assert_int_equal(getsockname(fds[i], &servers[i].sa, &len), 0);
    }
    g.conf.dns_servers = (struct conf_addrs){ servers, SILENT };
    unsigned ms = job_run(&j);
    assert_in_range(ms, 3500, PROBE_MS);
    for (unsigned i = 0; i < SILENT; i++) {
        char p[512];
        unsigned before = n;
        while (recv(fds[i], p, sizeof p, 0) > 0)
            n++;
        /* All that are believed were tried more than once; the rest not at all. */
        assert_true(i < 8 ? n - before >= 2 : n == before);
        close(fds[i]);
    }
    /* TCP to the silent ones was refused. */
    assert_in_range(j.book.facts.dns_packets - n - n_seen(&g), 0, 2);
    assert_in_range(j.book.facts.dns_packets, 28, PROBE_PACKETS);
    expect(must(&j, &g.fakes[0], S3, "A", "udp"), "answer");
    expect(must(&j, &g.fakes[0], REGISTRY, "A", "udp"), "answer");
    assert_int_equal(j.book.facts.servers.n, SILENT + 1);
    job_done(&j);
}

static void names_in_the_hosts_file_are_asked_of_nobody(void **state)
{
    struct rig g;
    struct job j;
    char hosts[64];
    job_init(&j, &g, 1, 0);
    write_file(hosts, "127.0.0.9 " REGISTRY "\n");
    g.conf.hosts_file = str_from_c(hosts);
    job_run(&j);
    assert_null(find(&j, &g.fakes[0], REGISTRY, "A", "udp"));
    assert_int_equal(j.book.facts.hosts.n, 1);
    bool is_connected_to = false;
    for (size_t i = 0; i < j.book.facts.connections.n; i++)
        is_connected_to |= str_eq(j.book.facts.connections.v[i].address, STR("127.0.0.9"));
    assert_true(is_connected_to);
    unlink(hosts);
    job_done(&j);
}

static void amazons_servers_are_asked_where_they_may_be(void **state)
{
    struct rig g;
    struct job j;
    job_init(&j, &g, 1, 1);
    j.request.link_local_allowed = false;
    job_run(&j);
    assert_int_equal(g.fakes[1].n_udp + g.fakes[1].n_tcp, 0);
    assert_true(server_of(&j, &g.fakes[1])->not_asked.n > 0);
    job_done(&j);
}

static void without_a_file_there_is_no_server_and_an_error(void **state)
{
    struct rig g;
    struct job j;
    job_init(&j, &g, 0, 0);
    g.conf.resolv_conf = STR("/nonexistent/resolv.conf");
    unsigned ms = job_run(&j);
    assert_true(j.ok && ms < 2000);
    assert_int_equal(j.book.facts.servers.n, 0);
    assert_int_equal(j.book.facts.questions.n, 0);
    assert_int_equal(j.book.facts.dns_packets, 0);
    assert_true(j.book.facts.resolv_conf.error.n > 0);
    job_done(&j);
}

/* -- probe_resolve ------------------------------------------------------------------------ */

static void resolve_job(struct job *j, const struct str *names, unsigned n)
{
    j->names = names;
    j->n_names = n;
    job_run(j);
}

static void api_names_are_asked_of_amazon_then_of_others(void **state)
{
    static const struct str names[] = { STR_INIT("ec2.eu-west-1.amazonaws.com"),
                                        STR_INIT("sts.eu-west-1.amazonaws.com") };
    struct rig g;
    struct job j;
    job_init(&j, &g, 1, 1);
    g.fakes[0].ip = "10.0.0.1";
    g.fakes[1].ip = "10.0.0.2,10.0.0.3";
    job_run(&j);
    int64_t before = j.book.facts.dns_packets;
    resolve_job(&j, names, 2);
    assert_true(j.ok);
    assert_int_equal(j.addresses[0].n, 2);
    assert_int_equal(j.addresses[1].n, 2);
    assert_int_equal(j.book.facts.dns_packets, before + 2);

    /* What Amazon's does not know any more the system's server is asked for. */
    g.fakes[1].mode = FAKE_SERVFAIL;
    resolve_job(&j, names, 1);
    assert_true(j.ok);
    assert_true(str_eq(j.addresses[0].server, text_of(&g.fakes[0])));
    assert_int_equal(j.book.facts.dns_packets, before + 4);
    assert_int_equal(n_seen(&g), j.book.facts.dns_packets);
    job_done(&j);
}

static void api_names_get_no_packet_too_many(void **state)
{
    struct rig g;
    struct job j;
    struct str names[PROBE_MAX_NAMES];
    for (unsigned i = 0; i < PROBE_MAX_NAMES; i++)
        names[i] = STR("ec2.eu-west-1.amazonaws.com");
    job_init(&j, &g, 1, 0);
    g.fakes[0].ip = "10.0.0.1";
    job_run(&j);
    g.fakes[0].mode = FAKE_NXDOMAIN;
    for (unsigned i = 0; i < 5; i++)
        resolve_job(&j, names, PROBE_MAX_NAMES);
    assert_false(j.ok);
    assert_int_equal(j.book.facts.dns_packets, PROBE_DNS_PACKETS);
    assert_int_equal(n_seen(&g), PROBE_DNS_PACKETS);
    job_done(&j);
}

static void nobody_who_was_silent_is_asked_for_api_names(void **state)
{
    static const struct str names[] = { STR_INIT("ec2.eu-west-1.amazonaws.com") };
    struct rig g;
    struct job j;
    struct fact_server s;
    job_init(&j, &g, 1, 0);
    FACT_CLEAR(server, &s);
    s.address = fact_text(&j.book, text_of(&g.fakes[0]));
    s.sent = 3;
    s.answered = 0;
    fact_add(&j.book, &j.book.facts.servers, &s);
    resolve_job(&j, names, 1);
    assert_false(j.ok);
    assert_int_equal(n_seen(&g), 0);
    job_done(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_is_asked_of_a_server_that_answers),
        cmocka_unit_test(what_a_server_says_is_told_as_it_is),
        cmocka_unit_test(truncated_answers_are_asked_by_tcp),
        cmocka_unit_test(edns_that_is_refused_is_left_out),
        cmocka_unit_test(silence_dead_edns_and_loss_are_told_apart),
        cmocka_unit_test(a_slow_failure_is_no_silence_and_no_loss),
        cmocka_unit_test(however_many_servers_are_silent_the_packets_are_few),
        cmocka_unit_test(names_in_the_hosts_file_are_asked_of_nobody),
        cmocka_unit_test(amazons_servers_are_asked_where_they_may_be),
        cmocka_unit_test(without_a_file_there_is_no_server_and_an_error),
        cmocka_unit_test(api_names_are_asked_of_amazon_then_of_others),
        cmocka_unit_test(api_names_get_no_packet_too_many),
        cmocka_unit_test(nobody_who_was_silent_is_asked_for_api_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * The thread of the self-check: beside others that tell it things and read it, and ended at any
 * moment. Its name server is a socket on loopback that denies everything, or says nothing. The
 * value of some of this shows under the thread sanitizer.
 */
#include "server/self_check.h"

#include "io/loop.h"
#include "obs/log.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

struct rig {
    int fd; /* of the name server */
    struct conf *conf;
    struct self_check *check;
    pthread_t server;
    atomic_bool is_ending;
    atomic_uint n_asked;
    bool is_silent;
};

/* The question comes back as a denial: NXDOMAIN, with nothing but the question. */
static void *deny(void *arg)
{
    struct rig *r = arg;
    while (!atomic_load(&r->is_ending)) {
        uint8_t m[512];
        struct sockaddr_in from;
        socklen_t from_n = sizeof from;
        ssize_t n = recvfrom(r->fd, m, sizeof m, 0, (struct sockaddr *)&from, &from_n);
        if (n < 17)
            continue;
        atomic_fetch_add(&r->n_asked, 1);
        if (r->is_silent)
            continue;
        size_t end = 12;
        while (end < (size_t)n && m[end] != 0)
            end += m[end] + 1U;
        m[2] = 0x81;
        m[3] = 0x83;
        memset(m + 6, 0, 6); /* of OPT in the question, too */
        sendto(r->fd, m, end + 5 < (size_t)n ? end + 5 : (size_t)n, 0, (struct sockaddr *)&from,
               from_n);
    }
    return NULL;
}

static void start(struct rig *r, bool is_silent)
{
    static char registry[] = "INTERNAL_REGISTRY_URL=http://127.0.0.1:1",
                hosts[] = "PENSTOCK_HOSTS_FILE=/dev/null", aws[] = "PENSTOCK_DNS_AWS=off";
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t at_n = sizeof at;
    struct timeval wait = { .tv_usec = 20000 };
    struct fault f = { .kind = FAULT_NONE };
    struct buf errors;
    char servers[64];
    *r =
        (struct rig){ .fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), .is_silent = is_silent };
    assert_int_equal(bind(r->fd, (struct sockaddr *)&at, sizeof at), 0);
    getsockname(r->fd, (struct sockaddr *)&at, &at_n);
    setsockopt(r->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    snprintf(servers, sizeof servers, "PENSTOCK_DNS_SERVERS=127.0.0.1:%u", ntohs(at.sin_port));
    char *env[] = { registry, hosts, aws, servers, NULL };
    buf_init(&errors, 4096);
    r->conf = conf_load_text(env, NULL, STR(""), CONF_FOR_SERVE, &errors);
    buf_done(&errors);
    assert_non_null(r->conf);
    assert_int_equal(pthread_create(&r->server, NULL, deny, r), 0);
    static char *no_env[] = { NULL };
    r->check = self_check_start(r->conf, no_env, &f);
    assert_non_null(r->check);
}

static void end(struct rig *r)
{
    uint64_t began_us = io_now_us();
    self_check_free(r->check);
    /* The end does not wait for the deadline of a run: that is SELF_CHECK_MS. */
    assert_true(io_now_us() - began_us < 1000 * 1000);
    atomic_store(&r->is_ending, true);
    pthread_join(r->server, NULL);
    close(r->fd);
    conf_unref(r->conf);
}

static bool wait_for_run(struct rig *r, struct self_check_state *state)
{
    for (int i = 0; i < 1000; i++) {
        assert_true(self_check_read(r->check, state));
        if (state->n_runs > 0)
            return true;
        usleep(10000);
    }
    return false;
}

static void what_was_found_can_be_read(void **unused)
{
    struct rig r;
    struct self_check_state state;
    start(&r, false);
    assert_true(wait_for_run(&r, &state));
    assert_false(state.is_well);
    assert_true(state.ended_us > 0 && state.ended_us <= io_now_us());
    assert_true(state.n >= 1);
    assert_int_equal(state.v[0].code, PS1001);
    assert_int_equal(state.v[0].severity, FINDING_ERROR);
    assert_non_null(strstr(state.v[0].evidence, "NXDOMAIN"));
    assert_true(state.v[0].sentence[0] != 0 && state.v[0].fix[0] != 0);
    assert_true(atomic_load(&r.n_asked) <= 12);
    end(&r);
}

static void a_silent_server_is_asked_a_dozen_times_at_most(void **unused)
{
    struct rig r;
    struct self_check_state state;
    start(&r, true);
    assert_true(wait_for_run(&r, &state));
    assert_int_equal(state.v[0].code, PS1004);
    assert_in_range(atomic_load(&r.n_asked), 3, 12);
    end(&r);
}

static void it_ends_while_it_runs(void **unused)
{
    static const unsigned after_us[] = { 0, 1000, 20000, 300000 };
    for (size_t i = 0; i < sizeof after_us / sizeof after_us[0]; i++) {
        struct rig r;
        struct self_check_state state;
        start(&r, true);
        usleep(after_us[i]);
        assert_true(self_check_read(r.check, &state));
        assert_true(state.n_runs == 0 && state.is_well && state.n == 0);
        end(&r);
    }
}

static void nobody_there_is_fine(void **unused)
{
    struct self_check_state state;
    struct dns_explain x = { .source = DNS_FROM_NOWHERE, .n_tries = 1 };
    self_check_failed(NULL, FAULT_DNS_FAILED);
    self_check_event(NULL, DNS_EVENT_SERVER_SUSPECT);
    self_check_decision(NULL, &x);
    assert_false(self_check_read(NULL, &state));
    self_check_free(NULL);
}

/* -- several threads ---------------------------------------------------------------------- */

enum { N_TELLERS = 3, N_TOLD = 3000 };

static void *tell(void *arg)
{
    struct rig *r = arg;
    struct dns_explain x = { .source = DNS_FROM_NOWHERE, .n_tries = 1 };
    dns_name_parse(STR("s3.eu-west-1.amazonaws.com"), &x.qname);
    for (int i = 0; i < N_TOLD; i++) {
        struct self_check_state state;
        self_check_failed(r->check, (enum fault_kind)(i % N_FAULTS));
        self_check_event(r->check, (enum dns_event_kind)(i % N_DNS_EVENTS));
        self_check_decision(r->check, &x);
        if (i % 50 == 0)
            self_check_read(r->check, &state);
    }
    return NULL;
}

static void workers_tell_while_it_runs(void **unused)
{
    struct rig r;
    struct self_check_state state;
    pthread_t tellers[N_TELLERS];
    start(&r, false);
    for (int i = 0; i < N_TELLERS; i++)
        assert_int_equal(pthread_create(&tellers[i], NULL, tell, &r), 0);
    for (int i = 0; i < N_TELLERS; i++)
        pthread_join(tellers[i], NULL);
    assert_true(wait_for_run(&r, &state));
    assert_int_equal(state.n_runs, 1); /* the minute is not over */
    end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_found_can_be_read),
        cmocka_unit_test(a_silent_server_is_asked_a_dozen_times_at_most),
        cmocka_unit_test(it_ends_while_it_runs),
        cmocka_unit_test(nobody_there_is_fine),
        cmocka_unit_test(workers_tell_while_it_runs),
    };
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

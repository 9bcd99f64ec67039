#include "doctor/probe_ask.h"

enum {
    SOFT_AGAIN_MS = 50,  /* after SERVFAIL and the like */
    ICMP_AGAIN_MS = 300, /* a server may just be starting */
    GRACE_MS = 300,      /* for tries that are under way when one was answered */
    SAMPLE_EVERY_MS = 20,
    SAMPLE_WAIT_MS = 800,
};

bool probe_ask_is_soft(const struct probe_reply *r)
{
    return r->outcome == DNS_SERVFAIL_OUTCOME || r->outcome == DNS_REFUSED_OUTCOME ||
           r->outcome == DNS_FORMERR_OUTCOME || r->outcome == DNS_NOTIMP_OUTCOME ||
           r->outcome == DNS_BAD_REPLY;
}

/* Tries that had no time: shorter under way than an answer took, or than any is given. */
static unsigned count_cut(const struct probe_ask *a)
{
    uint64_t now_us = io_now_us(), least_us = PROBE_FIRST_WAIT_MS * 1000ULL;
    unsigned n = 0;
    if (a->is_sampling)
        least_us = SAMPLE_WAIT_MS * 1000 / 2;
    else if (a->has_reply)
        least_us = a->time_us + GRACE_MS * 1000 / 2;
    for (unsigned i = 0; i < a->n_tries; i++)
        n += a->queries[i].is_active && now_us - a->queries[i].sent_us < least_us;
    return n < a->n_tries ? n : a->n_tries - 1;
}

void probe_ask_cancel(struct probe_ask *a)
{
    if (a->state == PROBE_ASK_RUNS && a->n_tries > 0)
        a->n_cut = count_cut(a);
    for (size_t i = 0; i < sizeof a->queries / sizeof a->queries[0]; i++)
        probe_query_cancel(&a->queries[i]);
    io_timer_disarm(a->owner->loop, &a->timer);
    a->n_open = 0;
    if (a->state == PROBE_ASK_RUNS)
        a->state = PROBE_ASK_OVER;
}

static void end(struct probe_ask *a)
{
    probe_ask_cancel(a);
    a->is_sampling = false;
    a->owner->on_over(a);
}

static uint64_t left_ms(const struct probe_ask *a)
{
    uint64_t now_us = io_now_us();
    return now_us < a->until_us ? (a->until_us - now_us) / 1000 : 0;
}

static void arm(struct probe_ask *a, uint64_t after_ms)
{
    uint64_t left = left_ms(a);
    io_timer_arm(a->owner->loop, &a->timer, after_ms < left ? after_ms : left);
}

static void keep_reply(struct probe_ask *a, const struct probe_query *q,
                       const struct probe_reply *reply)
{
    a->n_replies++;
    if (a->has_reply && !(probe_ask_is_soft(&a->reply) && !a->is_sampling))
        return;
    a->has_reply = true;
    a->reply = *reply;
    a->time_us = q->took_us;
}

/* Whether another try was arranged. */
static bool tries_again(struct probe_ask *a, const struct probe_query *q,
                        const struct probe_reply *reply)
{
    bool is_soft = reply != NULL && probe_ask_is_soft(reply);
    bool is_icmp = reply == NULL && q->end == PROBE_QUERY_UNREACHABLE && !a->has_reply;
    if (a->n_tries >= 2 || a->max_tries < 2 || !(is_soft || is_icmp))
        return false;
    arm(a, is_soft ? SOFT_AGAIN_MS : ICMP_AGAIN_MS);
    return true;
}

/* What was answered slowly is answered slowly again: the tries under way get as long. */
static uint64_t grace_ms(const struct probe_ask *a)
{
    uint64_t now_us = io_now_us();
    uint64_t due_us = a->queries[a->n_tries - 1].sent_us + a->time_us + GRACE_MS * 1000ULL;
    return due_us > now_us ? (due_us - now_us) / 1000 : 0;
}

static void on_query(struct probe_query *q, const struct probe_reply *reply)
{
    struct probe_ask *a = q->owner;
    bool is_first = reply != NULL && !a->has_reply;
    a->n_open--;
    if (q->end == PROBE_QUERY_NO_ROUTE) {
        a->n_sent--;
        a->owner->n_packets--;
    }
    if (reply != NULL) {
        keep_reply(a, q, reply);
    } else if (!a->has_reply) {
        a->end = q->end;
        a->sys_errno = q->sys_errno;
        a->time_us = q->took_us;
    }
    if (a->is_sampling) {
        if (a->n_open == 0 && a->n_samples == 0)
            end(a);
        return;
    }
    if (!tries_again(a, q, reply)) {
        if (a->n_open == 0) {
            if (is_first)
                a->owner->on_reply(a);
            end(a);
            return;
        }
        if (a->has_reply)
            arm(a, grace_ms(a));
    }
    if (is_first)
        a->owner->on_reply(a);
}

static void send_one(struct probe_ask *a)
{
    struct probe_query *q = &a->queries[a->n_tries++];
    a->n_sent++;
    a->n_open++;
    q->owner = a;
    q->on_done = on_query;
    probe_query_start(q, a->owner->loop, a->to, &a->question,
                      (struct probe_query_way){ .by_tcp = a->by_tcp,
                                                .with_edns = a->with_edns,
                                                .timeout_ms = (unsigned)left_ms(a) + 1 });
}

/* A try, and the time until the next one, or until the end after the last one. */
static void try_once(struct probe_ask *a)
{
    send_one(a);
    arm(a, a->max_tries == 1 ? PROBE_ONLY_WAIT_MS
           : a->n_tries == 1 ? PROBE_FIRST_WAIT_MS
                             : PROBE_NEXT_WAIT_MS);
}

static void go_on_sampling(struct probe_ask *a)
{
    if (a->n_samples == 0) {
        end(a);
        return;
    }
    a->n_samples--;
    if (!a->owner->spend(a->owner, false))
        a->n_samples = 0;
    else
        send_one(a);
    if (a->n_open == 0 && a->n_samples == 0)
        end(a);
    else
        arm(a, a->n_samples > 0 ? SAMPLE_EVERY_MS : SAMPLE_WAIT_MS);
}

static void on_timer(struct io_timer *t)
{
    struct probe_ask *a = LIST_ENTRY(t, struct probe_ask, timer);
    if (a->is_sampling) {
        go_on_sampling(a);
        return;
    }
    bool is_soft = a->has_reply && probe_ask_is_soft(&a->reply) && a->n_open == 0;
    bool wants_more = a->n_tries < a->max_tries && left_ms(a) > 0 && (!a->has_reply || is_soft);
    if (!a->has_reply)
        a->owner->on_silence(a);
    /* A second try after a failure is worth less than a server's first sign of life. */
    if (!wants_more || !a->owner->spend(a->owner, a->is_must && !is_soft)) {
        if (!a->has_reply && a->n_open > 0) {
            a->end = PROBE_QUERY_SILENT;
            a->time_us = io_now_us() - a->queries[a->n_tries - 1].sent_us;
        }
        end(a);
        return;
    }
    try_once(a);
}

bool probe_ask_start(struct probe_ask *a)
{
    if (!a->owner->spend(a->owner, a->is_must))
        return false;
    a->state = PROBE_ASK_RUNS;
    a->timer.on_fire = on_timer;
    try_once(a);
    return true;
}

void probe_ask_sample(struct probe_ask *a, unsigned n)
{
    a->state = PROBE_ASK_RUNS;
    a->is_sampling = true;
    a->n_samples = n;
    go_on_sampling(a);
}

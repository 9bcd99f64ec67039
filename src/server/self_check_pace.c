#include "server/self_check_pace.h"

static bool want(struct self_check_pace *p, uint64_t now_ms)
{
    bool is_new = !p->is_wanted;
    if (is_new)
        p->wanted_ms = now_ms;
    p->is_wanted = true;
    return is_new;
}

void self_check_pace_init(struct self_check_pace *p, uint64_t now_ms)
{
    *p = (struct self_check_pace){ .is_wanted = true, .wanted_ms = now_ms };
}

bool self_check_pace_failed(struct self_check_pace *p, uint64_t now_ms)
{
    p->failed_ms[p->next_failed] = now_ms;
    p->next_failed = (p->next_failed + 1) % SELF_CHECK_FAILURES;
    if (p->n_failed < SELF_CHECK_FAILURES)
        p->n_failed++;
    /* The oldest one of a full ring stands where the next one goes. */
    if (p->n_failed < SELF_CHECK_FAILURES ||
        now_ms - p->failed_ms[p->next_failed] > SELF_CHECK_WINDOW_MS)
        return false;
    p->n_failed = 0;
    return want(p, now_ms);
}

bool self_check_pace_alarm(struct self_check_pace *p, uint64_t now_ms)
{
    return want(p, now_ms);
}

static uint64_t recheck_wait_ms(unsigned n)
{
    uint64_t wait_ms = SELF_CHECK_PAUSE_MS;
    while (n-- > 0 && wait_ms < SELF_CHECK_MAX_RECHECK_MS)
        wait_ms *= 2;
    return wait_ms < SELF_CHECK_MAX_RECHECK_MS ? wait_ms : SELF_CHECK_MAX_RECHECK_MS;
}

bool self_check_pace_hope(struct self_check_pace *p)
{
    bool is_sooner = p->is_unwell && p->recheck_ms > p->not_before_ms;
    if (is_sooner)
        p->recheck_ms = p->not_before_ms;
    return is_sooner;
}

void self_check_pace_now(struct self_check_pace *p, uint64_t now_ms)
{
    want(p, now_ms);
    p->is_urgent = true;
}

uint64_t self_check_pace_due_ms(const struct self_check_pace *p)
{
    if (p->is_urgent)
        return p->wanted_ms;
    if (p->is_wanted)
        return p->wanted_ms > p->not_before_ms ? p->wanted_ms : p->not_before_ms;
    return p->is_unwell ? p->recheck_ms : SELF_CHECK_NEVER_MS;
}

void self_check_pace_begin(struct self_check_pace *p)
{
    p->is_whole = p->is_wanted;
    p->is_wanted = p->is_urgent = false;
    p->n_failed = 0;
}

static void put_off(struct self_check_pace *p, uint64_t now_ms)
{
    p->not_before_ms = now_ms + SELF_CHECK_PAUSE_MS;
    p->recheck_ms = now_ms + recheck_wait_ms(p->n_rechecks);
}

void self_check_pace_failed_to_run(struct self_check_pace *p, uint64_t now_ms)
{
    put_off(p, now_ms);
}

bool self_check_pace_end(struct self_check_pace *p, const bool found[static N_FINDING_CODES],
                         bool is_unwell, uint64_t now_ms, bool says[static N_FINDING_CODES])
{
    bool is_well_again = p->is_unwell && !is_unwell;
    bool is_news = p->is_whole || !p->is_unwell;
    for (unsigned i = 0; i < N_FINDING_CODES; i++) {
        says[i] = found[i] && (p->is_whole || !p->was_found[i]);
        is_news |= says[i];
        p->was_found[i] = found[i];
    }
    p->is_unwell = is_unwell;
    p->n_rechecks = is_news ? 0 : p->n_rechecks + 1;
    put_off(p, now_ms);
    return is_well_again;
}

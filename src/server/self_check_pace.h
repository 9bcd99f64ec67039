#pragma once
/*
 * When the self-check runs and what of its findings is said again: pure, with the time as an
 * argument. A run begins no sooner than SELF_CHECK_PAUSE_MS after the end of the one before, so
 * that nothing is said more than once a minute whatever happens.
 */
#include "doctor/finding.h"

#include <stdint.h>

enum {
    SELF_CHECK_PAUSE_MS = 60 * 1000,
    SELF_CHECK_FAILURES = 5, /* within SELF_CHECK_WINDOW_MS: these are repeated failures */
    SELF_CHECK_WINDOW_MS = 60 * 1000,
    SELF_CHECK_MAX_RECHECK_MS = 15 * 60 * 1000,
};
#define SELF_CHECK_NEVER_MS UINT64_MAX

struct self_check_pace {
    /* private */
    uint64_t failed_ms[SELF_CHECK_FAILURES]; /* a ring */
    unsigned n_failed, next_failed;
    bool is_wanted; /* something happened since the last run began */
    bool is_urgent; /* and it does not wait for the pause */
    bool is_whole;  /* the run under way was wanted: it says all that it finds */
    uint64_t wanted_ms, not_before_ms;
    bool is_unwell;
    uint64_t recheck_ms; /* while it is unwell */
    unsigned n_rechecks; /* that found it unwell, in a row */
    bool was_found[N_FINDING_CODES];
};

/* The first run is wanted at once. */
void self_check_pace_init(struct self_check_pace *p, uint64_t now_ms);
/* A request failed for want of a name, a connection or TLS. True: by this one a run is wanted. */
bool self_check_pace_failed(struct self_check_pace *p, uint64_t now_ms);
/* Something that one occurrence of is worth a run. True as above. */
bool self_check_pace_alarm(struct self_check_pace *p, uint64_t now_ms);
/* Something may be well again: the next look at what is unwell is not put off for long. True when
 * it is sooner now. */
bool self_check_pace_hope(struct self_check_pace *p);
/* Somebody who knows why wants to know: at once, whatever the pause. */
void self_check_pace_now(struct self_check_pace *p, uint64_t now_ms);
/* When the next run is due, perhaps in the past; SELF_CHECK_NEVER_MS: nothing calls for one. */
uint64_t self_check_pace_due_ms(const struct self_check_pace *p);

/* A run begins. */
void self_check_pace_begin(struct self_check_pace *p);
/* It could not be made: the next one has to be called for, and nothing is known anew. */
void self_check_pace_failed_to_run(struct self_check_pace *p, uint64_t now_ms);
/*
 * It has ended. found: what it found, by code; is_unwell: some of it is worth looking at again. On
 * return says has what is to be said of it: all, or where it was only a look at what is unwell,
 * what is new. True: all is well that was unwell before.
 */
bool self_check_pace_end(struct self_check_pace *p, const bool found[static N_FINDING_CODES],
                         bool is_unwell, uint64_t now_ms, bool says[static N_FINDING_CODES]);

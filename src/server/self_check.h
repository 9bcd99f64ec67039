#pragma once
/*
 * The light self-check of a process that serves: what `penstock doctor` would find (doctor/probe.h
 * with is_light, judged by doctor/diagnosis.h), looked for at start and on repeated failures, and
 * written to the log with code, sentence and fix. self_check_pace.h says when.
 *
 * It has a thread of its own, which sleeps while all is well and takes no signals; nothing waits
 * for it but self_check_free, which ends a run under way within PROBE_CANCEL_MS.
 */
#include "base/fault.h"
#include "conf/settings.h"
#include "dns/engine.h"
#include "doctor/finding.h"

enum {
    SELF_CHECK_MS = 8000, /* how long a run takes at most */
    SELF_CHECK_MAX_FINDINGS = 16,
    SELF_CHECK_TEXT_BYTES = 512,
};

struct self_check;

/*
 * With a reference to conf; env, like environ, is borrowed: nobody changes it any more. NULL, with
 * a fault, without memory or a thread. Where conf has it off, it sleeps until a reload turns it on.
 */
struct self_check *self_check_start(const struct conf *conf, char *const *env, struct fault *f);
/* Ends it, and a run under way with it. NULL is fine. */
void self_check_free(struct self_check *s);

/* For a reload: a thread that these settings may need for the first time. On any thread, one at a
 * time; what it does is seen with self_check_set only. */
bool self_check_prepare(struct self_check *s, const struct conf *conf, struct fault *f);
/* Other settings, and a run at once. */
void self_check_set(struct self_check *s, const struct conf *conf);

/* From any thread, NULL is fine: a request failed like this; the engine told of this; a question
 * ended like this. What does not matter to it costs next to nothing. */
void self_check_failed(struct self_check *s, enum fault_kind kind);
void self_check_event(struct self_check *s, enum dns_event_kind kind);
void self_check_decision(struct self_check *s, const struct dns_explain *x);

/* A root cause of the last run. Texts are cut at their bounds, NUL-terminated. */
struct self_check_finding {
    enum finding_code code;
    enum finding_severity severity;
    char sentence[SELF_CHECK_TEXT_BYTES];
    char evidence[SELF_CHECK_TEXT_BYTES]; /* the first line; may be empty */
    char fix[SELF_CHECK_TEXT_BYTES];      /* the first line; may be empty */
};

struct self_check_state {
    uint64_t n_runs;
    uint64_t ended_us; /* io_now_us() of the last one; 0: there was none */
    bool is_well;      /* nothing is found but information; true before the first run */
    unsigned n;
    struct self_check_finding v[SELF_CHECK_MAX_FINDINGS];
};

/* From any thread: what the last run found. False: the self-check is off. */
bool self_check_read(struct self_check *s, struct self_check_state *out);

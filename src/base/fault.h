#pragma once
/*
 * What went wrong, filled by whoever saw it first and never rewritten. Kinds are rows of fault.def.
 * A fault is a plain value: copy it freely. It owns nothing.
 */
#include "base/str.h"

enum fault_kind {
#define FAULT(id, name, status, code, stage, sentence) FAULT_##id,
#include "base/fault.def"
#undef FAULT
    N_FAULTS
};

enum { FAULT_DETAIL_BYTES = 512 };

struct fault {
    enum fault_kind kind;
    int sys_errno;    /* 0 when no system call failed */
    const char *step; /* static text: what was being done ("connect", "handshake"), or NULL */
    /* For people: which server said what. Printable, NUL-terminated, may be empty. */
    char detail[FAULT_DETAIL_BYTES];
};

struct fault_row {
    const char *name; /* dns_failed */
    int http_status;
    const char *s3_code;
    const char *stage;
    const char *sentence;
};

const struct fault_row *fault_row(enum fault_kind kind);

static inline bool fault_is_set(const struct fault *f)
{
    return f->kind != FAULT_NONE;
}

static inline void fault_clear(struct fault *f)
{
    f->kind = FAULT_NONE;
    f->sys_errno = 0;
    f->step = NULL;
    f->detail[0] = 0;
}

/*
 * Fills *f unless it is filled already (the first to see a failure tells). Returns false, so that
 * `return fault_set(...)` reads as the failure it is. detail is a printf format or NULL; what it
 * prints is cut at FAULT_DETAIL_BYTES, and bytes that are not printable ASCII become '?'.
 */
bool fault_set(struct fault *f, enum fault_kind kind, const char *step, const char *detail, ...)
    __attribute__((format(printf, 4, 5)));

/* The same, with errno; the detail is strerror's text. */
bool fault_sys(struct fault *f, enum fault_kind kind, const char *step, int sys_errno);

#include "base/fault.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#define FAULT(id, name, status, code, stage, sentence) { name, status, code, stage, sentence },
static const struct fault_row rows[N_FAULTS] = {
#include "base/fault.def"
};
#undef FAULT

const struct fault_row *fault_row(enum fault_kind kind)
{
    assert(kind < N_FAULTS);
    return &rows[kind];
}

bool fault_set(struct fault *f, enum fault_kind kind, const char *step, const char *detail, ...)
{
    if (f->kind != FAULT_NONE)
        return false;
    fault_clear(f);
    f->kind = kind;
    f->step = step;
    if (detail != NULL) {
        va_list ap;
        va_start(ap, detail);
        vsnprintf(f->detail, sizeof f->detail, detail, ap);
        va_end(ap);
        for (char *c = f->detail; *c != 0; c++)
            if (*c < ' ' || *c > '~')
                *c = '?';
    }
    return false;
}

bool fault_sys(struct fault *f, enum fault_kind kind, const char *step, int sys_errno)
{
    if (f->kind == FAULT_NONE) {
        fault_set(f, kind, step, "%s", strerror(sys_errno));
        f->sys_errno = sys_errno;
    }
    return false;
}

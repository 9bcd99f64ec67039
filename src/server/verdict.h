#pragma once
/*
 * One word and one sentence for a person who looks: the worst of what is known. Pure.
 */
#include "server/ready.h"

enum verdict_state { VERDICT_WELL, VERDICT_WARNING, VERDICT_ERROR };
enum { VERDICT_BYTES = 640 };

struct verdict_facts {
    const struct ready *ready;
    const char *finding_error, *finding_warning; /* a sentence of the self-check's; NULL: none */
    bool has_suspect_first; /* a server that its route asks first failed three times in a row */
    const char *suspect, *suspect_zone;
    const char *reload_problem; /* NULL: the last one went well */
    uint64_t n_faults;          /* of ours, the network's or the origins', in the last minute */
    const char *fault;          /* what the most frequent of them says */
};

struct verdict {
    enum verdict_state state;
    char sentence[VERDICT_BYTES];
};

void verdict_judge(const struct verdict_facts *f, struct verdict *out);
const char *verdict_state_text(enum verdict_state state); /* "well", "warning", "error" */

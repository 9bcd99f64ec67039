#pragma once
/*
 * The codes of what the doctor can find: one row each in finding.def, the long text in
 * docs/findings/CODE.md, which is built into the program. Everything here is static.
 */
#include "base/str.h"

enum finding_code {
#define FINDING(code, severity, causes, title) code,
#include "doctor/finding.def"
#undef FINDING
    N_FINDING_CODES
};

enum finding_severity { FINDING_INFO, FINDING_WARNING, FINDING_ERROR };

struct finding_row {
    const char *code; /* "PS1001" */
    enum finding_severity severity;
    const char *causes; /* "1", "2,3", "o": those of the article, o for others */
    const char *title;
};

const struct finding_row *finding_row(enum finding_code code);
/* "PS1001", also "ps1001" and "1001". False when there is none of that name. */
bool finding_parse(struct str text, enum finding_code *code);
/* "error", "warning", "information" */
const char *finding_severity_name(enum finding_severity s);
/* What a cause's letter stands for: "DHCP options without AWS DNS"; "another cause" for others. */
const char *finding_cause_text(char cause);

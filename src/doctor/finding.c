#include "doctor/finding.h"

static const struct finding_row rows[N_FINDING_CODES] = {
#define FINDING(code, severity, causes, title) { #code, FINDING_##severity, causes, title },
#include "doctor/finding.def"
#undef FINDING
};

const struct finding_row *finding_row(enum finding_code code)
{
    return &rows[code];
}

bool finding_parse(struct str text, enum finding_code *code)
{
    for (unsigned i = 0; i < N_FINDING_CODES; i++) {
        struct str name = str_from_c(rows[i].code);
        if (str_eq_nocase(text, name) || str_eq(text, str_from(name, 2))) {
            *code = (enum finding_code)i;
            return true;
        }
    }
    return false;
}

const char *finding_severity_name(enum finding_severity s)
{
    static const char *const names[] = {
        [FINDING_INFO] = "information", [FINDING_WARNING] = "warning", [FINDING_ERROR] = "error"
    };
    return names[s];
}

const char *finding_cause_text(char cause)
{
    switch (cause) {
    case '1':
        return "DHCP options without AWS DNS";
    case '2':
        return "private DNS of a VPC endpoint";
    case '3':
        return "service discovery (Cloud Map)";
    default:
        return "another cause";
    }
}

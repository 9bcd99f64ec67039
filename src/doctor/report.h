#pragma once
/*
 * A diagnosis for programs. Pure: the same diagnosis gives the same bytes. Texts that came from
 * outside are escaped for the format. The text for people is cli/doctor_text.h.
 */
#include "base/buf.h"
#include "doctor/diagnosis.h"

enum { REPORT_TEXT_BYTES = 1024 * 1024 }; /* of one finding, or of a summary */

/* Exit codes of `penstock doctor`. */
enum { DOCTOR_OK = 0, DOCTOR_FINDINGS = 1, DOCTOR_INCOMPLETE = 2 };

/* Findings at or above fail_on: 1. Else, checks that could not be made though somebody asked: 2. */
int report_exit_code(const struct diagnosis *d, enum finding_severity fail_on);
/* Whether there was anything to judge: probes, AWS's answers, lines of a log. */
bool report_has_judged(const struct diagnosis *d);
/* "1 root cause, 2 consequences, 1 noticed, 3 unknown (need ec2:DescribeVpcs)"; "all is well".
 * Some of the actions, where many are missing. */
void report_summary(const struct diagnosis *d, struct buf *out);

/* The schema is docs/doctor.schema.json: report_schema. Without a last line end, as all here. */
enum { REPORT_SCHEMA = 1 };
void report_json(const struct diagnosis *d, enum finding_severity fail_on, struct buf *out);
void report_schema(struct buf *out);
/*
 * SARIF 2.1.0 (OASIS). The place of every result is the file PENSTOCK_SARIF_URI, which is not
 * there: GitHub takes no result without a file, and what is wrong is in no file.
 */
#define PENSTOCK_SARIF_URI "penstock-doctor"
void report_sarif(const struct diagnosis *d, struct buf *out);
/* JUnit: a test case a code; what is below fail_on passes, with its text as output. */
void report_junit(const struct diagnosis *d, enum finding_severity fail_on, struct buf *out);

const char *finding_rank_name(enum finding_rank rank); /* "root", "consequence", "notice" */
const char *check_state_name(enum check_state state);  /* "pass", "fail", "skipped", "unknown" */

#pragma once
/* A diagnosis for people: verdict, evidence, fix, then one table of every name against every
 * server. */
#include "cli/output.h"
#include "doctor/report.h"

/* Where a line is wrapped. */
enum { DOCTOR_TEXT_COLUMNS = 100 };

void doctor_text(const struct diagnosis *d, struct output *o);
/* A line each finding, root causes first, and the summary. */
void doctor_short(const struct diagnosis *d, struct output *o);

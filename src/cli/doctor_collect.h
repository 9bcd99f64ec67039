#pragma once
/* Everything that `penstock doctor` finds out before anybody judges: probes, AWS's APIs, logs. */
#include "cli/doctor_args.h"
#include "doctor/facts.h"

enum { EXIT_SOFTWARE = 70 }; /* EX_SOFTWARE of sysexits.h */

/* Fills the book; 0, or the exit code with which the command ends (said on stderr). */
int doctor_collect(const struct doctor_args *a, struct fact_book *book);

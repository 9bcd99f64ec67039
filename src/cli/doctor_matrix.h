#pragma once
/* The doctor's table of every name against every DNS server, for people. */
#include "cli/output.h"
#include "doctor/facts.h"

/* Nothing where no server was asked. Servers that do not fit beside each other stand below. */
void doctor_matrix(const struct fact_facts *f, struct output *o);

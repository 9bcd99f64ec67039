#pragma once
/* A log's groups as facts. */
#include "doctor/facts.h"
#include "doctor/log_report.h"

/* source: "stdin", a file's name, "cloudwatch:GROUP". Replaces book->facts.log but for its
 * error. */
void log_facts(struct log_report *report, struct str source, struct fact_book *book);

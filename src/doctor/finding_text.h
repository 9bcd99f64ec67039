#pragma once
/*
 * The long texts of the findings: docs/findings/CODE.md, built in by tools/embed, byte for byte.
 * What the table knows stands in them too; finding_text_head says how, and a test compares.
 */
#include "base/buf.h"
#include "doctor/finding.h"

/* Markdown, ends in a newline. Static. */
struct str finding_text(enum finding_code code);
/* How that text has to begin: the heading, an empty line, severity and causes, an empty line. */
void finding_text_head(enum finding_code code, struct buf *out);
/* Codes come in groups, by their first digit: "DNS servers", "the way to S3". */
const char *finding_group(enum finding_code code);
/* docs/findings/README.md: every code, by groups. */
void finding_index_markdown(struct buf *out);

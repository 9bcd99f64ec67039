#pragma once
/*
 * Facts as JSON: what `--facts-out` and `-o json` write and `--facts` reads. Member names are those
 * of facts.def; what is not known is left out. The schema comes of the same table.
 */
#include "codec/json_write.h"
#include "doctor/facts.h"

#include <jansson.h>

enum { FACTS_JSON_BYTES = 16 * 1024 * 1024 };

/* An object. */
void facts_write(const struct fact_facts *facts, struct json *j, const char *key);
/*
 * Members that nobody knows are passed over, so that facts of a later version can be read. False
 * when a known one is of another type, or too much: errors then has a line each
 * ("facts.vpc.cidrs[2]: a string is wanted"). Who saved facts has masked what is secret; a text in
 * which something is left is masked here, since facts are shown and passed on.
 */
bool facts_read(const json_t *object, struct fact_book *b, struct buf *errors);

/* The members of "$defs" that describe the records (JSON Schema 2020-12); "facts" is the whole. */
void facts_write_schema(struct json *j);

#pragma once
/* A lookup's JSON (dns/report.h) for people. Nothing in it is trusted to have its shape. */
#include "cli/output.h"

#include <jansson.h>

/* The document of /dns/lookup, or of a command's own engine. is_alone: one server was asked, so
 * that routes decided nothing. */
void lookup_text(struct output *o, const json_t *document, bool is_alone);
/* {"by", "servers": [{"address", "questions"}]}: side by side. Returns true when all said the same.
 */
bool lookup_text_compared(struct output *o, const json_t *document);
/* Some question of the document was answered. */
bool lookup_is_answered(const json_t *document);

/* "" for anything but a string. */
const char *json_get_text(const json_t *object, const char *key);
/* 0 for anything but a number. */
double json_get_number(const json_t *object, const char *key);

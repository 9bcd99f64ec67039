#pragma once
/* The document of `penstock explain-url` for people. */
#include "cli/output.h"

void url_text(struct output *o, const json_t *document);

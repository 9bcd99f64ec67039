#pragma once
/* The routing table's JSON (dns/routes_json.h) for people, on one screen. */
#include "cli/output.h"

#include <jansson.h>

void routes_text(struct output *o, const json_t *document);

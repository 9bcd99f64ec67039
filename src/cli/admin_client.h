#pragma once
/*
 * Asking the penstock that runs here: a GET to the admin address of the settings, which has to be
 * one of this host's. Blocking, with a deadline.
 */
#include "conf/settings.h"

#include <jansson.h>

enum { ADMIN_CONNECT_MS = 500, ADMIN_ANSWER_MS = 8000, ADMIN_ANSWER_BYTES = 16 * 1024 * 1024 };

/*
 * The JSON at target of the first admin address that answers as penstock does: status 200, an
 * object with a member "by". NULL when none does: *why then says so in a few words (static text).
 * *at is the address that was asked last.
 */
json_t *admin_get(const struct conf *conf, struct str target, struct addr *at, const char **why);

#pragma once
/* Parts of checks that have files of their own. */
#include "doctor/check.h"

/* PS3014 */
void check_proxies(struct diagnosis *d);
/* PS3015 */
void check_endpoints(struct diagnosis *d);
/* PS2005-PS2008 */
void check_resolver_rules(struct diagnosis *d);

/* CHECK_UNKNOWN, because nobody knows which subnet, and so which route table, the task has. */
void check_unknown_subnet(struct diagnosis *d, enum finding_code code);

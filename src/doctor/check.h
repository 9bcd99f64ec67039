#pragma once
/*
 * The checks, in groups of codes that read the same facts; diagnose() runs them in this order.
 * Each is pure: facts in d->facts, findings into d.
 */
#include "doctor/diagnosis.h"

/* PS1001-PS1005, PS1020: what the listed servers say of the names that are needed. */
void check_answers(struct diagnosis *d);
/* PS1006: whether they agree, with each other and with Amazon's. */
void check_views(struct diagnosis *d);
/* PS1016, PS1017, PS1019: packets that get lost, and answers that take long. */
void check_loss(struct diagnosis *d);
/* PS1007-PS1010, PS1015, PS1018, PS1021: which servers are listed. */
void check_servers(struct diagnosis *d);
/* PS1011-PS1014: how they are reached. */
void check_transport(struct diagnosis *d);
/* PS2001-PS2010: what Amazon's resolver is told. */
void check_amazon_dns(struct diagnosis *d);
/* PS3001-PS3004, PS3012, PS3014-PS3016: which way leads to S3. */
void check_way(struct diagnosis *d);
/* PS3005-PS3011, PS3013: what happens on that way. */
void check_connections(struct diagnosis *d);
/* PS4001-PS4006. */
void check_registry(struct diagnosis *d);
/* PS5001-PS5003. */
void check_task(struct diagnosis *d);
/* What a log hints at: evidence beside findings of the probes, findings where nothing was probed.
 */
void check_log(struct diagnosis *d);
/* PS6001, after all others. */
void check_access(struct diagnosis *d);

/* Root causes apart from what follows from them; sorts d->findings. After all checks. */
void check_precedence(struct diagnosis *d);

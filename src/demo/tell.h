#pragma once
/* What the demo says to its reader, on stdout, in order with the proxy's access lines. */
#include "demo/demo.h"

/* What stands where, what the first nameserver alone would have said (it is really asked: a second
 * at most, blocking), and what to try. */
void demo_tell_start(const struct demo *d);
/* One DNS decision of the proxy. Any thread. */
void demo_tell_decision(const struct demo *d, const struct dns_explain *x);

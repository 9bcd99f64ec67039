#pragma once
/*
 * What /metrics has, told from the tables that it is written from: `penstock metrics`, and the
 * tables of docs/METRICS.md.
 */
#include "base/buf.h"

/* Three lines a metric: name, type and labels; what it is; what to do with it. */
void metrics_help(struct buf *out);
void metrics_help_markdown(struct buf *out);

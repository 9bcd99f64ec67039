#pragma once
/* One JSON line a request; docs/ACCESS-LOG.md lists its fields. */
#include "proxy/tx.h"

void access_log_write(struct tx *tx);
/* 16 hexadecimal digits: the id in the line and in the x-amz-request-id of our own failures. */
void request_id_text(uint64_t id, char text[static 17]);

#pragma once
/*
 * Writing JSON (RFC 8259) piece by piece: commas, quotes and escapes are this module's, the order
 * and the nesting the caller's. Values inside an array have the key NULL. Keys are literals of ours
 * that need no escape. The buffer is the caller's; when it fails, look at it once at the end.
 */
#include "base/buf.h"

struct json {
    struct buf *out;
    bool needs_comma;
};

static inline struct json json_begin(struct buf *out)
{
    return (struct json){ .out = out };
}

/* bracket: '{' or '['. */
void json_open(struct json *j, const char *key, char bracket);
void json_close(struct json *j, char bracket);
void json_put_str(struct json *j, const char *key, struct str value);
/* What escape_json or escape_json_target wrote: the inside of a string, taken as it is. */
void json_put_escaped(struct json *j, const char *key, struct str escaped);
/* NULL becomes null. */
void json_put_text(struct json *j, const char *key, const char *value);
/* A request target, its secrets masked as escape_json_target does. */
void json_put_target(struct json *j, const char *key, struct str target);
void json_put_u64(struct json *j, const char *key, uint64_t value);
void json_put_i64(struct json *j, const char *key, int64_t value);
void json_put_bool(struct json *j, const char *key, bool value);
void json_put_null(struct json *j, const char *key);
/* Microseconds as milliseconds with three decimals. */
void json_put_ms(struct json *j, const char *key, uint64_t us);
/* RFC 3339, UTC, with milliseconds; of the time since 1970. 0, and what no calendar has: null. */
void json_put_time(struct json *j, const char *key, uint64_t unix_ms);

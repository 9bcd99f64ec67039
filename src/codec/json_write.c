#include "codec/json_write.h"

#include "codec/escape.h"

#include <time.h>

static void begin_value(struct json *j, const char *key)
{
    if (j->needs_comma)
        buf_byte(j->out, ',');
    j->needs_comma = true;
    if (key == NULL)
        return;
    buf_byte(j->out, '"');
    buf_append(j->out, str_from_c(key));
    buf_append(j->out, STR("\":"));
}

void json_open(struct json *j, const char *key, char bracket)
{
    begin_value(j, key);
    buf_byte(j->out, bracket);
    j->needs_comma = false;
}

void json_close(struct json *j, char bracket)
{
    buf_byte(j->out, bracket == '{' ? '}' : ']');
    j->needs_comma = true;
}

void json_put_str(struct json *j, const char *key, struct str value)
{
    begin_value(j, key);
    buf_byte(j->out, '"');
    escape_json(j->out, value);
    buf_byte(j->out, '"');
}

void json_put_escaped(struct json *j, const char *key, struct str escaped)
{
    begin_value(j, key);
    buf_byte(j->out, '"');
    buf_append(j->out, escaped);
    buf_byte(j->out, '"');
}

void json_put_text(struct json *j, const char *key, const char *value)
{
    if (value != NULL)
        json_put_str(j, key, str_from_c(value));
    else
        json_put_null(j, key);
}

void json_put_target(struct json *j, const char *key, struct str target)
{
    begin_value(j, key);
    buf_byte(j->out, '"');
    escape_json_target(j->out, target);
    buf_byte(j->out, '"');
}

void json_put_u64(struct json *j, const char *key, uint64_t value)
{
    begin_value(j, key);
    buf_u64(j->out, value);
}

void json_put_i64(struct json *j, const char *key, int64_t value)
{
    begin_value(j, key);
    buf_printf(j->out, "%lld", (long long)value);
}

void json_put_bool(struct json *j, const char *key, bool value)
{
    begin_value(j, key);
    buf_append(j->out, value ? STR("true") : STR("false"));
}

void json_put_null(struct json *j, const char *key)
{
    begin_value(j, key);
    buf_append(j->out, STR("null"));
}

void json_put_ms(struct json *j, const char *key, uint64_t us)
{
    begin_value(j, key);
    buf_u64(j->out, us / 1000);
    buf_printf(j->out, ".%03u", (unsigned)(us % 1000));
}

void json_put_time(struct json *j, const char *key, uint64_t unix_ms)
{
    const uint64_t last_s = 253402300799; /* of the year 9999 */
    time_t s = (time_t)(unix_ms / 1000);
    struct tm tm;
    char date[32];
    if (unix_ms == 0 || unix_ms / 1000 > last_s || gmtime_r(&s, &tm) == NULL ||
        strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm) == 0) {
        json_put_null(j, key);
        return;
    }
    begin_value(j, key);
    buf_printf(j->out, "\"%s.%03uZ\"", date, (unsigned)(unix_ms % 1000));
}

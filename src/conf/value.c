#include "conf/value.h"

#include "conf/cpus.h"

#include <stdarg.h>
#include <stdio.h>

const struct conf_row conf_rows[N_CONF_SETTINGS] = {
#define ROW(id, key, field, type, initial, least, most, help, more, is_at_start)                   \
    [CONF_##id] = { key,                                                                           \
                    offsetof(struct conf, field),                                                  \
                    CONF_TYPE_##type,                                                              \
                    is_at_start,                                                                   \
                    initial,                                                                       \
                    least,                                                                         \
                    most,                                                                          \
                    help,                                                                          \
                    more },
#define SETTING(...) ROW(__VA_ARGS__, false)
#define SETTING_AT_START(...) ROW(__VA_ARGS__, true)
#include "conf/settings.def"
#undef SETTING
#undef ROW
};

enum conf_setting conf_find(struct str key)
{
    unsigned i = 0;
    while (i < N_CONF_SETTINGS && !str_eq(key, str_from_c(conf_rows[i].key)))
        i++;
    return (enum conf_setting)i;
}

bool conf_bad(struct conf_reader *r, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n < 0)
        text[0] = 0;
    size_t start = r->errors->n;
    if (r->where[0])
        buf_printf(r->errors, "%s: ", r->where);
    buf_append(r->errors, str_from_c(text));
    for (size_t i = start; i < r->errors->n; i++)
        if (r->errors->p[i] < ' ' || r->errors->p[i] > '~')
            r->errors->p[i] = '?';
    buf_byte(r->errors, '\n');
    r->has_failed = true;
    return false;
}

bool conf_no_memory(struct conf_reader *r)
{
    return conf_bad(r, "out of memory");
}

bool conf_is_name(struct str name, const char *also)
{
    size_t n_label = 0;
    if (name.n == 0 || name.n > 253)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        if (c == '.') {
            if (n_label == 0)
                return false;
            n_label = 0;
            continue;
        }
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '-' &&
            (c == 0 || strchr(also, c) == NULL))
            return false;
        if (++n_label > 63)
            return false;
    }
    return n_label > 0;
}

static bool check_range(struct conf_reader *r, struct str text, uint64_t value)
{
    if (value < r->row->least || value > r->row->most)
        return conf_bad(r, "%.*s is not between %llu and %llu", CONF_SHOWN(text),
                        (unsigned long long)r->row->least, (unsigned long long)r->row->most);
    return true;
}

static bool parse_count(struct conf_reader *r, struct str text, void *field)
{
    uint64_t value;
    if (!str_to_u64(text, &value)) {
        bool is_time = str_ends(str_from_c(r->row->key), STR("_MS"));
        return conf_bad(r, "\"%.*s\" is no whole number%s", CONF_SHOWN(text),
                        is_time ? " of ms" : "");
    }
    if (!check_range(r, text, value))
        return false;
    *(uint64_t *)field = value;
    return true;
}

static bool parse_size(struct conf_reader *r, struct str text, void *field)
{
    static const char units[] = "kmg";
    uint64_t value;
    unsigned shift = 0;
    struct str digits = text;
    for (unsigned i = 0; text.n > 0 && i < 3; i++) {
        if (ascii_lower(text.p[text.n - 1]) == units[i]) {
            shift = 10 * (i + 1);
            digits = str_first(text, text.n - 1);
        }
    }
    if (!str_to_u64(digits, &value))
        return conf_bad(r, "\"%.*s\" is no size: a whole number of bytes, or one with K, M or G",
                        CONF_SHOWN(text));
    if (value > UINT64_MAX >> shift)
        return conf_bad(r, "%.*s is too large", CONF_SHOWN(text));
    if (!check_range(r, text, value << shift))
        return false;
    *(uint64_t *)field = value << shift;
    return true;
}

static bool parse_workers(struct conf_reader *r, struct str text, void *field)
{
    uint64_t value;
    if (str_eq(text, STR("auto"))) {
        unsigned n = conf_cpus("");
        *(unsigned *)field = n > r->row->most ? (unsigned)r->row->most : n;
        return true;
    }
    if (!str_to_u64(text, &value))
        return conf_bad(r, "\"%.*s\" is neither auto nor a whole number", CONF_SHOWN(text));
    if (!check_range(r, text, value))
        return false;
    *(unsigned *)field = (unsigned)value;
    return true;
}

static bool parse_path(struct conf_reader *r, struct str text, void *field)
{
    struct str path = arena_copy(&r->conf->arena, text);
    if (path.p == NULL)
        return conf_no_memory(r);
    *(struct str *)field = path;
    return true;
}

static bool parse_on_off(struct conf_reader *r, struct str text, void *field)
{
    static const char *const yes[] = { "on", "true", "yes" }, *const no[] = { "off", "false",
                                                                              "no" };
    for (int i = 0; i < 3; i++) {
        bool is_yes = str_eq_nocase(text, str_from_c(yes[i]));
        if (is_yes || str_eq_nocase(text, str_from_c(no[i]))) {
            *(bool *)field = is_yes;
            return true;
        }
    }
    return conf_bad(r, "\"%.*s\" is neither on nor off", CONF_SHOWN(text));
}

static bool parse_log_level(struct conf_reader *r, struct str text, void *field)
{
    /* Those of obs/log.h, which stands beside this room and not below. */
    static const char *const names[] = { "error", "warning", "info", "debug" };
    for (int i = 0; i < 4; i++) {
        if (str_eq(text, str_from_c(names[i]))) {
            *(struct str *)field = str_from_c(names[i]);
            return true;
        }
    }
    return conf_bad(r, "\"%.*s\" is none of error, warning, info, debug", CONF_SHOWN(text));
}

static bool parse_dns_aws(struct conf_reader *r, struct str text, void *field)
{
    static const char *const names[] = { "auto", "on", "off" };
    for (int i = 0; i < 3; i++) {
        if (str_eq(text, str_from_c(names[i]))) {
            *(enum conf_dns_aws *)field = (enum conf_dns_aws)i;
            return true;
        }
    }
    return conf_bad(r, "\"%.*s\" is none of auto, on, off", CONF_SHOWN(text));
}

const struct conf_type_row conf_types[N_CONF_TYPES] = {
    [CONF_TYPE_REGISTRY] = { "URL", 0, conf_parse_registry },
    [CONF_TYPE_LISTEN] = { "list of ADDR:PORT, [V6]:PORT, :PORT", ',', conf_parse_listen },
    [CONF_TYPE_ADMIN] = { "list of ADDR:PORT, [V6]:PORT, :PORT", ',', conf_parse_admin },
    [CONF_TYPE_WORKERS] = { "auto or a number", 0, parse_workers },
    [CONF_TYPE_HOST_RULES] = { "list of PATTERN[:PORT][=http|https]", ',', conf_parse_host_rules },
    [CONF_TYPE_BUCKETS] = { "list of globs", ',', conf_parse_buckets },
    [CONF_TYPE_CIDRS] = { "list of ADDR, ADDR/BITS", ',', conf_parse_cidrs },
    [CONF_TYPE_PATH] = { "path", 0, parse_path },
    [CONF_TYPE_FIELD_NAMES] = { "list of names", ',', conf_parse_field_names },
    [CONF_TYPE_SIZE] = { "bytes, or with K, M, G", 0, parse_size },
    [CONF_TYPE_COUNT] = { "number", 0, parse_count },
    [CONF_TYPE_ON_OFF] = { "on, off", 0, parse_on_off },
    [CONF_TYPE_LOG_LEVEL] = { "word", 0, parse_log_level },
    [CONF_TYPE_DNS_SERVERS] = { "list of ADDR[:PORT], [V6]:PORT", ',', conf_parse_dns_servers },
    [CONF_TYPE_DNS_ROUTES] = { "ZONE=SERVER,SERVER|SERVER;ZONE=...", ';', conf_parse_dns_routes },
    [CONF_TYPE_DNS_AWS] = { "auto, on, off", 0, parse_dns_aws },
};

bool conf_read_value(struct conf_reader *r, struct str text)
{
    text = str_trim(text);
    if (text.n > CONF_VALUE_BYTES)
        return conf_bad(r, "longer than %d bytes", CONF_VALUE_BYTES);
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] < ' ' || text.p[i] == 0x7f)
            return conf_bad(r, "holds a control character");
    return conf_types[r->row->type].parse(r, text, (char *)r->conf + r->row->offset);
}

#include "conf/value.h"

const char *conf_key(enum conf_setting s)
{
    return conf_rows[s].key;
}

void conf_origin_text(const struct conf *c, enum conf_setting s, struct buf *out)
{
    const struct conf_origin *o = &c->origins[s];
    if (o->source == CONF_FROM_ENV)
        buf_append(out, STR("environment"));
    else if (o->source == CONF_FROM_FILE)
        buf_printf(out, "%.*s:%u", STR_ARG(c->file), o->line);
    else
        buf_append(out, o->text.n > 0 ? STR("default") : STR("not set"));
}

static void show_origin(const struct conf *c, enum conf_setting s, struct buf *out)
{
    const struct conf_origin *o = &c->origins[s];
    conf_origin_text(c, s, out);
    if (s == CONF_WORKERS && str_eq(o->text, STR("auto")))
        buf_printf(out, "; here %u", c->workers);
    if (s == CONF_DNS_AWS && c->dns_aws == CONF_DNS_AWS_AUTO)
        buf_printf(out, "; here %s", c->dns_aws_allowed ? "on" : "off");
}

static bool is_shown(const struct conf *c, unsigned s, enum conf_shown which)
{
    return which == CONF_SHOW_ALL || c->origins[s].source != CONF_FROM_DEFAULT;
}

void conf_show(const struct conf *c, enum conf_shown which, struct buf *out)
{
    for (unsigned s = 0; s < N_CONF_SETTINGS; s++) {
        if (!is_shown(c, s, which))
            continue;
        buf_printf(out, "%s=", conf_rows[s].key);
        buf_append(out, c->origins[s].text);
        buf_append(out, STR("   # "));
        show_origin(c, (enum conf_setting)s, out);
        buf_byte(out, '\n');
    }
}

static void show_one_json(const struct conf *c, enum conf_setting s, struct json *j)
{
    const struct conf_origin *o = &c->origins[s];
    json_open(j, NULL, '{');
    json_put_text(j, "key", conf_rows[s].key);
    if (o->text.n > 0)
        json_put_str(j, "value", o->text);
    else
        json_put_null(j, "value");
    json_put_text(j, "from",
                  o->source == CONF_FROM_ENV    ? "environment"
                  : o->source == CONF_FROM_FILE ? "file"
                                                : "default");
    if (o->source == CONF_FROM_FILE) {
        json_put_str(j, "file", c->file);
        json_put_u64(j, "line", o->line);
    }
    if (s == CONF_WORKERS)
        json_put_u64(j, "here", c->workers);
    if (s == CONF_DNS_AWS)
        json_put_text(j, "here", c->dns_aws_allowed ? "on" : "off");
    json_close(j, '{');
}

void conf_show_json(const struct conf *c, enum conf_shown which, struct json *j)
{
    json_open(j, NULL, '{');
    json_open(j, "settings", '[');
    for (unsigned s = 0; s < N_CONF_SETTINGS; s++)
        if (is_shown(c, s, which))
            show_one_json(c, (enum conf_setting)s, j);
    json_close(j, '[');
    json_close(j, '{');
}

void conf_help(struct buf *out)
{
    for (unsigned s = 0; s < N_CONF_SETTINGS; s++) {
        const struct conf_row *row = &conf_rows[s];
        buf_printf(out, "%s%s%s\n    %s\n", row->key, row->initial[0] ? "=" : "", row->initial,
                   row->help);
    }
}

struct conf_doc conf_doc(enum conf_setting s)
{
    const struct conf_row *row = &conf_rows[s];
    return (struct conf_doc){ row->key,     conf_types[row->type].name,
                              row->initial, row->help,
                              row->more,    row->is_at_start };
}

void conf_help_markdown(struct buf *out)
{
    buf_append(
        out, STR("# Settings\n\n"
                 "Written by `penstock config help --markdown` from src/conf/settings.def; change "
                 "that instead.\n\n"
                 "Each setting is an environment variable, and the same key in the YAML file of "
                 "`--config FILE`, where a list may be a YAML sequence. The environment comes "
                 "first, then the file, then the default; an empty value counts as not set. "
                 "Unknown names are errors. Numbers of bytes may end in K, M or G (1024, 1024^2, "
                 "1024^3); lists are separated by commas. `penstock config check` tells every "
                 "error at once, `penstock config show` each value and where it comes from.\n"));
    for (unsigned s = 0; s < N_CONF_SETTINGS; s++) {
        const struct conf_row *row = &conf_rows[s];
        buf_printf(out, "\n## %s\n\n%s%s%s\n\n", row->key, row->help, row->more[0] ? " " : "",
                   row->more);
        buf_printf(out, "- Value: %s\n", conf_types[row->type].name);
        if (row->initial[0])
            buf_printf(out, "- Default: `%s`\n", row->initial);
        else
            buf_append(out, STR("- Default: not set\n"));
        if (row->is_at_start)
            buf_append(out, STR("- A change needs a restart\n"));
    }
}

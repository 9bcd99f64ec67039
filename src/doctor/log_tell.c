/* What a group and a whole log say: hints and sentences. */
#include "doctor/log_report.h"

#include "codec/s3_host.h"
#include "dns/router.h"

#include <inttypes.h>
#include <time.h>

enum about_name { NAME_NONE, NAME_S3, NAME_AWS, NAME_OTHER };

static enum about_name about_name(const char *name)
{
    struct s3_host host;
    struct dns_name wire;
    if (name[0] == 0)
        return NAME_NONE;
    if (s3_host_parse(str_from_c(name), &host))
        return NAME_S3;
    return dns_name_parse(str_from_c(name), &wire) && dns_is_aws_name(&wire) ? NAME_AWS
                                                                             : NAME_OTHER;
}

/* Does the code make sense for the name? */
static bool fits(enum finding_code code, enum about_name about)
{
    if (about == NAME_NONE)
        return true;
    if (code == PS3015)
        return about == NAME_AWS;
    if ((code >= PS3001 && code <= PS3006) || code == PS3016)
        return about == NAME_S3;
    return code < PS4001 || code > PS4006 || about == NAME_OTHER;
}

unsigned log_group_hints(const struct log_group *g, enum finding_code codes[static LOG_MAX_HINTS])
{
    enum about_name about = about_name(g->name);
    struct str rest = str_from_c(log_kind_row(g->kind)->hints), word;
    unsigned n = 0;
    if (g->is_start)
        codes[n++] = PS5001;
    while (n < LOG_MAX_HINTS && str_next(&rest, ' ', &word)) {
        enum finding_code code;
        if (finding_parse(word, &code) && fits(code, about))
            codes[n++] = code;
    }
    return n;
}

static void put_time(struct buf *out, int64_t ms)
{
    char text[32];
    struct tm parts;
    time_t s = (time_t)(ms / 1000);
    gmtime_r(&s, &parts);
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts);
    buf_append(out, str_from_c(text));
}

static void put_count(struct buf *out, uint64_t n, const char *what)
{
    buf_printf(out, "%" PRIu64 " %s%s", n, what, n == 1 ? "" : "s");
}

void log_group_sentence(const struct log_group *g, struct buf *out)
{
    put_count(out, g->n_lines, "time");
    if (g->has_time && g->first_ms != g->last_ms) {
        buf_append(out, STR(" from "));
        put_time(out, g->first_ms);
        buf_append(out, STR(" to "));
        put_time(out, g->last_ms);
    } else if (g->has_time) {
        buf_append(out, STR(" at "));
        put_time(out, g->first_ms);
    }
    buf_printf(out, ": %s%s%s", g->name, g->name[0] ? ": " : "", log_kind_row(g->kind)->meaning);
    if (g->server[0] != 0)
        buf_printf(out, " (%s%s)", g->server, g->has_more_servers ? " and others" : "");
}

static uint64_t count_about(struct log_report *r, enum log_about about)
{
    uint64_t n = 0;
    for (unsigned kind = 0; kind < N_LOG_KINDS; kind++)
        if (log_kind_row(kind)->about == about && !log_kind_row(kind)->is_consequence)
            n += log_report_ungrouped(r, kind);
    for (unsigned i = 0; i < log_report_n_groups(r); i++) {
        const struct log_group *g = log_report_group(r, i);
        if (log_kind_row(g->kind)->about == about && !log_kind_row(g->kind)->is_consequence)
            n += g->n_lines;
    }
    return n;
}

void log_report_sentence(struct log_report *r, struct buf *out)
{
    static const char *const texts[] = {
        [LOG_ABOUT_DNS] = "DNS",
        [LOG_ABOUT_CONNECT] = "connections to addresses that were resolved",
        [LOG_ABOUT_TLS] = "TLS and certificates",
        [LOG_ABOUT_PEER] = "servers that were slow or hung up",
        [LOG_ABOUT_CLOCK] = "the clock",
    };
    struct log_counts c = log_report_counts(r);
    bool is_first = true;
    put_count(out, c.n_lines, "line");
    if (c.n_recognised == 0) {
        buf_append(out, STR(", none of which tells of a failure that the doctor knows"));
        return;
    }
    for (unsigned about = 0; about < sizeof texts / sizeof *texts; about++) {
        uint64_t n = count_about(r, about);
        if (n == 0 && about != LOG_ABOUT_DNS)
            continue;
        buf_printf(out, "%s%" PRIu64 " about %s", is_first ? ": " : ", ", n, texts[about]);
        is_first = false;
    }
    if (c.n_consequences > 0)
        buf_printf(out, "; %" PRIu64 " more follow from others", c.n_consequences);
    if (c.n_ungrouped > 0)
        buf_printf(out, "; %" PRIu64 " of these are counted by kind alone", c.n_ungrouped);
}

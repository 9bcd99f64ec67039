#pragma once
/*
 * A log of any length -> groups of lines that are alike (kind and name), with how often, when first
 * and last, and one masked sample. Memory does not grow with the log: the groups are so many at
 * most, and lines of kinds and names beyond are counted by kind alone.
 *
 * Bytes come by log_report_feed in pieces of any size, or whole events by log_report_line; the
 * result does not depend on the pieces. Results are valid until the next of these calls.
 */
#include "base/buf.h"
#include "base/fault.h"
#include "doctor/finding.h"
#include "doctor/log_line.h"

enum {
    LOG_NAME_BYTES = 254,
    LOG_SERVER_BYTES = 64,
    LOG_SAMPLE_BYTES = 512,
    LOG_MAX_GROUPS = 200,
    LOG_MAX_HINTS = 12,
};

struct log_group {
    enum log_kind kind;
    enum log_writer writer; /* of the first line */
    bool has_time;
    bool is_start;         /* one of the lines is ECS's, of a task that did not start */
    bool has_more_servers; /* others than server are told of, too */
    uint64_t n_lines;
    int64_t first_ms, last_ms; /* of the lines that have a time */
    char name[LOG_NAME_BYTES]; /* lower case, no last dot; "" where the lines name none */
    /* of the first line that tells one; where the name is "", it is part of what makes a group */
    char server[LOG_SERVER_BYTES];
    char sample[LOG_SAMPLE_BYTES]; /* the first line, masked */
};

struct log_counts {
    uint64_t n_bytes, n_lines;
    uint64_t n_recognised;   /* lines */
    uint64_t n_dns;          /* of these; consequences are not among them */
    uint64_t n_consequences; /* of these */
    uint64_t n_cut;          /* lines longer than LOG_LINE_BYTES: their rest was not read */
    uint64_t n_ungrouped;    /* lines for whose group there was no place */
};

struct log_report;
/* max_groups: 1 to LOG_MAX_GROUPS. NULL without memory. */
struct log_report *log_report_new(unsigned max_groups);
void log_report_free(struct log_report *r);

void log_report_feed(struct log_report *r, struct str bytes);
/* The last line, if no line end came behind it. After all log_report_feed. */
void log_report_end(struct log_report *r);
/* One event of a log service, with the service's time. It may be of several lines. */
void log_report_line(struct log_report *r, int64_t time_ms, struct str text);
/* A whole file, or stdin for "-". False: it could not be read (to its end), f says why. */
bool log_report_file(struct log_report *r, const char *path, struct fault *f);

struct log_counts log_report_counts(const struct log_report *r);
/* Groups in the order of their lines, most first; equal ones in the order of their first lines. */
unsigned log_report_n_groups(const struct log_report *r);
const struct log_group *log_report_group(struct log_report *r, unsigned i);
/* Lines of this kind in no group. */
uint64_t log_report_ungrouped(const struct log_report *r, enum log_kind kind);

/* What the group's lines hint at, for that name: codes about S3 only where it may be S3's name,
 * those about the registry only where it is none of Amazon's. Returns how many. */
unsigned log_group_hints(const struct log_group *g, enum finding_code codes[static LOG_MAX_HINTS]);
/* One sentence: "412 times from T to T: NAME: a DNS server refused to answer (10.9.0.53:53)." */
void log_group_sentence(const struct log_group *g, struct buf *out);
/* What all of it says in one or two sentences: how much is DNS, how much is not, what is unknown.
 */
void log_report_sentence(struct log_report *r, struct buf *out);

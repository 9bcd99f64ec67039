#pragma once
/*
 * Log lines on stdout, one JSON object a line, written whole (one write(2), so workers' lines never
 * mix; lines may be gathered for a few milliseconds by log_flush_later). Everything from outside is
 * escaped by the writer of the line. Access lines are written whatever the level.
 */
#include "base/buf.h"
#include "base/fault.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

bool log_level_parse(struct str text, enum log_level *out);
/* For the process; set once at start (and on reload). */
void log_set_level(enum log_level level);
bool log_is_on(enum log_level level);

/* {"time":..., "level":..., "event":event, "message":...}; the message is JSON-escaped here. */
void log_event(enum log_level level, const char *event, const char *message, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with the fault's name, step and detail. */
void log_fault(enum log_level level, const char *event, const struct fault *f, const char *message,
               ...) __attribute__((format(printf, 4, 5)));

/* A finished line, "\n" included, as it is. */
void log_line(struct str line);
/* Lines are gathered per thread up to 16 KiB and written by log_flush, which each worker calls at
 * the end of a turn; log_event flushes at once. */
void log_flush(void);
/* RFC 3339 UTC with milliseconds, cached per millisecond. */
struct str log_now(char text[static 32]);

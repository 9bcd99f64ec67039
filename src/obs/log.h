#pragma once
/*
 * Log lines on stdout, one JSON object a line. Everything from outside is escaped by the writer of
 * the line. Access lines are written whatever the level.
 *
 * Each thread gathers its lines in a buffer of its own; writing is serialised by one lock, in
 * pieces of whole lines of at most PIPE_BUF bytes, so that lines never mix. A reader that does not
 * keep up never stops a worker: nothing here waits for it (but 100 ms at most inside a line longer
 * than PIPE_BUF). What does not fit into the pipe stays in the thread's buffer, up to
 * LOG_BACKLOG_BYTES; lines beyond that are counted and dropped, and a line "log_lost" tells how
 * many once the reader is back. After EPIPE (or EBADF) stdout is gone for good and lines are
 * dropped in silence; SIGPIPE must be ignored by the process.
 */
#include "base/buf.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

enum { LOG_GATHER_BYTES = 16 * 1024, LOG_BACKLOG_BYTES = 1024 * 1024 };

bool log_level_parse(struct str text, enum log_level *out);
/* For the process; set once at start (and on reload). */
void log_set_level(enum log_level level);
bool log_is_on(enum log_level level);

/* {"time":..., "level":..., "event":event, "message":...}; the message is JSON-escaped here. */
void log_event(enum log_level level, const char *event, const char *message, ...)
    __attribute__((format(printf, 3, 4)));

struct log_field {
    const char *name; /* as it is: static text */
    struct str value; /* JSON-escaped */
};
/* The same with further fields behind "event" and a message that is a text. */
void log_event_with(enum log_level level, const char *event, const struct log_field *fields,
                    size_t n_fields, struct str message);

/* A finished line, "\n" included, as it is. At most LOG_BACKLOG_BYTES. */
void log_line(struct str line);
/* Lines are written when LOG_GATHER_BYTES are full and by log_flush, which each worker calls at the
 * end of a turn; log_event flushes at once. */
void log_flush(void);
/*
 * The end of a thread's logging: writes what it holds, waiting for the reader at most LOG_DONE_MS
 * in all, and frees the buffer. Logging again afterwards is fine (and needs another log_done).
 */
enum { LOG_DONE_MS = 1000 };
void log_done(void);

/* RFC 3339 UTC with milliseconds, cached per second. text needs no initialisation. */
struct str log_now(char text[static 32]);

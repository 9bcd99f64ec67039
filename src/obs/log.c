#include "obs/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE_BYTES = 2048, TORN_MS = 100 };

/* What one thread has not written yet. It dies with log_done. */
struct gathered {
    struct buf lines;
    uint64_t n_lost; /* lines dropped since the last "log_lost" */
    bool is_ready;
};

static _Thread_local struct gathered mine;

/* Expressly shared: the level, and the one stdout. */
static atomic_int level_now = LOG_INFO;
static pthread_mutex_t stdout_lock = PTHREAD_MUTEX_INITIALIZER;
/* Under stdout_lock. */
static bool stdout_is_gone;
static bool stdout_is_torn; /* its last byte so far is inside a line */
/* Files and /dev/null always take everything: no poll, no pieces. Looked at once. */
static enum { STDOUT_UNSEEN, STDOUT_MAY_BLOCK, STDOUT_NEVER_BLOCKS } stdout_kind;
static int stdout_fd = STDOUT_FILENO;

static const char *const level_names[] = { "error", "warning", "info", "debug" };

bool log_level_parse(struct str text, enum log_level *out)
{
    for (int i = 0; i <= LOG_DEBUG; i++) {
        if (str_eq(text, str_from_c(level_names[i]))) {
            *out = (enum log_level)i;
            return true;
        }
    }
    return false;
}

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&level_now, (int)level, memory_order_relaxed);
}

bool log_is_on(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&level_now, memory_order_relaxed);
}

/*
 * A terminal (`docker run -t`, Ctrl-S) says that it takes more when it takes 256 bytes, and keeps
 * who writes more than it takes. So it is opened once more, for us alone: the open file that stdout
 * is may be the shell's too, and would not bear O_NONBLOCK.
 */
static void open_terminal(void)
{
    int fd = isatty(STDOUT_FILENO) == 1
                 ? open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
                 : -1;
    if (fd >= 0)
        stdout_fd = fd;
}

static bool stdout_never_blocks(void)
{
    if (stdout_kind == STDOUT_UNSEEN) {
        struct stat st = { 0 };
        bool is_known = fstat(STDOUT_FILENO, &st) == 0;
        bool is_null = S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
        stdout_kind =
            is_known && (is_null || S_ISREG(st.st_mode)) ? STDOUT_NEVER_BLOCKS : STDOUT_MAY_BLOCK;
        open_terminal();
    }
    return stdout_kind == STDOUT_NEVER_BLOCKS;
}

/*
 * The next piece to write: whole lines of at most PIPE_BUF bytes together. POSIX writes such a
 * piece to a pipe whole or not at all, and Linux reports a pipe writable only when it takes one. A
 * longer line goes alone; only such a line can be written in part.
 */
static size_t next_piece(struct str lines)
{
    size_t n = 0;
    while (n < lines.n) {
        size_t end = str_find(lines, '\n', n);
        size_t next = end < lines.n ? end + 1 : lines.n;
        if (next > PIPE_BUF)
            break;
        n = next;
    }
    return n > 0 ? n : PIPE_BUF;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool stdout_takes_more(int64_t deadline_ms)
{
    for (;;) {
        int64_t left = deadline_ms ? deadline_ms - now_ms() : 0;
        struct pollfd p = { .fd = stdout_fd, .events = POLLOUT };
        int got = poll(&p, 1, left > 0 ? (int)left : 0);
        if (got >= 0 || errno != EINTR)
            return got > 0; /* with POLLERR too: write tells what it is */
    }
}

/* One piece; 0 when stdout takes none by the deadline (0: now). */
static size_t write_piece(struct str lines, int64_t deadline_ms)
{
    bool is_file = stdout_never_blocks();
    if (stdout_is_gone || (!is_file && !stdout_takes_more(deadline_ms)))
        return 0;
    size_t n = is_file ? lines.n : next_piece(lines);
    ssize_t wrote = write(stdout_fd, lines.p, n < lines.n ? n : lines.n);
    if (wrote < 0 && (errno == EPIPE || errno == EBADF))
        stdout_is_gone = true;
    return wrote > 0 ? (size_t)wrote : 0;
}

/*
 * Writes what stdout takes by the deadline and returns how many bytes. In the middle of a line it
 * waits TORN_MS longer; after that the line stays torn, and whoever writes next ends it first.
 */
static size_t write_some(struct str lines, int64_t deadline_ms)
{
    int64_t torn_deadline_ms = 0;
    size_t done = 0;
    if (stdout_is_torn && write_piece(STR("\n"), deadline_ms) == 0)
        return 0;
    stdout_is_torn = false;
    while (done < lines.n) {
        if (stdout_is_torn && torn_deadline_ms == 0)
            torn_deadline_ms = (deadline_ms ? deadline_ms : now_ms()) + TORN_MS;
        size_t n =
            write_piece(str_from(lines, done), stdout_is_torn ? torn_deadline_ms : deadline_ms);
        if (n == 0)
            break;
        done += n;
        stdout_is_torn = lines.p[done - 1] != '\n';
    }
    return done;
}

/* What was written goes; of a torn line the rest too. */
static void drop_written(struct gathered *g, size_t done, bool is_torn)
{
    if (done > 0 && is_torn) {
        size_t end = str_find(buf_str(&g->lines), '\n', done);
        done = end < g->lines.n ? end + 1 : g->lines.n;
        g->n_lost++;
    }
    buf_drop(&g->lines, done);
}

static void flush_until(struct gathered *g, int64_t deadline_ms)
{
    if (g->lines.n == 0)
        return;
    pthread_mutex_lock(&stdout_lock);
    size_t done = write_some(buf_str(&g->lines), deadline_ms);
    bool is_gone = stdout_is_gone, is_torn = stdout_is_torn;
    pthread_mutex_unlock(&stdout_lock);
    if (is_gone) {
        buf_clear(&g->lines);
        g->n_lost = 0;
        return;
    }
    drop_written(g, done, is_torn);
    if (g->lines.n > 0 || g->n_lost == 0)
        return;
    uint64_t n_lost = g->n_lost;
    g->n_lost = 0;
    log_event(LOG_ERROR, "log_lost", "%llu log lines were dropped: stdout was not read in time",
              (unsigned long long)n_lost);
}

void log_flush(void)
{
    flush_until(&mine, 0);
}

void log_done(void)
{
    if (!mine.is_ready)
        return;
    flush_until(&mine, now_ms() + LOG_DONE_MS);
    buf_done(&mine.lines);
    mine = (struct gathered){ 0 };
}

void log_line(struct str line)
{
    struct gathered *g = &mine;
    if (!g->is_ready) {
        buf_init(&g->lines, LOG_BACKLOG_BYTES);
        g->is_ready = true;
    }
    if (g->lines.n + line.n > LOG_GATHER_BYTES)
        log_flush();
    buf_append(&g->lines, line);
    if (g->lines.failed) { /* the backlog is full, or memory is out; nothing was appended */
        g->lines.failed = false;
        g->n_lost++;
    }
}

/* The rooms of codec stand beside this one, so the few escapes that a message needs are here. */
static void append_json(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c < ' ' || c > '~')
            buf_printf(out, "\\u%04x", c);
        else
            buf_byte(out, (char)c);
    }
}

/* ,"name":"value" */
static void append_field(struct buf *out, const char *name, struct str value)
{
    buf_printf(out, ",\"%s\":\"", name);
    append_json(out, value);
    buf_byte(out, '"');
}

void log_event_with(enum log_level level, const char *event, const struct log_field *fields,
                    size_t n_fields, struct str message)
{
    if (!log_is_on(level))
        return;
    struct buf line;
    char now[32];
    buf_init(&line, LOG_GATHER_BYTES);
    buf_append(&line, STR("{\"time\":\""));
    buf_append(&line, log_now(now));
    buf_byte(&line, '"');
    append_field(&line, "level", str_from_c(level_names[level]));
    append_field(&line, "event", str_from_c(event));
    for (size_t i = 0; i < n_fields; i++)
        append_field(&line, fields[i].name, fields[i].value);
    append_field(&line, "message", message);
    buf_append(&line, STR("}\n"));
    if (line.p != NULL && !line.failed)
        log_line(buf_str(&line));
    buf_done(&line);
    log_flush();
}

void log_event(enum log_level level, const char *event, const char *message, ...)
{
    if (!log_is_on(level))
        return;
    char text[MESSAGE_BYTES];
    va_list args;
    va_start(args, message);
    if (vsnprintf(text, sizeof text, message, args) < 0)
        text[0] = 0;
    va_end(args);
    log_event_with(level, event, NULL, 0, str_from_c(text));
}

struct str log_now(char text[static 32])
{
    static _Thread_local time_t second = -1;
    static _Thread_local char date[24]; /* up to the seconds */
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    if (t.tv_sec != second) {
        struct tm parts;
        gmtime_r(&t.tv_sec, &parts);
        strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
        second = t.tv_sec;
    }
    int n = snprintf(text, 32, "%s.%03dZ", date, (int)(t.tv_nsec / 1000000));
    return str_of(text, (size_t)n);
}

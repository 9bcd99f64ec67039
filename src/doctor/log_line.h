#pragma once
/*
 * One line of a log -> what it tells of DNS, connections and TLS. It knows the lines of nginx, of
 * penstock itself, of programs in Go (ECS, ECR and CloudWatch agents) and of libc, curl, Python and
 * Node, also behind what CloudWatch, docker or a file export put in front. Pure; allocates nothing.
 *
 * Whoever can make a program log what he sends can forge such lines: a log is a hint, no evidence.
 */
#include "base/str.h"

enum log_kind {
    LOG_KIND_NONE, /* nothing that the doctor knows */
#define LOG_KIND(id, name, about, is_consequence, hints, meaning) LOG_KIND_##id,
#include "doctor/log_kind.def"
#undef LOG_KIND
    N_LOG_KINDS
};

enum log_about {
    LOG_ABOUT_DNS,
    LOG_ABOUT_CONNECT,
    LOG_ABOUT_TLS,
    LOG_ABOUT_PEER,
    LOG_ABOUT_CLOCK,
};

struct log_kind_row {
    const char *name; /* "name_unknown" */
    enum log_about about;
    bool is_consequence; /* it follows from other lines, which tell more */
    const char *hints;   /* finding codes, a space between */
    const char *meaning; /* without a full stop */
};

/* LOG_KIND_NONE has a row too; its texts are empty. */
const struct log_kind_row *log_kind_row(enum log_kind kind);

enum log_writer { LOG_BY_NGINX, LOG_BY_PENSTOCK, LOG_BY_GO, LOG_BY_OTHERS };
/* "nginx", "penstock", "Go", "another program" */
const char *log_writer_name(enum log_writer writer);

/* What is read of a line. A longer one is cut, by its reader. */
enum { LOG_LINE_BYTES = 64 * 1024 };

struct log_line {
    enum log_kind kind;
    enum log_writer writer;
    /* Borrowed from the line, letters, digits and .-_: only, as they stand there; may be empty. */
    struct str name;   /* the host that the line is about */
    struct str server; /* the DNS server that was asked, or the address that was connected to */
    bool has_time;
    bool is_start;   /* ECS says it of a task that did not start */
    int64_t time_ms; /* since 1970; a time without a zone is taken for UTC */
};

/* The words by which lines are found, made ready for searching. A value: embed it, init it once. */
enum { LOG_WORD_PAIRS = 128 * 128, LOG_MAX_WORDS = 64 };
struct log_words {
    /* private */
    uint8_t skip[LOG_WORD_PAIRS];  /* by the last two bytes of a window */
    uint8_t first[LOG_WORD_PAIRS]; /* where skip is 0: the first word of that pair, plus one */
    uint8_t next[LOG_MAX_WORDS];
};
void log_words_init(struct log_words *w);
/* Where the first of the words stands, at or after from; bytes.n when there is none. */
size_t log_words_find(const struct log_words *w, struct str bytes, size_t from);

/* line: without its line end, at most LOG_LINE_BYTES are read. False, and out->kind is
 * LOG_KIND_NONE, when it is none of the kinds. */
bool log_line_parse(const struct log_words *w, struct str line, struct log_line *out);

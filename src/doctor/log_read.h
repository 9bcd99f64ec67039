#pragma once
/*
 * Private to log_*.c: the readers that log_pattern.def names, and what they have in common. A
 * reader gets the line and where its words begin; it returns false when the line is none of its
 * own, else it has set kind and writer, and name and server where the line tells them.
 */
#include "doctor/log_line.h"

typedef bool log_reader(struct str line, size_t at, struct log_line *out);
#define LOG_PATTERN(word, reader) log_reader reader;
#include "doctor/log_pattern.def"
#undef LOG_PATTERN

/* Where part begins in s, or s.n. */
size_t log_find(struct str s, struct str part);
/* What stands behind the first part in s; nothing where it is not there. */
struct str log_behind(struct str s, struct str part);
/* The host name at the start of s, without quotes (escaped and doubled ones too) and spaces. */
struct str log_host_at(struct str s);
/* The one that ends right before at, quotes left out. */
struct str log_host_before(struct str line, size_t at);
/* "10.0.0.2:53", "[::1]:443", "::1": what looks like an address with or without a port. */
struct str log_server_at(struct str s);
/* host is an address literal or empty, so no name. */
bool log_is_address(struct str host);
/* The authority of a URL: its host, as the name or as the server, whichever it is. */
void log_authority_at(struct str s, struct log_line *out);
/* The same of the last URL in text, if there is one. */
void log_last_url(struct str text, struct log_line *out);

/* A name led to an address of nobody: 0.0.0.0, or one of the loopback where HTTPS is meant. */
bool log_is_sinkhole(const struct log_line *l);

/* The first of the phrases that s has (the one that comes first in s) -> its kind. */
struct log_phrase {
    struct str text;
    enum log_kind kind;
};
enum log_kind log_first_phrase(struct str s, const struct log_phrase *v, size_t n);

/* The first date and time of the line, in one of many forms. False when there is none. */
bool log_time(struct str line, int64_t *time_ms);

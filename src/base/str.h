#pragma once
/*
 * Borrowed bytes. A struct str points into memory that somebody else owns and is not
 * NUL-terminated; whoever keeps it longer than that memory copies it (arena_copy, buf_append).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *p;
    size_t n;
};

#define STR(literal) ((struct str){ (literal), sizeof(literal) - 1 })
/* The same as an initializer of a static object. */
#define STR_INIT(literal)                                                                          \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }
/* printf("%.*s", STR_ARG(s)) */
#define STR_ARG(s) (int)(s).n, (s).p

static inline struct str str_of(const char *p, size_t n)
{
    return (struct str){ p, n };
}

/* NULL gives the empty string. */
static inline struct str str_from_c(const char *c)
{
    return (struct str){ c, c ? strlen(c) : 0 };
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline struct str str_from(struct str s, size_t offset)
{
    if (s.n == 0) /* p may be NULL, to which C lets nobody add even 0 */
        return s;
    return offset >= s.n ? (struct str){ s.p + s.n, 0 }
                         : (struct str){ s.p + offset, s.n - offset };
}

static inline struct str str_first(struct str s, size_t n)
{
    return (struct str){ s.p, n < s.n ? n : s.n };
}

static inline char ascii_lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static inline bool ascii_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool ascii_is_alpha(char c)
{
    return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z';
}

/* -1 when c is no hexadecimal digit. */
int ascii_hex(char c);

/* ASCII case only; bytes above 127 compare as they are. */
bool str_eq_nocase(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
bool str_ends_nocase(struct str s, struct str suffix);

/* Index of c at or after from, or s.n when it is not there. */
size_t str_find(struct str s, char c, size_t from);
bool str_contains(struct str s, struct str part);

/* Without spaces and tabs at both ends. */
struct str str_trim(struct str s);

/*
 * Cuts the part before the next sep off *rest and returns true; false when nothing is left.
 * "a,,b" gives "a", "" and "b"; the empty string gives nothing.
 */
bool str_next(struct str *rest, char sep, struct str *part);

/* All of s as a decimal number that fits; false, *out untouched, for anything else ("", "+1", "
 * 1"). */
bool str_to_u64(struct str s, uint64_t *out);

/* '*' stands for any run of bytes, '?' for one. Time is at most pattern.n * s.n. */
bool str_glob(struct str pattern, struct str s);
bool str_glob_nocase(struct str pattern, struct str s); /* ASCII case is folded */

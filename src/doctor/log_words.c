/*
 * Looking for all words at once, Horspool's way over pairs of bytes (Wu and Manber): the window is
 * as long as the shortest word, and its last two bytes tell how far no word can begin.
 */
#include "doctor/log_read.h"

#include <assert.h>

static const struct str words[] = {
#define LOG_PATTERN(word, reader) STR_INIT(word),
#include "doctor/log_pattern.def"
#undef LOG_PATTERN
};
static log_reader *const readers[] = {
#define LOG_PATTERN(word, reader) reader,
#include "doctor/log_pattern.def"
#undef LOG_PATTERN
};
enum { WINDOW = 7, N_WORDS = sizeof words / sizeof *words, NO_WORD = N_WORDS };
_Static_assert(sizeof words / sizeof *words <= LOG_MAX_WORDS, "a bit for each word");

/* Bytes above 127 fall together with others: a word is compared whole before it counts. */
static size_t pair(const char *p)
{
    return ((size_t)p[0] & 127) << 7 | ((size_t)p[1] & 127);
}

void log_words_init(struct log_words *w)
{
    memset(w, 0, sizeof *w);
    memset(w->skip, WINDOW - 1, sizeof w->skip);
    for (unsigned i = N_WORDS; i-- > 0;) {
        assert(words[i].n >= WINDOW);
        for (unsigned k = 0; k + 1 < WINDOW; k++) {
            uint8_t *skip = &w->skip[pair(words[i].p + k)];
            if (*skip > WINDOW - 2 - k)
                *skip = (uint8_t)(WINDOW - 2 - k);
        }
        uint8_t *first = &w->first[pair(words[i].p + WINDOW - 2)];
        w->next[i] = *first;
        *first = (uint8_t)(i + 1);
    }
}

/* Which word begins at p, of n bytes. */
static unsigned word_at(const struct log_words *w, const char *p, size_t n)
{
    for (unsigned i = w->first[pair(p + WINDOW - 2)]; i > 0; i = w->next[i - 1])
        if (words[i - 1].n <= n && memcmp(p, words[i - 1].p, words[i - 1].n) == 0)
            return i - 1;
    return NO_WORD;
}

static size_t find(const struct log_words *w, struct str bytes, size_t from, unsigned *word)
{
    size_t at = from;
    while (at < bytes.n && bytes.n - at >= WINDOW) {
        const char *p = bytes.p + at;
        unsigned skip = w->skip[pair(p + WINDOW - 2)];
        if (skip == 0) {
            *word = word_at(w, p, bytes.n - at);
            if (*word != NO_WORD)
                return at;
            skip = 1;
        }
        at += skip;
    }
    return bytes.n;
}

size_t log_words_find(const struct log_words *w, struct str bytes, size_t from)
{
    unsigned word;
    return find(w, bytes, from, &word);
}

/* Each time a word stands in the line, up to so many times. */
static bool read_word(struct str line, unsigned word, size_t at, struct log_line *out)
{
    enum { MAX_TRIES = 4 };
    for (unsigned tries = 0; tries < MAX_TRIES && at < line.n; tries++) {
        if (readers[word](line, at, out))
            return true;
        out->name = out->server = str_of(line.p, 0);
        at++;
        at += log_find(str_from(line, at), words[word]);
    }
    return false;
}

static bool is_of_task_start(struct str line)
{
    return str_contains(line, STR("CannotPull")) ||
           str_contains(line, STR("ResourceInitializationError"));
}

bool log_line_parse(const struct log_words *w, struct str whole, struct log_line *out)
{
    struct str line = str_first(whole, LOG_LINE_BYTES);
    size_t first[N_WORDS];
    uint64_t seen = 0;
    unsigned word;
    *out = (struct log_line){ .kind = LOG_KIND_NONE };
    out->name = out->server = str_of(line.p, 0);
    for (size_t at = find(w, line, 0, &word); at < line.n; at = find(w, line, at + 1, &word)) {
        if (!(seen >> word & 1))
            first[word] = at;
        seen |= (uint64_t)1 << word;
    }
    for (unsigned i = 0; seen != 0 && i < N_WORDS; i++) {
        if (!(seen >> i & 1) || !read_word(line, i, first[i], out))
            continue;
        out->has_time = log_time(line, &out->time_ms);
        out->is_start = is_of_task_start(line);
        return true;
    }
    out->kind = LOG_KIND_NONE;
    return false;
}

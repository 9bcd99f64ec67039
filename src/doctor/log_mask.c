#include "doctor/log_mask.h"

/* What is called so is secret, wherever in a name these words stand. Lower case. */
static const char *const secret_words[] = {
    "token",         "signature",   "secret",    "credential", "password",   "passwd",
    "authorization", "cookie",      "accesskey", "api-key",    "api_key",    "apikey",
    "private",       "session-key", "assertion", "access_key", "access-key",
};

struct masker {
    struct str in;
    size_t at; /* in in */
    char *out;
    size_t n, cap; /* of out; cap leaves room for "...", NUL */
};

static void put(struct masker *m, char c)
{
    if (m->n < m->cap)
        m->out[m->n] = c >= ' ' && c <= '~' ? c : '?';
    m->n++;
}

static void put_range(struct masker *m, size_t n)
{
    for (size_t end = m->at + n; m->at < end; m->at++)
        put(m, m->in.p[m->at]);
}

static void put_stars(struct masker *m, size_t n)
{
    m->at += n;
    for (unsigned i = 0; i < 3; i++)
        put(m, '*');
}

/* The byte at i, where a percent-encoded one (of one or more layers, "%253D") counts as what it
 * means; *n is how many bytes it takes. */
static char decoded(struct str s, size_t i, size_t *n)
{
    size_t at = i + 1;
    *n = 1;
    if (s.p[i] != '%')
        return s.p[i];
    while (s.n - at > 2 && s.p[at] == '2' && s.p[at + 1] == '5')
        at += 2;
    if (s.n - at < 2 || ascii_hex(s.p[at]) < 0 || ascii_hex(s.p[at + 1]) < 0)
        return s.p[i];
    *n = at + 2 - i;
    return (char)(ascii_hex(s.p[at]) * 16 + ascii_hex(s.p[at + 1]));
}

static bool is_name_byte(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '_';
}

/* How many bytes from i on are a name. */
static size_t name_length(struct str s, size_t i)
{
    size_t n, end = i;
    while (end < s.n && is_name_byte(decoded(s, end, &n)))
        end += n;
    return end - i;
}

static bool word_at(struct str s, size_t i, const char *word)
{
    size_t n;
    for (; *word != 0; word++, i += n)
        if (i >= s.n || ascii_lower(decoded(s, i, &n)) != *word)
            return false;
    return true;
}

static bool has_secret_word(struct str name)
{
    for (size_t i = 0; i < name.n; i++)
        for (size_t k = 0; k < sizeof secret_words / sizeof *secret_words; k++)
            if (word_at(name, i, secret_words[k]))
                return true;
    return false;
}

static bool is_quote(char c)
{
    return c == '"' || c == '\'' || c == '\\';
}

/* Behind a name: quotes, blanks, '=' or ':', quotes and blanks again. 0: no value is given. */
static size_t separator_length(struct str s, size_t i)
{
    size_t n, at = i;
    bool is_given = false;
    for (; at < s.n; at += n) {
        char c = decoded(s, at, &n);
        if (c == '=' || c == ':')
            is_given = true;
        else if (c != ' ' && !is_quote(c))
            break;
    }
    return is_given ? at - i : 0;
}

/* A value of a query or an assignment ends with what cannot be in it; that of a field whose value
 * is made of several words (Authorization, Cookie), with the quote or the line. */
static size_t value_length(struct str s, size_t i, bool is_long)
{
    size_t n, at = i;
    for (; at < s.n; at += n) {
        char c = decoded(s, at, &n);
        if (is_quote(c) || (!is_long && (c == ' ' || c == '&' || c == ',' || c == ';' || c == ')' ||
                                         c == ']' || c == '}' || c == '<')))
            break;
    }
    return at - i;
}

static bool is_long_field(struct str name)
{
    for (size_t i = 0; i < name.n; i++)
        if (word_at(name, i, "authorization") || word_at(name, i, "cookie"))
            return true;
    return false;
}

/* "AKIA", "ASIA" and 16 letters and digits: an ID of AWS. "eyJ...": a JWT, or its beginning. */
static bool looks_secret(struct str name)
{
    static const struct str ids[] = { STR_INIT("AKIA"), STR_INIT("ASIA"), STR_INIT("AROA"),
                                      STR_INIT("AIDA") };
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        if (name.n >= 20 && str_starts(name, ids[i]))
            return true;
    return name.n >= 20 && str_starts(name, STR("eyJ"));
}

/* "user:password@" behind "://". */
static size_t user_length(struct str s, size_t i)
{
    size_t last = i;
    for (size_t at = i; at < s.n; at++) {
        if (s.p[at] == '@')
            last = at;
        if (is_quote(s.p[at]) || strchr("/?# ", s.p[at]) != NULL)
            break;
    }
    return last - i;
}

/* A name, and the value behind it. */
static void mask_name(struct masker *m, size_t n)
{
    struct str name = str_of(m->in.p + m->at, n);
    if (looks_secret(name)) {
        put_stars(m, n + value_length(m->in, m->at + n, false));
        return;
    }
    bool is_bearer = n == 6 && word_at(name, 0, "bearer");
    put_range(m, n);
    if (is_bearer && m->at < m->in.n && m->in.p[m->at] == ' ') {
        put_range(m, 1);
        put_stars(m, value_length(m->in, m->at, false));
        return;
    }
    size_t gap = has_secret_word(name) ? separator_length(m->in, m->at) : 0;
    if (gap == 0)
        return;
    put_range(m, gap);
    bool is_quoted = is_quote(m->in.p[m->at - 1]);
    put_stars(m, value_length(m->in, m->at, is_quoted || is_long_field(name)));
}

void log_mask(struct str line, char *text, size_t text_bytes)
{
    struct masker m = { .in = line, .out = text, .cap = text_bytes - 4 };
    while (m.at < line.n && m.n <= m.cap) {
        size_t n = name_length(line, m.at);
        if (n > 0)
            mask_name(&m, n);
        else if (str_starts(str_from(line, m.at), STR("://"))) {
            put_range(&m, 3);
            n = user_length(line, m.at);
            if (n > 0)
                put_stars(&m, n);
        } else {
            decoded(line, m.at, &n);
            put_range(&m, n);
        }
    }
    if (m.n > m.cap)
        memcpy(text + m.cap, "...", 3);
    text[m.n > m.cap ? m.cap + 3 : m.n] = 0;
}

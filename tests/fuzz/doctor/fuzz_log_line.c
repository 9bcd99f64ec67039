/*
 * Any line. What is read lies inside it and is of the bytes that names have; a masked line holds
 * nothing that is not printable, and masking it again changes nothing.
 */
#include "doctor/log_line.h"
#include "doctor/log_mask.h"
#include "../exact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_part(struct str part, struct str line, const char *others)
{
    if (part.p < line.p || part.n > (size_t)(line.p + line.n - part.p))
        abort();
    for (size_t i = 0; i < part.n; i++) {
        char c = part.p[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && (c == 0 || strchr(others, c) == NULL))
            abort();
    }
}

static void check_mask(struct str line)
{
    enum { BYTES = 512 };
    static char once[BYTES], twice[2 * BYTES];
    memset(once, 'x', sizeof once);
    log_mask(line, once, sizeof once);
    size_t n = strnlen(once, sizeof once);
    if (n == sizeof once)
        abort();
    for (size_t i = 0; i < n; i++)
        if (once[i] < ' ' || once[i] > '~')
            abort();
    log_mask(str_of(once, n), twice, sizeof twice);
    if (n < BYTES - 4 && strlen(twice) > n)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct log_words words;
    static bool is_ready;
    struct log_line l;
    if (!is_ready)
        log_words_init(&words);
    is_ready = true;
    char *copy = exact_copy(data, n);
    struct str line = str_of(copy, n);
    bool is_known = log_line_parse(&words, line, &l);
    if (is_known != (l.kind != LOG_KIND_NONE) || l.kind >= N_LOG_KINDS)
        abort();
    if (is_known && log_words_find(&words, line, 0) == n)
        abort(); /* a report would not have looked at it */
    check_part(l.name, line, ".-_");
    check_part(l.server, line, ".-_:[]%");
    check_mask(line);
    free(copy);
    return 0;
}

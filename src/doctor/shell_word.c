#include "doctor/shell_word.h"

enum { MOST_WORD_BYTES = 256 };

static bool is_harmless(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || (c != '\0' && strchr("._:/@+=,-", c) != NULL);
}

struct str shell_word(struct str text, const char *what)
{
    bool is_word = text.n > 0 && text.n <= MOST_WORD_BYTES && text.p[0] != '-';
    for (size_t i = 0; is_word && i < text.n; i++)
        is_word = is_harmless(text.p[i]);
    return is_word ? text : str_from_c(what);
}

struct str shell_region(struct diagnosis *d)
{
    struct str region = shell_word(d->facts->surroundings.region, "");
    return region.n > 0 ? fact_textf(&d->book, " --region %.*s", STR_ARG(region)) : STR("");
}

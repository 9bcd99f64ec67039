/* Any text. Pairs lie inside it, in order, and no word holds white space or a comment's sign. */
#include <stdlib.h>

#include "codec/resolv_conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct heard {
    struct str text;
    unsigned line;
    size_t n, stop_at;
};

static void check_word(const struct heard *h, struct str word)
{
    if (word.n == 0 || word.p < h->text.p || word.n > (size_t)(h->text.p + h->text.n - word.p))
        abort();
    for (size_t i = 0; i < word.n; i++)
        if (memchr(" \t\r\n#\0", word.p[i], 6) != NULL)
            abort();
}

static bool hear(void *arg, struct str address, struct str name, unsigned line)
{
    struct heard *h = arg;
    check_word(h, address);
    check_word(h, name);
    if (h->n == h->stop_at || line < h->line || line == 0 || name.p <= address.p)
        abort();
    h->line = line;
    return ++h->n < h->stop_at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct heard all = { .text = str_of((const char *)data, n), .stop_at = SIZE_MAX };
    struct heard few = { .text = all.text, .stop_at = 2 };
    hosts_parse(all.text, hear, &all);
    hosts_parse(few.text, hear, &few);
    if (few.n != (all.n < 2 ? all.n : 2))
        abort();
    return 0;
}

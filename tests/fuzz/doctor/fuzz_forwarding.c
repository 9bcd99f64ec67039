/*
 * Lines: "for", "to", "region", "namespace", "zone" or "vpc-cidr", a space, a value. What is taken
 * gives a text in which every line is of the few kinds that there are: nothing of a value breaks
 * out of its line.
 */
#include "../exact.h"
#include "doctor/forwarding.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

typedef bool take_fn(struct forwarding *f, struct str value, struct buf *problem);

static const struct {
    const char *word;
    take_fn *take;
} takes[] = {
    { "for ", forwarding_take_server },    { "to ", forwarding_take_addresses },
    { "region ", forwarding_take_region }, { "namespace ", forwarding_take_namespace },
    { "zone ", forwarding_take_zone },     { "vpc-cidr ", forwarding_take_cidr },
};

static const char *const beginnings[] = {
    "// ",
    "# ",
    "zone \"",
    "    type forward;",
    "    forward only;",
    "    forwarders { ",
    "};",
    "server:",
    "    private-domain: \"",
    "    domain-insecure: \"",
    "    local-zone: \"",
    "forward-zone:",
    "    name: \"",
    "    forward-first: no",
    "    forward-addr: ",
    "server=/",
    "rebind-domain-ok=/",
    "Add-DnsServerConditionalForwarderZone -Name '",
    "    errors",
    "    cache 30",
    "    forward . ",
    "}",
};

static bool is_printable(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((s.p[i] < ' ' || s.p[i] > '~') && s.p[i] != '\n')
            return false;
    return true;
}

static bool is_known(struct str line, const struct forwarding *f)
{
    for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++)
        if (str_starts(line, str_from_c(beginnings[i])))
            return true;
    return line.n == 0 || (f->server == FORWARDING_COREDNS && str_ends(line, STR(" {")));
}

static void check_text(const struct forwarding *f)
{
    struct buf text;
    struct str rest, line;
    size_t n_quotes = 0;
    buf_init(&text, FORWARDING_TEXT_BYTES);
    forwarding_write(f, &text);
    rest = buf_str(&text);
    if (text.failed || !is_printable(rest))
        abort();
    while (str_next(&rest, '\n', &line)) {
        if (!is_known(line, f))
            abort();
        for (size_t i = 0; line.p[0] != '#' && line.p[0] != '/' && i < line.n; i++)
            n_quotes += line.p[i] == '"' || line.p[i] == '\'';
    }
    if (n_quotes % 2 != 0)
        abort();
    buf_clear(&text);
    forwarding_write_notes(f, &text);
    if (text.failed || !is_printable(buf_str(&text)))
        abort();
    buf_done(&text);
}

static bool take_line(struct forwarding *f, struct str line, struct buf *problem)
{
    for (size_t i = 0; i < sizeof takes / sizeof takes[0]; i++) {
        struct str word = str_from_c(takes[i].word);
        if (!str_starts(line, word))
            continue;
        struct str value = str_from(line, word.n);
        char *copy = exact_copy(value.p, value.n);
        bool ok = takes[i].take(f, str_of(copy, value.n), problem);
        free(copy);
        if (ok != (problem->n == 0))
            abort();
        return ok;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct forwarding f;
    struct buf problem, warnings;
    struct str rest = str_of((const char *)data, n), line;
    bool ok = true;
    forwarding_init(&f);
    buf_init(&problem, 16384);
    buf_init(&warnings, 16384);
    while (ok && str_next(&rest, '\n', &line))
        ok = take_line(&f, line, &problem);
    if (ok && forwarding_finish(&f, &problem, &warnings))
        check_text(&f);
    else if (problem.n == 0)
        abort();
    if (!is_printable(buf_str(&problem)) || !is_printable(buf_str(&warnings)))
        abort();
    buf_done(&problem);
    buf_done(&warnings);
    return 0;
}

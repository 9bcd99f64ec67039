#include "doctor/finding_text.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PAGE_BYTES = 1 << 16 };

static const char *root(void)
{
    const char *directory = getenv("PENSTOCK_SOURCE_ROOT");
    if (directory == NULL)
        skip(); /* not under meson test */
    return directory;
}

static struct buf read_page(const char *name)
{
    char path[4096];
    struct buf page;
    snprintf(path, sizeof path, "%s/docs/findings/%s.md", root(), name);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        fail_msg("docs/findings/%s.md is missing", name);
    buf_init(&page, PAGE_BYTES);
    char *p = buf_reserve(&page, PAGE_BYTES);
    page.n = fread(p, 1, PAGE_BYTES, f);
    fclose(f);
    return page;
}

static void every_code_has_its_page_byte_for_byte(void **state)
{
    for (unsigned i = 0; i < N_FINDING_CODES; i++) {
        const char *code = finding_row((enum finding_code)i)->code;
        struct buf page = read_page(code);
        if (!str_eq(buf_str(&page), finding_text((enum finding_code)i)))
            fail_msg("%s: what is built in is not docs/findings/%s.md", code, code);
        buf_done(&page);
    }
}

static void every_page_has_its_code(void **state)
{
    char path[4096];
    unsigned n = 0;
    snprintf(path, sizeof path, "%s/docs/findings", root());
    DIR *directory = opendir(path);
    assert_non_null(directory);
    for (struct dirent *e; (e = readdir(directory)) != NULL;) {
        enum finding_code code;
        struct str name = str_from_c(e->d_name);
        if (e->d_name[0] == '.' || str_eq(name, STR("README.md")))
            continue;
        if (!str_ends(name, STR(".md")) || !finding_parse(str_first(name, name.n - 3), &code) ||
            !str_starts(name, str_from_c(finding_row(code)->code)))
            fail_msg("docs/findings/%s is no page of a finding", e->d_name);
        n++;
    }
    closedir(directory);
    assert_int_equal(n, N_FINDING_CODES);
}

static void a_page_begins_as_the_table_says(void **state)
{
    for (unsigned i = 0; i < N_FINDING_CODES; i++) {
        struct buf head;
        buf_init(&head, PAGE_BYTES);
        finding_text_head((enum finding_code)i, &head);
        if (!str_starts(finding_text((enum finding_code)i), buf_str(&head)))
            fail_msg("docs/findings/%s.md has to begin:\n%.*s",
                     finding_row((enum finding_code)i)->code, STR_ARG(buf_str(&head)));
        buf_done(&head);
    }
}

static void heads_name_severity_and_causes(void **state)
{
    static const struct {
        enum finding_code code;
        const char *head;
    } rows[] = {
        { PS1001, "# PS1001: a DNS server says that AWS names do not exist\n\n"
                  "error · cause 1: DHCP options without AWS DNS\n\n" },
        { PS1004, "# PS1004: a DNS server does not answer\n\n"
                  "error · cause 1: DHCP options without AWS DNS · another cause\n\n" },
        { PS2001, "# PS2001: DNS support is turned off in the VPC\n\n"
                  "error · cause 2: private DNS of a VPC endpoint"
                  " · cause 3: service discovery (Cloud Map)\n\n" },
        { PS1009, "# PS1009: more than three DNS servers: programs ignore the rest\n\n"
                  "warning · another cause\n\n" },
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf head;
        buf_init(&head, PAGE_BYTES);
        finding_text_head(rows[i].code, &head);
        buf_byte(&head, 0);
        assert_string_equal(head.p, rows[i].head);
        buf_done(&head);
    }
}

static void a_page_has_its_sections_in_order(void **state)
{
    static const struct str sections[] = { STR_INIT("## What it means"), STR_INIT("## Evidence"),
                                           STR_INIT("## Causes"), STR_INIT("## Fix"),
                                           STR_INIT("## See it yourself") };
    enum { N_SECTIONS = sizeof sections / sizeof sections[0] };
    for (unsigned i = 0; i < N_FINDING_CODES; i++) {
        const char *code = finding_row((enum finding_code)i)->code;
        struct str rest = finding_text((enum finding_code)i), line;
        unsigned section = 0, n_lines = 0, filled = 0; /* sections; lines; sections with a text */
        bool is_empty = true;
        while (str_next(&rest, '\n', &line)) {
            n_lines++;
            if (str_starts(line, STR("##"))) {
                if (section == N_SECTIONS || !str_eq(line, sections[section]))
                    fail_msg("%s: %.*s is not expected here", code, STR_ARG(line));
                section++;
                is_empty = true;
            } else if (section > 0 && line.n > 0 && is_empty) {
                filled++;
                is_empty = false;
            }
            if (line.n > 0 && (line.p[line.n - 1] == ' ' || memchr(line.p, '\t', line.n) != NULL))
                fail_msg("%s: a tab, or a blank at the end: %.*s", code, STR_ARG(line));
        }
        if (section != N_SECTIONS || filled != N_SECTIONS || n_lines < 25 || n_lines > 60)
            fail_msg("%s: %u sections, %u with a text, %u lines", code, section, filled, n_lines);
    }
}

static void the_index_is_current(void **state)
{
    struct buf want, got = read_page("README");
    buf_init(&want, PAGE_BYTES);
    finding_index_markdown(&want);
    if (!str_eq(buf_str(&want), buf_str(&got)))
        fail_msg("docs/findings/README.md is old: "
                 "penstock explain --markdown > docs/findings/README.md");
    buf_done(&want);
    buf_done(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_its_page_byte_for_byte),
        cmocka_unit_test(every_page_has_its_code),
        cmocka_unit_test(a_page_begins_as_the_table_says),
        cmocka_unit_test(heads_name_severity_and_causes),
        cmocka_unit_test(a_page_has_its_sections_in_order),
        cmocka_unit_test(the_index_is_current),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "doctor/finding_text.h"

/* The standard promises 4095 bytes; both compilers take what there is. */
#pragma GCC diagnostic ignored "-Woverlength-strings"
static const struct str texts[N_FINDING_CODES] = {
#include "doctor/finding_texts.def"
};

struct str finding_text(enum finding_code code)
{
    return texts[code];
}

const char *finding_group(enum finding_code code)
{
    static const char *const groups[] = {
        "DNS servers and resolv.conf", /* PS1 */
        "what Amazon's DNS is told",   /* PS2 */
        "the way to S3",               /* PS3 */
        "the registry",                /* PS4 */
        "the task",                    /* PS5 */
        "the doctor itself",           /* PS6 */
    };
    return groups[finding_row(code)->code[2] - '1'];
}

static void append_c(struct buf *out, const char *text)
{
    buf_append(out, str_from_c(text));
}

void finding_text_head(enum finding_code code, struct buf *out)
{
    const struct finding_row *row = finding_row(code);
    buf_printf(out, "# %s: %s\n\n%s", row->code, row->title, finding_severity_name(row->severity));
    for (const char *cause = row->causes; *cause != 0; cause++) {
        if (*cause == ',')
            continue;
        append_c(out, " \xc2\xb7 ");
        if (ascii_is_digit(*cause))
            buf_printf(out, "cause %c: ", *cause);
        append_c(out, finding_cause_text(*cause));
    }
    append_c(out, "\n\n");
}

static void append_row(struct buf *out, const struct finding_row *row)
{
    buf_printf(out, "| [%s](%s.md) | %s | ", row->code, row->code,
               finding_severity_name(row->severity));
    for (const char *cause = row->causes; *cause != 0; cause++) {
        if (ascii_is_digit(*cause))
            buf_byte(out, *cause);
        else
            append_c(out, *cause == ',' ? ", " : "other");
    }
    buf_printf(out, " | %s |\n", row->title);
}

void finding_index_markdown(struct buf *out)
{
    append_c(out,
             "# Findings\n\n"
             "Written by `penstock explain --markdown` from src/doctor/finding.def; change "
             "that instead.\n\n"
             "What `penstock doctor` can find. `penstock explain PS1001` prints the same text "
             "as the page of that\nname here, `penstock explain --search WORD` lists those that "
             "speak of something. Codes are stable:\none that is no longer found is not used "
             "again.\n\nCauses:\n\n");
    for (int cause = '1'; cause <= '3'; cause++)
        buf_printf(out, "- %c: %s\n", cause, finding_cause_text((char)cause));
    append_c(out, "- other: anything else that looks like these\n");
    for (unsigned i = 0; i < N_FINDING_CODES; i++) {
        const struct finding_row *row = finding_row((enum finding_code)i);
        const char *group = finding_group((enum finding_code)i);
        if (i == 0 || group != finding_group((enum finding_code)(i - 1)))
            buf_printf(out,
                       "\n## %.3s: %s\n\n| code | severity | cause | what is wrong |\n"
                       "| --- | --- | --- | --- |\n",
                       row->code, group);
        append_row(out, row);
    }
}

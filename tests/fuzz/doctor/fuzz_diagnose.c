/*
 * Facts as JSON, as `--facts` reads them. Whatever they are, the diagnosis is sound, the same each
 * time, and what is written of it is JSON.
 */
#include "../../unit/doctor/diagnosis_sound.h"
#include "doctor/facts_json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void diagnose_once(const struct fact_book *b, struct buf *out)
{
    struct diagnosis d;
    enum finding_code code = PS1001;
    diagnose(&b->facts, &d);
    const char *problem = diagnosis_unsound(&d, &code);
    if (problem != NULL && !b->is_full && !d.book.is_full) {
        fprintf(stderr, "%s: %s\n", finding_row(code)->code, problem);
        abort();
    }
    report_json(&d, FINDING_ERROR, out);
    diagnosis_done(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct fact_book b;
    struct buf errors, first, second;
    json_t *document = json_loadb((const char *)data, n, JSON_REJECT_DUPLICATES, NULL);
    if (document == NULL)
        return 0;
    fact_book_init(&b);
    buf_init(&errors, 64 * 1024);
    buf_init(&first, FACTS_JSON_BYTES);
    buf_init(&second, FACTS_JSON_BYTES);
    facts_read(document, &b, &errors);
    diagnose_once(&b, &first);
    diagnose_once(&b, &second);
    if (!str_eq(buf_str(&first), buf_str(&second)))
        abort();
    json_t *report = first.failed ? NULL : json_loadb(first.p, first.n, 0, NULL);
    if (report == NULL && !first.failed)
        abort();
    json_decref(report);
    json_decref(document);
    buf_done(&errors);
    buf_done(&first);
    buf_done(&second);
    fact_book_done(&b);
    return 0;
}

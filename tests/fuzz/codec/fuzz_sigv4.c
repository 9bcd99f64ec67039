/*
 * A byte of choices, then method, path, query, region, token, body and field lines, a line each.
 * Signed once or refused; signed twice it is the same; what comes out is whole lines of visible
 * bytes, and a sorted query makes no difference to one that is turned round.
 */
#include <stdlib.h>

#include "codec/sigv4.h"
#include "../exact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_lines(struct str text)
{
    struct str line;
    while (str_next(&text, '\n', &line)) {
        if (line.n < 2 || line.p[line.n - 1] != '\r' || str_find(line, ':', 0) == line.n)
            abort();
        for (size_t i = 0; i + 1 < line.n; i++)
            if ((uint8_t)line.p[i] < ' ' || line.p[i] == 127)
                abort();
    }
}

static enum sigv4_result sign(const struct sigv4_request *r, struct str region, struct str token,
                              bool is_s3, struct buf *out)
{
    struct sigv4_key key = { STR("AKID"), STR("secret"), token };
    struct sigv4_scope scope = { region, is_s3 ? STR("s3") : STR("ec2"), 1440938160 };
    buf_init(out, 64 * 1024);
    return sigv4_sign(r, &key, &scope, out);
}

/* "a=1&b=2" and "b=2&a=1" are one query. */
static void check_order(struct sigv4_request r, struct str region, struct str token, bool is_s3,
                        struct str before)
{
    size_t amp = str_find(r.query, '&', 0);
    struct buf turned, out;
    if (amp == r.query.n)
        return;
    buf_init(&turned, 64 * 1024);
    buf_append(&turned, str_from(r.query, amp + 1));
    buf_byte(&turned, '&');
    buf_append(&turned, str_first(r.query, amp));
    if (!turned.failed) {
        r.query = buf_str(&turned);
        if (sign(&r, region, token, is_s3, &out) != SIGV4_OK || !str_eq(buf_str(&out), before))
            abort();
        buf_done(&out);
    }
    buf_done(&turned);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct sigv4_field fields[SIGV4_MAX_FIELDS + 1];
    struct str parts[6] = { 0 }, line;
    size_t n_fields = 0;
    if (n == 0)
        return 0;
    char *copy = exact_copy(data, n);
    struct str rest = str_of(copy + 1, n - 1);
    for (size_t i = 0; i < 6; i++)
        str_next(&rest, '\n', &parts[i]);
    while (n_fields <= SIGV4_MAX_FIELDS && str_next(&rest, '\n', &line)) {
        size_t colon = str_find(line, ':', 0);
        fields[n_fields++] =
            (struct sigv4_field){ str_first(line, colon), str_from(line, colon + 1) };
    }
    struct sigv4_request r = {
        parts[0], parts[1], parts[2], fields, n_fields, parts[5], data[0] & 1
    };
    bool is_s3 = data[0] & 2;
    struct buf out, again;
    enum sigv4_result result = sign(&r, parts[3], parts[4], is_s3, &out);
    if (result != SIGV4_OK) {
        if (out.n != 0)
            abort();
    } else {
        check_lines(buf_str(&out));
        if (sign(&r, parts[3], parts[4], is_s3, &again) != SIGV4_OK ||
            !str_eq(buf_str(&out), buf_str(&again)))
            abort();
        buf_done(&again);
        check_order(r, parts[3], parts[4], is_s3, buf_str(&out));
    }
    buf_done(&out);
    free(copy);
    return 0;
}

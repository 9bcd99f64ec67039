/*
 * Any list. However it comes in pieces, the same entries are read and the same end is met; what an
 * entry holds is what it may hold, looked at in another way than the parser does; and an entry
 * written again reads the same.
 */
#include <stdlib.h>

#include "../exact.h"
#include "base/buf.h"
#include "codec/zip.h"
#include "codec/zip_manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bool is_so)
{
    if (!is_so)
        abort();
}

/* RFC 3629 section 4, as its grammar has it; and no control character. */
static size_t good_character(const uint8_t *p, size_t n)
{
    static const struct {
        uint8_t first, last, low, high, n;
    } lines[] = {
        { 0x20, 0x7e, 0, 0, 1 },       { 0xc2, 0xc2, 0xa0, 0xbf, 2 }, { 0xc3, 0xdf, 0x80, 0xbf, 2 },
        { 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 },
        { 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
        { 0xf4, 0xf4, 0x80, 0x8f, 4 },
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        if (p[0] < lines[i].first || p[0] > lines[i].last || n < lines[i].n)
            continue;
        for (size_t j = 1; j < lines[i].n; j++)
            if (p[j] < (j == 1 ? lines[i].low : 0x80) || p[j] > (j == 1 ? lines[i].high : 0xbf))
                return 0;
        return lines[i].n;
    }
    return 0;
}

static void check_name(struct str name)
{
    check(name.n > 0 && name.p[0] != '/' && name.n <= ZIP_NAME_BYTES);
    check(name.n < 2 || name.p[1] != ':' || (name.p[0] & ~0x20) < 'A' || (name.p[0] & ~0x20) > 'Z');
    check(memchr(name.p, '\\', name.n) == NULL);
    for (size_t i = 0, one; i < name.n; i += one)
        check((one = good_character((const uint8_t *)name.p + i, name.n - i)) != 0);
    for (size_t i = 0; i + 1 < name.n; i++)
        check(memcmp(name.p + i, "..", 2) != 0 || (i > 0 && name.p[i - 1] != '/') ||
              (i + 2 < name.n && name.p[i + 2] != '/'));
}

static void check_entry(struct str text, const struct zip_entry *e)
{
    check(e->name.p > text.p && e->name.p + e->name.n < text.p + text.n);
    check_name(e->name);
    check(e->size <= INT64_MAX && (e->size > 0 || (e->has_crc && e->crc == 0)));
    check(e->has_crc || e->crc == 0);
    if (e->is_directory) {
        check(e->location.n == 0 && e->size == 0);
        check(e->name.n < ZIP_NAME_BYTES || e->name.p[e->name.n - 1] == '/');
        return;
    }
    check(e->location.p > text.p && e->location.p + e->location.n < e->name.p);
    check(e->location.n <= ZIP_LOCATION_BYTES && e->location.p[0] == '/');
    for (size_t i = 0; i < e->location.n; i++) {
        uint8_t c = (uint8_t)e->location.p[i];
        check(c > ' ' && c != '#' && c != 0x7f);
    }
}

static void write_entry(struct buf *out, const struct zip_entry *e)
{
    if (e->has_crc)
        buf_printf(out, "%x ", e->crc);
    else
        buf_append(out, STR("- "));
    buf_u64(out, e->size);
    buf_byte(out, ' ');
    buf_append(out, e->is_directory ? STR("@directory") : e->location);
    buf_byte(out, ' ');
    buf_append(out, e->name);
    buf_byte(out, '\n');
}

/* Text pieces bytes at a time: the entries, written again, and then the end that was met. */
static void read_list(struct str text, size_t piece, struct buf *out)
{
    size_t at = 0, here = 0, behind = 0;
    const char *why = NULL;
    enum zip_manifest_step step;
    do {
        struct zip_entry e;
        here = text.n - here > piece ? here + piece : text.n;
        char *part = exact_copy(text.p, here);
        at = behind;
        while ((step = zip_manifest_next(str_of(part, here), &at, &e, &why)) ==
               ZIP_MANIFEST_ENTRY) {
            check_entry(str_of(part, here), &e);
            write_entry(out, &e);
            behind = at;
        }
        free(part);
        check(at <= here);
    } while (step != ZIP_MANIFEST_BAD && here < text.n);
    if (step == ZIP_MANIFEST_BAD)
        buf_append(out, str_from_c(why));
    else if (at != text.n)
        buf_append(out, STR("cut"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0)
        return 0;
    struct str text = str_of((const char *)data + 1, n - 1);
    struct buf whole, pieces, again;
    buf_init(&whole, SIZE_MAX / 2);
    buf_init(&pieces, SIZE_MAX / 2);
    buf_init(&again, SIZE_MAX / 2);
    read_list(text, text.n + 1, &whole);
    read_list(text, data[0] % 64 + (size_t)1, &pieces);
    check(str_eq(buf_str(&whole), buf_str(&pieces)));
    if (whole.n > 0 && whole.p[whole.n - 1] == '\n') {
        read_list(buf_str(&whole), whole.n, &again);
        check(str_eq(buf_str(&whole), buf_str(&again)));
    }
    buf_done(&whole);
    buf_done(&pieces);
    buf_done(&again);
    return 0;
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dns/frames.h"

#include <stdlib.h>

/* Puts in all of wire in pieces of at most piece bytes; what comes out stands in out, a bar behind
 * each message. */
static void run(struct dns_frames *f, struct str wire, size_t piece, struct buf *out)
{
    struct str message;
    while (wire.n > 0) {
        size_t room;
        char *to = dns_frames_room(f, &room);
        assert_non_null(to);
        size_t n = piece < room ? piece : room;
        n = n < wire.n ? n : wire.n;
        memcpy(to, wire.p, n);
        dns_frames_add(f, n);
        wire = str_from(wire, n);
        while (dns_frames_next(f, &message)) {
            buf_append(out, message);
            buf_byte(out, '|');
        }
    }
}

static void messages_come_whole_however_they_are_cut(void **state)
{
    static const struct {
        const char *row;
        struct str wire, out;
    } rows[] = {
        { "nothing", { "", 0 }, { "", 0 } },
        { "one", { "\0\3abc", 5 }, { "abc|", 4 } },
        { "two", { "\0\3abc\0\1d", 8 }, { "abc|d|", 6 } },
        { "an empty one between", { "\0\1a\0\0\0\1b", 8 }, { "a||b|", 5 } },
        { "half a length", { "\0\1a\0", 4 }, { "a|", 2 } },
        { "an unfinished one", { "\0\1a\1\0bcd", 8 }, { "a|", 2 } },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t piece = 1; piece < 10; piece++) {
            struct dns_frames f;
            struct buf out;
            dns_frames_init(&f);
            buf_init(&out, 100);
            run(&f, rows[i].wire, piece, &out);
            if (!str_eq(buf_str(&out), rows[i].out))
                fail_msg("%s in pieces of %u", rows[i].row, (unsigned)piece);
            dns_frames_done(&f);
            buf_done(&out);
        }
}

static void memory_is_bounded_and_given_back(void **state)
{
    struct dns_frames f;
    struct buf wire, out;
    dns_frames_init(&f);
    buf_init(&wire, 1 << 20);
    buf_init(&out, 1 << 20);
    for (unsigned i = 0; i < 4; i++) {
        buf_append(&wire, STR("\xff\xff"));
        for (unsigned k = 0; k < 65535; k++)
            buf_byte(&wire, (char)('a' + i));
    }
    run(&f, buf_str(&wire), SIZE_MAX, &out);
    assert_int_equal(out.n, 4 * 65536);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(out.p[i * 65536 + 65534], 'a' + i);
    assert_true(f.in.cap <= 2 + 65535 + DNS_FRAMES_READ_BYTES);
    size_t room;
    assert_non_null(dns_frames_room(&f, &room));
    assert_true(f.in.cap <= 2 * DNS_FRAMES_READ_BYTES);
    dns_frames_done(&f);
    buf_done(&wire);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_come_whole_however_they_are_cut),
        cmocka_unit_test(memory_is_bounded_and_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

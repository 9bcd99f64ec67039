/* Outages that end. What takes its seconds has a program of its own: programs run side by side. */
#include "rig.h"

#define S3 "bucket.s3.eu-west-1.amazonaws.com"

static void repair_is_followed(void **state)
{
    static const enum mode modes[] = { FAKE_SILENT, FAKE_SERVFAIL, FAKE_REFUSED };
    for (unsigned i = 0; i < 3; i++) {
        struct rig g;
        struct want w;
        rig_init(&g, 1, 0);
        rig_go(&g);
        g.fakes[0].mode = modes[i];
        uint64_t start = io_now_us() / 1000, at;
        do {
            want(&w, &g, S3);
            dns_resolve_cancel(&w.r);
            rig_run_for(&g, 100);
        } while (io_now_us() / 1000 - start < (i == 0 ? 6000 : 2500));
        g.fakes[0].mode = FAKE_OK;
        start = io_now_us() / 1000;
        do {
            rig_run_for(&g, 100);
            want(&w, &g, S3);
            dns_resolve_cancel(&w.r);
            at = io_now_us() / 1000 - start;
        } while (w.r.n_addrs == 0 && at < 8000);
        if (at >= 5000)
            fail_msg("mode %u: back after %u ms", i, (unsigned)at);
        rig_done(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repair_is_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Clock jumps change nothing: the resolver and the loop under it know the monotonic clock alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/loop.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Ways to the wall clock. */
static const char *const forbidden[] = { "CLOCK_REALTIME", "gettimeofday", "time(NULL)",
                                         "timespec_get", "ftime(" };

static unsigned look_at(const char *path)
{
    char line[512];
    unsigned n = 0;
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL)
        for (size_t i = 0; i < sizeof forbidden / sizeof forbidden[0]; i++)
            if (strstr(line, forbidden[i]) != NULL) {
                print_error("%s: %s", path, line);
                n++;
            }
    fclose(f);
    return n;
}

static void no_source_reads_the_wall_clock(void **state)
{
    static const char *const rooms[] = { "src/dns", "src/io" };
    const char *root = getenv("PENSTOCK_SOURCE_ROOT");
    unsigned n_files = 0, n_wrong = 0;
    if (root == NULL)
        skip();
    for (size_t r = 0; r < sizeof rooms / sizeof rooms[0]; r++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", root, rooms[r]);
        DIR *d = opendir(path);
        assert_non_null(d);
        for (struct dirent *e; (e = readdir(d)) != NULL;) {
            size_t n = strlen(e->d_name);
            if (n < 3 ||
                (strcmp(e->d_name + n - 2, ".c") != 0 && strcmp(e->d_name + n - 2, ".h") != 0))
                continue;
            snprintf(path, sizeof path, "%s/%s/%s", root, rooms[r], e->d_name);
            n_wrong += look_at(path);
            n_files++;
        }
        closedir(d);
    }
    assert_true(n_files > 40);
    assert_int_equal(n_wrong, 0);
}

static void now_is_monotonic(void **state)
{
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    uint64_t now_us = io_now_us();
    clock_gettime(CLOCK_MONOTONIC, &after);
    assert_in_range(now_us, (uint64_t)before.tv_sec * 1000000 + (uint64_t)before.tv_nsec / 1000,
                    (uint64_t)after.tv_sec * 1000000 + (uint64_t)after.tv_nsec / 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_source_reads_the_wall_clock),
        cmocka_unit_test(now_is_monotonic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

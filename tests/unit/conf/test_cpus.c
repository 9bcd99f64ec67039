#include "conf/cpus.h"

#include "base/str.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { MAX_FILES = 4 };

static void put(const char *root, const char *path, const char *text)
{
    char name[512];
    snprintf(name, sizeof name, "%s%s", root, path);
    for (char *slash = strchr(name + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(name, 0700);
        *slash = '/';
    }
    FILE *f = fopen(name, "we");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void remove_all(const char *root, const char *path)
{
    char name[512];
    snprintf(name, sizeof name, "%s%s", root, path);
    unlink(name);
    for (char *slash = strrchr(name, '/'); slash; slash = strrchr(name, '/')) {
        *slash = 0;
        rmdir(name);
    }
}

static unsigned affinity(void)
{
    cpu_set_t set;
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    return (unsigned)CPU_COUNT(&set);
}

/* want 0: no limit but the affinity. */
static const struct {
    const char *name;
    const char *files[MAX_FILES][2];
    unsigned want;
} rows[] = {
    { "nothing to read", { { NULL, NULL } }, 0 },
    { "a quarter of a CPU is one",
      { { "/proc/self/cgroup", "0::/\n" }, { "/sys/fs/cgroup/cpu.max", "25000 100000\n" } },
      1 },
    { "no limit",
      { { "/proc/self/cgroup", "0::/\n" }, { "/sys/fs/cgroup/cpu.max", "max 100000\n" } },
      0 },
    { "rounded up, but not past the affinity",
      { { "/proc/self/cgroup", "0::/\n" }, { "/sys/fs/cgroup/cpu.max", "102400000 100000\n" } },
      0 },
    { "an outer group's quota holds too",
      { { "/proc/self/cgroup", "12:cpu:/x\n0::/a.slice/b\n" },
        { "/sys/fs/cgroup/a.slice/cpu.max", "100000 100000\n" },
        { "/sys/fs/cgroup/a.slice/b/cpu.max", "max 100000\n" } },
      1 },
    { "version 1",
      { { "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000\n" },
        { "/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n" } },
      1 },
    { "version 1 without a quota",
      { { "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n" },
        { "/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n" } },
      0 },
    { "nonsense", { { "/proc/self/cgroup", "0::/\n" }, { "/sys/fs/cgroup/cpu.max", "0 0 0" } }, 0 },
};

static void quotas_limit_what_the_affinity_allows(void **state)
{
    char root[] = "cpus-test-XXXXXX";
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(root, sizeof root, "cpus-test-XXXXXX");
        assert_non_null(mkdtemp(root));
        for (int j = 0; j < MAX_FILES && rows[i].files[j][0]; j++)
            put(root, rows[i].files[j][0], rows[i].files[j][1]);
        unsigned got = conf_cpus(root), want = rows[i].want ? rows[i].want : affinity();
        for (int j = 0; j < MAX_FILES && rows[i].files[j][0]; j++)
            remove_all(root, rows[i].files[j][0]);
        rmdir(root);
        if (got != want)
            fail_msg("%s: %u, not %u", rows[i].name, got, want);
    }
    assert_true(conf_cpus("") >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quotas_limit_what_the_affinity_allows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

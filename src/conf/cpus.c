#include "conf/cpus.h"

#include "base/str.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>

static struct str read_file(const char *root, const char *path, char *text, size_t max)
{
    char name[PATH_MAX];
    int n = snprintf(name, sizeof name, "%s%s", root, path);
    FILE *f = n > 0 && (size_t)n < sizeof name ? fopen(name, "re") : NULL;
    if (f == NULL)
        return str_of(text, 0);
    size_t got = fread(text, 1, max, f);
    fclose(f);
    return str_of(text, got);
}

/* 0: no limit. */
static unsigned quota_to_cpus(struct str quota, struct str period)
{
    uint64_t q, p;
    if (!str_to_u64(quota, &q) || !str_to_u64(period, &p) || q == 0 || p == 0)
        return 0; /* "max", "-1", or nonsense */
    uint64_t n = q / p + (q % p != 0);
    return n < INT_MAX ? (unsigned)n : 0;
}

static struct str first_line(struct str text)
{
    return str_first(text, str_find(text, '\n', 0));
}

static unsigned limit_v2(const char *root, const char *group)
{
    char path[PATH_MAX], text[128];
    int n = snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", group);
    if (n < 0 || (size_t)n >= sizeof path)
        return 0;
    struct str line = first_line(read_file(root, path, text, sizeof text)), quota;
    return str_next(&line, ' ', &quota) ? quota_to_cpus(quota, str_trim(line)) : 0;
}

/* A container sees its own group as the root, so v1's path is enough. */
static unsigned limit_v1(const char *root)
{
    char quota[64], period[64];
    return quota_to_cpus(
        first_line(read_file(root, "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", quota, sizeof quota)),
        first_line(read_file(root, "/sys/fs/cgroup/cpu/cpu.cfs_period_us", period, sizeof period)));
}

static void take_least(unsigned *n, unsigned limit)
{
    if (limit > 0 && limit < *n)
        *n = limit;
}

/* "0::/a/b": the quotas of /a/b, of /a and of the root hold at once. */
static void take_groups(const char *root, unsigned *n)
{
    char text[PATH_MAX], group[PATH_MAX] = "";
    struct str rest = read_file(root, "/proc/self/cgroup", text, sizeof text), line;
    while (str_next(&rest, '\n', &line)) {
        if (!str_starts(line, STR("0::/")))
            continue;
        line = str_from(line, 3);
        memcpy(group, line.p, line.n); /* shorter than text */
        group[line.n] = 0;
    }
    for (char *end = group + strlen(group); end; end = strrchr(group, '/')) {
        *end = 0;
        take_least(n, limit_v2(root, group));
    }
}

unsigned conf_cpus(const char *root)
{
    cpu_set_t set;
    unsigned n = 1;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        n = (unsigned)CPU_COUNT(&set);
    take_groups(root, &n);
    take_least(&n, limit_v1(root));
    return n;
}

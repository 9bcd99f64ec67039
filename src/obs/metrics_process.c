#include "obs/metrics.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* A short file of /proc. False where there is none. */
static bool read_file(const char *path, char *text, size_t bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, bytes - 1);
    close(fd);
    text[n > 0 ? n : 0] = 0;
    return n > 0;
}

/* The 22nd word of /proc/self/stat: ticks from the kernel's start to ours. The second one, a name
 * in brackets, may have spaces and brackets. */
static double started_after_boot(void)
{
    char text[1024];
    if (!read_file("/proc/self/stat", text, sizeof text))
        return -1;
    char *at = strrchr(text, ')');
    for (int word = 2; at != NULL && word < 22; word++)
        at = strchr(at + 1, ' ');
    return at != NULL ? (double)strtoull(at, NULL, 10) / (double)sysconf(_SC_CLK_TCK) : -1;
}

/* The clock may be set while we run; the start does not move then, as Prometheus wants it. */
static double start_time(void)
{
    static _Thread_local double at;
    struct timespec now, up;
    double after_boot = at == 0 ? started_after_boot() : -1;
    if (after_boot >= 0 && clock_gettime(CLOCK_REALTIME, &now) == 0 &&
        clock_gettime(CLOCK_BOOTTIME, &up) == 0)
        at = (double)(now.tv_sec - up.tv_sec) + (double)(now.tv_nsec - up.tv_nsec) / 1e9 +
             after_boot;
    return at;
}

static double cpu_time(void)
{
    struct timespec t;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) != 0)
        return -1;
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double memory(void)
{
    char text[256];
    unsigned long long pages;
    if (!read_file("/proc/self/statm", text, sizeof text) || sscanf(text, "%*u %llu", &pages) != 1)
        return -1;
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double max_fds(void)
{
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l) != 0 || l.rlim_cur == RLIM_INFINITY)
        return -1;
    return (double)l.rlim_cur;
}

static const struct process_row {
    double (*value)(void); /* below 0: not known */
    enum metric_family_id family;
    int decimals;
} rows[] = {
    { start_time, FAMILY_PROCESS_START, 2 },
    { cpu_time, FAMILY_PROCESS_CPU, 6 },
    { memory, FAMILY_PROCESS_MEMORY, 0 },
    { max_fds, FAMILY_PROCESS_FDS, 0 },
};

void metrics_write_process(struct buf *out)
{
    metric_family_write(out, metric_family(FAMILY_BUILD_INFO));
    metric_sample_write(out, metric_family(FAMILY_BUILD_INFO)->name,
                        "version=\"" PENSTOCK_VERSION "\"");
    buf_append(out, STR("1\n"));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct metric_family *f = metric_family(rows[i].family);
        double value = rows[i].value();
        if (value < 0 || (f->kind == METRIC_TIME && value == 0))
            continue;
        metric_family_write(out, f);
        metric_sample_write(out, f->name, "");
        buf_printf(out, "%.*f\n", rows[i].decimals, value);
    }
}

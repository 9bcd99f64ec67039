#pragma once
/* How many CPUs' worth of work the process may do at once. */

/*
 * The CPUs of sched_getaffinity, but not more than the strictest CPU quota of the cgroups it is in,
 * rounded up (cgroup v2's cpu.max, v1's cpu.cfs_quota_us); at least 1. root is put before /proc and
 * /sys: "" but for tests. What cannot be read does not limit.
 */
unsigned conf_cpus(const char *root);

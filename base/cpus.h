/*
 * How many processors this process may really use: nproc lies in containers. Thread: any.
 */
#ifndef SM_BASE_CPUS_H
#define SM_BASE_CPUS_H

/* The smaller of CPU affinity and cgroup quota (v2 cpu.max, v1 cfs_quota, of this cgroup and those
 * above it, rounded up), at least 1. */
int sm_cpus(void);
/* The quota alone, 0 when there is none; `root` is "" or, for tests, a folder that holds
 * "proc/self/cgroup" and "sys/fs/cgroup". */
int sm_cpus_quota(const char *root);

#endif

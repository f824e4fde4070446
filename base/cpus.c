/*
 * Processors. The quota is looked for in the cgroup of this process and in all above it, since any
 * of them may be the one that throttles; in a container its own root is what is seen. Anything that
 * cannot be read counts as no quota. Thread: any.
 */
#include "base/cpus.h"

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct least {
    int cpus; /* 0: no quota so far */
};

static bool read_file(const char *dir, const char *name, char *text, size_t room)
{
    char path[PATH_MAX];
    FILE *file;
    bool read;

    if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, name) >= sizeof path)
        return false;
    file = fopen(path, "re");
    if (!file)
        return false;
    read = fgets(text, (int)room, file) != NULL;
    (void)fclose(file);
    return read;
}

static void note(struct least *least, long long quota, long long period)
{
    long long cpus;

    if (quota <= 0 || period <= 0)
        return;
    cpus = (quota - 1) / period + 1;
    if (cpus <= INT_MAX && (least->cpus == 0 || cpus < least->cpus))
        least->cpus = (int)cpus;
}

static void look_v2(const char *dir, struct least *least)
{
    char text[64], *end;
    long long quota;

    if (!read_file(dir, "cpu.max", text, sizeof text))
        return;
    quota = strtoll(text, &end, 10); /* "max" reads as 0 */
    if (end != text)
        note(least, quota, strtoll(end, NULL, 10));
}

static void look_v1(const char *dir, struct least *least)
{
    char quota[64], period[64];

    if (read_file(dir, "cpu.cfs_quota_us", quota, sizeof quota) &&
        read_file(dir, "cpu.cfs_period_us", period, sizeof period))
        note(least, strtoll(quota, NULL, 10), strtoll(period, NULL, 10));
}

/* Looks in mount + path and in every folder above it up to the mount. */
static void climb(const char *mount, const char *path, struct least *least,
                  void (*look)(const char *, struct least *))
{
    char dir[PATH_MAX];
    size_t stop = strlen(mount);
    char *slash;

    if ((size_t)snprintf(dir, sizeof dir, "%s%s", mount, path) >= sizeof dir)
        return;
    for (;;) {
        look(dir, least);
        slash = strrchr(dir, '/');
        if (!slash || (size_t)(slash - dir) < stop)
            return;
        *slash = '\0';
    }
}

/* Whether "cpu" stands in a list like "cpu,cpuacct". */
static bool has_cpu(const char *list)
{
    while (*list) {
        size_t n = strcspn(list, ",");

        if (n == 3 && memcmp(list, "cpu", 3) == 0)
            return true;
        list += n + (list[n] == ',');
    }
    return false;
}

/* One line of /proc/self/cgroup: "0::/path", or "4:cpu,cpuacct:/path" in version 1. */
static void look_line(const char *root, char *line, struct least *least)
{
    char mount[PATH_MAX];
    char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;

    if (!path)
        return;
    *list++ = '\0';
    *path++ = '\0';
    path[strcspn(path, "\n")] = '\0';
    if (strcmp(path, "/") == 0)
        path = "";
    if (*list == '\0') {
        if ((size_t)snprintf(mount, sizeof mount, "%s/sys/fs/cgroup", root) < sizeof mount)
            climb(mount, path, least, look_v2);
        return;
    }
    if (!has_cpu(list))
        return;
    if ((size_t)snprintf(mount, sizeof mount, "%s/sys/fs/cgroup/%s", root, list) < sizeof mount)
        climb(mount, path, least, look_v1);
    if ((size_t)snprintf(mount, sizeof mount, "%s/sys/fs/cgroup/cpu", root) < sizeof mount)
        climb(mount, path, least, look_v1);
}

int sm_cpus_quota(const char *root)
{
    char path[PATH_MAX], line[PATH_MAX];
    struct least least = {0};
    FILE *file;

    if ((size_t)snprintf(path, sizeof path, "%s/proc/self/cgroup", root) >= sizeof path)
        return 0;
    file = fopen(path, "re");
    if (!file)
        return 0;
    while (fgets(line, sizeof line, file))
        look_line(root, line, &least);
    (void)fclose(file);
    return least.cpus;
}

static int affinity(void)
{
    for (int most = 1024; most <= 1 << 20; most *= 4) { /* EINVAL: the kernel knows of more */
        cpu_set_t *set = CPU_ALLOC((size_t)most);
        size_t size = CPU_ALLOC_SIZE((size_t)most);
        int n = 0;

        if (!set)
            break;
        if (sched_getaffinity(0, size, set) == 0)
            n = CPU_COUNT_S(size, set);
        CPU_FREE(set);
        if (n > 0)
            return n;
    }
    return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

int sm_cpus(void)
{
    int cpus = affinity(), quota = sm_cpus_quota("");

    if (quota > 0 && quota < cpus)
        cpus = quota;
    return cpus > 0 ? cpus : 1;
}

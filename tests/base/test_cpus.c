/* Processors, on made-up cgroup trees. */
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cpus.h"
#include "tests/base/suite.h"

static char root[64];

static void make_root(void)
{
    strcpy(root, "/tmp/sm-cpus-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
}

static void remove_root(void)
{
    char command[100];

    (void)snprintf(command, sizeof command, "rm -rf '%s'", root);
    ck_assert_int_eq(system(command), 0);
}

static void put(const char *path, const char *text)
{
    char command[400];

    (void)snprintf(command, sizeof command,
                   "mkdir -p \"$(dirname '%s/%s')\" && printf -- '%s' > '%s/%s'", root, path, text,
                   root, path);
    ck_assert_int_eq(system(command), 0);
}

START_TEST(without_a_cgroup_there_is_no_quota)
{
    make_root();
    ck_assert_int_eq(sm_cpus_quota(root), 0);
    put("proc/self/cgroup", "0::/\\n");
    ck_assert_int_eq(sm_cpus_quota(root), 0);
    put("sys/fs/cgroup/cpu.max", "max 100000\\n");
    ck_assert_int_eq(sm_cpus_quota(root), 0);
    remove_root();
}
END_TEST

START_TEST(a_version_2_quota_is_rounded_up)
{
    make_root();
    put("proc/self/cgroup", "0::/\\n");
    put("sys/fs/cgroup/cpu.max", "150000 100000\\n");
    ck_assert_int_eq(sm_cpus_quota(root), 2);
    put("sys/fs/cgroup/cpu.max", "10000 100000\\n");
    ck_assert_int_eq(sm_cpus_quota(root), 1);
    put("sys/fs/cgroup/cpu.max", "400000 100000\\n");
    ck_assert_int_eq(sm_cpus_quota(root), 4);
    remove_root();
}
END_TEST

START_TEST(the_smallest_quota_on_the_way_up_counts)
{
    make_root();
    put("proc/self/cgroup", "0::/system.slice/stampmill.service\\n");
    put("sys/fs/cgroup/system.slice/stampmill.service/cpu.max", "800000 100000\\n");
    ck_assert_int_eq(sm_cpus_quota(root), 8);
    put("sys/fs/cgroup/system.slice/cpu.max", "300000 100000\\n");
    ck_assert_int_eq(sm_cpus_quota(root), 3);
    put("sys/fs/cgroup/system.slice/stampmill.service/cpu.max", "max 100000\\n");
    ck_assert_int_eq(sm_cpus_quota(root), 3);
    remove_root();
}
END_TEST

START_TEST(a_version_1_quota_is_found)
{
    make_root();
    put("proc/self/cgroup", "5:memory:/a\\n4:cpu,cpuacct:/a\\n3:cpuset:/a\\n");
    put("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "-1\\n");
    put("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\\n");
    ck_assert_int_eq(sm_cpus_quota(root), 0);
    put("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "250000\\n");
    ck_assert_int_eq(sm_cpus_quota(root), 3);
    remove_root();
}
END_TEST

START_TEST(affinity_counts_and_one_is_the_least)
{
    cpu_set_t set;

    ck_assert_int_ge(sm_cpus(), 1);
    CPU_ZERO(&set);
    ck_assert_int_eq(sched_getaffinity(0, sizeof set, &set), 0);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &set)) {
            CPU_ZERO(&set);
            CPU_SET(cpu, &set);
            break;
        }
    }
    ck_assert_int_eq(sched_setaffinity(0, sizeof set, &set), 0);
    ck_assert_int_eq(sm_cpus(), 1);
}
END_TEST

int main(void)
{
    return RUN_SUITE("cpus", {without_a_cgroup_there_is_no_quota, 0},
                     {a_version_2_quota_is_rounded_up, 0},
                     {the_smallest_quota_on_the_way_up_counts, 0}, {a_version_1_quota_is_found, 0},
                     {affinity_counts_and_one_is_the_least, 0});
}

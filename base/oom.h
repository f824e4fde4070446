/*
 * How often the kernel has killed for memory in this process's cgroup: what tells a job that eats
 * its host's memory from an eviction, which looks the same from outside. Thread: any.
 */
#ifndef SM_BASE_OOM_H
#define SM_BASE_OOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The file where the kernel counts, of cgroup version 2 or 1. `root` is "" or a test's own tree.
 * False when there is none. */
bool sm_oom_file(const char *root, char *path, size_t room);
/* The count in such a file; 0 where it cannot be read. */
int64_t sm_oom_kills(const char *file);

#endif

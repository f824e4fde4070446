/*
 * The count is the line "oom_kill N" of memory.events (version 2, with those of the cgroups below)
 * or memory.oom_control (version 1). Thread: any.
 */
#include "base/oom.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One line of /proc/self/cgroup: "0::/path", or "9:memory:/path" in version 1. */
static bool file_of_line(const char *root, char *line, char *path, size_t room)
{
    char *list = strchr(line, ':'), *dir = list != NULL ? strchr(list + 1, ':') : NULL;
    if (dir == NULL)
        return false;
    *list++ = '\0';
    *dir++ = '\0';
    dir[strcspn(dir, "\n")] = '\0';
    if (strcmp(dir, "/") == 0)
        dir = "";
    int n = 0;
    if (list[0] == '\0')
        n = snprintf(path, room, "%s/sys/fs/cgroup%s/memory.events", root, dir);
    else if (strcmp(list, "memory") == 0)
        n = snprintf(path, room, "%s/sys/fs/cgroup/memory%s/memory.oom_control", root, dir);
    return n > 0 && (size_t)n < room && access(path, R_OK) == 0;
}

bool sm_oom_file(const char *root, char *path, size_t room)
{
    char list[PATH_MAX], line[PATH_MAX];
    bool found = false;
    snprintf(list, sizeof list, "%s/proc/self/cgroup", root);
    FILE *file = fopen(list, "re");
    if (file == NULL)
        return false;
    while (!found && fgets(line, sizeof line, file) != NULL)
        found = file_of_line(root, line, path, room);
    (void)fclose(file);
    return found;
}

int64_t sm_oom_kills(const char *path)
{
    char line[128];
    int64_t kills = 0;
    FILE *file = path[0] == '\0' ? NULL : fopen(path, "re");
    if (file == NULL)
        return 0;
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "oom_kill ", 9) == 0)
            kills = strtoll(line + 9, NULL, 10);
    (void)fclose(file);
    return kills;
}

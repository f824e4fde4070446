/* The rig; see rig.h. */
#include "tests/live/rig.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/schema.h"

/* Keeps the value of a line NAME=value that the script printed. */
static void take_line(const char *line, const char *name, char *value, size_t room)
{
    size_t n = strlen(name);
    if (strncmp(line, name, n) != 0)
        return;
    size_t size = strcspn(line + n, "\n");
    ck_assert_uint_lt(size, room);
    memcpy(value, line + n, size);
    value[size] = '\0';
}

void rig_start(struct rig *rig)
{
    char command[512], line[512];
    struct sm_err err = {0};
    memset(rig, 0, sizeof *rig);
    snprintf(command, sizeof command, "%s/ops/private-servers start", getenv("STAMPMILL_SOURCE"));
    FILE *out = popen(command, "r");
    ck_assert_ptr_nonnull(out);
    while (fgets(line, sizeof line, out) != NULL) {
        take_line(line, "STAMPMILL_REDIS_URL=", rig->redis, sizeof rig->redis);
        take_line(line, "STAMPMILL_DATABASE_URL=", rig->postgres, sizeof rig->postgres);
        take_line(line, "STAMPMILL_SERVERS=", rig->dir, sizeof rig->dir);
    }
    ck_assert_msg(pclose(out) == 0, "the private servers do not start");
    strcpy(rig->runtime, "/tmp/sm-live-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(rig->runtime));
    struct sm_pg_options pg = {.url = rig->postgres, .application = "test"};
    ck_assert_msg(sm_schema_migrate(&pg, NULL, NULL, &err) == 0, "%s", err.text);
}

void rig_stop(struct rig *rig)
{
    char command[512];
    snprintf(command, sizeof command, "%s/ops/private-servers stop %s; rm -rf %s",
             getenv("STAMPMILL_SOURCE"), rig->dir, rig->runtime);
    ck_assert_int_eq(system(command), 0);
}

pid_t rig_daemon(const struct rig *rig, const char *flag, ...)
{
    char path[300], redis[160], postgres[300], runtime[120], log[120];
    char *argv[20] = {
        path, redis, postgres, runtime, (char[]){"--http.listen=off"}, (char[]){"--debug-types"}};
    int n = 6;
    va_list flags;
    snprintf(path, sizeof path, "%s/stampmilld", getenv("STAMPMILL_BIN"));
    snprintf(redis, sizeof redis, "--redis.url=%s", rig->redis);
    snprintf(postgres, sizeof postgres, "--postgres.url=%s", rig->postgres);
    snprintf(runtime, sizeof runtime, "--runtime.dir=%s", rig->runtime);
    snprintf(log, sizeof log, "%s/daemon.log", rig->runtime);
    va_start(flags, flag);
    for (; flag != NULL && n < 19; flag = va_arg(flags, const char *))
        argv[n++] = strdup(flag);
    va_end(flags);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        dup2(fd, 2);
        execv(path, argv);
        _exit(127);
    }
    for (int i = 6; i < n; i++)
        free(argv[i]);
    return pid;
}

int rig_end(pid_t daemon, int number)
{
    int status;
    ck_assert_int_eq(kill(daemon, number), 0);
    ck_assert_int_eq(waitpid(daemon, &status, 0), daemon);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

const char *rig_redis(const struct rig *rig, const char *command)
{
    static char output[4096];
    char line[512];
    snprintf(line, sizeof line, "redis-cli -s %s/redis.sock %s", rig->dir, command);
    FILE *out = popen(line, "r");
    ck_assert_ptr_nonnull(out);
    size_t n = fread(output, 1, sizeof output - 1, out);
    output[n] = '\0';
    pclose(out);
    return output;
}

/*
 * Private servers of a test program, by ops/private-servers, whose KEY=VALUE lines are read here.
 */
#include "tests/support/servers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *script(void)
{
    static char path[400];
    const char *source = getenv("STAMPMILL_SOURCE");
    snprintf(path, sizeof path, "%s/ops/private-servers", source == NULL ? "." : source);
    return path;
}

static void take(const char *line, const char *key, char *value, size_t room)
{
    size_t n = strlen(key);
    if (strncmp(line, key, n) == 0 && line[n] == '=')
        snprintf(value, room, "%.*s", (int)strcspn(line + n + 1, "\n"), line + n + 1);
}

static void run(struct servers *servers)
{
    char command[900], line[400], redis[16] = "0", pg[16] = "0";
    snprintf(command, sizeof command, "%s start %s --until-exit %d %s", script(), servers->words,
             servers->owner, servers->dir);
    FILE *out = popen(command, "r");
    while (out != NULL && fgets(line, sizeof line, out) != NULL) {
        take(line, "STAMPMILL_SERVERS", servers->dir, sizeof servers->dir);
        take(line, "STAMPMILL_REDIS_URL", servers->redis_url, sizeof servers->redis_url);
        take(line, "STAMPMILL_DATABASE_URL", servers->database_url, sizeof servers->database_url);
        take(line, "REDIS_PID", redis, sizeof redis);
        take(line, "PG_PID", pg, sizeof pg);
    }
    if (out == NULL || pclose(out) != 0) {
        fprintf(stderr, "servers: `%s` failed\n", command);
        abort();
    }
    servers->redis_pid = atoi(redis);
    servers->pg_pid = atoi(pg);
}

void servers_start(struct servers *servers, bool redis, bool postgres, const char *options)
{
    memset(servers, 0, sizeof *servers);
    servers->owner = (int)getpid();
    snprintf(servers->words, sizeof servers->words, "%s %s",
             redis && postgres ? "" : (redis ? "--redis-only" : "--postgres-only"),
             options == NULL ? "" : options);
    run(servers);
}

void servers_restart(struct servers *servers)
{
    run(servers);
}

void servers_stop(struct servers *servers)
{
    char command[600];
    snprintf(command, sizeof command, "%s stop %s", script(), servers->dir);
    if (system(command) != 0)
        fprintf(stderr, "servers: `%s` failed\n", command);
}

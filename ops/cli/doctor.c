/*
 * `doctor`: looks at everything that a worker needs and says of each whether it is fine, and what
 * to do where it is not. All checks are made, whatever fails first; a server that cannot be reached
 * decides the exit code.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ops/cli/cli.h"
#include "ops/cli/out.h"
#include "store/schema.h"
#include "store/second_life.h"

#define STUCK_US 10000000 /* due for so long without being in Redis */

struct exam {
    struct cli_out out;
    int bad;  /* failed checks */
    int exit; /* of the first server that failed; 0: none did */
};

enum verdict { FINE, WARN, BAD };

static void note(struct exam *exam, const char *what, enum verdict verdict, const char *text)
{
    static const char *const names[] = {"ok", "warning", "failed"};
    out_record(&exam->out);
    out_text(&exam->out, "check", what);
    out_text(&exam->out, "status", names[verdict]);
    out_text(&exam->out, "detail", text);
    exam->bad += verdict == BAD;
}

static void note_error(struct exam *exam, const char *what, const char *server, struct sm_err *err)
{
    cli_explain(err, server);
    note(exam, what, BAD, err->text);
    if (exam->exit == 0)
        exam->exit = cli_exit_of(err->code);
}

static bool version_fine(const struct sm_redis_health *h)
{
    char *rest;
    long major = strtol(h->version, &rest, 10);
    long minor = *rest == '.' ? strtol(rest + 1, NULL, 10) : 0;
    return h->valkey ? major > 7 || (major == 7 && minor >= 2) : major >= 7;
}

static void judge_redis(struct exam *exam, const struct sm_redis_health *h)
{
    char text[200];
    bool evicts = h->policy[0] != '\0' && strcmp(h->policy, "noeviction") != 0;
    snprintf(text, sizeof text, "%s %s, %s%s", h->valkey ? "Valkey" : "Redis", h->version, h->role,
             version_fine(h) ? "" : ": Redis 7.0 or Valkey 7.2 is needed");
    note(exam, "redis", version_fine(h) ? FINE : BAD, text);
    if (h->cluster)
        note(exam, "redis.cluster", BAD, "a Redis Cluster: not supported yet; use a single server");
    if (h->policy[0] == '\0')
        note(exam, "redis.eviction", WARN, "cannot be read; maxmemory-policy must be noeviction");
    else
        note(exam, "redis.eviction", evicts ? BAD : FINE,
             evicts ? "jobs can be evicted: set maxmemory-policy noeviction" : h->policy);
    if (!h->aof)
        note(exam, "redis.persistence", WARN,
             "no append-only file: a restart loses waiting jobs; set appendonly yes");
    else
        note(exam, "redis.persistence", h->aof_ok ? FINE : BAD,
             h->aof_ok ? "append-only file" : "the append-only file cannot be written: disk full?");
    note(exam, "redis.scripts", h->scripts ? FINE : BAD,
         h->scripts ? "allowed" : "Lua scripts are refused: workers need EVALSHA and EVAL");
    if (h->max_memory > 0) {
        bool tight = h->used_memory > h->max_memory / 10 * 9;
        snprintf(text, sizeof text, "%llu of %llu bytes used%s", (unsigned long long)h->used_memory,
                 (unsigned long long)h->max_memory, tight ? ": soon no job can be enqueued" : "");
        note(exam, "redis.memory", tight ? WARN : FINE, text);
    }
}

static void judge_workers(struct exam *exam, struct sm_inspector *in)
{
    struct sm_queue_state *states = NULL;
    struct sm_err err;
    size_t n = 0, deserted = 0;
    char text[200];
    if (sm_inspect_queues(in, &states, &n, &err) != 0) {
        note_error(exam, "queues", "Redis", &err);
        return;
    }
    for (size_t i = 0; i < n; i++)
        deserted += states[i].length > 0 && states[i].workers == 0;
    free(states);
    snprintf(text, sizeof text, "%zu, %zu of them with jobs and without a living worker%s", n,
             deserted, deserted > 0 ? ": start stampmilld for them (stampmill queue ls)" : "");
    note(exam, "queues", deserted > 0 ? WARN : FINE, text);
}

static void examine_redis(struct exam *exam, const struct cli *cli)
{
    struct sm_redis_health health;
    struct sm_err err;
    struct sm_inspector *in = cli_open_inspector(cli, &err);
    if (in == NULL) {
        note_error(exam, "redis", "Redis", &err);
        return;
    }
    if (sm_inspect_health(in, &health, &err) != 0) {
        note_error(exam, "redis", "Redis", &err);
    } else {
        judge_redis(exam, &health);
        judge_workers(exam, in);
    }
    sm_inspector_close(in);
}

/* A relay brings what is due to Redis within milliseconds. */
static void judge_outbox(struct exam *exam, const struct cli *cli)
{
    int64_t due = 0, due_for_us = 0, later = 0;
    struct sm_err err;
    char text[200];
    struct sm_reader *reader = cli_open_reader(cli, &err);
    int rc = reader == NULL ? err.code : sm_reader_outbox(reader, &due, &due_for_us, &later, &err);
    sm_reader_close(reader);
    if (rc != 0) {
        note(exam, "postgres.outbox", WARN, err.text);
        return;
    }
    bool stuck = due > 0 && due_for_us > STUCK_US;
    snprintf(text, sizeof text,
             "%" PRId64 " durable jobs are due and not in Redis%s, %" PRId64 " wait for their time",
             due, stuck ? ": no daemon runs, or Redis refuses them (see a daemon's log)" : "",
             later);
    note(exam, "postgres.outbox", stuck ? WARN : FINE, text);
}

static void examine_postgres(struct exam *exam, const struct cli *cli)
{
    struct sm_pg_options options = cli_pg_options(cli);
    struct sm_schema_state s;
    struct sm_err err;
    char text[300];
    if (sm_schema_read(&options, &s, &err) != 0) {
        note_error(exam, "postgres", "PostgreSQL", &err);
        return;
    }
    snprintf(text, sizeof text, "PostgreSQL %s, database %s, user %s", s.server, s.database,
             s.user);
    note(exam, "postgres", FINE, text);
    snprintf(text, sizeof text, "version %d, this build needs %d%s", s.version, s.wanted,
             s.version < s.wanted   ? ": run stampmill db migrate"
             : s.version > s.wanted ? ": upgrade Stampmill"
                                    : "");
    note(exam, "postgres.schema", s.version == s.wanted ? FINE : BAD, text);
    if (s.version > 0)
        note(exam, "postgres.rights", s.can_work ? FINE : WARN,
             s.can_work ? "this user may store results"
                        : "this user may not store results: a worker needs stampmill_worker");
    snprintf(text, sizeof text, "%s is off: committed results can be lost, and workers refuse it",
             s.unsafe);
    note(exam, "postgres.durability", s.unsafe[0] == '\0' ? FINE : BAD,
         s.unsafe[0] == '\0' ? "fsync, synchronous_commit and full_page_writes are on" : text);
    if (s.version == s.wanted)
        judge_outbox(exam, cli);
}

int cli_doctor(struct cli *cli, struct sm_err *err)
{
    struct exam exam = {.bad = 0};
    out_open(&exam.out, cli->json, true);
    examine_redis(&exam, cli);
    examine_postgres(&exam, cli);
    int rc = out_close(&exam.out, err);
    if (rc != 0)
        return rc;
    return exam.exit != 0 ? exam.exit : exam.bad > 0 ? EXIT_FAILED : EXIT_OK;
}

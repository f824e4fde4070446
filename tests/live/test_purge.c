/*
 * `stampmill queue purge` with real daemons and under the least rights of an admin: what waits
 * ends, what runs runs on, and what has ended stays so, whatever Redis loses and wherever it was
 * cut short.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "queue/purge.h"
#include "store/purge.h"
#include "tests/live/fleet.h"

static char *command(void)
{
    static char line[1000];
    sql("DO $$ BEGIN CREATE ROLE live_purger LOGIN IN ROLE stampmill_admin; EXCEPTION WHEN "
        "duplicate_object THEN NULL; END $$");
    snprintf(line, sizeof line,
             "STAMPMILL_REDIS_URL='%s' STAMPMILL_DATABASE_URL='postgresql:///stampmill?host=%s&"
             "user=live_purger' exec %s/stampmill queue purge default",
             rig_url("admin"), rig_servers.dir, getenv("STAMPMILL_BIN"));
    return line;
}

/* Runs it; what it printed, until the next call. */
static const char *purge(const char *flag)
{
    static char said[1000];
    char line[1100];
    snprintf(line, sizeof line, "%s %s 2>&1", command(), flag);
    FILE *pipe = popen(line, "r");
    ck_assert_ptr_nonnull(pipe);
    said[fread(said, 1, sizeof said - 1, pipe)] = '\0';
    ck_assert_msg(pclose(pipe) == 0, "%s", said);
    return said;
}

/* One number of what it printed. */
static int counted(const char *said, const char *name)
{
    char key[40];
    snprintf(key, sizeof key, "\"%s\":", name);
    const char *at = strstr(said, key);
    ck_assert_msg(at != NULL, "no %s in %s", name, said);
    return atoi(at + strlen(key));
}

static void enqueue(const char *type, const char *args, int n, const char *more)
{
    sql("SELECT count(stampmill.enqueue('default', '%s', '%s'%s)) FROM generate_series(1, %d)",
        type, args, more, n);
}

/* A daemon that moves jobs and runs none of queue `default`. */
static pid_t mover(void)
{
    return rig_daemon("--worker.queues=elsewhere", NULL);
}

static int outbox(const char *where)
{
    return (int)sql_int("SELECT count(*) FROM stampmill.outbox WHERE %s", where);
}

/* Durable ones in Redis and in the outbox, plain ones, delayed ones of both kinds. */
static void fill(void)
{
    enqueue("debug.noop", "{}", 400, "");
    enqueue("debug.noop", "{}", 30, ", run_at => now() + interval '1 day'");
    enqueue("debug.noop", "{}", 20, ", run_at => now() + interval '20 s'");
    put_jobs(&(struct sm_job_spec){.type = "debug.noop"}, 250, NULL);
    rig_add("type", "debug.noop", "in_ms", "3600000", NULL);
    AWAIT(10000, outbox("epoch IS NOT NULL") == 420);
}

START_TEST(purged_durable_jobs_stay_so_after_a_wipe_and_others_run)
{
    pid_t relay = mover();
    fill();
    const char *said = purge("--dry-run");
    ck_assert_int_eq(counted(said, "durable"), 450);
    ck_assert_int_eq(counted(said, "plain"), 251);
    ck_assert_int_eq(queue_length(), 671); /* nothing was done */
    said = purge("--yes");
    ck_assert_int_eq(counted(said, "durable"), 450);
    ck_assert_int_eq(counted(said, "plain"), 251);
    ck_assert_int_eq(queue_length(), 0);
    ck_assert_int_eq(rows_in("cancelled"), 450);
    ck_assert_int_eq(outbox("true"), 0);
    rig_text("FLUSHALL");
    enqueue("debug.noop", "{}", 1, "");
    AWAIT(10000, queue_length() == 1);
    pid_t daemon = rig_daemon(NULL);
    AWAIT(10000, rows_in("succeeded") == 1);
    ck_assert_int_eq(rows_in("cancelled"), 450);
    ck_assert_int_eq(rig_end(relay, SIGTERM), 0);
    rig_end_clean(daemon);
}
END_TEST

START_TEST(what_redis_has_lost_is_ended_before_anybody_notices)
{
    pid_t relay = mover();
    enqueue("debug.noop", "{}", 150, "");
    AWAIT(10000, outbox("epoch IS NOT NULL") == 150);
    ck_assert_int_eq(rig_end(relay, SIGTERM), 0);
    rig_text("FLUSHALL");
    ck_assert_int_eq(counted(purge("--yes"), "durable"), 150);
    relay = mover();
    enqueue("debug.noop", "{}", 1, "");
    AWAIT(10000, queue_length() == 1);
    ck_assert_int_eq(outbox("true"), 1);
    ck_assert_int_eq(rig_end(relay, SIGTERM), 0);
}
END_TEST

START_TEST(what_runs_runs_on_and_what_waits_to_be_tried_again_ends)
{
    pid_t daemon = rig_daemon("--worker.stamps=4", NULL);
    struct sm_job_spec failing = {
        .type = "debug.fail", .args_json = "{\"how\":\"temporary\"}", .backoff_ms = 3600000};
    put_jobs(&failing, 1, NULL);
    enqueue("debug.fail", "{\"how\":\"temporary\",\"on_attempts\":[1]}", 1, "");
    AWAIT(10000, sql_int("SELECT count(*) FROM stampmill.attempts") == 2);
    AWAIT(10000, rig_int("ZCARD sm:{default}:later") >= 1);
    AWAIT(10000, queue_in_flight() == 0);
    enqueue("debug.sleep", "{\"ms\":3000}", 1, "");
    put_job("debug.sleep", "{\"ms\":3000}");
    AWAIT(10000, queue_in_flight() == 2);
    const char *said = purge("--yes");
    ck_assert_int_eq(counted(said, "running"), 2);
    ck_assert_int_eq(counted(said, "plain"), 1);
    AWAIT(10000, rows_in("succeeded") + rows_in("cancelled") == 3);
    ck_assert_int_ge(rows_in("succeeded"), 2);
    AWAIT(10000, outbox("true") == 0);
    rig_end_clean(daemon);
}
END_TEST

/* Workers fetch as fast as they can while it is purged, and producers go on. */
START_TEST(under_load_every_durable_job_ends_once_and_nothing_is_left)
{
    pid_t a = rig_daemon("--worker.stamps=2", NULL), b = rig_daemon("--worker.stamps=2", NULL);
    int ended = 0;
    for (int round = 0; round < 3; round++) {
        enqueue("debug.sleep", "{\"ms\":2}", 1000, "");
        put_jobs(&(struct sm_job_spec){.type = "debug.sleep", .args_json = "{\"ms\":2}"}, 300,
                 NULL);
        AWAIT(10000, queue_length() > 300);
        ended += counted(purge("--yes"), "durable");
    }
    AWAIT(60000, outbox("true") == 0 && queue_length() == 0);
    int cancelled = rows_in("cancelled");
    printf("under load: %d durable jobs purged, %d of them ran all the same\n", ended,
           ended - cancelled);
    ck_assert_int_gt(ended, 0);
    ck_assert_int_le(cancelled, ended);
    ck_assert_int_eq(rows_in("dead"), 0);
    ck_assert_int_ge(sql_int("SELECT count(*) FROM stampmill.results"), 3000);
    ck_assert_int_eq(rig_end(a, SIGTERM), 0);
    rig_end_clean(b);
}
END_TEST

/* Runs it and kills it after a while. True when it had ended by itself. */
static bool purge_killed(int after_ms)
{
    char line[1100];
    int status;
    snprintf(line, sizeof line, "%s --yes >/dev/null 2>&1", command());
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", line, (char *)NULL);
        _exit(127);
    }
    nap_ms(after_ms);
    kill(pid, SIGKILL);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

START_TEST(killed_again_and_again_it_ends_right_at_last)
{
    pid_t relay = mover();
    int kills = 0;
    fill();
    for (int after_ms = 4; !purge_killed(after_ms); after_ms += 2 + after_ms / 4, kills++)
        ;
    printf("killed %d times\n", kills);
    ck_assert_int_gt(kills, 0);
    ck_assert_int_eq(queue_length(), 0);
    ck_assert_int_eq(rows_in("cancelled"), 450);
    ck_assert_int_eq(outbox("true"), 0);
    ck_assert_int_eq(rig_int("EXISTS sm:{default}:later sm:{default}:tries"), 0);
    ck_assert_int_eq(rig_end(relay, SIGTERM), 0);
}
END_TEST

/* The one step that leaves something: rows are ended, entries wait still. */
START_TEST(cut_short_before_the_entries_are_deleted_it_deletes_them_when_repeated)
{
    pid_t relay = mover();
    struct sm_purge_row rows[SM_PURGE_ROWS];
    struct sm_purge_count count;
    struct sm_id below;
    struct sm_err err;
    char url[300];
    size_t n;
    memset(&below, 0xff, sizeof below);
    enqueue("debug.noop", "{}", 60, "");
    AWAIT(10000, outbox("epoch IS NOT NULL") == 60);
    snprintf(url, sizeof url, "postgresql:///stampmill?host=%s&user=stampmill", rig_servers.dir);
    struct sm_pg_options pg = {.url = url, .application = "test"};
    struct sm_reader *reader = sm_reader_open(&pg, &err);
    ck_assert_msg(reader != NULL, "%s", err.text);
    ck_assert_int_eq(sm_reader_purge_count(reader, "default", &count, &err), 0);
    ck_assert_uint_eq(count.rows, 60);
    ck_assert_int_eq(sm_reader_purge_rows(reader, "default", count.now, &below, rows, &n, &err), 0);
    ck_assert_uint_eq(n, 60);
    ck_assert_int_eq(sm_reader_purge(reader, "default", rows, n, &err), 0);
    sm_reader_close(reader);
    ck_assert_int_eq(queue_length(), 60);
    const char *said = purge("--yes");
    ck_assert_int_eq(counted(said, "durable") + counted(said, "plain"), 0);
    ck_assert_int_eq(queue_length(), 0);
    ck_assert_int_eq(rows_in("cancelled"), 60);
    ck_assert_int_eq(rig_end(relay, SIGTERM), 0);
}
END_TEST

int main(void)
{
    return RIG_SUITE("purge, live", {purged_durable_jobs_stay_so_after_a_wipe_and_others_run, 0},
                     {what_redis_has_lost_is_ended_before_anybody_notices, 0},
                     {what_runs_runs_on_and_what_waits_to_be_tried_again_ends, 0},
                     {under_load_every_durable_job_ends_once_and_nothing_is_left, 0},
                     {killed_again_and_again_it_ends_right_at_last, 0},
                     {cut_short_before_the_entries_are_deleted_it_deletes_them_when_repeated, 0});
}

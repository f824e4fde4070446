/*
 * SIGKILL of the daemon at some moment of a 20,000-job run, restart, drain: the producer's ids and
 * the rows' ids are the same, every result is the one computed apart, Redis holds nothing of a job.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/live/rig.h"

#define JOBS 20000

static struct sm_id ids[JOBS];
static struct sm_job_spec specs[JOBS];
static char args[JOBS][32];

static void enqueue_all(void)
{
    struct sm_err err;
    size_t enqueued = 0;
    struct sm_client *client = rig_client();
    for (int i = 0; i < JOBS; i++) {
        snprintf(args[i], sizeof args[i], "{\"n\":%d}", i);
        specs[i] = (struct sm_job_spec){.type = "debug.echo", .args_json = args[i]};
    }
    ck_assert_msg(sm_enqueue_many(client, specs, JOBS, ids, &enqueued, &err) == 0, "%s", err.text);
    ck_assert_uint_eq(enqueued, JOBS);
    sm_client_close(client);
}

/* Kills a daemon while some jobs are settled, some in flight and some waiting; false when the
 * moment was missed. */
static bool kill_in_the_middle(struct sm_inspector *in)
{
    pid_t daemon = rig_daemon(NULL);
    uint64_t left = (uint64_t)(JOBS / 4 + rand() % (JOBS / 2));
    ck_assert(rig_wait_length(in, left));
    ck_assert_int_eq(rig_end(daemon, SIGKILL), -SIGKILL);
    struct sm_queue_state state = rig_look(in);
    return state.length < JOBS && state.in_flight > 0 && state.waiting > 0;
}

static void check_rows(void)
{
    struct sm_reader *reader = rig_reader();
    struct sm_err err;
    for (int i = 0; i < JOBS; i++) {
        struct sm_job_row row;
        int n = -1;
        ck_assert_msg(sm_reader_job(reader, &ids[i], 0, &row, &err) == 0, "%s", err.text);
        ck_assert_str_eq(row.state, "succeeded");
        ck_assert_int_eq(row.attempt, 1);
        ck_assert_msg(sscanf(row.result, "{\"n\": %d}", &n) == 1 && n == i, "%s", row.result);
        sm_job_row_free(&row);
    }
    sm_reader_close(reader);
}

START_TEST(a_killed_daemon_loses_nothing_and_stores_nothing_twice)
{
    struct sm_inspector *in = rig_inspector();
    bool caught = false;
    for (int tries = 0; tries < 5 && !caught; tries++) {
        enqueue_all();
        caught = kill_in_the_middle(in);
        pid_t daemon = rig_daemon(NULL);
        ck_assert_msg(rig_wait_length(in, 0), "the successor does not finish the queue");
        ck_assert_int_eq(rig_end(daemon, SIGTERM), 0);
        check_rows();
    }
    ck_assert_msg(caught, "never killed in the middle");
    struct sm_queue_state state = rig_look(in);
    ck_assert_uint_eq(state.in_flight + state.free + state.later + state.workers, 0);
    ck_assert_int_eq(rig_int("EXISTS sm:{default}:tries sm:{default}:later"), 0);
    sm_inspector_close(in);
}
END_TEST

START_TEST(a_drain_hands_unstarted_jobs_back_and_owns_nothing_after)
{
    struct sm_inspector *in = rig_inspector();
    struct sm_client *client = rig_client();
    struct sm_err err;
    for (int i = 0; i < 20; i++) {
        struct sm_job_spec job = {.type = "debug.sleep", .args_json = "{\"ms\":300}"};
        ck_assert_int_eq(sm_enqueue(client, &job, NULL, &err), 0);
    }
    pid_t daemon = rig_daemon("--worker.stamps=2", NULL);
    ck_assert(rig_wait_length(in, 18));
    ck_assert_int_eq(rig_end(daemon, SIGTERM), 0);
    struct sm_queue_state state = rig_look(in);
    ck_assert_uint_gt(state.length, 0);
    ck_assert_uint_eq(state.in_flight, 0);
    ck_assert_uint_eq(state.workers, 0);
    ck_assert_uint_eq(state.waiting, state.length);
    sm_client_close(client);
    sm_inspector_close(in);
}
END_TEST

int main(void)
{
    srand((unsigned)time(NULL));
    return RIG_SUITE("live_kill", {a_killed_daemon_loses_nothing_and_stores_nothing_twice, 0},
                     {a_drain_hands_unstarted_jobs_back_and_owns_nothing_after, 0});
}

/*
 * SIGKILL of the daemon at some moment of a 20,000-job run, restart, drain: the producer's ids and
 * the rows' ids are the same, every result is the one computed apart, Redis holds nothing of a job.
 */
#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "queue/inspect.h"
#include "stampmill/producer.h"
#include "store/read.h"
#include "tests/live/rig.h"

#define JOBS 20000

static struct sm_id ids[JOBS];
static struct sm_job_spec specs[JOBS];
static char args[JOBS][32];

static void enqueue_all(const struct rig *rig)
{
    struct sm_err err;
    size_t enqueued = 0;
    struct sm_client *client = sm_client_open(rig->redis, &err);
    ck_assert_msg(client != NULL, "%s", err.text);
    for (int i = 0; i < JOBS; i++) {
        snprintf(args[i], sizeof args[i], "{\"n\":%d}", i);
        specs[i] = (struct sm_job_spec){.type = "debug.echo", .args_json = args[i]};
    }
    ck_assert_msg(sm_enqueue_many(client, specs, JOBS, ids, &enqueued, &err) == 0, "%s", err.text);
    ck_assert_uint_eq(enqueued, JOBS);
    sm_client_close(client);
}

static struct sm_queue_state look(struct sm_inspector *in)
{
    struct sm_queue_state *states, state = {.length = 0};
    struct sm_err err;
    size_t n;
    ck_assert_msg(sm_inspect_queues(in, &states, &n, &err) == 0, "%s", err.text);
    if (n > 0)
        state = states[0];
    free(states);
    return state;
}

/* Waits until at most `most` entries are left; false after 60 s. */
static bool wait_length(struct sm_inspector *in, uint64_t most)
{
    for (int i = 0; i < 12000; i++) {
        if (look(in).length <= most)
            return true;
        poll(NULL, 0, 5);
    }
    return false;
}

/* Kills a daemon while some jobs are settled, some in flight and some waiting; false when the
 * moment was missed. */
static bool kill_in_the_middle(const struct rig *rig, struct sm_inspector *in)
{
    pid_t daemon = rig_daemon(rig, NULL);
    uint64_t left = (uint64_t)(JOBS / 4 + rand() % (JOBS / 2));
    ck_assert(wait_length(in, left));
    ck_assert_int_eq(rig_end(daemon, SIGKILL), -SIGKILL);
    struct sm_queue_state state = look(in);
    return state.length < JOBS && state.in_flight > 0 && state.waiting > 0;
}

static void check_rows(const struct rig *rig)
{
    struct sm_pg_options pg = {.url = rig->postgres, .application = "test"};
    struct sm_err err;
    struct sm_reader *reader = sm_reader_open(&pg, &err);
    ck_assert_msg(reader != NULL, "%s", err.text);
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
    struct rig rig;
    struct sm_err err;
    bool caught = false;
    rig_start(&rig);
    struct sm_inspector *in = sm_inspector_open(rig.redis, &err);
    ck_assert_msg(in != NULL, "%s", err.text);
    for (int tries = 0; tries < 5 && !caught; tries++) {
        enqueue_all(&rig);
        caught = kill_in_the_middle(&rig, in);
        pid_t daemon = rig_daemon(&rig, NULL);
        ck_assert_msg(wait_length(in, 0), "the successor does not finish the queue");
        ck_assert_int_eq(rig_end(daemon, SIGTERM), 0);
        check_rows(&rig);
    }
    ck_assert_msg(caught, "never killed in the middle");
    struct sm_queue_state state = look(in);
    ck_assert_uint_eq(state.in_flight + state.free + state.later + state.workers, 0);
    ck_assert_str_eq(rig_redis(&rig, "EXISTS 'sm:{default}:tries' 'sm:{default}:later'"), "0\n");
    sm_inspector_close(in);
    rig_stop(&rig);
}
END_TEST

START_TEST(a_drain_hands_unstarted_jobs_back_and_owns_nothing_after)
{
    struct rig rig;
    struct sm_err err;
    rig_start(&rig);
    struct sm_inspector *in = sm_inspector_open(rig.redis, &err);
    struct sm_client *client = sm_client_open(rig.redis, &err);
    ck_assert(in != NULL && client != NULL);
    for (int i = 0; i < 20; i++) {
        struct sm_job_spec job = {.type = "debug.sleep", .args_json = "{\"ms\":300}"};
        ck_assert_int_eq(sm_enqueue(client, &job, NULL, &err), 0);
    }
    pid_t daemon = rig_daemon(&rig, "--worker.stamps=2", NULL);
    ck_assert(wait_length(in, 18));
    ck_assert_int_eq(rig_end(daemon, SIGTERM), 0);
    struct sm_queue_state state = look(in);
    ck_assert_uint_gt(state.length, 0);
    ck_assert_uint_eq(state.in_flight, 0);
    ck_assert_uint_eq(state.workers, 0);
    ck_assert_uint_eq(state.waiting, state.length);
    sm_client_close(client);
    sm_inspector_close(in);
    rig_stop(&rig);
}
END_TEST

int main(void)
{
    srand((unsigned)time(NULL));
    Suite *suite = suite_create("the daemon, live");
    TCase *tc = tcase_create("kill and drain");
    tcase_set_timeout(tc, 280);
    tcase_add_test(tc, a_killed_daemon_loses_nothing_and_stores_nothing_twice);
    tcase_add_test(tc, a_drain_hands_unstarted_jobs_back_and_owns_nothing_after);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}

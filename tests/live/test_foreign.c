/*
 * What somebody else has put into our keys: members that are no ids, ids of no entry, workers that
 * never were, keys of another type. The daemon goes on, or says what is wrong and goes on when it
 * is mended; the jobs around it end as they should.
 */
#include <stdio.h>
#include <string.h>

#include "tests/live/fleet.h"

static void start(struct mill *m)
{
    mill_init(m, "m", "host", NULL);
    mill_start(m);
}

/* New jobs of each kind end: at once, delayed, and after a failed attempt. */
static void check_works(int jobs)
{
    put_jobs(&(struct sm_job_spec){.type = "debug.noop"}, 10, NULL);
    put_jobs(&(struct sm_job_spec){.type = "debug.noop", .in_ms = 300}, 10, NULL);
    put_jobs(&(struct sm_job_spec){.type = "debug.fail",
                                   .args_json = "{\"how\":\"temporary\",\"on_attempts\":[1]}",
                                   .backoff_ms = 100},
             10, NULL);
    AWAIT(5000, rows_in("succeeded") == jobs + 30);
    AWAIT(3000, queue_length() == 0);
}

static void end_clean(struct mill *m)
{
    mill_drain(m);
    check_redis_clean();
}

START_TEST(members_of_later_that_are_no_parked_entries_go_when_they_are_due)
{
    struct mill m;
    start(&m);
    rig_text("ZADD sm:{default}:later 1 garbage");
    rig_text("ZADD sm:{default}:later 2 7-7");
    rig_text("ZADD sm:{default}:later 3 99999999999999999999999-1");
    rig_text("ZADD sm:{default}:later -inf -");
    check_works(0);
    AWAIT(3000, rig_int("ZCARD sm:{default}:later") == 0);
    end_clean(&m);
}
END_TEST

START_TEST(tries_that_are_no_numbers_count_as_none)
{
    struct mill m;
    rig_text("XADD sm:{default}:jobs 5-5 type debug.noop");
    rig_text("HSET sm:{default}:tries 5-5 garbage");
    rig_text("HSET sm:{default}:tries garbage 1");
    rig_text("HSET sm:{default}:tries 7-7 %s", "999999999999999999999");
    start(&m);
    AWAIT(3000, rows_in("succeeded") == 1);
    check_works(1);
    end_clean(&m);
}
END_TEST

START_TEST(workers_that_never_were_are_struck_off)
{
    struct mill m;
    start(&m);
    rig_text("ZADD sm:{default}:workers 1 nobody");
    rig_text("XGROUP CREATECONSUMER sm:{default}:jobs mill stranger");
    rig_text("HSET sm:{default}:meta lease:nobody garbage");
    rig_text("ZADD sm:{default}:cancelled 1 garbage");
    rig_text("SADD sm:queues {bad}name");
    rig_text("SET sm:worker:foreign text");
    check_works(0);
    AWAIT(4000, rig_int("ZCARD sm:{default}:workers") == 1);
    AWAIT(4000, rig_int("EXISTS sm:{default}:cancelled") == 0);
    end_clean(&m);
}
END_TEST

/* Nothing is lost: the daemon says so, and waits until somebody has mended it. */
START_TEST(a_key_of_another_type_is_said_and_waited_for)
{
    static const char *const keys[] = {"later", "tries", "workers", "cancelled"};
    struct mill m;
    start(&m);
    for (int i = 0; i < 4; i++) {
        rig_text("DEL sm:{default}:%s", keys[i]);
        rig_text("SET sm:{default}:%s text", keys[i]);
        put_jobs(&(struct sm_job_spec){.type = "debug.noop", .in_ms = 100}, 5, NULL);
        AWAIT(4000, mill_said(&m, "WRONGTYPE") || queue_length() == 0);
        ck_assert_int_eq(mill_get(&m, "/livez", NULL), 200);
        rig_text("DEL sm:{default}:%s", keys[i]);
        AWAIT(5000, queue_length() == 0);
        AWAIT(2000, mill_ready(&m));
    }
    check_works(20);
    end_clean(&m);
}
END_TEST

START_TEST(an_id_is_enqueued_again_in_one_batch_and_after_its_end)
{
    struct sm_id ids[2] = {sm_id_new(), sm_id_new()};
    struct mill m;
    start(&m);
    put_jobs(&(struct sm_job_spec){.id = &ids[0], .type = "debug.noop"}, 20, NULL);
    AWAIT(3000, queue_length() == 0);
    ck_assert_str_eq(row_text(&ids[0], "state"), "succeeded");
    const char *finished = row_text(&ids[0], "finished_at");
    char before[64];
    snprintf(before, sizeof before, "%s", finished);
    put_jobs(&(struct sm_job_spec){.id = &ids[0],
                                   .type = "debug.fail",
                                   .args_json = "{\"how\":\"permanent\"}"},
             5, NULL);
    AWAIT(3000, queue_length() == 0);
    ck_assert_str_eq(row_text(&ids[0], "finished_at"), before);
    put_jobs(&(struct sm_job_spec){.id = &ids[1],
                                   .type = "debug.fail",
                                   .args_json = "{\"how\":\"permanent\"}"},
             5, NULL);
    AWAIT(3000, queue_length() == 0);
    ck_assert_str_eq(row_text(&ids[1], "state"), "dead");
    put_jobs(&(struct sm_job_spec){.id = &ids[1], .type = "debug.noop"}, 5, NULL);
    AWAIT(3000, queue_length() == 0);
    ck_assert_str_eq(row_text(&ids[1], "state"), "succeeded");
    ck_assert_int_eq(sql_int("SELECT count(*) FROM stampmill.results"), 2);
    end_clean(&m);
}
END_TEST

START_TEST(times_in_the_far_past_are_now_and_those_in_the_far_future_wait)
{
    struct mill m;
    start(&m);
    rig_add("type", "debug.noop", "at_ms", "0", NULL);
    rig_add("type", "debug.noop", "at_ms", "1", NULL);
    rig_add("type", "debug.noop", "in_ms", "0", NULL);
    AWAIT(3000, rows_in("succeeded") == 3);
    rig_add("type", "debug.noop", "at_ms", "253402300799999", NULL);
    rig_add("type", "debug.noop", "in_ms", "31622400000", NULL);
    AWAIT(3000, rig_int("ZCARD sm:{default}:later") == 2);
    rig_add("type", "debug.noop", "at_ms", "253402300800000", NULL);
    rig_add("type", "debug.noop", "in_ms", "31622400001", NULL);
    rig_add("type", "debug.noop", "expires_ms", "1", NULL);
    AWAIT(3000, rows_in("dead") == 3);
    ck_assert_str_eq(sql("SELECT string_agg(error_code, ' ' ORDER BY error_code) FROM "
                         "stampmill.results WHERE state = 'dead'"),
                     "bad_envelope bad_envelope expired");
    ck_assert_int_eq(queue_length(), 2);
    mill_drain(&m);
}
END_TEST

int main(void)
{
    return RIG_SUITE(
        "live_foreign", {members_of_later_that_are_no_parked_entries_go_when_they_are_due, 0},
        {tries_that_are_no_numbers_count_as_none, 0}, {workers_that_never_were_are_struck_off, 0},
        {a_key_of_another_type_is_said_and_waited_for, 0},
        {an_id_is_enqueued_again_in_one_batch_and_after_its_end, 0},
        {times_in_the_far_past_are_now_and_those_in_the_far_future_wait, 0});
}

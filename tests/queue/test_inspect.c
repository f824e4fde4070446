/* Looking at queues, under the least rights of an admin. */
#include <stdlib.h>
#include <string.h>

#include "queue/inspect.h"
#include "tests/queue/rig.h"

#define UUID "018bcfe5-6800-78ef-9dde-7a6f1bdb8116"

static struct sm_delivery items[10];

static struct sm_inspector *inspector(void)
{
    struct sm_err err;
    struct sm_inspector *in = sm_inspector_open(rig_url("admin"), &err);
    ck_assert_msg(in != NULL, "%s", err.text);
    return in;
}

START_TEST(a_queue_that_only_a_raw_xadd_touched_is_found)
{
    struct sm_inspector *in = inspector();
    struct sm_queue_state *states;
    struct sm_err err;
    size_t n;
    rig_text("XADD sm:{raw}:jobs * type t");
    rig_text("SET sm:{notme}:jobs 1");
    ck_assert_int_eq(sm_inspect_queues(in, &states, &n, &err), 0);
    ck_assert_uint_eq(n, 1);
    ck_assert_str_eq(states[0].name, "raw");
    ck_assert(!states[0].has_group && states[0].length == 1 && states[0].waiting == 1);
    ck_assert(states[0].oldest_ms >= 0 && states[0].oldest_ms < 60000);
    free(states);
    sm_inspector_close(in);
}
END_TEST

START_TEST(what_waits_is_counted_exactly)
{
    struct sm_inspector *in = inspector();
    struct sm_queue *q = rig_worker("w1", RIG_MANY);
    struct sm_intake intake = {.items = items, .room = 10};
    struct sm_entry_id ids[6];
    struct sm_queue_state *states;
    struct sm_beat beat;
    struct sm_err err;
    size_t n;
    for (int i = 0; i < 6; i++)
        ids[i] = rig_add("type t");
    ck_assert_int_eq(rig_fetch(q, 5, RIG_MANY, &intake, &err), 0);
    rig_free(&intake);
    ck_assert_int_eq(q->ops->beat(q, 0, 5000, &beat, &err), 0);
    ck_assert_int_eq(q->ops->settle(q, 0, ids + 4, 1, NULL, 0, &err), 0);
    rig_hand_back(q, ids, 2);
    struct sm_parking item = {.owned = {ids[2], 0}, .due_ms = beat.redis_ms + 60000};
    ck_assert_int_eq(q->ops->park(q, 0, &item, 1, &err), 0);
    ck_assert_int_eq(sm_inspect_queues(in, &states, &n, &err), 0);
    ck_assert(n == 1 && states[0].has_group && states[0].workers == 1);
    ck_assert_uint_eq(states[0].length, 5);
    ck_assert_uint_eq(states[0].in_flight, 1);
    ck_assert_uint_eq(states[0].free, 2);
    ck_assert_uint_eq(states[0].later, 1);
    ck_assert_uint_eq(states[0].waiting, 3);
    free(states);
    q->ops->close(q);
    sm_inspector_close(in);
}
END_TEST

START_TEST(an_entry_is_shown_with_owner_due_time_and_tries)
{
    struct sm_inspector *in = inspector();
    struct sm_queue *q = rig_worker("w1", RIG_MANY);
    struct sm_intake intake = {.items = items, .room = 1};
    struct sm_entry_id id = rig_add("type t input abc");
    struct sm_parking item = {.owned = {id, 0}, .due_ms = 1800000000000, .tries = {.attempts = 2}};
    struct sm_entry_state state;
    struct sm_err err;
    ck_assert_int_eq(sm_inspect_entry(in, "q", id, &state, &err), 0);
    ck_assert(state.owner[0] == '\0' && state.delivery.job.input.n == 3);
    sm_entry_state_free(&state);
    ck_assert_int_eq(rig_fetch(q, 1, RIG_MANY, &intake, &err), 0);
    rig_free(&intake);
    ck_assert_int_eq(q->ops->park(q, 0, &item, 1, &err), 0);
    ck_assert_int_eq(sm_inspect_entry(in, "q", id, &state, &err), 0);
    ck_assert_str_eq(state.owner, ":later");
    ck_assert_int_eq(state.due_ms, 1800000000000);
    ck_assert_int_eq(state.delivery.tries.attempts, 2);
    sm_entry_state_free(&state);
    id.seq++;
    ck_assert_int_eq(sm_inspect_entry(in, "q", id, &state, &err), SM_E_NOT_FOUND);
    q->ops->close(q);
    sm_inspector_close(in);
}
END_TEST

START_TEST(a_job_id_is_read_or_derived_or_not_known)
{
    struct sm_inspector *in = inspector();
    struct sm_entry_id own = rig_add("type t id " UUID), derived = rig_add("type t"), gone = {5, 5};
    char text[SM_ID_TEXT];
    struct sm_err err;
    struct sm_id id, again;
    ck_assert_int_eq(sm_inspect_job_id(in, "q", own, &id, &err), 0);
    sm_id_format(&id, text);
    ck_assert_str_eq(text, UUID);
    ck_assert_int_eq(sm_inspect_job_id(in, "q", derived, &id, &err), SM_E_NOT_FOUND);
    ck_assert_int_eq(sm_inspect_job_id(in, "q", gone, &id, &err), SM_E_NOT_FOUND);
    struct sm_queue *q = rig_worker("w1", RIG_MANY);
    again = sm_entry_job_id(rig_text("HGET sm:{q}:meta incarnation"), "q", derived);
    ck_assert_int_eq(sm_inspect_job_id(in, "q", derived, &id, &err), 0);
    ck_assert_mem_eq(id.b, again.b, 16);
    ck_assert_int_eq(sm_inspect_job_id(in, "q", gone, &id, &err), 0);
    q->ops->close(q);
    sm_inspector_close(in);
}
END_TEST

START_TEST(a_waiting_job_is_found_by_its_id_over_many_pages)
{
    struct sm_inspector *in = inspector();
    struct sm_entry_id wanted = rig_add("type t id " UUID);
    char queue[SM_QUEUE_NAME_MAX + 1];
    struct sm_entry_state state;
    struct sm_err err;
    struct sm_id id;
    ck_assert(sm_id_parse(UUID, 36, &id));
    for (int i = 0; i < 200; i++)
        rig_add("type t");
    rig_text("XADD sm:{other}:jobs * type t");
    ck_assert_int_eq(sm_inspect_find(in, &id, 1000, queue, &state, &err), 0);
    ck_assert_str_eq(queue, "q");
    ck_assert_int_eq(sm_entry_id_compare(state.delivery.entry, wanted), 0);
    sm_entry_state_free(&state);
    ck_assert_int_eq(sm_inspect_find(in, &id, 100, queue, &state, &err), SM_E_NOT_FOUND);
    sm_inspector_close(in);
}
END_TEST

START_TEST(health_says_what_doctor_asks)
{
    struct sm_inspector *in = inspector();
    struct sm_redis_health health;
    struct sm_err err;
    ck_assert_int_eq(sm_inspect_health(in, &health, &err), 0);
    ck_assert(health.version[0] >= '7' && health.aof && health.aof_ok && health.scripts);
    ck_assert(!health.cluster && health.used_memory > 0);
    ck_assert_str_eq(health.role, "master");
    ck_assert_str_eq(health.policy, "noeviction");
    sm_inspector_close(in);
}
END_TEST

int main(void)
{
    return RIG_SUITE(
        "queue_inspect", {a_queue_that_only_a_raw_xadd_touched_is_found, 0},
        {what_waits_is_counted_exactly, 0}, {an_entry_is_shown_with_owner_due_time_and_tries, 0},
        {a_job_id_is_read_or_derived_or_not_known, 0},
        {a_waiting_job_is_found_by_its_id_over_many_pages, 0}, {health_says_what_doctor_asks, 0});
}

/* The queue when the world misbehaves: cuts, wipes, full memory, large entries, missing rights,
 * silence. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/queue/rig.h"

/* Adds a job with so many bytes of input, under an id of its own. */
static struct sm_entry_id add_large(size_t size)
{
    char *words = malloc(size + 200);
    struct sm_entry_id id;
    const char *head = "type t id 018bcfe5-6800-78ef-9dde-7a6f1bdb8116 input ";
    strcpy(words, head);
    memset(words + strlen(head), 'x', size);
    words[strlen(head) + size] = '\0';
    id = rig_add(words);
    free(words);
    return id;
}

START_TEST(a_settle_that_was_cut_in_two_heals)
{
    struct sm_queue *q = rig_worker("w1", RIG_MANY);
    struct sm_entry_id mine = rig_leased(q), freed = rig_leased(q);
    struct sm_intake in = rig_intake(2);
    struct sm_err err;
    int64_t due;
    rig_hand_back(q, &freed, 1);
    rig_int("XDEL sm:{q}:jobs %llu-%llu %llu-%llu", (unsigned long long)mine.ms,
            (unsigned long long)mine.seq, (unsigned long long)freed.ms,
            (unsigned long long)freed.seq);
    ck_assert_int_eq(rig_int("XPENDING sm:{q}:jobs mill - + 10"), 2);
    ck_assert_int_eq(q->ops->take(q, 0, &mine, 1, RIG_MANY, RIG_MANY, &in, &err), 0);
    ck_assert(in.n == 0 && in.gone == 1);
    ck_assert_int_eq(q->ops->tick(q, 0, 5, RIG_MANY, &in, &due, &err), 0);
    ck_assert_uint_eq(in.n, 0);
    ck_assert_int_eq(rig_int("XPENDING sm:{q}:jobs mill - + 10"), 0);
    ck_assert_int_eq(rig_int("EXISTS sm:{q}:tries"), 0);
    q->ops->close(q);
}
END_TEST

START_TEST(forgotten_scripts_are_sent_again)
{
    struct sm_queue *q = rig_worker("w1", RIG_MANY);
    struct sm_beat beat;
    struct sm_err err;
    rig_text("SCRIPT FLUSH");
    ck_assert_int_eq(q->ops->beat(q, 0, 5000, &beat, &err), 0);
    q->ops->close(q);
}
END_TEST

START_TEST(a_deleted_group_is_said_and_made_anew)
{
    struct sm_queue *q = rig_worker("w1", RIG_MANY);
    struct sm_intake in = rig_intake(1);
    struct sm_err err;
    struct sm_entry_id id = rig_add("type t");
    rig_int("XGROUP DESTROY sm:{q}:jobs mill");
    ck_assert_int_eq(rig_fetch(q, 1, RIG_MANY, &in, &err), SM_E_NO_GROUP);
    ck_assert_int_eq(q->ops->connect(q, 2000, &err), 0);
    ck_assert_int_eq(rig_fetch(q, 1, RIG_MANY, &in, &err), 0);
    ck_assert(in.n == 1 && sm_entry_id_compare(in.items[0].entry, id) == 0);
    rig_free(&in);
    q->ops->close(q);
}
END_TEST

START_TEST(a_reply_over_the_budget_is_taken_one_by_one)
{
    struct sm_queue *q = rig_worker("w1", RIG_MANY);
    struct sm_entry_id ids[3], owned[5];
    struct sm_intake in = rig_intake(5);
    struct sm_err err;
    size_t n;
    for (int i = 0; i < 3; i++)
        ids[i] = add_large(2000);
    ck_assert_int_eq(rig_fetch(q, 5, 4500, &in, &err), SM_E_OVER_BUDGET);
    ck_assert_uint_eq(in.n, 0);
    ck_assert_int_eq(q->ops->connect(q, 2000, &err), 0);
    ck_assert_int_eq(q->ops->owned(q, 0, (struct sm_entry_id){0, 0}, owned, 5, &n, &err), 0);
    ck_assert_uint_eq(n, 3);
    ck_assert_mem_eq(owned, ids, sizeof ids);
    ck_assert_int_eq(q->ops->take(q, 0, owned, 3, RIG_MANY, 4500, &in, &err), 0);
    ck_assert_uint_eq(in.n, 2); /* the third does not fit, and stays owned */
    rig_free(&in);
    ck_assert_int_eq(q->ops->take(q, 0, owned + 2, 1, RIG_MANY, 4500, &in, &err), 0);
    ck_assert(in.n == 1 && in.items[0].job.input.n == 2000);
    ck_assert_str_eq(rig_owner(ids[2]), "w1");
    rig_free(&in);
    q->ops->close(q);
}
END_TEST

START_TEST(what_a_tick_took_and_does_not_fit_comes_by_the_audit)
{
    struct sm_queue *q = rig_worker("w1", RIG_MANY);
    struct sm_entry_id ids[2] = {add_large(2000), add_large(2000)};
    struct sm_intake in = rig_intake(5);
    struct sm_err err;
    int64_t due;
    ck_assert_int_eq(rig_fetch(q, 5, RIG_MANY, &in, &err), 0);
    rig_free(&in);
    rig_hand_back(q, ids, 2);
    ck_assert_int_eq(q->ops->tick(q, 0, 5, 3000, &in, &due, &err), 0);
    ck_assert_uint_eq(in.n, 1);
    ck_assert_str_eq(rig_owner(ids[1]), "w1");
    rig_free(&in);
    ck_assert_int_eq(q->ops->take(q, 0, ids + 1, 1, RIG_MANY, 3000, &in, &err), 0);
    ck_assert(in.n == 1 && in.items[0].tries.takes == 1);
    rig_free(&in);
    q->ops->close(q);
}
END_TEST

START_TEST(an_entry_over_the_limit_comes_under_its_id_and_the_others_whole)
{
    struct sm_queue *q = rig_worker("w1", 3000);
    struct sm_intake in = rig_intake(5);
    struct sm_err err;
    char id[SM_ID_TEXT];
    add_large(3500);
    rig_add("type t input abc");
    ck_assert_int_eq(rig_fetch(q, 5, 3000, &in, &err), 0);
    ck_assert_uint_eq(in.n, 2);
    sm_id_format(&in.items[0].job.id, id);
    ck_assert_str_eq(id, "018bcfe5-6800-78ef-9dde-7a6f1bdb8116");
    ck_assert_int_eq(in.items[0].code, SM_E_TOO_LARGE);
    ck_assert_uint_lt(in.items[0].job.memory_size, 1000);
    ck_assert(in.items[1].code == 0 && in.items[1].job.input.n == 3);
    rig_free(&in);
    q->ops->close(q);
}
END_TEST

START_TEST(a_full_redis_still_drains)
{
    struct sm_queue *q = rig_worker("w1", RIG_MANY);
    struct sm_entry_id ids[2] = {rig_leased(q), rig_leased(q)};
    struct sm_intake in = rig_intake(5);
    struct sm_beat beat;
    struct sm_err err;
    int64_t due;
    static const char *const pairs[] = {"pid", "1"};
    rig_add("type t");
    rig_text("CONFIG SET maxmemory 1");
    ck_assert_int_eq(q->ops->beat(q, 0, 5000, &beat, &err), 0);
    ck_assert_int_eq(q->ops->report(q, pairs, 1, 1000, &err), 0);
    rig_hand_back(q, ids, 1);
    ck_assert_int_eq(q->ops->tick(q, 0, 5, RIG_MANY, &in, &due, &err), 0);
    ck_assert_uint_eq(in.n, 1);
    ck_assert_int_eq(rig_fetch(q, 4, RIG_MANY, &in, &err), 0);
    ck_assert_uint_eq(in.n, 2);
    struct sm_parking item = {.owned = {ids[1], 0}, .due_ms = 1, .tries = {.attempts = 1}};
    ck_assert_int_eq(q->ops->park(q, 0, &item, 1, &err), 0);
    ck_assert(item.parked);
    ck_assert_int_eq(q->ops->settle(q, 0, ids, 1, ids, 1, &err), 0);
    ck_assert_int_eq(q->ops->connect(q, 2000, &err), 0);
    ck_assert_int_eq(rig_int("XLEN sm:{q}:jobs"), 2);
    rig_free(&in);
    q->ops->close(q);
}
END_TEST

/* What connecting says for a worker with this URL. */
static int connect_code(const char *url, bool allow_eviction, struct sm_err *err)
{
    static const char *const queues[] = {"q"};
    struct sm_redis_options options = {.url = url,
                                       .worker = "w1",
                                       .queues = queues,
                                       .queues_n = 1,
                                       .entry_limit = RIG_MANY,
                                       .allow_eviction = allow_eviction};
    struct sm_queue *q = sm_redis_queue_new(&options);
    int rc = q->ops->connect(q, 500, err);
    q->ops->close(q);
    return rc;
}

START_TEST(a_wrong_password_is_said_and_not_shown)
{
    char url[700];
    struct sm_err err;
    snprintf(url, sizeof url, "unix://sm_worker:hunter2@%s", rig_servers.redis_url + 7);
    ck_assert_int_eq(connect_code(url, false, &err), SM_E_AUTH);
    ck_assert(strstr(err.text, "hunter2") == NULL);
}
END_TEST

START_TEST(a_missing_right_is_named)
{
    struct sm_err err;
    ck_assert_int_eq(connect_code(rig_url("producer"), false, &err), SM_E_PERMISSION);
    ck_assert(strstr(err.text, "info") != NULL);
}
END_TEST

START_TEST(a_redis_that_may_evict_is_refused_unless_allowed)
{
    struct sm_err err;
    rig_text("CONFIG SET maxmemory-policy allkeys-lru");
    ck_assert_int_eq(connect_code(rig_url("worker"), false, &err), SM_E_UNSAFE);
    ck_assert(strstr(err.text, "allkeys-lru") != NULL);
    ck_assert_int_eq(connect_code(rig_url("worker"), true, &err), 0);
}
END_TEST

START_TEST(nobody_there_is_unreachable)
{
    struct sm_err err;
    ck_assert_int_eq(connect_code("unix:///nonexistent/redis.sock", false, &err), SM_E_UNREACHABLE);
    ck_assert(strstr(err.text, "/nonexistent/redis.sock") != NULL);
    ck_assert_int_eq(connect_code("redis://127.0.0.1:1", false, &err), SM_E_UNREACHABLE);
}
END_TEST

START_TEST(a_silent_server_is_given_up_within_the_time_out)
{
    static const char *const queues[] = {"q"};
    struct sm_redis_options options = {.url = rig_url("worker"),
                                       .worker = "w1",
                                       .queues = queues,
                                       .queues_n = 1,
                                       .entry_limit = RIG_MANY,
                                       .read_timeout_ms = 100};
    struct sm_queue *q = sm_redis_queue_new(&options);
    struct sm_intake in = rig_intake(1);
    struct sm_beat beat;
    struct sm_err err;
    ck_assert_int_eq(q->ops->connect(q, 2000, &err), 0);
    ck_assert_int_eq(kill(rig_servers.redis_pid, SIGSTOP), 0);
    int64_t began = sm_mono_us(&sm_clock_real);
    int beat_rc = q->ops->beat(q, 0, 5000, &beat, &err);
    int64_t took = sm_mono_us(&sm_clock_real) - began;
    ck_assert_int_eq(kill(rig_servers.redis_pid, SIGCONT), 0);
    ck_assert_int_eq(beat_rc, SM_E_TIMEOUT);
    ck_assert(took > 90000 && took < 2000000);
    ck_assert_int_eq(q->ops->connect(q, 2000, &err), 0);
    ck_assert_int_eq(kill(rig_servers.redis_pid, SIGSTOP), 0);
    int fetch_rc = rig_fetch(q, 1, RIG_MANY, &in, &err);
    ck_assert_int_eq(kill(rig_servers.redis_pid, SIGCONT), 0);
    ck_assert_int_eq(fetch_rc, SM_E_TIMEOUT);
    q->ops->close(q);
}
END_TEST

START_TEST(urls_are_read_or_refused_without_their_password)
{
    static const char *const good[] = {
        "redis://h",        "redis://u:p@h:1/2", "redis://:p@[::1]:6379",
        "unix:///a/b?db=3", "unix://u:p@/a",     "/a/b"};
    static const char *const bad[] = {"",        "h:6379",      "redis://",      "redis://h:99999",
                                      "unix://", "redis://h/x", "unix://u:pw@a", "rediss://u:pw@h"};
    struct sm_err err;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_msg(sm_redis_url_check(good[i], &err) == 0, "%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(sm_redis_url_check(bad[i], &err) == SM_E_CONFIG, "%s", bad[i]);
        ck_assert_msg(strstr(err.text, ":pw@") == NULL, "%s", err.text);
    }
}
END_TEST

int main(void)
{
    return RIG_SUITE(
        "queue_faults", {a_settle_that_was_cut_in_two_heals, 0},
        {forgotten_scripts_are_sent_again, 0}, {a_deleted_group_is_said_and_made_anew, 0},
        {a_reply_over_the_budget_is_taken_one_by_one, 0},
        {what_a_tick_took_and_does_not_fit_comes_by_the_audit, 0},
        {an_entry_over_the_limit_comes_under_its_id_and_the_others_whole, 0},
        {a_full_redis_still_drains, 0}, {a_wrong_password_is_said_and_not_shown, 0},
        {a_missing_right_is_named, 0}, {a_redis_that_may_evict_is_refused_unless_allowed, 0},
        {nobody_there_is_unreachable, 0}, {a_silent_server_is_given_up_within_the_time_out, 0},
        {urls_are_read_or_refused_without_their_password, 0});
}

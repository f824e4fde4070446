/*
 * The outbox on a real PostgreSQL, under the worker's rights: who takes what, what a mark, a
 * question and an end leave, and how a relay falls asleep and is woken.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/outbox.h"
#include "tests/store/fixture.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define ROWS 64

static struct sm_err err;
static const struct sm_outbox_row *rows;
static size_t n;

static struct sm_outbox *open_outbox(void)
{
    static char url[400]; /* must outlive it */
    snprintf(url, sizeof url, "postgresql:///stampmill?host=%s&user=mill", servers.dir);
    struct sm_pg_options options = {url, "test_outbox", false};
    struct sm_outbox *o = sm_pg_outbox_new(&options);
    int rc = o->ops->connect(o, 5000, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    return o;
}

#define CALL(outbox, op, ...)                                                                      \
    ck_assert_msg((outbox)->ops->op((outbox), ##__VA_ARGS__, &err) == 0, "%s", err.text)

static void set_up(void)
{
    fixture_start();
    sql("CREATE ROLE mill LOGIN IN ROLE stampmill_worker");
}

static void empty(void)
{
    sql("DELETE FROM stampmill.outbox");
    sql("DELETE FROM stampmill.results");
    sql("DELETE FROM stampmill.epochs");
}

static void enqueue(int count)
{
    sql("SELECT count(stampmill.enqueue('q', 'debug.noop', jsonb_build_object('n', n))) FROM "
        "generate_series(1, %d) AS n",
        count);
}

static size_t take(struct sm_outbox *o, size_t most)
{
    CALL(o, take, most, 1 << 20, NULL, 0, &rows, &n);
    return n;
}

/* Marks all that was taken, with entries 7-1, 7-2 and so on of an epoch. */
static void mark(struct sm_outbox *o, int32_t epoch)
{
    struct sm_outbox_mark marks[ROWS];
    for (size_t i = 0; i < n; i++)
        marks[i] = (struct sm_outbox_mark){
            .id = rows[i].id, .life = rows[i].life, .epoch = epoch, .entry_ms = 7, .entry_seq = i};
    CALL(o, mark, marks, n);
}

static int32_t epoch(struct sm_outbox *o, const char *queue, const char *run)
{
    int32_t number = 0;
    CALL(o, epoch, queue, "incarnation", run, &number);
    return number;
}

static size_t relayed(struct sm_outbox *o, int32_t of, int64_t silent_ms,
                      struct sm_outbox_mark *found)
{
    size_t found_n;
    CALL(o, relayed, of, silent_ms, found, ROWS, &found_n);
    return found_n;
}

/* ---- taking -- */

START_TEST(a_row_is_read_as_it_was_enqueued)
{
    struct sm_outbox *o = open_outbox();
    sql("SELECT stampmill.enqueue('mail', 'parse.csv', '{\"a\": 1.50}', '\\x610062', "
        "now() + interval '30 seconds', 7, '{\"k\": \"v\"}', "
        "'01932f8a-5c3e-7d10-9f52-0a1b2c3d4e5f')");
    ck_assert_uint_eq(take(o, 10), 1);
    char id[SM_ID_TEXT];
    sm_id_format(&rows[0].id, id);
    ck_assert_str_eq(id, "01932f8a-5c3e-7d10-9f52-0a1b2c3d4e5f");
    ck_assert_str_eq(rows[0].queue, "mail");
    ck_assert_mem_eq(rows[0].type.p, "parse.csv", 9);
    ck_assert_mem_eq(rows[0].args.p, "{\"a\": 1.50}", 11);
    ck_assert_mem_eq(rows[0].tags.p, "{\"k\": \"v\"}", 10);
    ck_assert_mem_eq(rows[0].input.p, "a\0b", 3);
    ck_assert_ptr_null(rows[0].envelope.p);
    ck_assert_int_eq(rows[0].max_attempts, 7);
    ck_assert_int_eq(rows[0].life, 1);
    int64_t ahead = rows[0].at_ms - rows[0].enqueued_ms;
    ck_assert(ahead >= 29990 && ahead <= 30010);
    ck_assert_uint_eq(strlen(o->ops->home(o)), 32);
    o->ops->close(o);
}
END_TEST

START_TEST(two_relays_take_different_rows_and_what_is_not_marked_is_due_again)
{
    struct sm_outbox *a = open_outbox(), *b = open_outbox();
    enqueue(10);
    ck_assert_uint_eq(take(a, 6), 6);
    ck_assert_uint_eq(take(b, 10), 4);
    mark(b, epoch(b, "q", "run"));
    CALL(a, mark, NULL, 0);
    ck_assert_uint_eq(take(b, 10), 6);
    b->ops->close(b);                                 /* a crash */
    for (int i = 0; i < 500 && take(a, 10) == 0; i++) /* once the server sees it */
        ;
    ck_assert_uint_eq(n, 6);
    mark(a, epoch(a, "q", "run"));
    ck_assert_uint_eq(take(a, 10), 0);
    ck_assert_str_eq(sql("SELECT count(DISTINCT epoch) FROM stampmill.outbox"), "1");
    a->ops->close(a);
}
END_TEST

START_TEST(oldest_first_within_the_bytes_and_at_least_one)
{
    struct sm_outbox *o = open_outbox();
    for (int i = 0; i < 4; i++)
        sql("SELECT stampmill.enqueue('q', 't%d', input => decode(repeat('00', 600000), 'hex'))",
            i);
    ck_assert_uint_eq(take(o, 10), 2); /* the second begins within 1 MiB */
    ck_assert_mem_eq(rows[0].type.p, "t0", 2);
    ck_assert_mem_eq(rows[1].type.p, "t1", 2);
    mark(o, 1);
    CALL(o, take, 10, 1, NULL, 0, &rows, &n);
    ck_assert_uint_eq(n, 1);
    o->ops->close(o);
}
END_TEST

START_TEST(far_ahead_and_unwanted_queues_are_left)
{
    struct sm_outbox *o = open_outbox();
    static const char *const but[] = {"q", "NULL"};
    sql("SELECT stampmill.enqueue('q', 't')");
    sql("SELECT stampmill.enqueue('NULL', 't')");
    sql("SELECT stampmill.enqueue('mail', 't', run_at => now() + interval '2 minutes')");
    sql("SELECT stampmill.enqueue('mail', 't', run_at => now() - interval '2 years')");
    CALL(o, take, 10, 1000, but, 2, &rows, &n);
    ck_assert_uint_eq(n, 1);
    ck_assert_str_eq(rows[0].queue, "mail");
    ck_assert_int_eq(rows[0].at_ms, 0);
    o->ops->close(o);
}
END_TEST

/* ---- asking after -- */

START_TEST(an_epoch_has_one_number_until_it_is_doubted)
{
    struct sm_outbox *o = open_outbox();
    int32_t first = epoch(o, "q", "run");
    ck_assert_int_eq(epoch(o, "q", "run"), first);
    ck_assert_int_ne(epoch(o, "q", "another run"), first);
    ck_assert_int_ne(epoch(o, "mail", "run"), first);
    CALL(o, doubt, first);
    ck_assert_int_ne(epoch(o, "q", "run"), first);
    o->ops->close(o);
}
END_TEST

START_TEST(one_daemon_looks_at_the_epochs_that_rows_are_in)
{
    struct sm_outbox *a = open_outbox(), *b = open_outbox();
    struct sm_outbox_epoch epochs[4];
    enqueue(2);
    epoch(a, "unused", "run");
    take(a, 10);
    mark(a, epoch(a, "q", "run"));
    CALL(a, epochs, 0, epochs, 4, &n);
    ck_assert_uint_eq(n, 1);
    ck_assert_str_eq(epochs[0].queue, "q");
    ck_assert_str_eq(epochs[0].incarnation, "incarnation");
    ck_assert_str_eq(epochs[0].run_id, "run");
    CALL(b, epochs, 0, epochs, 4, &n);
    ck_assert_uint_eq(n, 0);
    a->ops->close(a);
    for (int i = 0; n == 0 && i < 500; i++) /* the server ends the session when it sees the end */
        CALL(b, epochs, 0, epochs, 4, &n);
    ck_assert_uint_eq(n, 1);
    b->ops->close(b);
}
END_TEST

START_TEST(rows_are_asked_after_by_silence_and_move_to_the_epoch_they_were_found_in)
{
    struct sm_outbox *o = open_outbox();
    struct sm_outbox_mark found[ROWS];
    enqueue(3);
    take(o, 10);
    int32_t old = epoch(o, "q", "run"), new = epoch(o, "q", "run 2");
    mark(o, old);
    sql("UPDATE stampmill.outbox SET asked_at = now() - interval '2 hours' WHERE entry_seq > 0");
    sql("UPDATE stampmill.outbox SET asked_at = now() - interval '3 hours' WHERE entry_seq = 2");
    ck_assert_uint_eq(relayed(o, old, 3600000, found), 2);
    ck_assert_uint_eq(found[0].entry_seq, 2);
    ck_assert_uint_eq(found[0].entry_ms, 7);
    ck_assert_uint_gt(found[0].bytes, 0);
    ck_assert_uint_eq(relayed(o, old, 0, found), 3);
    CALL(o, found, found, 2, new);
    ck_assert_uint_eq(relayed(o, new, 0, found), 2);
    ck_assert_uint_eq(relayed(o, new, 3600000, found), 0);
    ck_assert_uint_eq(relayed(o, old, 0, found), 1);
    o->ops->close(o);
}
END_TEST

/* Writes a result for each of the marks, by number. */
static void end(const struct sm_outbox_mark *mark_, const char *state, int life)
{
    char id[SM_ID_TEXT];
    sm_id_format(&mark_->id, id);
    sql("INSERT INTO stampmill.results (id, enqueued_at, finished_at, cpu_us, life, attempt, "
        "state, queue, type, worker) VALUES ('%s', now(), now(), 0, %d, 1, '%s', 'q', 't', 'w')",
        id, life, state);
}

static const struct {
    const char *state;
    int life;
    bool ends;
} ends[] = {
    {"succeeded", 1, true}, {"succeeded", 3, true},  {"dead", 1, false},     {"dead", 2, true},
    {"dead", 3, true},      {"cancelled", 1, false}, {"cancelled", 2, true}, {"waiting", 2, false},
};

/* Eight rows of life 2 in Redis, each with another result; one more without any. */
static size_t rows_with_results(struct sm_outbox *o, struct sm_outbox_mark *marks)
{
    enqueue((int)COUNT(ends) + 1);
    sql("UPDATE stampmill.outbox SET life = 2");
    take(o, ROWS);
    mark(o, epoch(o, "q", "run"));
    size_t count = relayed(o, epoch(o, "q", "run"), 0, marks);
    for (size_t i = 0; i < COUNT(ends); i++)
        end(&marks[i], ends[i].state, ends[i].life);
    return count;
}

static bool in_outbox(const struct sm_outbox_mark *mark_)
{
    char id[SM_ID_TEXT];
    sm_id_format(&mark_->id, id);
    return *sql("SELECT count(*) FROM stampmill.outbox WHERE id = '%s'", id) == '1';
}

START_TEST(only_rows_whose_terminal_write_stands_are_deleted)
{
    struct sm_outbox *o = open_outbox();
    struct sm_outbox_mark marks[ROWS];
    struct sm_id ids[ROWS];
    uint64_t deleted = 0;
    size_t count = rows_with_results(o, marks);
    for (size_t i = 0; i < count; i++)
        ids[i] = marks[i].id;
    CALL(o, ended, ids, count, &deleted);
    ck_assert_uint_eq(deleted, 5);
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(in_outbox(&marks[i]), i == COUNT(ends) || !ends[i].ends);
    o->ops->close(o);
}
END_TEST

START_TEST(of_lost_entries_those_that_ended_are_deleted_and_the_rest_is_due_again)
{
    struct sm_outbox *o = open_outbox();
    struct sm_outbox_mark marks[ROWS];
    uint64_t ended, anew;
    size_t count = rows_with_results(o, marks);
    CALL(o, lost, marks, count, &ended, &anew);
    ck_assert_uint_eq(ended, 5);
    ck_assert_uint_eq(anew, 4);
    ck_assert_uint_eq(take(o, ROWS), 4);
    ck_assert_int_eq(rows[0].life, 2);
    CALL(o, mark, NULL, 0);
    CALL(o, lost, marks, count, &ended, &anew); /* a second daemon's, late */
    ck_assert_uint_eq(ended + anew, 0);
    o->ops->close(o);
}
END_TEST

START_TEST(a_row_that_was_moved_on_meanwhile_is_left_alone)
{
    struct sm_outbox *o = open_outbox();
    struct sm_outbox_mark marks[ROWS];
    uint64_t ended, anew;
    enqueue(2);
    take(o, 10);
    int32_t now = epoch(o, "q", "run");
    mark(o, now);
    relayed(o, now, 0, marks);
    sql("UPDATE stampmill.outbox SET entry_seq = 99");
    CALL(o, lost, marks, 2, &ended, &anew);
    ck_assert_uint_eq(anew, 0);
    CALL(o, found, marks, 2, 77);
    ck_assert_uint_eq(relayed(o, 77, 0, marks), 0);
    o->ops->close(o);
}
END_TEST

/* ---- sleeping -- */

static enum sm_doze doze(struct sm_outbox *o)
{
    enum sm_doze answer;
    CALL(o, doze, &answer);
    return answer;
}

static bool woken_within(struct sm_outbox *o, int64_t us)
{
    bool woken;
    CALL(o, wait, us, &woken);
    return woken;
}

START_TEST(one_relay_sleeps_lightly_and_the_others_are_spare)
{
    struct sm_outbox *a = open_outbox(), *b = open_outbox();
    ck_assert_int_eq(doze(a), SM_DOZE_ASLEEP);
    ck_assert_int_eq(doze(b), SM_DOZE_SPARE);
    ck_assert(!woken_within(a, 1000));
    enqueue(1);
    ck_assert(woken_within(a, 5000000));
    CALL(a, rouse);
    enqueue(1); /* it is awake: nobody calls */
    ck_assert(!woken_within(a, 1000));
    ck_assert_int_eq(doze(a), SM_DOZE_ASLEEP);
    a->ops->close(a);
    b->ops->close(b);
}
END_TEST

START_TEST(nobody_falls_asleep_over_an_open_transaction)
{
    struct sm_outbox *o = open_outbox();
    sql("BEGIN");
    enqueue(1);
    ck_assert_int_eq(doze(o), SM_DOZE_RESTLESS);
    sql("COMMIT");
    ck_assert_int_eq(doze(o), SM_DOZE_ASLEEP);
    ck_assert_uint_eq(take(o, 10), 1);
    o->ops->close(o);
}
END_TEST

/* ---- servers that fail -- */

START_TEST(a_session_that_is_ended_leaves_its_rows_to_others)
{
    struct sm_outbox *o = open_outbox();
    enqueue(3);
    take(o, 10);
    sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = "
        "'test_outbox'");
    struct sm_outbox_mark mark_ = {.id = rows[0].id, .life = 1, .epoch = 1};
    ck_assert_int_eq(o->ops->mark(o, &mark_, 1, &err), SM_E_UNREACHABLE);
    ck_assert_int_eq(o->ops->take(o, 10, 1, NULL, 0, &rows, &n, &err), SM_E_UNREACHABLE);
    ck_assert_int_eq(o->ops->connect(o, 5000, &err), 0);
    ck_assert_uint_eq(take(o, 10), 3);
    o->ops->close(o);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_row_is_read_as_it_was_enqueued,
        two_relays_take_different_rows_and_what_is_not_marked_is_due_again,
        oldest_first_within_the_bytes_and_at_least_one,
        far_ahead_and_unwanted_queues_are_left,
        an_epoch_has_one_number_until_it_is_doubted,
        one_daemon_looks_at_the_epochs_that_rows_are_in,
        rows_are_asked_after_by_silence_and_move_to_the_epoch_they_were_found_in,
        only_rows_whose_terminal_write_stands_are_deleted,
        of_lost_entries_those_that_ended_are_deleted_and_the_rest_is_due_again,
        a_row_that_was_moved_on_meanwhile_is_left_alone,
        one_relay_sleeps_lightly_and_the_others_are_spare,
        nobody_falls_asleep_over_an_open_transaction,
        a_session_that_is_ended_leaves_its_rows_to_others,
    };
    return run_tests("store_outbox", set_up, empty, tests, COUNT(tests));
}

/*
 * Halving against a model of PostgreSQL, on many random batches: who is to blame is found, the rest
 * is written once, and in few steps.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/uuid.h"
#include "store/work.h"

enum { ROUNDS = 3000, MOST = 120 };

/* What is wrong with a row or an attempt. */
enum fault { FINE, UNREADABLE, REFUSED, KILLS };

static struct sm_row rows[MOST];
static const struct sm_row *sorted[MOST];
static struct sm_attempt attempts[MOST];
static enum fault row_fault[MOST], attempt_fault[MOST];
static int row_written[MOST], attempt_written[MOST];
static int row_at[MOST], attempt_at[MOST]; /* the transaction */
static int killed_alone[MOST];             /* connections that the row alone was lost with */
static unsigned seed;

static unsigned any(unsigned below)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 16) % below;
}

static enum fault any_fault(unsigned one_in)
{
    return any(one_in) == 0 ? (enum fault)(1 + any(KILLS)) : FINE;
}

/* Ids in order, some with a row, some with attempts, some with both. */
static struct sm_batch make_batch(void)
{
    struct sm_batch batch = {.rows = sorted, .attempts = attempts};
    unsigned ids = 1 + any(MOST / 3), one_in = 1 + any(40);
    memset(row_written, 0, sizeof row_written);
    memset(attempt_written, 0, sizeof attempt_written);
    memset(killed_alone, 0, sizeof killed_alone);
    for (unsigned i = 0; i < ids; i++) {
        struct sm_id id = {{(unsigned char)i}};
        unsigned kind = any(3), tries = kind == 0 ? 0 : 1 + any(3);
        if (kind != 1) {
            row_fault[batch.n] = any_fault(one_in);
            rows[batch.n].id = id;
            sorted[batch.n] = &rows[batch.n];
            batch.n++;
        }
        for (unsigned k = 1; k <= tries; k++) {
            attempt_fault[batch.attempts_n] = any_fault(one_in);
            attempts[batch.attempts_n++] =
                (struct sm_attempt){.id = id, .life = 1, .attempt = (int)k};
        }
    }
    return batch;
}

/* The worst that is in the range. A text that was mended is fine, and a probe only reads. */
static enum fault ask(struct sm_work *w)
{
    const struct sm_range *r = &w->now;
    enum fault worst = FINE;
    for (size_t i = r->row; i < r->row_end && !r->probe; i++)
        if (row_fault[i] > worst)
            worst = row_fault[i];
    for (size_t i = r->attempt; i < r->attempt_end; i++) {
        enum fault fault = attempt_fault[i];
        bool mended = sm_work_attempt(w, i) != &attempts[i];
        if (fault == UNREADABLE ? mended : r->probe)
            fault = FINE;
        if (fault > worst)
            worst = fault;
    }
    return worst;
}

static void write_range(const struct sm_range *r, int transaction)
{
    for (size_t i = r->row; i < r->row_end && !r->probe; i++) {
        row_written[i]++;
        row_at[i] = transaction;
    }
    for (size_t i = r->attempt; i < r->attempt_end && !r->probe; i++) {
        attempt_written[i]++;
        attempt_at[i] = transaction;
    }
}

static void kill_session(struct sm_work *w)
{
    const struct sm_range *r = &w->now;
    if (r->row_end - r->row == 1 && r->attempt == r->attempt_end)
        killed_alone[r->row]++;
    sm_work_killed(w);
}

static int work_off(struct sm_work *w)
{
    int steps = 0;
    for (; w->left > 0; steps++) {
        sm_work_take(w);
        ck_assert(w->now.row < w->now.row_end || w->now.attempt < w->now.attempt_end);
        enum fault worst = ask(w);
        if (worst == FINE)
            write_range(&w->now, steps);
        else if (worst == KILLS)
            kill_session(w);
        else
            sm_work_refused(w, "22021", NULL);
    }
    return steps;
}

static bool is_kept(enum fault fault)
{
    return fault == FINE || fault == UNREADABLE;
}

/* In the transaction of its row, unless that or another attempt of it is at fault. */
static void ck_together(const struct sm_batch *batch, size_t a)
{
    bool fine = true;
    for (size_t i = 0; i < batch->attempts_n; i++)
        if (sm_uuid_compare(&attempts[i].id, &attempts[a].id) == 0)
            fine = fine && is_kept(attempt_fault[i]);
    for (size_t i = 0; i < batch->n; i++)
        if (sm_uuid_compare(&rows[i].id, &attempts[a].id) == 0 && fine && row_fault[i] == FINE)
            ck_assert_int_eq(row_at[i], attempt_at[a]);
}

static void ck_batch(struct sm_work *w)
{
    struct sm_batch batch = make_batch();
    size_t faults = 0, lost = 0;
    sm_work_begin(w, &batch, false);
    int steps = work_off(w);
    for (size_t i = 0; i < batch.n; i++) {
        bool fine = row_fault[i] == FINE;
        faults += !fine;
        ck_assert_int_eq(row_written[i], fine);
        ck_assert_int_eq(killed_alone[i], row_fault[i] == KILLS ? 10 : 0);
        ck_assert_int_eq(w->verdicts[i], fine ? SM_VERDICT_STOOD : SM_VERDICT_REFUSED);
    }
    for (size_t i = 0; i < batch.attempts_n; i++) {
        lost += attempt_fault[i] != FINE;
        ck_assert_int_eq(attempt_written[i], is_kept(attempt_fault[i]));
        ck_together(&batch, i);
    }
    ck_assert_uint_eq(w->attempts_refused, lost);
    ck_assert_int_le(steps, 1 + 60 * (int)(faults + lost));
}

START_TEST(who_is_to_blame_is_found_and_the_rest_is_written_once)
{
    struct sm_work w = {0};
    for (unsigned round = 1; round <= ROUNDS; round++) {
        seed = round;
        ck_batch(&w);
    }
    sm_work_free(&w);
}
END_TEST

START_TEST(a_digest_tells_batches_apart)
{
    seed = 7;
    struct sm_batch batch = make_batch();
    uint64_t digest = sm_batch_digest(&batch);
    ck_assert_uint_eq(digest, sm_batch_digest(&batch));
    batch.attempts_n--;
    ck_assert_uint_ne(digest, sm_batch_digest(&batch));
    batch.attempts_n++;
    rows[0].state = SM_STATE_CANCELLED;
    ck_assert_uint_ne(digest, sm_batch_digest(&batch));
    rows[0].state = SM_STATE_WAITING;
    ck_assert_uint_eq(digest, sm_batch_digest(&batch));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_work");
    TCase *tcase = tcase_create("unit");
    tcase_add_test(tcase, who_is_to_blame_is_found_and_the_rest_is_written_once);
    tcase_add_test(tcase, a_digest_tells_batches_apart);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

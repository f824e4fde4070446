/*
 * Attempts on a real PostgreSQL: without rows, beside them, refused, halved.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/uuid.h"
#include "tests/store/fixture.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define BAD ((struct sm_bytes){"a\0b", 3})

static struct sm_commit_result result;
static enum sm_verdict verdicts[1024];

static void ck_batch(struct sm_store *store, const struct sm_row *rows, size_t n,
                     const struct sm_attempt *attempts, size_t attempts_n)
{
    const struct sm_row *sorted[1024];
    struct sm_attempt *ordered = calloc(attempts_n + 1, sizeof *ordered);
    struct sm_err err = {0};
    for (size_t i = 0; i < n; i++)
        sorted[i] = &rows[i];
    sort_rows(sorted, n);
    memcpy(ordered, attempts, attempts_n * sizeof *ordered);
    sort_attempts(ordered, attempts_n);
    struct sm_batch batch = {sorted, n, ordered, attempts_n};
    int rc = commit_all(store, &batch, verdicts, &result, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    free(ordered);
}

/* "3": how many of this job; "disk": the text of one. */
static const char *attempts_of(const struct sm_id *job, const char *what)
{
    char id[SM_ID_TEXT];
    sm_id_format(job, id);
    return sql("SELECT %s FROM stampmill.attempts WHERE id = '%s'", what, id);
}

static void ck_attempts(const struct sm_attempt *attempts, size_t n, size_t bad)
{
    for (size_t i = 0; i < n; i++) {
        ck_assert_str_eq(attempts_of(&attempts[i].id, "count(*)"), "1");
        const char *text = attempts_of(&attempts[i].id, "error_text");
        if (i == bad)
            ck_assert_ptr_ne(strstr(text, "22021"), NULL);
        else
            ck_assert_str_eq(text, "disk");
    }
}

START_TEST(attempts_need_no_row)
{
    struct sm_store *store = worker_store();
    struct sm_attempt attempts[50];
    for (int i = 0; i < 50; i++)
        attempts[i] = make_attempt(sm_id_new(), 1);
    for (int round = 0; round < 2; round++) {
        ck_batch(store, NULL, 0, attempts, 50);
        ck_assert_uint_eq(result.attempts_refused, 0);
        ck_attempts(attempts, 50, 50);
    }
    store->ops->close(store);
}
END_TEST

START_TEST(rows_and_attempts_of_other_jobs_go_together)
{
    struct sm_store *store = worker_store();
    struct sm_attempt attempts[60];
    struct sm_row rows[20];
    for (size_t i = 0; i < 60; i++) { /* before, between and behind the rows, and some of them */
        if (i >= 20 && i < 40)
            rows[i - 20] = make_row(SM_STATE_DEAD, 1);
        bool its_own = i >= 20 && i < 40 && i % 2 == 0;
        attempts[i] = make_attempt(its_own ? rows[i - 20].id : sm_id_new(), 1);
    }
    ck_batch(store, rows, 20, attempts, 60);
    ck_attempts(attempts, 60, 60);
    for (size_t i = 0; i < 20; i++)
        ck_assert_str_eq(state_of(&rows[i]), "dead 1");
    store->ops->close(store);
}
END_TEST

START_TEST(halving_for_a_row_writes_each_attempt_once_and_whole)
{
    struct sm_store *store = worker_store();
    struct sm_attempt attempts[90];
    struct sm_row rows[30];
    for (size_t i = 0; i < 30; i++) {
        rows[i] = make_row(SM_STATE_DEAD, 1);
        attempts[3 * i] = make_attempt(rows[i].id, 1);
        attempts[3 * i + 1] = make_attempt(sm_id_new(), 1);
        attempts[3 * i + 2] = make_attempt(sm_id_new(), 2);
    }
    rows[7].error_text = rows[22].queue = BAD;
    ck_batch(store, rows, 30, attempts, 90);
    for (size_t i = 0; i < 30; i++)
        ck_assert_str_eq(state_of(&rows[i]), i == 7 || i == 22 ? "" : "dead 1");
    ck_assert_uint_eq(result.attempts_refused, 0);
    ck_attempts(attempts, 90, 90); /* of the refused rows too */
    store->ops->close(store);
}
END_TEST

START_TEST(a_refused_text_is_replaced_and_no_row_is_halved)
{
    struct sm_store *store = worker_store();
    struct sm_attempt attempts[100];
    static struct sm_row rows[1000];
    for (size_t i = 0; i < COUNT(rows); i++)
        rows[i] = make_row(SM_STATE_DEAD, 1);
    for (size_t i = 0; i < 100; i++)
        attempts[i] = make_attempt(rows[10 * i].id, 1);
    attempts[42].error_text = BAD;
    statements();
    ck_batch(store, rows, COUNT(rows), attempts, 100);
    /* refused, all probed, found by 7 halvings, written */
    int most = statements();
    ck_assert_int_ge(most, 2 + 7 + 1);
    ck_assert_int_le(most, 2 + 14 + 1);
    ck_assert_uint_eq(result.attempts_refused, 1);
    ck_attempts(attempts, 100, 42);
    ck_assert_str_eq(state_of(&rows[420]), "dead 1");
    ck_batch(store, rows, COUNT(rows), attempts, 100); /* begun again it stays the same */
    ck_attempts(attempts, 100, 42);
    store->ops->close(store);
}
END_TEST

START_TEST(all_texts_refused_is_all_replaced)
{
    struct sm_store *store = worker_store();
    struct sm_attempt attempts[10];
    for (size_t i = 0; i < 10; i++) {
        attempts[i] = make_attempt(sm_id_new(), 1);
        attempts[i].error_text = BAD;
    }
    ck_batch(store, NULL, 0, attempts, 10);
    ck_assert_uint_eq(result.attempts_refused, 10);
    for (size_t i = 0; i < 10; i++)
        ck_assert_ptr_ne(strstr(attempts_of(&attempts[i].id, "error_text"), "22021"), NULL);
    store->ops->close(store);
}
END_TEST

/* What an operator's constraint refuses is not its text: the row stands without it. */
START_TEST(an_attempt_that_a_constraint_refuses_is_left_out)
{
    struct sm_store *store = worker_store();
    struct sm_attempt attempts[12];
    struct sm_row rows[6];
    sql("ALTER TABLE stampmill.attempts ADD CONSTRAINT few CHECK (attempt < 100)");
    for (size_t i = 0; i < 6; i++) {
        rows[i] = make_row(SM_STATE_DEAD, 1);
        attempts[2 * i] = make_attempt(rows[i].id, 1);
        attempts[2 * i + 1] = make_attempt(sm_id_new(), 1);
    }
    attempts[4].attempt = attempts[7].attempt = 100; /* of row 2, and without a row */
    ck_batch(store, rows, 6, attempts, 12);
    sql("ALTER TABLE stampmill.attempts DROP CONSTRAINT few");
    ck_assert_uint_eq(result.attempts_refused, 2);
    for (size_t i = 0; i < 6; i++)
        ck_assert_str_eq(state_of(&rows[i]), "dead 1");
    for (size_t i = 0; i < 12; i++)
        ck_assert_str_eq(attempts_of(&attempts[i].id, "count(*)"), i == 4 || i == 7 ? "0" : "1");
    store->ops->close(store);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        attempts_need_no_row,
        rows_and_attempts_of_other_jobs_go_together,
        halving_for_a_row_writes_each_attempt_once_and_whole,
        a_refused_text_is_replaced_and_no_row_is_halved,
        all_texts_refused_is_all_replaced,
        an_attempt_that_a_constraint_refuses_is_left_out,
    };
    return run_tests("store_attempts", fixture_start, NULL, tests, COUNT(tests));
}

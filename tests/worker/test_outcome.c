/* What becomes of a run that has ended: the whole policy, case by case. */
#include <stdlib.h>
#include <string.h>

#include "tests/worker/suite.h"
#include "worker/outcome.h"

#define NOW_MS 1700000000000

static const struct sm_options options = {
    .max_attempts = 3, .backoff_ms = 1000, .backoff_max_ms = 60000};
static struct sm_slot slot;

static void fresh(int code)
{
    free(slot.out.error_text);
    memset(&slot, 0, sizeof slot);
    slot.out.code = code;
}

static enum sm_outcome decide(void)
{
    return sm_outcome_of(&slot, &options, NOW_MS, UINT32_MAX / 2);
}

START_TEST(a_success_and_a_permanent_failure_end_the_job)
{
    static const int codes[] = {0, SM_E_BAD_INPUT, SM_E_TOO_LARGE, SM_E_UNKNOWN_TYPE,
                                SM_E_CANCELLED};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        fresh(codes[i]);
        ck_assert_int_eq(decide(), SM_OUTCOME_ROW);
        ck_assert_int_eq(slot.out.code, codes[i]);
    }
}
END_TEST

START_TEST(a_failed_attempt_is_tried_again_after_a_wait_that_doubles)
{
    static const int64_t waits[] = {1000, 2000};
    for (int failed = 0; failed < 2; failed++) {
        fresh(SM_E_IO);
        slot.tries.attempts = failed;
        ck_assert_int_eq(decide(), SM_OUTCOME_RETRY);
        ck_assert_int_eq(slot.next.attempts, failed + 1);
        ck_assert_int_ge(slot.due_ms - NOW_MS, waits[failed] * 8 / 10);
        ck_assert_int_le(slot.due_ms - NOW_MS, waits[failed] * 12 / 10);
    }
}
END_TEST

START_TEST(the_last_attempt_ends_the_job_with_its_own_error)
{
    fresh(SM_E_TIMED_OUT);
    slot.tries.attempts = 2;
    ck_assert_int_eq(decide(), SM_OUTCOME_ROW);
    ck_assert_int_eq(slot.out.code, SM_E_TIMED_OUT);
}
END_TEST

START_TEST(the_job_says_otherwise_than_the_worker)
{
    fresh(SM_E_IO);
    slot.job.max_attempts = 1;
    ck_assert_int_eq(decide(), SM_OUTCOME_ROW);
    fresh(SM_E_IO);
    slot.tries.attempts = 9;
    slot.job.max_attempts = 100;
    slot.job.backoff_ms = 10;
    slot.job.backoff_max_ms = 50;
    ck_assert_int_eq(decide(), SM_OUTCOME_RETRY);
    ck_assert_int_le(slot.due_ms - NOW_MS, 60);
}
END_TEST

START_TEST(asking_again_uses_no_attempt_and_has_an_end)
{
    fresh(SM_E_AGAIN);
    slot.out.again_ms = 5000;
    slot.tries.attempts = 1;
    ck_assert_int_eq(decide(), SM_OUTCOME_PARK);
    ck_assert_int_eq(slot.next.attempts, 1);
    ck_assert_int_eq(slot.next.again, 1);
    ck_assert_int_eq(slot.due_ms, NOW_MS + 5000);
    fresh(SM_E_AGAIN);
    slot.tries.again = SM_AGAIN_MOST;
    ck_assert_int_eq(decide(), SM_OUTCOME_ROW);
    ck_assert_int_eq(slot.out.code, SM_E_AGAIN);
    ck_assert_ptr_nonnull(strstr(slot.out.error_text, "1,000 times"));
}
END_TEST

START_TEST(what_would_come_after_its_expiry_ends_now_and_says_both)
{
    fresh(SM_E_IO);
    slot.out.error_text = strdup("disk on fire");
    slot.job.expires_ms = NOW_MS + 100;
    ck_assert_int_eq(decide(), SM_OUTCOME_ROW);
    ck_assert_int_eq(slot.out.code, SM_E_EXPIRED);
    ck_assert_ptr_nonnull(strstr(slot.out.error_text, "io: disk on fire"));
}
END_TEST

START_TEST(what_a_drain_stopped_goes_back_uncharged)
{
    fresh(SM_E_STOPPED);
    slot.tries = (struct sm_tries){.attempts = 2, .crashes = 1, .losses = 2};
    atomic_store(&slot.lone, 1);
    ck_assert_int_eq(decide(), SM_OUTCOME_PARK);
    ck_assert_int_eq(slot.due_ms, 0);
    ck_assert_mem_eq(&slot.next, &slot.tries, sizeof slot.tries);
}
END_TEST

START_TEST(a_suspect_that_came_to_an_end_alone_is_pardoned)
{
    fresh(SM_E_IO);
    slot.tries = (struct sm_tries){.crashes = 1, .losses = 2};
    atomic_store(&slot.lone, 1);
    ck_assert_int_eq(decide(), SM_OUTCOME_RETRY);
    ck_assert_int_eq(slot.next.losses, 0);
    ck_assert_int_eq(slot.next.crashes, 1);
}
END_TEST

START_TEST(three_known_or_ten_unknown_crashes_bury)
{
    struct sm_tries tries = {.crashes = 9, .evident = 2};
    ck_assert(!sm_outcome_crashed(&tries));
    tries.crashes = 10;
    ck_assert(sm_outcome_crashed(&tries));
    tries = (struct sm_tries){.crashes = 3, .evident = 3};
    ck_assert(sm_outcome_crashed(&tries));
}
END_TEST

int main(void)
{
    return SUITE(
        "outcomes", a_success_and_a_permanent_failure_end_the_job,
        a_failed_attempt_is_tried_again_after_a_wait_that_doubles,
        the_last_attempt_ends_the_job_with_its_own_error, the_job_says_otherwise_than_the_worker,
        asking_again_uses_no_attempt_and_has_an_end,
        what_would_come_after_its_expiry_ends_now_and_says_both,
        what_a_drain_stopped_goes_back_uncharged, a_suspect_that_came_to_an_end_alone_is_pardoned,
        three_known_or_ten_unknown_crashes_bury);
}

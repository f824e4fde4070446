/* Threads, conditions and the real clock. */
#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "base/thread.h"
#include "tests/base/suite.h"

struct seen {
    char name[16];
    sigset_t mask;
};

static void *look(void *arg)
{
    struct seen *seen = arg;

    pthread_getname_np(pthread_self(), seen->name, sizeof seen->name);
    pthread_sigmask(SIG_BLOCK, NULL, &seen->mask);
    return NULL;
}

START_TEST(a_thread_has_its_name_and_takes_no_signal_but_faults)
{
    struct seen seen;
    sigset_t mine;
    pthread_t thread;

    ck_assert_int_eq(sm_thread_start(&thread, "a very long name", 0, look, &seen), 0);
    sm_thread_join(thread);
    ck_assert_str_eq(seen.name, "a very long nam");
    ck_assert(sigismember(&seen.mask, SIGTERM));
    ck_assert(sigismember(&seen.mask, SIGINT));
    ck_assert(!sigismember(&seen.mask, SIGSEGV));
    ck_assert(!sigismember(&seen.mask, SIGBUS));
    pthread_sigmask(SIG_BLOCK, NULL, &mine);
    ck_assert(!sigismember(&mine, SIGTERM)); /* the starter's own mask is as before */
}
END_TEST

START_TEST(a_wait_ends_at_its_time)
{
    pthread_mutex_t lock;
    pthread_cond_t cond;
    int64_t from = sm_mono_us(&sm_clock_real);

    sm_lock_init(&lock);
    sm_cond_init(&cond);
    sm_lock(&lock);
    while (sm_cond_wait(&cond, &lock, 20000))
        ;
    sm_unlock(&lock);
    ck_assert_int_ge(sm_mono_us(&sm_clock_real) - from, 20000);
    sm_cond_free(&cond);
    sm_lock_free(&lock);
}
END_TEST

START_TEST(freeing_a_held_lock_aborts)
{
    pthread_mutex_t lock;

    sm_lock_init(&lock);
    sm_lock(&lock);
    sm_lock_free(&lock); /* EBUSY */
}
END_TEST

START_TEST(cpu_time_grows_with_work_alone)
{
    int64_t from = sm_thread_cpu_us();
    volatile unsigned sum = 0;

    while (sm_thread_cpu_us() - from < 2000)
        sum = sum + 1;
    ck_assert_uint_gt(sum, 0);
}
END_TEST

START_TEST(the_wall_clock_is_past_this_codes_first_day)
{
    ck_assert_int_gt(sm_wall_us(&sm_clock_real), INT64_C(1700000000000000));
}
END_TEST

int main(void)
{
    return RUN_SUITE("thread", {a_thread_has_its_name_and_takes_no_signal_but_faults, 0},
                     {a_wait_ends_at_its_time, 0}, {freeing_a_held_lock_aborts, SIGABRT},
                     {cpu_time_grows_with_work_alone, 0},
                     {the_wall_clock_is_past_this_codes_first_day, 0});
}

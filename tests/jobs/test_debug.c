/* The debug types: each does what it says, and stops when it is told to (but for hang). */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/base/suite.h"
#include "tests/jobs/harness.h"

static const struct how plain;

START_TEST(noop_gives_nothing)
{
    struct ran ran = run_named("debug.noop", plain, "{\"a\":[1,{\"b\":2}]}", "input", 5);
    ck_assert_int_eq(ran.code, 0);
    ck_assert_str_eq(ran.result, "");
    ck_assert_ptr_null(ran.content_type);
    ran_free(&ran);
}
END_TEST

START_TEST(echo_gives_back_arguments_and_input)
{
    struct ran ran = run_named("debug.echo", plain, "{\"a\":[1,\"\\u00e9\\n\"]}", "in\0put", 6);
    ck_assert_int_eq(ran.code, 0);
    ck_assert_str_eq(ran.result, "{\"a\":[1,\"\xc3\xa9\\n\"]}");
    ck_assert_uint_eq(ran.body_size, 6);
    ck_assert_mem_eq(ran.body, "in\0put", 6);
    ran_free(&ran);
}
END_TEST

START_TEST(echo_over_the_output_limit_is_too_large)
{
    struct how how = {.output = 8};
    expect_failure("debug.echo", how, "{\"a\":\"0123456789\"}", NULL, 0, SM_E_TOO_LARGE, NULL);
    expect_failure("debug.echo", how, "{}", "0123456789", 10, SM_E_TOO_LARGE, NULL);
}
END_TEST

START_TEST(echo_refuses_text_that_jsonb_refuses)
{
    struct sm_runner *runner = sm_runner_new();
    struct sm_run_out out;
    struct sm_run_in in = {.type = sm_type_find("debug.echo", 10),
                           .args = "\x81\xa1"
                                   "a\xa2\xc3(",
                           .args_size = 6,
                           .attempt = 1,
                           .limits = {1 << 20, 1 << 20, 1 << 20, 1000}};
    sm_runner_run(runner, &in, &out);
    ck_assert_int_eq(out.code, SM_E_BAD_ARGS);
    sm_run_out_free(&out);
    sm_runner_free(runner);
}
END_TEST

START_TEST(burn_uses_cpu_time)
{
    int64_t before = sm_thread_cpu_us();
    struct ran ran = run_named("debug.burn", plain, "{\"ms\":20}", NULL, 0);
    ck_assert_int_eq(ran.code, 0);
    ck_assert_int_ge(sm_thread_cpu_us() - before, 20000);
    ck_assert_int_eq(strncmp(ran.result, "{\"cpu_us\":", 10), 0);
    ran_free(&ran);
}
END_TEST

/* A run in another thread, and the stop that ends it once it has reported progress or begun. */
struct stopped {
    const char *type, *args;
    _Atomic int stop;
    _Atomic int begun;
    struct sm_progress progress;
    struct ran ran;
};

static void *run_until_stopped(void *data)
{
    struct stopped *s = data;
    struct how how = {.stop = &s->stop, .progress = &s->progress};
    atomic_store(&s->begun, 1);
    s->ran = run_named(s->type, how, s->args, NULL, 0);
    return NULL;
}

static void expect_stop(const char *type, const char *args, int code)
{
    struct stopped s = {.type = type, .args = args};
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, run_until_stopped, &s), 0);
    while (atomic_load(&s.begun) == 0)
        sched_yield();
    atomic_store(&s.stop, code);
    ck_assert_int_eq(pthread_join(thread, NULL),
                     0); /* the test's own time-out if it does not end */
    ck_assert_int_eq(s.ran.code, code);
    ran_free(&s.ran);
}

START_TEST(what_takes_long_stops_when_told)
{
    expect_stop("debug.burn", "{\"ms\":3600000}", SM_E_TIMED_OUT);
    expect_stop("debug.sleep", "{\"ms\":86400000}", SM_E_CANCELLED);
    expect_stop("debug.alloc", "{\"bytes\":1000000,\"hold_ms\":3600000}", SM_E_STOPPED);
    expect_stop("debug.fail", "{\"how\":\"permanent\",\"after_ms\":86400000}", SM_E_CANCELLED);
}
END_TEST

/* A clock that goes forward by an hour at each look: an hour's sleep is over at once. */
static int64_t hours;

static int64_t hour_later(const struct sm_clock *clock)
{
    (void)clock;
    return hours++ * 3600 * 1000000;
}

START_TEST(sleep_lives_by_the_clock_it_is_given)
{
    const struct sm_clock clock = {hour_later, hour_later};
    struct sm_runner *runner = sm_runner_new();
    struct sm_run_out out;
    struct sm_run_in in = {.type = sm_type_find("debug.sleep", 11),
                           .args = "\x81\xa2ms\xce\x00\x36\xee\x80", /* 3,600,000 */
                           .args_size = 9,
                           .attempt = 1,
                           .limits = {1 << 20, 1 << 20, 1 << 20, 1000},
                           .clock = &clock};
    sm_runner_run(runner, &in, &out);
    ck_assert_int_eq(out.code, 0);
    sm_run_out_free(&out);
    sm_runner_free(runner);
}
END_TEST

START_TEST(alloc_honours_the_memory_limit)
{
    struct ran ran = run_named("debug.alloc", plain, "{\"bytes\":30000000}", NULL, 0);
    ck_assert_int_eq(ran.code, 0);
    ran_free(&ran);
    expect_failure("debug.alloc", plain, "{\"bytes\":1000000000000}", NULL, 0, SM_E_TOO_LARGE,
                   "memory limit");
}
END_TEST

START_TEST(fail_fails_as_asked_on_the_attempts_asked_for)
{
    struct how second = {.attempt = 2};
    expect_failure("debug.fail", plain, "{\"how\":\"permanent\",\"message\":\"gone\"}", NULL, 0,
                   SM_E_FAILED, "gone");
    expect_failure("debug.fail", plain, "{\"how\":\"temporary\"}", NULL, 0, SM_E_IO,
                   "asked to fail");
    expect_failure("debug.fail", second, "{\"how\":\"temporary\",\"on_attempts\":[1,2]}", NULL, 0,
                   SM_E_IO, NULL);
    struct ran ran =
        run_named("debug.fail", second, "{\"how\":\"crash\",\"on_attempts\":[1,3]}", NULL, 0);
    ck_assert_int_eq(ran.code, 0);
    ck_assert_str_eq(ran.result, "{\"attempt\":2}");
    ran_free(&ran);
    ran = run_named("debug.fail", plain, "{\"how\":\"again_in\",\"in_ms\":7}", NULL, 0);
    ck_assert_int_eq(ran.code, SM_E_AGAIN);
    ck_assert_int_eq(ran.again_ms, 7);
    ran_free(&ran);
}
END_TEST

/* How a child ends that runs debug.fail. */
static int status_of(const char *args)
{
    int status = 0;
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL); /* a sanitizer's handler would turn the signal into an exit */
        run_named("debug.fail", plain, args, NULL, 0);
        _exit(99);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return status;
}

START_TEST(crash_and_exit_end_the_process)
{
    int status = status_of("{\"how\":\"crash\"}");
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    status = status_of("{\"how\":\"exit\"}");
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}
END_TEST

int main(void)
{
    return RUN_SUITE(
        "jobs_debug", {noop_gives_nothing, 0}, {echo_gives_back_arguments_and_input, 0},
        {echo_over_the_output_limit_is_too_large, 0}, {echo_refuses_text_that_jsonb_refuses, 0},
        {burn_uses_cpu_time, 0}, {what_takes_long_stops_when_told, 0},
        {sleep_lives_by_the_clock_it_is_given, 0}, {alloc_honours_the_memory_limit, 0},
        {fail_fails_as_asked_on_the_attempts_asked_for, 0}, {crash_and_exit_end_the_process, 0});
}

/*
 * Box files: the death of a process is known by its lock, and its label is read from the file.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/box.h"

static char dir[] = "/tmp/sm-box-XXXXXX";

static int remember(const struct sm_box_label *label, void *arg)
{
    *(struct sm_box_label *)arg = *label;
    return 0;
}

static struct sm_box *open_box(const char *worker)
{
    struct sm_box_label label = {.home = "here", .queues_n = 1, .queues = {"default"}};
    struct sm_err err;
    strcpy(label.worker, worker);
    return sm_box_open(dir, &label, 64, &err);
}

/* A child that holds a box until it is killed; returns once it does. */
static pid_t child_with_box(void)
{
    int ready[2];
    char byte;
    ck_assert_int_eq(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct sm_box *box = open_box("wchild");
        if (box == NULL || write(ready[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    return pid;
}

START_TEST(a_living_box_is_not_dead_and_a_killed_one_is_found_once)
{
    struct sm_box_label seen = {.worker = ""};
    ck_assert_ptr_nonnull(mkdtemp(dir));
    pid_t pid = child_with_box();
    ck_assert_int_eq(sm_box_each_dead(dir, NULL, remember, &seen), 0);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    ck_assert_int_eq(sm_box_each_dead(dir, NULL, remember, &seen), 1);
    ck_assert_str_eq(seen.worker, "wchild");
    ck_assert_str_eq(seen.queues[0], "default");
    ck_assert_int_eq(sm_box_each_dead(dir, NULL, remember, &seen), 0);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(looking_for_the_dead_does_not_drop_the_own_lock)
{
    struct sm_box_label seen;
    ck_assert_ptr_nonnull(mkdtemp(dir));
    struct sm_box *own = open_box("wown");
    ck_assert_ptr_nonnull(own);
    ck_assert_int_eq(sm_box_each_dead(dir, own, remember, &seen), 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(sm_box_each_dead(dir, NULL, remember, &seen));
    int status;
    waitpid(pid, &status, 0);
    ck_assert_int_eq(WEXITSTATUS(status), 0);
    sm_box_close(own, true);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("box files");
    TCase *tc = tcase_create("box");
    tcase_add_test(tc, a_living_box_is_not_dead_and_a_killed_one_is_found_once);
    tcase_add_test(tc, looking_for_the_dead_does_not_drop_the_own_lock);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}

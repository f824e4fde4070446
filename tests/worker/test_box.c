/*
 * Box files: the death of a process is known by its lock, and its label is read from the file.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/worker/suite.h"
#include "worker/fault.h"
#include "worker/slot.h"

static char dir[] = "/tmp/sm-box-XXXXXX";

/* What was last found: copies of what the report points to. */
static struct found {
    struct sm_box_report report;
    struct sm_box_entry running[8], other[8];
} seen;

static int remember(const struct sm_box_report *report, void *arg)
{
    struct found *found = arg;
    found->report = *report;
    ck_assert(report->running_n <= 8 && report->other_n <= 8);
    memcpy(found->running, report->running, report->running_n * sizeof *report->running);
    memcpy(found->other, report->other, report->other_n * sizeof *report->other);
    return 0;
}

static char oom_file[128];

static void count_kills(int kills)
{
    snprintf(oom_file, sizeof oom_file, "%s/events", dir);
    FILE *file = fopen(oom_file, "w");
    ck_assert_ptr_nonnull(file);
    fprintf(file, "low 0\nhigh 3\noom 9\noom_kill %d\n", kills);
    fclose(file);
}

static struct sm_box *open_box(const char *worker)
{
    struct sm_box_label label = {.queues_n = 1, .queues = {"default"}};
    struct sm_err err;
    strcpy(label.worker, worker);
    return sm_box_open(dir, &label, 64, oom_file[0] == '\0' ? NULL : oom_file, &err);
}

static void nothing_in_hand(struct sm_box *box)
{
    (void)box;
}

/* Slot 0 runs, 1 is ready, 2 has been freed again, 3 runs. */
static void some_in_hand(struct sm_box *box)
{
    for (uint32_t i = 0; i < 4; i++)
        sm_box_note(box, i, i % 3 == 0 ? SM_RUNNING : SM_READY, 0, (struct sm_entry_id){7, i});
    sm_box_note(box, 2, SM_FREE, 0, (struct sm_entry_id){7, 2});
}

/* A child that holds a box until it is killed; returns once it does. */
static pid_t child_with_box(void (*fill)(struct sm_box *))
{
    int ready[2];
    char byte;
    ck_assert_int_eq(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct sm_box *box = open_box("wchild");
        if (box == NULL)
            _exit(1);
        sm_fault_watch(box);
        fill(box);
        if (write(ready[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    return pid;
}

START_TEST(a_living_box_is_not_dead_and_a_killed_one_is_found_once)
{
    ck_assert_ptr_nonnull(mkdtemp(dir));
    pid_t pid = child_with_box(nothing_in_hand);
    ck_assert_int_eq(sm_box_each_dead(dir, NULL, remember, &seen), 0);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    ck_assert_int_eq(sm_box_each_dead(dir, NULL, remember, &seen), 1);
    ck_assert_str_eq(seen.report.label.worker, "wchild");
    ck_assert_str_eq(seen.report.label.queues[0], "default");
    ck_assert_int_eq(sm_box_each_dead(dir, NULL, remember, &seen), 0);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(looking_for_the_dead_does_not_drop_the_own_lock)
{
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

/* Has such a child die by a signal, and reads its box. */
static void die(void (*fill)(struct sm_box *), int number)
{
    pid_t pid = child_with_box(fill);
    kill(pid, number);
    int status;
    waitpid(pid, &status, 0);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == number);
    ck_assert_int_eq(sm_box_each_dead(dir, NULL, remember, &seen), 1);
}

START_TEST(a_box_tells_what_was_running_from_what_was_in_hand)
{
    ck_assert_ptr_nonnull(mkdtemp(dir));
    die(some_in_hand, SIGKILL);
    ck_assert_uint_eq(seen.report.running_n, 2);
    ck_assert(seen.running[0].entry.seq == 0 && seen.running[1].entry.seq == 3);
    ck_assert_uint_eq(seen.report.other_n, 1);
    ck_assert(seen.other[0].entry.ms == 7 && seen.other[0].entry.seq == 1);
    ck_assert(!seen.report.fatal && !seen.report.has_faulted && !seen.report.oom);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

#ifndef STAMPMILL_SANITIZED /* they handle faults themselves, and end otherwise */
static void fault_in_slot_3(struct sm_box *box)
{
    some_in_hand(box);
    sm_fault_running(3);
}

START_TEST(a_fatal_signal_names_the_slot_that_took_it)
{
    ck_assert_ptr_nonnull(mkdtemp(dir));
    die(fault_in_slot_3, SIGSEGV);
    ck_assert(seen.report.fatal && seen.report.has_faulted);
    ck_assert_uint_eq(seen.report.faulted.entry.seq, 3);
    die(some_in_hand, SIGABRT); /* not on a stamp */
    ck_assert(seen.report.fatal && !seen.report.has_faulted);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST
#endif

START_TEST(a_kill_for_memory_is_told_from_an_eviction)
{
    ck_assert_ptr_nonnull(mkdtemp(dir));
    count_kills(4);
    die(some_in_hand, SIGKILL);
    ck_assert(!seen.report.oom);
    pid_t pid = child_with_box(some_in_hand);
    count_kills(5);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    ck_assert_int_eq(sm_box_each_dead(dir, NULL, remember, &seen), 1);
    ck_assert(seen.report.oom);
    unlink(oom_file);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(a_box_of_another_layout_is_left_alone)
{
    char path[128];
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/x.box", dir);
    FILE *file = fopen(path, "w");
    for (int i = 0; i < 100000; i++)
        fputc(i, file);
    fclose(file);
    ck_assert_int_eq(sm_box_each_dead(dir, NULL, remember, &seen), 0);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_living_box_is_not_dead_and_a_killed_one_is_found_once,
        looking_for_the_dead_does_not_drop_the_own_lock,
        a_box_tells_what_was_running_from_what_was_in_hand,
#ifndef STAMPMILL_SANITIZED
        a_fatal_signal_names_the_slot_that_took_it,
#endif
        a_kill_for_memory_is_told_from_an_eviction,
        a_box_of_another_layout_is_left_alone,
        NULL,
    };
    return suite_run("box files", tests);
}

/*
 * Runs the built programs as a user does, through the shell, and keeps what they said.
 *
 * Nothing can hang here: output goes to files in memory, never to a pipe that a forgotten
 * background process could hold open, every command has a deadline, after which its whole process
 * group is killed and the test fails with what was said so far, and no child inherits a descriptor
 * of the test program's (a survivor would keep ctest waiting for the end of its pipe). Thread: the
 * test's.
 */
#ifndef SM_TESTS_CLI_RUN_H
#define SM_TESTS_CLI_RUN_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

struct said {
    char out[65536]; /* standard output, cut */
    char err[8192];  /* standard error, cut */
    int exit;        /* 128 + n for signal n */
};

/* Runs a shell command; `stampmill` and `stampmilld` are the built ones. Fails the test when it has
 * not ended after a minute. The answer is static. */
struct said *run_shell(const char *line);
/* Runs it and expects this exit code and these words among its output. */
struct said *expect(const char *line, int code, const char *words);

/* Starts a program in the background; its output goes to the file `log`. It is killed when the test
 * program ends before it. */
pid_t run_background(const char *log, char *const argv[]);
/* Sends TERM and waits for the end, at most half a minute; then kills it and fails the test.
 * Returns the exit code. */
int end_background(pid_t pid, const char *log);

int run_suite(const char *name, const TTest *const *tests, size_t n, SFun setup, SFun teardown);

#endif

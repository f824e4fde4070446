/*
 * Runs the built `stampmill` as a user does, through the shell, and keeps what it said.
 */
#ifndef SM_TESTS_CLI_RUN_H
#define SM_TESTS_CLI_RUN_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

struct said {
    char out[65536];
    int exit;
};

/* Runs a shell command in which "@ " stands for the program. Both of its streams are kept. */
static inline struct said *run_shell(const char *line)
{
    static struct said said;
    char full[4096];
    size_t n = 0;
    const char *bin = getenv("STAMPMILL_BIN");
    ck_assert_ptr_nonnull(bin);
    for (; *line != '\0' && n + 300 < sizeof full; line++)
        if (line[0] == '@' && line[1] == ' ')
            n += (size_t)snprintf(full + n, sizeof full - n, "'%s/stampmill'", bin);
        else
            full[n++] = *line;
    full[n] = '\0';
    FILE *pipe = popen(full, "r");
    ck_assert_ptr_nonnull(pipe);
    size_t got = fread(said.out, 1, sizeof said.out - 1, pipe);
    said.out[got] = '\0';
    int status = pclose(pipe);
    said.exit = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return &said;
}

/* Runs it and expects this exit code and these words among what it says. */
static inline struct said *expect(const char *line, int code, const char *words)
{
    struct said *said = run_shell(line);
    ck_assert_msg(said->exit == code, "%s: exit %d instead of %d: %s", line, said->exit, code,
                  said->out);
    ck_assert_msg(strstr(said->out, words) != NULL, "%s: no \"%s\" in: %s", line, words, said->out);
    return said;
}

static inline int run_suite(const char *name, const TTest *const *tests, size_t n, SFun setup,
                            SFun teardown)
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    if (setup != NULL)
        tcase_add_unchecked_fixture(tcase, setup, teardown);
    for (size_t i = 0; i < n; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif

/*
 * What every test program of base/ ends with: one suite, its tests from a table.
 */
#ifndef SM_TESTS_BASE_SUITE_H
#define SM_TESTS_BASE_SUITE_H

#include <check.h>
#include <stdlib.h>

struct suite_test {
    const TTest *test;
    int signal; /* that must end it; 0: none */
};

#define RUN_SUITE(name_, ...) run_suite((name_), (struct suite_test[]){__VA_ARGS__, {NULL, 0}})

static inline int run_suite(const char *name, const struct suite_test *tests)
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    SRunner *runner;
    int failed;

    for (; tests->test; tests++)
        tcase_add_test_raise_signal(tcase, tests->test, tests->signal);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif

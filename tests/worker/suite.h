/* One runner for every test program of the folder. */
#ifndef SM_TESTS_WORKER_SUITE_H
#define SM_TESTS_WORKER_SUITE_H

#include <check.h>

/* Runs the tests, NULL behind the last, each as a case of its own name, which CK_RUN_CASE can pick.
 * The exit code of main. */
int suite_run(const char *name, const TTest *const *tests);

#define SUITE(name_, ...) suite_run((name_), (const TTest *const[]){__VA_ARGS__, NULL})

#endif

/* The runner; see suite.h. Outages are played by the minute: what a worker says of them is not
 * shown.
 */
#include "tests/worker/suite.h"

#include "base/log.h"

int suite_run(const char *name, const TTest *const *tests)
{
    Suite *suite = suite_create(name);
    sm_log_setup(SM_LOG_ERROR, SM_LOG_TEXT);
    for (; *tests != NULL; tests++) {
        TCase *tcase = tcase_create((*tests)->name);
        tcase_add_test(tcase, *tests);
        suite_add_tcase(suite, tcase);
    }
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}

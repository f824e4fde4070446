/*
 * Codes, not words: what libpq's text of a failed connection holds in any language, and what each
 * code means.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "stampmill/error.h"
#include "store/sqlstate.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

START_TEST(the_code_is_found_in_any_language)
{
    static const struct {
        const char *text, *state;
    } cases[] = {
        {"connection to server on socket \"/a\" failed: FATAL:  28P01: Passwort-Authentifizierung "
         "f\xc3\xbcr Benutzer fehlgeschlagen\nLOCATION:  auth_failed, auth.c:334\n",
         "28P01"},
        {"connection to server at \"b\", port 5432 failed: "
         "\xe8\x87\xb4\xe5\x91\xbd\xe9\x94\x99\xe8\xaf\xaf:  3D000: "
         "\xe6\x95\xb0\xe6\x8d\xae\xe5\xba\x93\n",
         "3D000"},
        {"failed: FATAL:  57P03: the database system is starting up\nfailed: FATAL:  53300: too "
         "many\n",
         "53300"},
        {"connection to server on socket \"/nowhere\" failed: No such file or directory\n", NULL},
        {"failed: FATAL:  password: wrong\n", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *found = sm_sqlstate_find(cases[i].text);
        ck_assert_int_eq(found == NULL, cases[i].state == NULL);
        ck_assert(found == NULL || strncmp(found, cases[i].state, 5) == 0);
    }
}
END_TEST

START_TEST(each_code_means_what_is_to_be_done)
{
    static const struct {
        const char *state;
        int code;
    } cases[] = {
        {"28P01", SM_E_AUTH},        {"28000", SM_E_AUTH},        {"3D000", SM_E_CONFIG},
        {"57P01", SM_E_UNREACHABLE}, {"57P03", SM_E_UNREACHABLE}, {"08006", SM_E_UNREACHABLE},
        {"53300", SM_E_UNREACHABLE}, {"25006", SM_E_READ_ONLY},   {"53100", SM_E_FULL},
        {"42501", SM_E_PERMISSION},  {"42P01", SM_E_SCHEMA},      {"57014", SM_E_TIMEOUT},
        {"53200", SM_E_SERVER},      {"40P01", SM_E_SERVER},      {"XX000", SM_E_SERVER},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        ck_assert_msg(sm_sqlstate_code(cases[i].state) == cases[i].code, "%s", cases[i].state);
}
END_TEST

START_TEST(only_what_the_row_causes_is_a_refusal)
{
    static const char *const refusals[] = {"22021", "22P02", "23514", "54000", "P0001"};
    static const char *const others[] = {"23505", "40001", "40P01", "53100", "53200", "57014",
                                         "42501", "25006", "XX000", "08006", "57P01"};
    for (size_t i = 0; i < COUNT(refusals); i++)
        ck_assert_msg(sm_sqlstate_is_refusal(refusals[i]), "%s", refusals[i]);
    for (size_t i = 0; i < COUNT(others); i++)
        ck_assert_msg(!sm_sqlstate_is_refusal(others[i]), "%s", others[i]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_sqlstate");
    TCase *tcase = tcase_create("unit");
    tcase_add_test(tcase, the_code_is_found_in_any_language);
    tcase_add_test(tcase, each_code_means_what_is_to_be_done);
    tcase_add_test(tcase, only_what_the_row_causes_is_a_refusal);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

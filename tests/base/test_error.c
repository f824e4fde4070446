/* The error table and its messages. */
#include <signal.h>
#include <string.h>

#include "base/check.h"
#include "base/text.h"
#include "stampmill/error.h"
#include "tests/base/suite.h"

START_TEST(every_row_is_found_by_code_and_by_name)
{
#define SM_ERROR(symbol, number, name, klass, text)                                                \
    ck_assert_str_eq(sm_error_name(symbol), name);                                                 \
    ck_assert_int_eq(sm_error_code(name), number);                                                 \
    ck_assert_int_eq(sm_error_class(symbol), SM_CLASS_##klass);                                    \
    ck_assert_str_eq(sm_error_text(symbol), text);                                                 \
    ck_assert_int_lt(number, 0);
#include "stampmill/errors.def"
#undef SM_ERROR
}
END_TEST

START_TEST(what_is_not_in_the_table_has_a_name_too)
{
    ck_assert_str_eq(sm_error_name(0), "ok");
    ck_assert_str_eq(sm_error_name(-12345), "unknown");
    ck_assert_ptr_nonnull(sm_error_text(-12345));
    ck_assert_int_eq(sm_error_class(-12345), SM_CLASS_NONE);
    ck_assert_int_eq(sm_error_code("no such"), 0);
}
END_TEST

START_TEST(setting_returns_the_code_and_takes_no_error_too)
{
    struct sm_err err;

    ck_assert_int_eq(sm_err_set(&err, SM_E_IO, "file %d", 7), SM_E_IO);
    ck_assert_int_eq(err.code, SM_E_IO);
    ck_assert_str_eq(err.text, "file 7");
    ck_assert_int_eq(sm_err_set(NULL, SM_E_IO, "x"), SM_E_IO);
}
END_TEST

START_TEST(wrapping_goes_in_front_and_keeps_the_code)
{
    struct sm_err err;

    sm_err_set(&err, SM_E_IO, "no space");
    ck_assert_int_eq(sm_err_wrap(&err, "writing %s", "a.csv"), SM_E_IO);
    ck_assert_str_eq(err.text, "writing a.csv: no space");
    sm_err_set(&err, SM_E_AUTH, "again: %s", err.text);
    ck_assert_str_eq(err.text, "again: writing a.csv: no space");
}
END_TEST

START_TEST(a_message_is_one_clean_line_of_utf8)
{
    struct sm_err err;

    sm_err_set(&err, SM_E_IO,
               "a\nb\x01"
               "c\xff"
               "d\xc3\xa4");
    ck_assert_str_eq(err.text, "a b c?d\xc3\xa4");
}
END_TEST

START_TEST(a_long_message_is_cut_between_characters)
{
    for (size_t lead = 0; lead < 4; lead++) {
        char text[900];
        struct sm_err err;

        memset(text, 'x', lead);
        for (size_t i = lead; i + 3 < sizeof text; i += 3)
            memcpy(text + i, "\xe2\x82\xac", 4);
        sm_err_set(&err, SM_E_IO, "%s", text);
        ck_assert_uint_ge(strlen(err.text), sizeof err.text - 4);
        ck_assert_uint_eq((strlen(err.text) - lead) % 3, 0);
        ck_assert_ptr_null(strchr(err.text, '?'));
    }
}
END_TEST

START_TEST(a_broken_invariant_aborts)
{
    SM_ASSERT(1 + 1 == 2);
    SM_ASSERT(1 + 1 == 3);
}
END_TEST

int main(void)
{
    return RUN_SUITE(
        "error", {every_row_is_found_by_code_and_by_name, 0},
        {what_is_not_in_the_table_has_a_name_too, 0},
        {setting_returns_the_code_and_takes_no_error_too, 0},
        {wrapping_goes_in_front_and_keeps_the_code, 0}, {a_message_is_one_clean_line_of_utf8, 0},
        {a_long_message_is_cut_between_characters, 0}, {a_broken_invariant_aborts, SIGABRT});
}

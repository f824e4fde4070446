/* The runner: limits, outcomes, what is handed over; and the table of types. */
#include <stdio.h>

#include "base/msg.h"
#include "tests/base/suite.h"
#include "tests/jobs/harness.h"

static const struct sm_arg no_args[] = {{.name = NULL}};

#define TYPE(symbol, function)                                                                     \
    static const struct sm_type symbol = {                                                         \
        .name = "test." #symbol, .schema = no_args, .takes_input = true, .run = function}

static int write_lots(struct sm_run *run)
{
    char block[1000];
    memset(block, 'x', sizeof block);
    sm_json_open_list(run);
    for (int i = 0; i < 1000; i++) {
        sm_json_text(run, block, sizeof block);
        sm_body_write(run, block, sizeof block);
    }
    sm_json_close_list(run);
    return 0;
}
TYPE(lots, write_lots);

static int write_bad_text(struct sm_run *run)
{
    sm_json_text(run, "a\0b", 3);
    return 0;
}
TYPE(bad_text, write_bad_text);

static int take_memory(struct sm_run *run)
{
    for (int i = 0; i < 1000; i++)
        if (sm_run_alloc(run, 10000) == NULL)
            return SM_E_TOO_LARGE;
    return 0;
}
TYPE(memory, take_memory);

static int fail_badly(struct sm_run *run)
{
    char text[20000];
    memset(text, 'e', sizeof text);
    memcpy(text, "\xff\xc3(", 3);
    return sm_fail(run, SM_E_BAD_INPUT, "%.*s", (int)sizeof text, text);
}
TYPE(badly, fail_badly);

static int return_nonsense(struct sm_run *run)
{
    (void)run;
    return 7;
}
TYPE(nonsense, return_nonsense);

static int ask_again(struct sm_run *run)
{
    return sm_again_in(run, 1500);
}
TYPE(again, ask_again);

static int write_body_only(struct sm_run *run)
{
    char *at = sm_body_reserve(run, 100);
    memcpy(at, "abc", 3);
    sm_body_commit(run, 2);
    sm_body_write(run, "z", 1);
    return 0;
}
TYPE(body_only, write_body_only);

static int write_empty_body(struct sm_run *run)
{
    sm_body_type(run, "text/plain");
    return 0;
}
TYPE(empty_body, write_empty_body);

START_TEST(output_past_its_limit_is_too_large_and_leaves_nothing)
{
    struct ran ran = run_type(&lots, (struct how){.output = 100000}, "{}", NULL, 0);
    ck_assert_int_eq(ran.code, SM_E_TOO_LARGE);
    ck_assert_ptr_nonnull(strstr(ran.error, "100000"));
    ran_free(&ran);
    ran = run_type(&lots, (struct how){.memory = 100000}, "{}", NULL, 0);
    ck_assert_int_eq(ran.code, SM_E_TOO_LARGE);
    ran_free(&ran);
    ran = run_type(&lots, (struct how){0}, "{}", NULL, 0);
    ck_assert_int_eq(ran.code, 0);
    ck_assert_uint_eq(ran.body_size, 1000000);
    ck_assert_uint_eq(strlen(ran.result), 1000 * 1003 + 1);
    ran_free(&ran);
}
END_TEST

START_TEST(output_fits_to_the_last_byte_and_no_further)
{
    size_t exact = 1000000 + 1000 * 1003 + 1;
    struct ran ran = run_type(&lots, (struct how){.output = exact}, "{}", NULL, 0);
    ck_assert_int_eq(ran.code, 0);
    ran_free(&ran);
    ran = run_type(&lots, (struct how){.output = exact - 1}, "{}", NULL, 0);
    ck_assert_int_eq(ran.code, SM_E_TOO_LARGE);
    ran_free(&ran);
}
END_TEST

START_TEST(text_that_jsonb_refuses_is_bad_input)
{
    struct ran ran = run_type(&bad_text, (struct how){0}, "{}", NULL, 0);
    ck_assert_int_eq(ran.code, SM_E_BAD_INPUT);
    ran_free(&ran);
}
END_TEST

START_TEST(memory_past_its_limit_is_too_large)
{
    struct ran ran = run_type(&memory, (struct how){.memory = 1000000}, "{}", NULL, 0);
    ck_assert_int_eq(ran.code, SM_E_TOO_LARGE);
    ck_assert_ptr_nonnull(strstr(ran.error, "memory limit of 1000000"));
    ran_free(&ran);
}
END_TEST

START_TEST(error_texts_are_cut_and_made_utf8)
{
    struct ran ran = run_type(&badly, (struct how){0}, "{}", NULL, 0);
    ck_assert_int_eq(ran.code, SM_E_BAD_INPUT);
    ck_assert_uint_eq(strlen(ran.error), SM_ERROR_TEXT_MAX);
    ck_assert_int_eq(strncmp(ran.error,
                             "?"
                             "?(e",
                             4),
                     0);
    ran_free(&ran);
}
END_TEST

START_TEST(a_code_that_is_no_outcome_is_internal)
{
    struct ran ran = run_type(&nonsense, (struct how){0}, "{}", NULL, 0);
    ck_assert_int_eq(ran.code, SM_E_INTERNAL);
    ran_free(&ran);
}
END_TEST

START_TEST(again_carries_its_wait)
{
    struct ran ran = run_type(&again, (struct how){0}, "{}", NULL, 0);
    ck_assert_int_eq(ran.code, SM_E_AGAIN);
    ck_assert_int_eq(ran.again_ms, 1500);
    ran_free(&ran);
}
END_TEST

START_TEST(bodies_come_with_a_content_type_even_when_empty)
{
    struct ran ran = run_type(&body_only, (struct how){0}, "{}", NULL, 0);
    ck_assert_str_eq(ran.body, "abz");
    ck_assert_str_eq(ran.content_type, "application/octet-stream");
    ck_assert_str_eq(ran.result, "");
    ran_free(&ran);
    ran = run_type(&empty_body, (struct how){0}, "{}", NULL, 0);
    ck_assert_str_eq(ran.content_type, "text/plain");
    ck_assert_uint_eq(ran.body_size, 0);
    ran_free(&ran);
}
END_TEST

START_TEST(input_over_its_limit_is_not_run)
{
    expect_failure("transform.digest", (struct how){.input = 4}, "{}", "12345", 5, SM_E_TOO_LARGE,
                   "5 bytes of input, at most 4");
}
END_TEST

START_TEST(input_that_no_handler_reads_is_refused)
{
    expect_failure("debug.sleep", (struct how){0}, "{\"ms\":0}", "x", 1, SM_E_BAD_ARGS,
                   "takes no input");
}
END_TEST

START_TEST(a_run_that_is_stopped_before_it_starts_does_not_start)
{
    _Atomic int stop = SM_E_CANCELLED;
    expect_failure("debug.noop", (struct how){.stop = &stop}, "{}", NULL, 0, SM_E_CANCELLED, NULL);
}
END_TEST

START_TEST(every_type_is_complete_and_its_example_works_as_printed)
{
    const struct sm_type *type;
    size_t n = 0;
    for (; (type = sm_type_at(n)) != NULL; n++) {
        ck_assert_ptr_eq(sm_type_find(type->name, strlen(type->name)), type);
        ck_assert(type->summary != NULL && type->result_help != NULL && type->run != NULL);
        ck_assert(type->open_args == (type->schema == NULL));
        for (const struct sm_arg *arg = type->schema; arg != NULL && arg->name != NULL; arg++)
            ck_assert_msg(arg->help != NULL && arg->help[0] != '\0', "%s.%s", type->name,
                          arg->name);
        const char *input = type->example_input != NULL ? type->example_input
                            : type->takes_input         ? "any"
                                                        : "";
        ck_assert_ptr_null(strpbrk(input, "'%\\")); /* job add TYPE --help prints it for printf */
        struct ran ran = run_type(type, (struct how){0}, type->example_args, input, strlen(input));
        ck_assert_msg(ran.code == 0, "%s: %s", type->name, ran.error);
        ran_free(&ran);
    }
    ck_assert_uint_ge(n, 12);
}
END_TEST

START_TEST(types_are_found_by_their_whole_name_only)
{
    ck_assert_ptr_null(sm_type_find("parse.cs", 8));
    ck_assert_ptr_null(sm_type_find("parse.csvx", 10));
    ck_assert_ptr_null(sm_type_find("", 0));
    ck_assert_str_eq(sm_type_near("parse.cvs", 9), "parse.csv");
    ck_assert_ptr_null(sm_type_near("unlike.anything", 15));
}
END_TEST

START_TEST(a_types_limits_lower_the_workers_and_never_raise_them)
{
    struct sm_type type = {.limits = {.input = 10, .output = 5000, .timeout_ms = 7}};
    struct sm_limits worker = {.input = 100, .output = 1000, .memory = 50, .timeout_ms = 70};
    struct sm_limits limits = sm_limits_of(&type, &worker);
    ck_assert_uint_eq(limits.input, 10);
    ck_assert_uint_eq(limits.output, 1000);
    ck_assert_uint_eq(limits.memory, 50);
    ck_assert_int_eq(limits.timeout_ms, 7);
}
END_TEST

START_TEST(a_runner_is_as_new_after_every_run)
{
    struct sm_runner *runner = sm_runner_new();
    const struct sm_type *const types[] = {&lots, &bad_text, &memory, &badly, &again, &body_only};
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
            struct sm_run_in in = {
                .type = types[i], .attempt = 1, .limits = {1 << 20, 1 << 22, 1 << 23, 1000}};
            struct sm_run_out out;
            sm_runner_run(runner, &in, &out);
            ck_assert_int_eq(out.again_ms, types[i] == &again ? 1500 : 0);
            sm_run_out_free(&out);
        }
        struct sm_run_in in = {.type = sm_type_find("debug.noop", 10),
                               .attempt = 1,
                               .limits = {1 << 20, 1 << 20, 1 << 20, 1000}};
        struct sm_run_out out;
        sm_runner_run(runner, &in, &out);
        ck_assert(out.code == 0 && out.result == NULL && out.body == NULL &&
                  out.error_text == NULL && out.content_type == NULL);
        sm_run_out_free(&out);
    }
    sm_runner_free(runner);
}
END_TEST

int main(void)
{
    return RUN_SUITE(
        "jobs_runner", {output_past_its_limit_is_too_large_and_leaves_nothing, 0},
        {output_fits_to_the_last_byte_and_no_further, 0}, {text_that_jsonb_refuses_is_bad_input, 0},
        {memory_past_its_limit_is_too_large, 0}, {error_texts_are_cut_and_made_utf8, 0},
        {a_code_that_is_no_outcome_is_internal, 0}, {again_carries_its_wait, 0},
        {bodies_come_with_a_content_type_even_when_empty, 0}, {input_over_its_limit_is_not_run, 0},
        {input_that_no_handler_reads_is_refused, 0},
        {a_run_that_is_stopped_before_it_starts_does_not_start, 0},
        {every_type_is_complete_and_its_example_works_as_printed, 0},
        {types_are_found_by_their_whole_name_only, 0},
        {a_types_limits_lower_the_workers_and_never_raise_them, 0},
        {a_runner_is_as_new_after_every_run, 0});
}

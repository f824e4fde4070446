/* Arguments against a schema: what is taken, and what each refusal says. */
#include <stdio.h>

#include "jobs/args.h"
#include "tests/base/suite.h"
#include "tests/jobs/harness.h"

static const struct sm_arg inner[] = {
    {.name = "name", .kind = SM_ARG_TEXT, .required = true, .min = 1, .max = 8, .help = "a name"},
    {.name = "type",
     .kind = SM_ARG_CHOICE,
     .choices = "int|float|text",
     .fallback = "\"text\"",
     .help = ""},
    {.name = NULL},
};

static const struct sm_arg schema[] = {
    {.name = "count",
     .kind = SM_ARG_INT,
     .min = -5,
     .max = 10,
     .fallback = "3",
     .help = "how many"},
    {.name = "ratio", .kind = SM_ARG_FLOAT, .min = 0, .max = 1, .help = "a ratio"},
    {.name = "deep", .kind = SM_ARG_BOOL, .fallback = "true", .help = "deep"},
    {.name = "label", .kind = SM_ARG_TEXT, .min = 0, .max = 10, .fallback = "\"none\"", .help = ""},
    {.name = "mode",
     .kind = SM_ARG_CHOICE,
     .choices = "fast|safe|slow",
     .required = true,
     .help = "a mode"},
    {.name = "sums",
     .kind = SM_ARG_CHOICES,
     .choices = "sha256|xxh3|crc",
     .min = 1,
     .max = 2,
     .fallback = "[\"crc\"]",
     .help = ""},
    {.name = "words", .kind = SM_ARG_TEXTS, .min = 1, .max = 2, .help = ""},
    {.name = "steps", .kind = SM_ARG_INTS, .min = 1, .max = 9, .help = ""},
    {.name = "columns", .kind = SM_ARG_MAPS, .min = 1, .max = 3, .fields = inner, .help = ""},
    {.name = "value", .kind = SM_ARG_SCALAR, .max = 30, .help = ""},
    {.name = NULL},
};

static int no_run(struct sm_run *run)
{
    (void)run;
    return 0;
}

static const struct sm_type type = {.name = "test.args", .schema = schema, .run = no_run};

static int check_bytes(const void *args, size_t size, struct sm_err *err)
{
    *err = (struct sm_err){0};
    return sm_args_check(&type, args, size, err);
}

static int check_json(const char *json, struct sm_err *err)
{
    struct sm_buf msg;
    sm_buf_init(&msg, 0);
    ck_assert_msg(sm_json_to_msgpack(json, strlen(json), &msg, err) == 0, "%s: %s", json,
                  err->text);
    int code = check_bytes(msg.data, msg.size, err);
    sm_buf_free(&msg);
    return code;
}

START_TEST(refusals_name_the_path_the_expectation_and_the_likely_meaning)
{
    static const struct {
        const char *json, *text;
    } table[] = {
        {"[1]", "args: expected a map"},
        {"{}", "args.mode: missing; a mode"},
        {"{\"mode\":\"fast\",\"colums\":[]}",
         "args.colums: unknown key; did you mean \"columns\"?"},
        {"{\"mode\":\"fast\",\"zzzzzz\":1}", "args.zzzzzz: unknown key; known are: "},
        {"{\"mode\":\"fsat\"}",
         "args.mode: \"fsat\" is none of fast|safe|slow; did you mean \"fast\"?"},
        {"{\"mode\":1}", "args.mode: expected one of fast|safe|slow, got 1"},
        {"{\"mode\":\"fast\",\"value\":[1]}",
         "args.value: expected a text, a number or a bool, got a list"},
        {"{\"mode\":\"fas\"}", "args.mode: \"fas\" is none of"},
        {"{\"mode\":\"fast|safe\"}", "is none of"},
        {"{\"mode\":\"fast\",\"count\":11}", "args.count: 11, expected -5 to 10"},
        {"{\"mode\":\"fast\",\"count\":-6}", "args.count: -6, expected -5 to 10"},
        {"{\"mode\":\"fast\",\"count\":\"3\"}",
         "args.count: expected an integer, got the text \"3\""},
        {"{\"mode\":\"fast\",\"count\":3.5}", "args.count: expected an integer"},
        {"{\"mode\":\"fast\",\"count\":null}", "args.count: expected an integer"},
        {"{\"mode\":\"fast\",\"ratio\":1.5}", "args.ratio: 1.5, expected 0 to 1"},
        {"{\"mode\":\"fast\",\"ratio\":\"x\"}", "args.ratio: expected a finite number"},
        {"{\"mode\":\"fast\",\"deep\":1}", "args.deep: expected true or false, got 1"},
        {"{\"mode\":\"fast\",\"label\":\"01234567890\"}", "args.label: 11 bytes, expected 0 to 10"},
        {"{\"mode\":\"fast\",\"label\":{}}", "args.label: expected a text, got a map"},
        {"{\"mode\":\"fast\",\"sums\":[]}", "args.sums: 0 of them, expected 1 to 2"},
        {"{\"mode\":\"fast\",\"sums\":\"crc\"}", "args.sums: expected a list"},
        {"{\"mode\":\"fast\",\"sums\":[\"crc\",\"crc\"]}", "args.sums[1]: \"crc\" is given twice"},
        {"{\"mode\":\"fast\",\"sums\":[\"crc\",\"sha265\"]}",
         "args.sums[1]: \"sha265\" is none of sha256|xxh3|crc; did you mean \"sha256\"?"},
        {"{\"mode\":\"fast\",\"words\":[\"a\",\"b\",\"c\"]}",
         "args.words: 3 of them, expected 1 to 2"},
        {"{\"mode\":\"fast\",\"words\":[\"a\",2]}", "args.words[1]: expected a text, got 2"},
        {"{\"mode\":\"fast\",\"steps\":[1,10]}", "args.steps[1]: 10, expected 1 to 9"},
        {"{\"mode\":\"fast\",\"columns\":[1]}", "args.columns[0]: expected a map, got 1"},
        {"{\"mode\":\"fast\",\"columns\":[{\"name\":\"a\"},{}]}", "args.columns[1].name: missing"},
        {"{\"mode\":\"fast\",\"columns\":[{\"name\":\"a\",\"type\":\"flot\"}]}",
         "args.columns[0].type: \"flot\" is none of int|float|text; did you mean \"float\"?"},
        {"{\"mode\":\"fast\",\"columns\":[{\"name\":\"a\",\"tpye\":\"int\"}]}",
         "args.columns[0].tpye: unknown key; did you mean \"type\"?"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct sm_err err;
        ck_assert_int_eq(check_json(table[i].json, &err), SM_E_BAD_ARGS);
        ck_assert_msg(strstr(err.text, table[i].text) == err.text ||
                          strstr(err.text, table[i].text) != NULL,
                      "%s: \"%s\", expected \"%s\"", table[i].json, err.text, table[i].text);
    }
}
END_TEST

START_TEST(what_fits_is_taken)
{
    static const char *const table[] = {
        "{\"mode\":\"fast\"}",
        "{\"mode\":\"slow\",\"count\":-5,\"ratio\":1,\"deep\":false,\"label\":\"\"}",
        "{\"mode\":\"safe\",\"ratio\":0.5,\"sums\":[\"xxh3\",\"sha256\"],\"words\":[\"\",\"b\"]}",
        "{\"mode\":\"safe\",\"steps\":[],\"columns\":[{\"type\":\"int\",\"name\":\"b\"}]}",
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct sm_err err;
        ck_assert_msg(check_json(table[i], &err) == 0, "%s: %s", table[i], err.text);
    }
}
END_TEST

START_TEST(bytes_that_are_no_clean_map_are_refused)
{
    static const struct {
        const char *bytes;
        size_t size;
    } table[] = {
        {"\xdf\xff\xff\xff\xff", 5},              /* a map of four thousand million pairs */
        {"\xdd\xff\xff\xff\xff", 5},              /* a list of them */
        {"\x81\xa4mode\xdb\xff\xff\xff\xff", 11}, /* a text of 4 GiB */
        {"\x81\xa4mod", 5},                       /* cut in half */
        {"\x81\x01\x02", 3},                      /* a key that is no text */
        {"\x80\x80", 2},                          /* bytes behind the value */
        {"\xc1", 1},                              /* never used */
        {("\x82\xa4mode\xa4"
          "fast\xa4mode\xa4"
          "fast"),
         21}, /* a key given twice */
        {("\x82\xa4mode\xa4"
          "fast\xa5label\xa3"
          "a\x00"
          "b"),
         21}, /* NUL */
        {("\x82\xa4mode\xa4"
          "fast\xa5label\xa2\xc3("),
         20},                     /* invalid UTF-8 */
        {"\x81\xa2\xc3(\x01", 5}, /* in a key */
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct sm_err err;
        ck_assert_int_eq(check_bytes(table[i].bytes, table[i].size, &err), SM_E_BAD_ARGS);
        ck_assert_int_eq(strncmp(err.text, "args", 4), 0);
    }
}
END_TEST

START_TEST(nesting_ten_thousand_deep_is_refused)
{
    char deep[10001];
    struct sm_err err;
    memset(deep, '\x91', sizeof deep - 1);
    deep[sizeof deep - 1] = '\x01';
    ck_assert_int_eq(check_bytes(deep, sizeof deep, &err), SM_E_BAD_ARGS);
}
END_TEST

START_TEST(absent_arguments_read_as_their_fallbacks)
{
    struct sm_arena arena;
    const struct sm_value *v;
    struct sm_err err;
    sm_arena_init(&arena, 1 << 20);
    ck_assert_int_eq(sm_args_read(&type, "\x81\xa4mode\xa4slow", 11, &arena, &v, &err), 0);
    ck_assert(v[0].set && v[0].as.i == 3);
    ck_assert(!v[1].set);
    ck_assert(v[2].set && v[2].as.b);
    ck_assert_str_eq(v[3].as.text.p, "none");
    ck_assert_int_eq(v[4].as.i, 2);
    ck_assert_int_eq(v[5].as.i, 4);
    ck_assert(!v[6].set && !v[7].set && !v[8].set);
    sm_arena_free(&arena);
}
END_TEST

START_TEST(values_land_at_their_rows_and_texts_end_with_nul)
{
    const char *json = "{\"columns\":[{\"name\":\"a\"},{\"type\":\"int\",\"name\":\"bc\"}],"
                       "\"steps\":[4,5],\"mode\":\"safe\"}";
    struct sm_arena arena;
    struct sm_buf msg;
    const struct sm_value *v;
    struct sm_err err;
    sm_arena_init(&arena, 1 << 20);
    sm_buf_init(&msg, 0);
    ck_assert_int_eq(sm_json_to_msgpack(json, strlen(json), &msg, &err), 0);
    ck_assert_int_eq(sm_args_read(&type, msg.data, msg.size, &arena, &v, &err), 0);
    sm_buf_free(&msg); /* nothing points into it */
    ck_assert_uint_eq(v[7].as.list.n, 2);
    ck_assert_int_eq(v[7].as.list.v[1].as.i, 5);
    const struct sm_value *column = v[8].as.list.v;
    ck_assert_str_eq(column[0].as.text.p, "a");
    ck_assert_int_eq(column[1].as.i, 2); /* its fallback */
    ck_assert_str_eq(column[2].as.text.p, "bc");
    ck_assert_int_eq(column[3].as.i, 0);
    sm_arena_free(&arena);
}
END_TEST

START_TEST(scalars_read_as_their_text)
{
    static const char *const cases[][2] = {
        {"\"x y\"", "x y"},
        {"\"\"", ""},
        {"true", "true"},
        {"false", "false"},
        {"-7", "-7"},
        {"0.1", "0.1"},
        {"1.5e300", "1.5e+300"},
        {"9223372036854775807", "9223372036854775807"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char json[80];
        struct sm_arena arena;
        struct sm_buf msg;
        const struct sm_value *v;
        struct sm_err err;
        snprintf(json, sizeof json, "{\"mode\":\"safe\",\"value\":%s}", cases[i][0]);
        sm_arena_init(&arena, 1 << 20);
        sm_buf_init(&msg, 0);
        ck_assert_int_eq(sm_json_to_msgpack(json, strlen(json), &msg, &err), 0);
        ck_assert_int_eq(sm_args_read(&type, msg.data, msg.size, &arena, &v, &err), 0);
        ck_assert_str_eq(v[9].as.text.p, cases[i][1]);
        ck_assert_uint_eq(v[9].as.text.n, strlen(cases[i][1]));
        sm_buf_free(&msg);
        sm_arena_free(&arena);
    }
}
END_TEST

START_TEST(arguments_past_the_memory_limit_are_too_large)
{
    struct sm_arena arena;
    const struct sm_value *v;
    struct sm_err err;
    sm_arena_init(&arena, 64);
    ck_assert_int_eq(sm_args_read(&type, "\x81\xa4mode\xa4slow", 11, &arena, &v, &err),
                     SM_E_TOO_LARGE);
    sm_arena_free(&arena);
}
END_TEST

int main(void)
{
    return RUN_SUITE(
        "jobs_args", {refusals_name_the_path_the_expectation_and_the_likely_meaning, 0},
        {what_fits_is_taken, 0}, {bytes_that_are_no_clean_map_are_refused, 0},
        {nesting_ten_thousand_deep_is_refused, 0}, {absent_arguments_read_as_their_fallbacks, 0},
        {values_land_at_their_rows_and_texts_end_with_nul, 0}, {scalars_read_as_their_text, 0},
        {arguments_past_the_memory_limit_are_too_large, 0});
}

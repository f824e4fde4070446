/* parse.json and parse.ndjson: what is JSON and what is not, the rows, and hostile inputs. */
#include <stdio.h>

#include "tests/base/suite.h"
#include "tests/jobs/harness.h"

static const struct how plain;

static void expect(const char *type, const char *args, const char *input, const char *result)
{
    struct ran ran = run_named(type, plain, args, input, strlen(input));
    ck_assert_msg(ran.code == 0, "%s: %s", input, ran.error);
    ck_assert_str_eq(ran.result, result);
    ran_free(&ran);
}

/* The rows alone: what stands in front of the counts. */
static void expect_rows_of(const char *type, const char *args, const char *input, const char *rows)
{
    struct ran ran = run_named(type, plain, args, input, strlen(input));
    ck_assert_msg(ran.code == 0, "%s: %s", input, ran.error);
    char *end = strstr(ran.result, ",\"rows_in\"");
    ck_assert_ptr_nonnull(end);
    *end = '\0';
    ck_assert_str_eq(ran.result + strlen("{\"rows\":"), rows);
    ran_free(&ran);
}

static void expect_rows(const char *args, const char *input, const char *rows)
{
    expect_rows_of("parse.json", args, input, rows);
}

static void expect_bad(const char *args, const char *input, int code, const char *has)
{
    expect_failure("parse.json", plain, args, input, strlen(input), code, has);
}

/* ---- what JSON is -------------------------------------------------------------------------- */

/* The input is one row, and written out as `out`. */
static void expect_value(const char *input, const char *out)
{
    char rows[300];
    snprintf(rows, sizeof rows, "[%s]", out);
    expect_rows("{}", input, rows);
}

START_TEST(what_rfc_8259_allows_is_taken)
{
    static const char *const values[][2] = {
        {"[0]", "0"},
        {"[-0]", "-0"},
        {"[-0.0]", "-0.0"},
        {"[123]", "123"},
        {"[1.5e+10]", "1.5e+10"},
        {"[1E22]", "1E22"},
        {"[1e-2]", "1e-2"},
        {"[0e+1]", "0e+1"},
        {"[123456789012345678901234567890]", "123456789012345678901234567890"},
        {"[-0.000000000000000000000000000000000000000000000000000000000001]",
         "-0.000000000000000000000000000000000000000000000000000000000001"},
        {"[null]", "null"},
        {"[true]", "true"},
        {"[false]", "false"},
        {"[\"\"]", "\"\""},
        {"[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]", "\"\\\"\\\\/\\b\\f\\n\\r\\t\""},
        {"[\"\\u0060\\u012a\\u12AB\"]", "\"`\u012a\u12ab\""},
        {"[\"\\ud801\\udc37\"]", "\"\xf0\x90\x90\xb7\""},
        {"[\"\\uDBFF\\uDFFF\"]", "\"\xf4\x8f\xbf\xbf\""},
        {"[\"\\uFFFF\\u200B\"]", "\"\xef\xbf\xbf\xe2\x80\x8b\""},
        {"[\"\\u0022\\u005c\\u001f\\u000a\"]", "\"\\\"\\\\\\u001f\\n\""},
        {"[\"\x7f\"]", "\"\x7f\""},
        {"[\"\xe2\x82\xac\xf0\x9d\x84\x9e\"]", "\"\xe2\x82\xac\xf0\x9d\x84\x9e\""},
        {"[\"\\\\u0061\"]", "\"\\\\u0061\""},
        {"[[]]", "[]"},
        {"[ [ ] ]", "[]"},
        {"[{}]", "{}"},
        {"[{\"a\" : [1 ,\t2 ] ,\r\n\"b\":{\"\":0}}]", "{\"a\":[1,2],\"b\":{\"\":0}}"},
        {"[{\"a\":\"b\",\"a\":\"c\"}]", "{\"a\":\"b\",\"a\":\"c\"}"},
        {" [1] ", "1"},
        {"\xef\xbb\xbf[1]", "1"},
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        expect_value(values[i][0], values[i][1]);
    expect_rows("{}", "[]", "[]");
    expect_rows("{}", " 42\n", "[42]");
    expect_rows("{}", "\"a string alone\"", "[\"a string alone\"]");
    expect_rows("{}", "null", "[null]");
    expect_rows("{}", "{\"a\":1}", "[{\"a\":1}]");
    expect_rows("{}", "[1,[2],{\"a\":3}]", "[1,[2],{\"a\":3}]");
}
END_TEST

START_TEST(what_is_no_json_is_refused_wherever_it_stands)
{
    static const char *const texts[] = {
        "",
        " ",
        "[",
        "]",
        "{",
        "}",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1,,2]",
        "[,]",
        "[1 2]",
        "[1]x",
        "[1]]",
        "[1],",
        "[1]1",
        "1 2",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{,\"a\":1}",
        "{\"a\" 1}",
        "{\"a\",1}",
        "{a:1}",
        "{1:1}",
        "{'a':1}",
        "{\"a\"::1}",
        "{\"a\":1 \"b\":2}",
        "{\"a\":1,,\"b\":2}",
        "{[:1}",
        "{\"a\":}",
        "[1}",
        "{\"a\":1]",
        "[{]}",
        "[\"a\":1]",
        "{\"a\"}",
        "{\"a\":1,\"b\"}",
        "nul",
        "nulll",
        "tru",
        "True",
        "FALSE",
        "fals",
        "NaN",
        "Infinity",
        "-Infinity",
        "-",
        "+1",
        "--1",
        "-x",
        "01",
        "-01",
        "00",
        "1.",
        ".5",
        "-.5",
        "1.e5",
        "1e",
        "1e+",
        "1e5.5",
        "0x10",
        "1_000",
        "1eE2",
        "1.2.3",
        "\xef\xbc\x91",
        "[1a]",
        "[-2.]",
        "[0e]",
        "[0.e1]",
        "[2.e-3]",
        "[1+2]",
        "[\"a",
        "[\"a\\",
        "[\"\\\"]",
        "[\"\\x00\"]",
        "[\"\\u12\"]",
        "[\"\\u00G0\"]",
        "[\"\\u\"]",
        "[\"\\a\"]",
        "[\"\\'\"]",
        "[\"\\U0041\"]",
        "[\"\n\"]",
        "[\"\t\"]",
        "[\"\x1f\"]",
        "[\"\\\n\"]",
        "[\"\\ud800\"]",
        "[\"\\ud800x\"]",
        "[\"\\udc00\"]",
        "[\"\\ud800\\n\"]",
        "[\"\\ud800\\ud800\"]",
        "[\"\\udc00\\ud800\"]",
        "[\"\\ud83d\\u0041\"]",
        "[\"\xff\"]",
        "[\"\xc0\xaf\"]",
        "[\"\xed\xa0\x80\"]",
        "[\"\xf4\x90\x80\x80\"]",
        "[\"\xe2\x82\"]",
        "[\xff]",
        "\xff\xfe[\x00",
        "\xef\xbb",
        "\xef\xbb\xbf",
        "[\x0c]",
        "[\xc2\xa0 1]",
        "\xe2\x81\xa0[1]",
        "[1]//",
        "/**/[1]",
        "[1]#",
        "<[1]>",
        "[\"a\"\"b\"]",
        "[\"a\",\n4\n,1,",
        "*",
        "{\"a\":\"b\"}/**/",
        "\"",
        "\"\\\"",
        "[\"\xe9\"]",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        expect_bad("{\"output\":\"none\"}", texts[i], SM_E_BAD_INPUT, NULL);
        /* typed or not, and deep inside what no column asks for */
        char deep[100];
        if (strlen(texts[i]) == 0 || strchr(texts[i], '\xef') != NULL)
            continue;
        snprintf(deep, sizeof deep, "[{\"a\":1},{\"x\":[%s]}]", texts[i]);
        if (strcmp(texts[i], "[1],") == 0 || strcmp(texts[i], " ") == 0)
            continue; /* is JSON there, or may be */
        expect_bad("{\"output\":\"none\",\"columns\":[{\"name\":\"a\"}],\"on_error\":\"skip\"}",
                   deep, SM_E_BAD_INPUT, "line ");
    }
}
END_TEST

START_TEST(nul_bytes_are_no_white_space)
{
    expect_failure("parse.json", plain, "{}", "[1]\0", 4, SM_E_BAD_INPUT, "byte 4");
    expect_failure("parse.json", plain, "{}", "[\0001]", 4, SM_E_BAD_INPUT, "byte 2");
    expect_failure("parse.json", plain, "{}", "[\"a\0b\"]", 7, SM_E_BAD_INPUT, "byte 4");
}
END_TEST

START_TEST(errors_say_line_column_and_byte)
{
    expect_bad("{}", "[1,\n 2,\n x]", SM_E_BAD_INPUT,
               "line 3, column 2 (byte 10): expected a value, at 'x'");
    expect_bad("{}", "[\"\xc3\xa9\xc3\xa9\" 1]", SM_E_BAD_INPUT,
               "line 1, column 7 (byte 9): expected a comma or ], at '1'");
    expect_bad("{}", "{\"a\":1", SM_E_BAD_INPUT,
               "line 1, column 7 (byte 7): expected a comma or }, at the end");
    expect_bad("{}", "[1]\r\n[2]", SM_E_BAD_INPUT,
               "line 2, column 1 (byte 6): expected nothing behind the value, at '['");
    expect_bad("{}", "[\"\\ud800\"]", SM_E_BAD_INPUT, "byte 3): half of a surrogate pair alone");
    expect_bad("{}", "[012]", SM_E_BAD_INPUT, "byte 2): a number with a zero in front");
    expect_bad("{\"pointer\":\"/a\"}", "{\"a\":[1],\n\"b\":}", SM_E_BAD_INPUT,
               "line 2, column 5 (byte 15): expected a value, at '}'");
}
END_TEST

START_TEST(nesting_is_bounded)
{
    char deep[4001];
    memset(deep, '[', 1000);
    memset(deep + 1000, ']', 1000);
    deep[2000] = '\0';
    expect("parse.json", "{\"output\":\"none\"}", deep,
           "{\"rows_in\":1,\"rows_out\":1,\"rows_bad\":0,\"errors\":[]}");
    memset(deep, '[', 4000);
    deep[4000] = '\0';
    expect_bad("{}", deep, SM_E_TOO_LARGE, "byte 1001): nested deeper than 1000");
    for (size_t i = 0; i < 1001; i++)
        memcpy(deep + 3 * i, "{\"\"", 3);
    deep[3003] = '\0';
    expect_bad("{}", deep, SM_E_BAD_INPUT, "expected a colon");
    size_t n = 1000000;
    char *bomb = malloc(n);
    ck_assert_ptr_nonnull(bomb);
    for (size_t i = 0; i < n; i++)
        bomb[i] = "{\"\":["[i % 5];
    expect_failure("parse.json", plain, "{}", bomb, n, SM_E_TOO_LARGE, "nested deeper");
    expect_failure("parse.ndjson", plain, "{}", bomb, n, SM_E_BAD_INPUT, "nested deeper");
    free(bomb);
}
END_TEST

/* ---- rows ---------------------------------------------------------------------------------- */

START_TEST(columns_are_found_by_name_typed_and_null_where_they_are_not_there)
{
    static const char args[] =
        "{\"columns\":[{\"name\":\"id\",\"type\":\"int\"},{\"name\":\"p\",\"from\":\"price\","
        "\"type\":\"decimal\"},{\"name\":\"ok\",\"type\":\"bool\"},{\"name\":\"t\",\"null_as\":["
        "\"-\"]},{\"name\":\"j\",\"type\":\"json\"},{\"name\":\"n\",\"type\":\"number\"}]}";
    expect_rows(args,
                "[{\"id\":1,\"price\":1.50,\"ok\":true,\"t\":\"a\\u00e9\",\"j\":{ \"x\" : [1] },"
                "\"n\":1.5e3},"
                "{\"n\":-0.0,\"j\":\"s\",\"t\":\"-\",\"id\":\"2\",\"price\":\"+3\",\"ok\":\"no\"},"
                "{\"more\":[],\"t\":12,\"j\":null,\"id\":null}]",
                "[{\"id\":1,\"p\":\"1.50\",\"ok\":true,\"t\":\"a\xc3\xa9\",\"j\":{\"x\":[1]},\"n\":"
                "1500},"
                "{\"id\":2,\"p\":\"3\",\"ok\":false,\"t\":null,\"j\":\"s\",\"n\":0.0},"
                "{\"id\":null,\"p\":null,\"ok\":null,\"t\":\"12\",\"j\":null,\"n\":null}]");
}
END_TEST

START_TEST(keys_may_come_in_any_order_escaped_and_more_than_once)
{
    static const char args[] = "{\"columns\":[{\"name\":\"a\"},{\"name\":\"b\",\"type\":\"int\"}]}";
    expect_rows(args,
                "[{\"a\":\"x\",\"b\":1},{\"b\":2,\"a\":\"y\"},{\"a\":\"z\",\"b\":3},"
                "{\"\\u0061\":\"e\",\"\\u0062\":4},{\"a\":\"f\",\"\\u0061\":\"g\"},{\"c\":0},"
                "{ \"a\" : \"h\" , \"b\" : 5 },{\"a\":\"i\",\"ab\":7,\"b\":6}]",
                "[{\"a\":\"x\",\"b\":1},{\"a\":\"y\",\"b\":2},{\"a\":\"z\",\"b\":3},{\"a\":\"e\","
                "\"b\":4},{\"a\":\"g\",\"b\":null},{\"a\":null,\"b\":null},{\"a\":\"h\",\"b\":5},"
                "{\"a\":\"i\",\"b\":6}]");
    expect_rows(args, "[{\"b\":\"no number\",\"b\":8}]", "[{\"a\":null,\"b\":8}]");
}
END_TEST

START_TEST(equal_keys_are_a_bad_row_where_the_job_says_so)
{
    static const char args[] = "{\"duplicate_keys\":\"error\",\"on_error\":\"collect\"}";
    expect("parse.json", args,
           "[{\"a\":1,\"b\":2},{\"a\":1,\"\\u0061\":2},{\"x\":[{\"k\":1,\"k\":1}"
           "]},{\"a\":{\"a\":1},\"b\":{\"a\":1}}]",
           "{\"rows\":[{\"a\":1,\"b\":2},{\"a\":{\"a\":1},\"b\":{\"a\":1}}],\"rows_in\":4,\"rows_"
           "out\":2,\"rows_bad\":2,\"errors\":[{\"row\":2,\"line\":1,\"column\":null,\"code\":"
           "\"duplicate_key\",\"message\":\"the key \\\"a\\\" stands twice in a map\"},{\"row\":3,"
           "\"line\":1,\"column\":null,\"code\":\"duplicate_key\",\"message\":\"the key \\\"k\\\" "
           "stands twice in a map\"}]}");
    expect_rows("{\"duplicate_keys\":\"error\"}", "[{},{\"a\":{}}]", "[{},{\"a\":{}}]");
    char many[2000], *at = many;
    at += sprintf(at, "[{");
    for (int i = 0; i < 100; i++)
        at += sprintf(at, "\"key%d\":%d,", i, i);
    sprintf(at, "\"key57\":0}]");
    expect_bad("{\"duplicate_keys\":\"error\"}", many, SM_E_BAD_INPUT, "\"key57\" stands twice");
    expect_bad("{\"duplicate_keys\":\"error\",\"columns\":[{\"name\":\"key1\"}]}", many,
               SM_E_BAD_INPUT, "\"key57\" stands twice");
}
END_TEST

START_TEST(pointers_lead_to_the_rows_and_into_them)
{
    expect_rows("{\"pointer\":\"/data/items\"}", "{\"data\":{\"n\":2,\"items\":[1,2]},\"x\":[3]}",
                "[1,2]");
    expect_rows("{\"pointer\":\"/a~1b/~0/1\"}", "{\"a/b\":{\"~\":[5,[6,7]]}}", "[6,7]");
    expect_rows("{\"pointer\":\"/a\"}", "{\"a\":[1],\"a\":[2]}", "[2]");
    expect_rows("{\"pointer\":\"/\\u00e9\"}", "{\"\\u00e9\":\"one\"}", "[\"one\"]");
    expect_rows("{\"pointer\":\"/\"}", "{\"\":[1]}", "[1]");
    expect_rows("{\"columns\":[{\"name\":\"city\",\"from\":\"/address/city\"},{\"name\":\"first\","
                "\"from\":\"/tags/0\"},{\"name\":\"address\",\"type\":\"json\"}]}",
                "[{\"address\":{\"city\":\"Essen\"},\"tags\":[\"a\",\"b\"]},{\"tags\":[]},"
                "{\"address\":7}]",
                "[{\"city\":\"Essen\",\"first\":\"a\",\"address\":{\"city\":\"Essen\"}},"
                "{\"city\":null,\"first\":null,\"address\":null},"
                "{\"city\":null,\"first\":null,\"address\":7}]");
    expect_bad("{\"pointer\":\"/b\"}", "{\"a\":1}", SM_E_BAD_INPUT, "there is nothing at \"/b\"");
    expect_bad("{\"pointer\":\"/01\"}", "[1,2]", SM_E_BAD_INPUT, "there is nothing at");
    expect_bad("{\"pointer\":\"a\"}", "{}", SM_E_BAD_ARGS, "args.pointer");
    expect_bad("{\"pointer\":\"/~2\"}", "{}", SM_E_BAD_ARGS, "args.pointer");
    expect_bad("{\"columns\":[{\"name\":\"x\",\"from\":\"/~\"}]}", "[]", SM_E_BAD_ARGS,
               "no JSON Pointer");
}
END_TEST

START_TEST(rows_may_be_lists)
{
    expect_rows("{\"columns\":[{\"name\":\"b\",\"index\":2,\"type\":\"int\"},{\"name\":\"a\","
                "\"index\":1},{\"name\":\"again\",\"index\":1}]}",
                "[[\"x\",1,true],[\"y\"],[]]",
                "[{\"b\":1,\"a\":\"x\",\"again\":\"x\"},{\"b\":null,\"a\":\"y\",\"again\":\"y\"},"
                "{\"b\":null,\"a\":null,\"again\":null}]");
    expect_bad("{\"columns\":[{\"name\":\"b\",\"index\":2},{\"name\":\"a\"}]}", "[]", SM_E_BAD_ARGS,
               "not both");
    expect_bad("{\"columns\":[{\"name\":\"b\",\"index\":1}]}", "[{}]", SM_E_BAD_INPUT,
               "line 1: expected a list (columns by index are of lists), got a map");
}
END_TEST

START_TEST(bad_rows_are_reported_by_line_and_column)
{
    static const char args[] = "{\"columns\":[{\"name\":\"a\",\"type\":\"int\",\"required\":true}],"
                               "\"on_error\":\"collect\",\"output\":\"none\"}";
    expect("parse.json", args,
           "[{\"a\":1},\n{\"a\":1.0},\n{\"a\":[]},\n7,\n{},\n{\"a\":9223372036854775808}]",
           "{\"rows_in\":6,\"rows_out\":1,\"rows_bad\":5,\"errors\":["
           "{\"row\":2,\"line\":2,\"column\":\"a\",\"code\":\"type\",\"message\":\"expected an "
           "integer, got \\\"1.0\\\"\"},"
           "{\"row\":3,\"line\":3,\"column\":\"a\",\"code\":\"type\",\"message\":\"expected a "
           "single value (type json takes lists and maps), got \\\"[]\\\"\"},"
           "{\"row\":4,\"line\":4,\"column\":null,\"code\":\"type\",\"message\":\"expected a map, "
           "got a number\"},"
           "{\"row\":5,\"line\":5,\"column\":\"a\",\"code\":\"missing\",\"message\":\"expected a "
           "value: it is required, got nothing\"},"
           "{\"row\":6,\"line\":6,\"column\":\"a\",\"code\":\"range\",\"message\":\"expected an "
           "integer of 64 bits (decimal takes larger ones), got \\\"9223372036854775808\\\"\"}]}");
    expect_bad("{\"columns\":[{\"name\":\"a\",\"type\":\"int\"}]}", "[{\"a\":1},\n{\"a\":\"x\"}]",
               SM_E_BAD_INPUT, "line 2, column \"a\": expected an integer, got \"x\"");
}
END_TEST

START_TEST(broken_json_fails_the_job_whatever_on_error_says)
{
    expect_bad("{\"on_error\":\"skip\"}", "[1,2,}", SM_E_BAD_INPUT, "byte 6");
    expect_bad("{\"on_error\":\"skip\",\"columns\":[{\"name\":\"a\"}]}", "[{\"a\":1},{\"a\":}]",
               SM_E_BAD_INPUT, "byte 15");
}
END_TEST

START_TEST(what_jsonb_cannot_hold_is_a_bad_row_and_ndjson_holds_it)
{
    expect_bad("{}", "[\"a\\u0000b\"]", SM_E_BAD_INPUT, "no U+0000");
    expect_bad("{}", "[{\"\\u0000\":1}]", SM_E_BAD_INPUT, "no U+0000");
    expect_bad("{}", "[1e999999]", SM_E_BAD_INPUT, "numbers that PostgreSQL can hold");
    expect_bad("{\"columns\":[{\"name\":\"a\"}]}", "[{\"a\":\"\\u0000\"}]", SM_E_BAD_INPUT,
               "text without U+0000");
    static const char input[] = "[\"a\\u0000b\", 1e999999]";
    struct ran ran =
        run_named("parse.json", plain, "{\"output\":\"ndjson\"}", input, sizeof input - 1);
    ck_assert_str_eq(ran.body, "\"a\\u0000b\"\n1e999999\n");
    ran_free(&ran);
}
END_TEST

START_TEST(where_and_limit_choose_rows)
{
    static const char input[] =
        "[{\"a\":1,\"b\":\"x\"},{\"a\":2},{\"a\":10,\"b\":\"y\"},{\"a\":null,\"b\":\"y\"}]";
    static const char *const cases[][2] = {
        {"{\"column\":\"a\",\"is\":\"gt\",\"value\":1}",
         "[{\"a\":2,\"b\":null},{\"a\":10,\"b\":\"y\"}]"},
        {"{\"column\":\"a\",\"is\":\"le\",\"value\":\"2\"}",
         "[{\"a\":1,\"b\":\"x\"},{\"a\":2,\"b\":null}]"},
        {"{\"column\":\"a\",\"is\":\"ne\",\"value\":1},{\"column\":\"b\",\"value\":\"y\"}",
         "[{\"a\":10,\"b\":\"y\"}]"},
        {"{\"column\":\"b\",\"is\":\"null\"}", "[{\"a\":2,\"b\":null}]"},
        {"{\"column\":\"a\",\"is\":\"not_null\"},{\"column\":\"b\",\"is\":\"lt\",\"value\":\"y\"}",
         "[{\"a\":1,\"b\":\"x\"}]"},
    };
    char args[300];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(
            args, sizeof args,
            "{\"columns\":[{\"name\":\"a\",\"type\":\"int\"},{\"name\":\"b\"}],\"where\":[%s]}",
            cases[i][0]);
        expect_rows(args, input, cases[i][1]);
    }
    expect("parse.json", "{\"limit\":2}", "[1,2,3,oops",
           "{\"rows\":[1,2],\"rows_in\":2,\"rows_out\":2,\"rows_bad\":0,\"errors\":[]}");
    expect_bad("{\"where\":[{\"column\":\"a\",\"value\":1}]}", input, SM_E_BAD_ARGS,
               "\"a\" is none of the columns");
    expect_bad("{\"columns\":[{\"name\":\"a\",\"type\":\"int\"}],\"where\":[{\"column\":\"a\","
               "\"value\":\"x\"}]}",
               input, SM_E_BAD_ARGS, "args.where[0].value: expected an integer");
    expect_bad("{\"columns\":[{\"name\":\"a\"}],\"where\":[{\"column\":\"a\"}]}", input,
               SM_E_BAD_ARGS, "args.where[0].value: missing");
}
END_TEST

START_TEST(rows_are_written_as_csv_and_msgpack_where_there_are_columns)
{
    static const char input[] =
        "[{\"a\":\"x, y\",\"j\":\"say \\\"hi\\\"\"},{\"j\":[1, 2]},{\"j\":7}]";
    struct ran ran = run_named("parse.json", plain,
                               "{\"columns\":[{\"name\":\"a\"},{\"name\":\"j\",\"type\":\"json\"}],"
                               "\"output\":\"csv\"}",
                               input, sizeof input - 1);
    ck_assert_str_eq(ran.body, "a,j\r\n\"x, y\",\"say \"\"hi\"\"\"\r\n,\"[1,2]\"\r\n,7\r\n");
    ran_free(&ran);
    ran = run_named("parse.json", plain,
                    "{\"columns\":[{\"name\":\"a\"},{\"name\":\"j\",\"type\":\"json\"}],"
                    "\"output\":\"msgpack\"}",
                    input, sizeof input - 1);
    static const char packed[] = "\x82\xa1"
                                 "a\xa4x, y\xa1j\xa8say \"hi\""
                                 "\x82\xa1"
                                 "a\xc0\xa1j\xa5[1,2]"
                                 "\x82\xa1"
                                 "a\xc0\xa1j\x07";
    ck_assert_uint_eq(ran.body_size, sizeof packed - 1);
    ck_assert_mem_eq(ran.body, packed, sizeof packed - 1);
    ran_free(&ran);
    expect_bad("{\"output\":\"csv\"}", input, SM_E_BAD_ARGS, "need args.columns");
}
END_TEST

/* ---- NDJSON -------------------------------------------------------------------------------- */

START_TEST(each_line_is_a_row_and_blank_ones_are_none)
{
    expect_rows_of("parse.ndjson", "{}", "\xef\xbb\xbf{\"a\":1}\n\n  \r\n[2]\r\n\"x\"",
                   "[{\"a\":1},[2],\"x\"]");
    expect_rows_of("parse.ndjson", "{}", "", "[]");
    expect_rows_of("parse.ndjson", "{\"columns\":[{\"name\":\"a\",\"type\":\"int\"}]}",
                   "{\"a\":1}\n{\"a\":2}\n{\"b\":0}\n{\"a\":3}",
                   "[{\"a\":1},{\"a\":2},{\"a\":null},{\"a\":3}]");
}
END_TEST

START_TEST(a_line_that_is_no_json_costs_one_row)
{
    expect(
        "parse.ndjson", "{\"on_error\":\"collect\"}",
        "{\"a\":\n1}\n{\"a\":1} 2\n[1]\n\"\xff\"\n{\"a\":\"\xc3\xa9\",}\n3",
        "{\"rows\":[[1],3],\"rows_in\":7,\"rows_out\":2,\"rows_bad\":5,\"errors\":["
        "{\"row\":1,\"line\":1,\"column\":null,\"code\":\"syntax\",\"message\":\"column 6 (byte "
        "6): expected a value, at the end\"},"
        "{\"row\":2,\"line\":2,\"column\":null,\"code\":\"syntax\",\"message\":\"column 2 (byte "
        "8): expected nothing behind the value, at '}'\"},"
        "{\"row\":3,\"line\":3,\"column\":null,\"code\":\"syntax\",\"message\":\"column 9 (byte "
        "18): expected nothing behind the value, at '2'\"},"
        "{\"row\":5,\"line\":5,\"column\":null,\"code\":\"syntax\",\"message\":\"column 2 (byte "
        "25): invalid UTF-8, at byte 0xff\"},"
        "{\"row\":6,\"line\":6,\"column\":null,\"code\":\"syntax\",\"message\":\"column 10 (byte "
        "38): expected a key in quotes, at '}'\"}]}");
}
END_TEST

/* ---- limits -------------------------------------------------------------------------------- */

START_TEST(large_inputs_stay_within_the_limits)
{
    size_t n = 4000000;
    char *input = malloc(n);
    ck_assert_ptr_nonnull(input);
    memset(input, '1', n); /* a number of four million digits */
    expect_failure("parse.json", plain, "{}", input, n, SM_E_BAD_INPUT, "PostgreSQL");
    for (size_t i = 0; i < n; i += 4)
        memcpy(input + i, "{},\n", 4);
    input[0] = '[';
    input[1] = ' ';
    input[2] = ' ';
    memcpy(input + n - 4, "{}] ", 4);
    expect_failure("parse.json", (struct how){.output = 100000}, "{}", input, n, SM_E_TOO_LARGE,
                   NULL);
    struct ran ran = run_named("parse.json", (struct how){.memory = 1 << 20},
                               "{\"output\":\"none\",\"columns\":[{\"name\":\"a\"}]}", input, n);
    ck_assert_msg(ran.code == 0, "%s", ran.error);
    ran_free(&ran);
    /* a map of nothing but keys, all of which are kept to find equal ones */
    for (size_t i = 0; i + 8 < n; i += 8) {
        char member[16];
        snprintf(member, sizeof member, "\"%03x\":1,", (unsigned)(i / 8) & 0xfff);
        memcpy(input + i, member, 8);
    }
    memcpy(input, "{       ", 8);
    memcpy(input + n - 8, "\"\":1}   ", 8);
    expect_failure("parse.json", (struct how){.memory = 4 << 20}, "{\"duplicate_keys\":\"error\"}",
                   input, n, SM_E_TOO_LARGE, NULL);
    expect_failure("parse.json", plain, "{\"duplicate_keys\":\"error\"}", input, n, SM_E_BAD_INPUT,
                   "stands twice");
    free(input);
}
END_TEST

START_TEST(a_stopped_job_ends)
{
    _Atomic int stop = SM_E_CANCELLED;
    size_t n = 3000;
    char input[3002];
    for (size_t i = 0; i < n; i += 3)
        memcpy(input + i, "{}\n", 3);
    expect_failure("parse.ndjson", (struct how){.stop = &stop}, "{}", input, n, SM_E_CANCELLED,
                   NULL);
}
END_TEST

int main(void)
{
    return RUN_SUITE(
        "jobs_json", {what_rfc_8259_allows_is_taken, 0},
        {what_is_no_json_is_refused_wherever_it_stands, 0}, {nul_bytes_are_no_white_space, 0},
        {errors_say_line_column_and_byte, 0}, {nesting_is_bounded, 0},
        {columns_are_found_by_name_typed_and_null_where_they_are_not_there, 0},
        {keys_may_come_in_any_order_escaped_and_more_than_once, 0},
        {equal_keys_are_a_bad_row_where_the_job_says_so, 0},
        {pointers_lead_to_the_rows_and_into_them, 0}, {rows_may_be_lists, 0},
        {bad_rows_are_reported_by_line_and_column, 0},
        {broken_json_fails_the_job_whatever_on_error_says, 0},
        {what_jsonb_cannot_hold_is_a_bad_row_and_ndjson_holds_it, 0},
        {where_and_limit_choose_rows, 0},
        {rows_are_written_as_csv_and_msgpack_where_there_are_columns, 0},
        {each_line_is_a_row_and_blank_ones_are_none, 0}, {a_line_that_is_no_json_costs_one_row, 0},
        {large_inputs_stay_within_the_limits, 0}, {a_stopped_job_ends, 0});
}

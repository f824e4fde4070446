/* parse.csv: what comes out of good files, and what broken and hostile ones end as. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#include "tests/base/suite.h"
#include "tests/jobs/harness.h"

static const struct how plain;

static struct ran parse(const char *args, const char *input)
{
    return run_named("parse.csv", plain, args, input, strlen(input));
}

static void expect_result(const char *args, const char *input, const char *expected)
{
    struct ran ran = parse(args, input);
    ck_assert_msg(ran.code == 0, "%s: %s", args, ran.error);
    ck_assert_str_eq(ran.result, expected);
    ran_free(&ran);
}

static void expect_rows(const char *args, const char *input, const char *rows)
{
    struct ran ran = parse(args, input);
    ck_assert_msg(ran.code == 0, "%s: %s", args, ran.error);
    size_t n = strlen(rows);
    ck_assert_msg(strncmp(ran.result, "{\"rows\":", 8) == 0 &&
                      strncmp(ran.result + 8, rows, n) == 0 && ran.result[8 + n] == ',',
                  "%s\ngot %s\nexpected %s", input, ran.result, rows);
    ran_free(&ran);
}

static void expect_body(const char *args, const char *input, const char *type, const char *body,
                        size_t size)
{
    struct ran ran = parse(args, input);
    ck_assert_msg(ran.code == 0, "%s: %s", args, ran.error);
    ck_assert_str_eq(ran.content_type, type);
    ck_assert_msg(ran.body_size == size && memcmp(ran.body, body, size) == 0,
                  "got\n%s\nexpected\n%s", ran.body, body);
    ran_free(&ran);
}

static void expect_bad(const char *args, const char *input, int code, const char *has)
{
    expect_failure("parse.csv", plain, args, input, strlen(input), code, has);
}

/* ---- good files ---------------------------------------------------------------------------- */

START_TEST(fields_are_read_as_rfc_4180_says)
{
    expect_rows("{}", "a,b\n1,2\n", "[{\"a\":\"1\",\"b\":\"2\"}]");
    expect_rows("{}", "a,b\r\n1,2\r\n3,4", "[{\"a\":\"1\",\"b\":\"2\"},{\"a\":\"3\",\"b\":\"4\"}]");
    expect_rows("{}", "a,b\r1,2\r", "[{\"a\":\"1\",\"b\":\"2\"}]");
    expect_rows("{}",
                "\xef\xbb\xbf"
                "a,b\n1,2\n",
                "[{\"a\":\"1\",\"b\":\"2\"}]");
    expect_rows("{}", "\"a\",\"b\"\n\"x, y\",\"l\r\nm\"\n",
                "[{\"a\":\"x, y\",\"b\":\"l\\r\\nm\"}]");
    expect_rows("{}", "a,b\n\"say \"\"hi\"\"\",\"\"\"\"\n",
                "[{\"a\":\"say \\\"hi\\\"\",\"b\":\"\\\"\"}]");
    expect_rows("{}", "a,b\n,\n\"\",\"\"\n", "[{\"a\":\"\",\"b\":\"\"},{\"a\":\"\",\"b\":\"\"}]");
    expect_rows("{}", "a,b\n 1 , 2 \n", "[{\"a\":\" 1 \",\"b\":\" 2 \"}]");
    expect_rows("{}", "a,b\n1,\"2\"", "[{\"a\":\"1\",\"b\":\"2\"}]");
    expect_rows("{}", "a,b\n1,", "[{\"a\":\"1\",\"b\":\"\"}]");
}
END_TEST

START_TEST(empty_inputs_and_headers_alone_have_no_rows)
{
    static const char none[] =
        "{\"rows\":[],\"rows_in\":0,\"rows_out\":0,\"rows_bad\":0,\"errors\":[]}";
    expect_result("{}", "", none);
    expect_result("{}", "\xef\xbb\xbf", none);
    expect_result("{}", "\n\r\n", none);
    expect_result("{}", "a,b", none);
    expect_result("{}", "a,b\r\n\r\n", none);
    expect_result("{\"header\":false}", "", none);
    expect_result("{\"columns\":[{\"name\":\"x\"}]}", "", none);
}
END_TEST

START_TEST(blank_lines_are_rows_only_where_there_is_one_column)
{
    expect_rows("{}", "a,b\n\n1,2\n\n", "[{\"a\":\"1\",\"b\":\"2\"}]");
    expect_rows("{}", "a\n1\n\n2\n", "[{\"a\":\"1\"},{\"a\":\"\"},{\"a\":\"2\"}]");
}
END_TEST

START_TEST(without_a_header_columns_are_numbered_or_taken_in_turn)
{
    expect_rows(
        "{\"header\":false}", "1,2\n3,4\n",
        "[{\"column_1\":\"1\",\"column_2\":\"2\"},{\"column_1\":\"3\",\"column_2\":\"4\"}]");
    expect_rows("{\"header\":false,\"columns\":[{\"name\":\"x\",\"type\":\"int\"},{\"name\":\"z\","
                "\"index\":3}]}",
                "1,2,3\n", "[{\"x\":1,\"z\":\"3\"}]");
    expect_bad("{\"header\":false,\"columns\":[{\"name\":\"x\",\"from\":\"y\"}]}", "1\n",
               SM_E_BAD_ARGS, "args.columns[0].from");
    expect_bad("{\"header\":false,\"columns\":[{\"name\":\"x\",\"index\":2}]}", "1\n",
               SM_E_BAD_INPUT, "asks for field 2, but rows have 1");
}
END_TEST

START_TEST(one_quoted_field_may_feed_many_columns)
{
    char args[4096], input[2100], *at = args + sprintf(args, "{\"header\":false,\"columns\":[");
    memset(input, 'x', sizeof input);
    memcpy(input, "\"\"\"", 3);
    memcpy(input + sizeof input - 4, "\",y", 4);
    for (int i = 0; i < 60; i++)
        at += sprintf(at, "%s{\"name\":\"c%d\",\"index\":1}", i == 0 ? "" : ",", i);
    strcpy(at, "],\"output\":\"msgpack\"}");
    struct ran ran = run_named("parse.csv", plain, args, input, sizeof input);
    ck_assert_msg(ran.code == 0, "%s", ran.error);
    ck_assert_uint_gt(ran.body_size, 60 * 2000);
    ran_free(&ran);
}
END_TEST

START_TEST(columns_are_found_by_name_renamed_typed_and_nulled)
{
    static const char args[] =
        "{\"columns\":[{\"name\":\"price\",\"from\":\"Price\",\"type\":\"decimal\"},"
        "{\"name\":\"n\",\"index\":1,\"type\":\"int\"},{\"name\":\"ok\",\"type\":\"bool\"},"
        "{\"name\":\"f\",\"type\":\"float\",\"null_as\":[\"NA\",\"-\"]},{\"name\":\"t\",\"null_"
        "as\":[\"\"]}]}";
    expect_rows(args, "id,ok,Price,f,t\n007,yes,+1.50,2.50,x\n,,,NA,\n",
                "[{\"price\":\"1.50\",\"n\":7,\"ok\":true,\"f\":2.5,\"t\":\"x\"},"
                "{\"price\":null,\"n\":null,\"ok\":null,\"f\":null,\"t\":null}]");
}
END_TEST

START_TEST(delimiters_and_quotes_can_be_chosen)
{
    expect_rows("{\"delimiter\":\"\\t\"}", "a\tb\n1,5\t2\n", "[{\"a\":\"1,5\",\"b\":\"2\"}]");
    expect_rows("{\"delimiter\":\";\",\"quote\":\"'\"}", "a;b\n'x;y';\"\n",
                "[{\"a\":\"x;y\",\"b\":\"\\\"\"}]");
    expect_rows("{\"quote\":\"\"}", "a,b\n\"1,2\"\n", "[{\"a\":\"\\\"1\",\"b\":\"2\\\"\"}]");
    expect_bad("{\"delimiter\":\"\\n\"}", "", SM_E_BAD_ARGS, "args.delimiter");
    expect_bad("{\"delimiter\":\"\\\"\"}", "", SM_E_BAD_ARGS, "the same as");
    expect_bad("{\"delimiter\":\"\\u00e9\"}", "", SM_E_BAD_ARGS, "args.delimiter");
    expect_bad("{\"delimiter\":\";;\"}", "", SM_E_BAD_ARGS,
               "args.delimiter: 2 bytes, expected exactly 1");
}
END_TEST

START_TEST(every_output_holds_the_same_rows)
{
    static const char input[] = "a,b,c\n1,\"x \"\"y\"\", z\",\n-2,,2.5\n";
#define COLUMNS                                                                                    \
    "\"columns\":[{\"name\":\"a\",\"type\":\"int\"},{\"name\":\"b\"},{\"name\":\"c\",\"type\":"    \
    "\"float\"}]"
    expect_rows("{" COLUMNS "}", input,
                "[{\"a\":1,\"b\":\"x \\\"y\\\", z\",\"c\":null},{\"a\":-2,\"b\":\"\",\"c\":2.5}]");
    static const char ndjson[] =
        "{\"a\":1,\"b\":\"x \\\"y\\\", z\",\"c\":null}\n{\"a\":-2,\"b\":\"\",\"c\":2.5}\n";
    expect_body("{\"output\":\"ndjson\"," COLUMNS "}", input, "application/x-ndjson", ndjson,
                sizeof ndjson - 1);
    static const char csv[] = "a,b,c\r\n1,\"x \"\"y\"\", z\",\r\n-2,\"\",2.5\r\n";
    expect_body("{\"output\":\"csv\"," COLUMNS "}", input, "text/csv; charset=utf-8", csv,
                sizeof csv - 1);
    static const char msgpack[] = "\x83\xa1"
                                  "a\x01\xa1"
                                  "b\xa8"
                                  "x \"y\", z\xa1"
                                  "c\xc0"
                                  "\x83\xa1"
                                  "a\xfe\xa1"
                                  "b\xa0\xa1"
                                  "c\xcb\x40\x04\x00\x00\x00\x00\x00\x00";
    expect_body("{\"output\":\"msgpack\"," COLUMNS "}", input, "application/vnd.msgpack", msgpack,
                sizeof msgpack - 1);
    expect_result("{\"output\":\"none\"," COLUMNS "}", input,
                  "{\"rows_in\":2,\"rows_out\":2,\"rows_bad\":0,\"errors\":[]}");
}
END_TEST

START_TEST(json_escapes_what_must_be_escaped_at_every_place_in_a_text)
{
    static const char *const bad[] = {"\"\"", "\\", "\x01", "\t", "\x1f"};
    static const char *const good[] = {"\\\"", "\\\\", "\\u0001", "\\t", "\\u001f"};
    for (size_t place = 0; place < 50; place++)
        for (size_t i = 0; i < 5; i++) {
            char input[200], expected[200];
            snprintf(input, sizeof input, "a\n\"%.*s%s%s\"\n", (int)place,
                     "abcdefghijklmnopqrstuvwxyz !#$%&'()*+-./:;<=>?@[]^", bad[i],
                     "rest of the text");
            snprintf(expected, sizeof expected, "[{\"a\":\"%.*s%s%s\"}]", (int)place,
                     "abcdefghijklmnopqrstuvwxyz !#$%&'()*+-./:;<=>?@[]^", good[i],
                     "rest of the text");
            expect_rows("{}", input, expected);
        }
}
END_TEST

START_TEST(a_limit_ends_the_reading)
{
    expect_result("{\"limit\":2,\"output\":\"none\"}", "a\n1\n2\n\"open",
                  "{\"rows_in\":2,\"rows_out\":2,\"rows_bad\":0,\"errors\":[]}");
    expect_result("{\"limit\":1,\"output\":\"none\",\"header\":false}", "1\n2\n",
                  "{\"rows_in\":1,\"rows_out\":1,\"rows_bad\":0,\"errors\":[]}");
}
END_TEST

/* ---- bad rows ------------------------------------------------------------------------------ */

static const char typed[] = "\"columns\":[{\"name\":\"id\",\"type\":\"int\",\"required\":true},{"
                            "\"name\":\"n\",\"type\":\"float\"}]";

static const char *typed_args(const char *rest)
{
    static char args[400];
    snprintf(args, sizeof args, "{%s%s}", typed, rest);
    return args;
}

START_TEST(the_first_bad_row_fails_the_job_with_line_and_column)
{
    expect_bad(typed_args(""), "id,n\n1,2\n\n\"x\",3\n", SM_E_BAD_INPUT,
               "line 4, column \"id\": expected an integer, got \"x\"");
    expect_bad(typed_args(""), "id,n\r\n1,2\r\n,3\r\n", SM_E_BAD_INPUT,
               "line 3, column \"id\": expected a value: it is required, got nothing");
    expect_bad(typed_args(""), "id,n\r1,1e999\r", SM_E_BAD_INPUT,
               "line 2, column \"n\": expected a number that a double can hold");
    expect_bad("{}", "a,b\n\"x\ny\",1\n1\n", SM_E_BAD_INPUT, "line 4: 1 fields, expected 2");
    expect_bad("{}", "a,b\n1,2,3\n", SM_E_BAD_INPUT, "line 2: 3 fields, expected 2");
    expect_bad("{}", "a,b\n1,\xff\xfe\n", SM_E_BAD_INPUT,
               "line 2, column \"b\": expected UTF-8 without NUL, got \"??\"");
    expect_bad("{}", "a,b\nx,y\"z\n", SM_E_BAD_INPUT,
               "line 2: field 2: a quote inside an unquoted field");
}
END_TEST

START_TEST(collected_errors_name_row_line_column_and_cause)
{
    expect_result(typed_args(",\"on_error\":\"collect\",\"output\":\"none\""),
                  "id,n\n1,2\nx,3\n\n4\n5,\"6\"7\n8,9\n",
                  "{\"rows_in\":5,\"rows_out\":2,\"rows_bad\":3,\"errors\":["
                  "{\"row\":2,\"line\":3,\"column\":\"id\",\"code\":\"type\",\"message\":"
                  "\"expected an integer, got \\\"x\\\"\"},"
                  "{\"row\":3,\"line\":5,\"column\":null,\"code\":\"too_few_fields\",\"message\":"
                  "\"1 fields, expected 2\"},"
                  "{\"row\":4,\"line\":6,\"column\":null,\"code\":\"bad_quote\",\"message\":"
                  "\"field 2: a quote inside an unquoted field, or something behind a closing "
                  "quote (a quote inside a quoted field is doubled)\"}]}");
}
END_TEST

START_TEST(errors_are_capped_and_all_are_counted)
{
    expect_result(
        typed_args(",\"on_error\":\"collect\",\"output\":\"none\",\"max_errors\":1"),
        "id,n\nx,1\ny,2\n3,3\n",
        "{\"rows_in\":3,\"rows_out\":1,\"rows_bad\":2,\"errors\":[{\"row\":1,\"line\":2,\"column\":"
        "\"id\",\"code\":\"type\",\"message\":\"expected an integer, got \\\"x\\\"\"}]}");
    expect_result(typed_args(",\"on_error\":\"skip\",\"output\":\"none\""), "id,n\nx,1\ny,2\n3,3\n",
                  "{\"rows_in\":3,\"rows_out\":1,\"rows_bad\":2,\"errors\":[]}");
}
END_TEST

START_TEST(a_bad_quote_costs_one_line_wherever_chunks_end)
{
    for (size_t pad = 8100; pad < 8200; pad += 1) {
        char *input = malloc(pad + 200);
        size_t n = (size_t)sprintf(input, "a,b\n\"");
        memset(input + n, 'x', pad);
        n += pad;
        n += (size_t)sprintf(input + n, "\",1\nbad\"quote,2\n\"fine\n, too\",3\n");
        struct ran ran =
            run_named("parse.csv", plain, "{\"on_error\":\"skip\",\"output\":\"none\"}", input, n);
        ck_assert_str_eq(ran.result, "{\"rows_in\":3,\"rows_out\":2,\"rows_bad\":1,\"errors\":[]}");
        ran_free(&ran);
        free(input);
    }
}
END_TEST

START_TEST(text_with_nul_or_bad_utf8_is_a_bad_row_only_where_it_is_asked_for)
{
    static const char input[] = "a,b\n1,x\0y\n2,fine\n3,\xc3(\n";
    struct ran ran =
        run_named("parse.csv", plain, "{\"on_error\":\"skip\"}", input, sizeof input - 1);
    ck_assert_ptr_nonnull(
        strstr(ran.result, "[{\"a\":\"2\",\"b\":\"fine\"}],\"rows_in\":3,\"rows_out\":1"));
    ran_free(&ran);
    ran =
        run_named("parse.csv", plain, "{\"columns\":[{\"name\":\"a\"}]}", input, sizeof input - 1);
    ck_assert_int_eq(ran.code, 0);
    ran_free(&ran);
}
END_TEST

/* ---- broken and hostile files -------------------------------------------------------------- */

START_TEST(an_open_quote_fails_the_job_and_names_its_line)
{
    static const char has[] =
        "line 3: the quoted field that begins here (field 2 of its row) is never closed";
    expect_bad("{}", "a,b\n1,2\n3,\"4\n5,6\n", SM_E_BAD_INPUT, has);
    expect_bad("{\"on_error\":\"collect\"}", "a,b\n1,2\n3,\"4\n5,6\n", SM_E_BAD_INPUT, has);
    expect_bad("{\"on_error\":\"collect\"}", "a,\"b\n1,2\n", SM_E_BAD_INPUT, "line 1: ");
    expect_bad("{\"header\":false}", "\"", SM_E_BAD_INPUT, "line 1: ");
}
END_TEST

START_TEST(headers_that_cannot_be_bound_say_why)
{
    expect_bad("{}", "a,b,a\n", SM_E_BAD_INPUT, "columns 1 and 3 both \"a\"");
    expect_bad("{\"columns\":[{\"name\":\"price\"}]}", "id,prise\n", SM_E_BAD_INPUT,
               "line 1: there is no column \"price\" among the 2 here; is it \"prise\"?");
    expect_bad("{\"columns\":[{\"name\":\"a\"}]}", "a,b,a\n", SM_E_BAD_INPUT,
               "columns 1 and 3 are both named \"a\"");
    expect_bad("{\"columns\":[{\"name\":\"a\"},{\"name\":\"a\"}]}", "a\n", SM_E_BAD_ARGS,
               "args.columns[1].name: \"a\" is given twice");
    expect_bad("{\"columns\":[{\"name\":\"a\",\"from\":\"b\",\"index\":1}]}", "a\n", SM_E_BAD_ARGS,
               "from or index, not both");
    expect_bad("{}", "a,\xff\n", SM_E_BAD_INPUT, "line 1: the name of column 2");
    expect_bad("{}", "a,b\"\n", SM_E_BAD_INPUT, "line 1 (header): a misplaced quote in field 2");
    expect_bad("{\"header\":false}", "a,b\"\n", SM_E_BAD_INPUT, "line 1: a misplaced quote");
}
END_TEST

START_TEST(millions_of_columns_are_too_large)
{
    size_t size = 10000000;
    char *commas = malloc(size);
    memset(commas, ',', size);
    expect_failure("parse.csv", plain, "{}", commas, size, SM_E_TOO_LARGE,
                   "line 1: more than 4096 columns");
    expect_failure("parse.csv", plain, "{\"header\":false,\"on_error\":\"skip\"}", commas, size,
                   SM_E_TOO_LARGE, NULL);
    memcpy(commas, "a,b\n", 4);
    expect_failure("parse.csv", plain, "{\"on_error\":\"skip\"}", commas, size, SM_E_TOO_LARGE,
                   "line 2");
    free(commas);
}
END_TEST

START_TEST(a_field_without_end_is_a_bad_row)
{
    size_t size = 5000000;
    char *data = malloc(size);
    memset(data, 'x', size);
    memcpy(data, "a\n\"", 3);
    data[size - 1] = '"';
    expect_failure("parse.csv", plain, "{}", data, size, SM_E_BAD_INPUT,
                   "line 2, column \"a\": expected at most 1 MiB in a field, got \"xxx");
    free(data);
}
END_TEST

START_TEST(every_tight_limit_ends_as_too_large_or_done)
{
    static const char input[] = "a,b\n1,\"x\"\"y\"\n2,z\n";
    static const char *const outputs[] = {"rows", "ndjson", "csv", "msgpack"};
    for (size_t o = 0; o < 4; o++) {
        char args[80];
        int done = 0, refused = 0;
        snprintf(args, sizeof args, "{\"output\":\"%s\"}", outputs[o]);
        for (size_t limit = 1; limit < 200; limit++) {
            struct ran ran = run_named("parse.csv", (struct how){.output = limit}, args, input,
                                       sizeof input - 1);
            ck_assert(ran.code == 0 || ran.code == SM_E_TOO_LARGE);
            ran.code == 0 ? done++ : refused++;
            ran_free(&ran);
        }
        for (size_t limit = 1; limit < 300000; limit += 997) {
            struct ran ran = run_named("parse.csv", (struct how){.memory = limit}, args, input,
                                       sizeof input - 1);
            ck_assert(ran.code == 0 || ran.code == SM_E_TOO_LARGE);
            ran.code == 0 ? done++ : refused++;
            ran_free(&ran);
        }
        ck_assert(done > 100 && refused > 20);
    }
}
END_TEST

START_TEST(rows_wider_than_the_buffer_are_written_whole)
{
    size_t n = 300000;
    char *input = malloc(n + 10);
    memcpy(input, "a\n", 2);
    memset(input + 2, '\x01', n); /* six bytes each in JSON */
    struct ran ran = run_named("parse.csv", plain, "{\"output\":\"ndjson\"}", input, n + 2);
    ck_assert_msg(ran.code == 0, "%s", ran.error);
    ck_assert_uint_eq(ran.body_size, 6 * n + strlen("{\"a\":\"\"}\n"));
    ran_free(&ran);
    free(input);
}
END_TEST

START_TEST(progress_ends_at_the_size_of_the_input)
{
    size_t rows = 100000;
    char *input = malloc(2 * rows);
    for (size_t i = 0; i < rows; i++)
        memcpy(input + 2 * i, "1\n", 2);
    struct sm_progress progress = {0};
    struct ran ran = run_named("parse.csv", (struct how){.progress = &progress},
                               "{\"output\":\"none\"}", input, 2 * rows);
    ck_assert_int_eq(ran.code, 0);
    ck_assert_uint_eq(progress.done, 2 * rows);
    ck_assert_uint_eq(progress.total, 2 * rows);
    ran_free(&ran);
    free(input);
}
END_TEST

/* A clock has no part in it: another thread sets the stop once rows are seen to go by. */
struct stopper {
    _Atomic int stop;
    struct sm_progress progress;
};

static void *stop_when_under_way(void *data)
{
    struct stopper *s = data;
    while (s->progress.done == 0)
        sched_yield();
    s->stop = SM_E_TIMED_OUT;
    return NULL;
}

/* How a run over the input ends beside a thread that stops it. */
static int stopped_code(const char *input, size_t size)
{
    struct stopper s = {0};
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, stop_when_under_way, &s), 0);
    struct ran ran = run_named("parse.csv", (struct how){.stop = &s.stop, .progress = &s.progress},
                               "{\"output\":\"none\"}", input, size);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert(ran.code == 0 || s.progress.done < size);
    int code = ran.code;
    ran_free(&ran);
    return code;
}

START_TEST(a_stop_ends_a_run_that_is_under_way)
{
    size_t size = 16000000;
    char *input = malloc(size);
    for (size_t i = 0; i < size; i += 2)
        memcpy(input + i, "1\n", 2);
    int code = 0;
    for (int i = 0; i < 50 && code == 0; i++) /* the run may end first where cores are scarce */
        code = stopped_code(input, size);
    ck_assert_int_eq(code, SM_E_TIMED_OUT);
    free(input);
}
END_TEST

int main(void)
{
    return RUN_SUITE(
        "jobs_csv", {fields_are_read_as_rfc_4180_says, 0},
        {empty_inputs_and_headers_alone_have_no_rows, 0},
        {blank_lines_are_rows_only_where_there_is_one_column, 0},
        {without_a_header_columns_are_numbered_or_taken_in_turn, 0},
        {one_quoted_field_may_feed_many_columns, 0},
        {columns_are_found_by_name_renamed_typed_and_nulled, 0},
        {delimiters_and_quotes_can_be_chosen, 0}, {every_output_holds_the_same_rows, 0},
        {json_escapes_what_must_be_escaped_at_every_place_in_a_text, 0},
        {a_limit_ends_the_reading, 0}, {the_first_bad_row_fails_the_job_with_line_and_column, 0},
        {collected_errors_name_row_line_column_and_cause, 0},
        {errors_are_capped_and_all_are_counted, 0},
        {a_bad_quote_costs_one_line_wherever_chunks_end, 0},
        {text_with_nul_or_bad_utf8_is_a_bad_row_only_where_it_is_asked_for, 0},
        {an_open_quote_fails_the_job_and_names_its_line, 0},
        {headers_that_cannot_be_bound_say_why, 0}, {millions_of_columns_are_too_large, 0},
        {a_field_without_end_is_a_bad_row, 0}, {every_tight_limit_ends_as_too_large_or_done, 0},
        {rows_wider_than_the_buffer_are_written_whole, 0},
        {progress_ends_at_the_size_of_the_input, 0}, {a_stop_ends_a_run_that_is_under_way, 0});
}

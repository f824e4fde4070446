/* transform.aggregate: what each aggregate gives, groups, order, and what is too much. */
#include <stdio.h>

#include "tests/base/suite.h"
#include "tests/jobs/harness.h"

static const struct how plain;

static void expect_rows(const char *args, const char *input, const char *rows)
{
    struct ran ran = run_named("transform.aggregate", plain, args, input, strlen(input));
    ck_assert_msg(ran.code == 0, "%s: %s", args, ran.error);
    char *end = strstr(ran.result, ",\"rows_in\"");
    ck_assert_ptr_nonnull(end);
    *end = '\0';
    ck_assert_str_eq(ran.result + strlen("{\"rows\":"), rows);
    ran_free(&ran);
}

static void expect_bad(const char *args, const char *input, int code, const char *has)
{
    expect_failure("transform.aggregate", plain, args, input, strlen(input), code, has);
}

/* One aggregate over column x, of that type, over all rows. */
static void expect_of(const char *op, const char *type, const char *input, const char *value)
{
    char args[200], rows[200];
    snprintf(args, sizeof args,
             "{\"aggregates\":[{\"op\":\"%s\",\"column\":\"x\",\"as\":\"v\"}],\"columns\":[{"
             "\"name\":\"x\",\"type\":\"%s\"}]}",
             op, type);
    snprintf(rows, sizeof rows, "[{\"v\":%s}]", value);
    expect_rows(args, input, rows);
}

/* ---- groups -------------------------------------------------------------------------------- */

static const char sales[] =
    "[{\"region\":\"eu\",\"amount\":5},{\"region\":\"us\",\"amount\":2.5},{\"region\":\"eu\","
    "\"amount\":7},{\"region\":null,\"amount\":1},{\"amount\":2},{\"region\":\"us\",\"amount\":"
    "null},{\"region\":\"us\",\"amount\":0.50}]";

START_TEST(rows_are_grouped_counted_and_summed)
{
    expect_rows(
        "{\"group_by\":[\"region\"],\"aggregates\":[{\"op\":\"count\"},{\"op\":\"sum\","
        "\"column\":\"amount\",\"as\":\"total\"},{\"op\":\"count\",\"column\":\"amount\"}]}",
        sales,
        "[{\"region\":\"eu\",\"count\":2,\"total\":12,\"count_amount\":2},{\"region\":\"us\","
        "\"count\":3,\"total\":3,\"count_amount\":2},{\"region\":null,\"count\":2,\"total\":"
        "3,\"count_amount\":2}]");
    struct ran ran = run_named("transform.aggregate", plain, "{\"group_by\":[\"region\"]}", sales,
                               sizeof sales - 1);
    ck_assert_str_eq(ran.result,
                     "{\"rows\":[{\"region\":\"eu\"},{\"region\":\"us\"},{\"region\":"
                     "null}],\"rows_in\":7,\"rows_out\":3,\"rows_bad\":0,\"errors\":[]}");
    ran_free(&ran);
}
END_TEST

START_TEST(ndjson_and_csv_are_grouped_alike)
{
    static const char args[] = "{\"format\":\"%s\",\"group_by\":[\"k\"],\"aggregates\":[{\"op\":"
                               "\"sum\",\"column\":\"v\"}]%s}";
    char text[200];
    snprintf(text, sizeof text, args, "ndjson", "");
    expect_rows(text, "{\"k\":\"a\",\"v\":1}\n{\"k\":7,\"v\":2}\n{\"k\":\"a\",\"v\":3}",
                "[{\"k\":\"a\",\"sum_v\":4},{\"k\":7,\"sum_v\":2}]");
    snprintf(text, sizeof text, args, "csv", ",\"delimiter\":\";\"");
    expect_rows(
        text, "v;k\n1;a\n2;7\n3;a\n;b\n",
        "[{\"k\":\"a\",\"sum_v\":4},{\"k\":\"7\",\"sum_v\":2},{\"k\":\"b\",\"sum_v\":null}]");
}
END_TEST

START_TEST(equal_values_are_one_group_however_they_are_written)
{
    expect_rows("{\"columns\":[{\"name\":\"k\",\"type\":\"decimal\"}],\"group_by\":[\"k\"],"
                "\"aggregates\":[{\"op\":\"count\"}],\"format\":\"csv\"}",
                "k\n1.50\n1.5\n+1.500\n2\n2.0\n0.0\n-0\n20\n",
                "[{\"k\":\"1.5\",\"count\":3},{\"k\":\"2\",\"count\":2},{\"k\":\"0\",\"count\":2},{"
                "\"k\":\"20\",\"count\":1}]");
    expect_rows(
        "{\"columns\":[{\"name\":\"t\",\"type\":\"timestamp\"}],\"group_by\":[\"t\"],"
        "\"aggregates\":[{\"op\":\"count\"}],\"format\":\"csv\"}",
        "t\n2026-01-01T01:00:00.000+01:00\n2026-01-01T00:00:00Z\n2026-01-01 00:00:00.50Z\n"
        "2026-01-01T00:00:00.5Z\n2026-01-01T00:00:00\n2026-01-01T00:00:10Z\n",
        "[{\"t\":\"2026-01-01T00:00:00Z\",\"count\":2},{\"t\":\"2026-01-01T00:00:00.5Z\","
        "\"count\":2},{\"t\":\"2026-01-01T00:00:00\",\"count\":1},{\"t\":\"2026-01-01T00:00:"
        "10Z\",\"count\":1}]");
    expect_rows(
        "{\"group_by\":[\"k\"],\"aggregates\":[{\"op\":\"count\"}]}",
        "[{\"k\":\"\\u0061\"},{\"k\":\"a\"},{\"k\":1},{\"k\":\"1\"},{\"k\":[ 1]},{\"k\":[1]}]",
        "[{\"k\":\"a\",\"count\":2},{\"k\":1,\"count\":1},{\"k\":\"1\",\"count\":1},{\"k\":[1]"
        ",\"count\":2}]");
}
END_TEST

START_TEST(columns_of_a_group_do_not_run_into_each_other)
{
    expect_rows(
        "{\"group_by\":[\"a\",\"b\"],\"aggregates\":[{\"op\":\"count\"}],\"format\":\"csv\"}",
        "a,b\nx,yz\nxy,z\n,xyz\nxyz,\nx,yz\n",
        "[{\"a\":\"x\",\"b\":\"yz\",\"count\":2},{\"a\":\"xy\",\"b\":\"z\",\"count\":1},{\"a\":"
        "\"\",\"b\":\"xyz\",\"count\":1},{\"a\":\"xyz\",\"b\":\"\",\"count\":1}]");
}
END_TEST

START_TEST(without_group_by_all_rows_are_one_group_even_none)
{
    static const char args[] =
        "{\"aggregates\":[{\"op\":\"count\"},{\"op\":\"sum\",\"column\":\"x\"},"
        "{\"op\":\"avg\",\"column\":\"x\"},{\"op\":\"min\",\"column\":\"x\"},"
        "{\"op\":\"distinct\",\"column\":\"x\"}]}";
    expect_rows(args, "[]",
                "[{\"count\":0,\"sum_x\":null,\"avg_x\":null,\"min_x\":null,\"distinct_x\":0}]");
    expect_rows(args, "[{\"x\":3},{\"x\":4}]",
                "[{\"count\":2,\"sum_x\":7,\"avg_x\":3.5,\"min_x\":3,\"distinct_x\":2}]");
    expect_rows("{\"group_by\":[\"x\"]}", "[]", "[]");
}
END_TEST

/* ---- aggregates ---------------------------------------------------------------------------- */

START_TEST(sums_of_integers_are_exact_or_an_error)
{
    expect_of("sum", "int", "[{\"x\":9007199254740993},{\"x\":1}]", "9007199254740994");
    expect_of("sum", "int", "[{\"x\":9223372036854775807},{\"x\":1},{\"x\":-2}]",
              "9223372036854775806");
    expect_of("sum", "int", "[{\"x\":-9223372036854775808}]", "-9223372036854775808");
    expect_bad("{\"aggregates\":[{\"op\":\"sum\",\"column\":\"x\"}],\"columns\":[{\"name\":\"x\","
               "\"type\":\"int\"}]}",
               "[{\"x\":9223372036854775807},{\"x\":1}]", SM_E_TOO_LARGE,
               "\"sum_x\": a sum of integers past 64 bits: read the column as decimal or number");
    expect_of("sum", "number", "[{\"x\":9223372036854775807},{\"x\":1}]", "9223372036854775808");
}
END_TEST

START_TEST(sums_of_decimals_are_exact_or_an_error)
{
    expect_of("sum", "decimal", "[{\"x\":0.1},{\"x\":0.2}]", "\"0.3\"");
    expect_of("sum", "decimal", "[{\"x\":\"1.50\"},{\"x\":2.5}]", "\"4.00\"");
    expect_of("sum", "number", "[{\"x\":1.50},{\"x\":2.5}]", "4");
    expect_of("sum", "number", "[{\"x\":-0.05},{\"x\":0.04}]", "-0.01");
    expect_of("sum", "number", "[{\"x\":1e20},{\"x\":1},{\"x\":1e-10}]",
              "100000000000000000001.0000000001");
    expect_of("sum", "decimal", "[{\"x\":99999999999999999999999999999999999999}]",
              "\"99999999999999999999999999999999999999\"");
    expect_of("sum", "number", "[{\"x\":5},{\"x\":-5},{\"x\":0.000}]", "0");
    static const char args[] =
        "{\"aggregates\":[{\"op\":\"sum\",\"column\":\"x\"}],\"columns\":[{\"name\":\"x\",\"type\":"
        "\"decimal\"}]}";
    expect_bad(args, "[{\"x\":1000000000000000000000000000000000000000}]", SM_E_TOO_LARGE,
               "a sum of more than 38 digits");
    expect_bad(args, "[{\"x\":99999999999999999999999999999999999999},{\"x\":0.1}]", SM_E_TOO_LARGE,
               "a sum of more than 38 digits");
    expect_bad(args,
               "[{\"x\":99999999999999999999999999999999999999},{\"x\":"
               "99999999999999999999999999999999999999}]",
               SM_E_TOO_LARGE, "a sum of more than 38 digits");
}
END_TEST

START_TEST(sums_of_doubles_keep_what_rounding_would_lose)
{
    expect_of("sum", "float", "[{\"x\":1e16},{\"x\":1},{\"x\":-1e16}]", "1");
    expect_of("sum", "float", "[{\"x\":0.1},{\"x\":0.1},{\"x\":0.1}]", "0.30000000000000004");
    expect_bad("{\"aggregates\":[{\"op\":\"sum\",\"column\":\"x\"}],\"columns\":[{\"name\":\"x\","
               "\"type\":\"float\"}]}",
               "[{\"x\":1e308},{\"x\":1e308}]", SM_E_TOO_LARGE, "past what a double can hold");
}
END_TEST

START_TEST(averages_and_deviations_are_doubles)
{
    expect_of("avg", "int", "[{\"x\":1},{\"x\":2},{\"x\":null}]", "1.5");
    expect_of("avg", "int", "[{\"x\":1},{\"x\":0},{\"x\":0}]", "0.3333333333333333");
    expect_of("avg", "int", "[{\"x\":9223372036854775807},{\"x\":9223372036854775807}]",
              "9223372036854776000");
    expect_of("avg", "decimal", "[{\"x\":0.1},{\"x\":0.3}]", "0.2");
    expect_of("avg", "number", "[{\"x\":1e-7},{\"x\":1e-7}]", "1e-7");
    expect_of("stddev", "int",
              "[{\"x\":2},{\"x\":4},{\"x\":4},{\"x\":4},{\"x\":5},{\"x\":5},{\"x\":7}"
              ",{\"x\":9}]",
              "2.138089935299395");
    expect_of("stddev", "number", "[{\"x\":1.5},{\"x\":1.5}]", "0");
    expect_of("stddev", "float", "[{\"x\":1}]", "null");
}
END_TEST

START_TEST(least_and_greatest_go_by_the_type)
{
    expect_of("min", "int", "[{\"x\":10},{\"x\":9},{\"x\":-3},{\"x\":null}]", "-3");
    expect_of("max", "text", "[{\"x\":\"10\"},{\"x\":\"9\"}]", "\"9\"");
    expect_of("max", "decimal", "[{\"x\":\"10\"},{\"x\":\"9.99\"},{\"x\":\"10.00\"}]", "\"10\"");
    expect_of("min", "decimal", "[{\"x\":\"-1.5\"},{\"x\":\"-1.50001\"},{\"x\":\"-0.2\"}]",
              "\"-1.50001\"");
    expect_of("min", "number", "[{\"x\":0.5},{\"x\":1e-3},{\"x\":12}]", "0.001");
    expect_of("max", "float", "[{\"x\":-1},{\"x\":-2e3}]", "-1");
    expect_of("min", "bool", "[{\"x\":true},{\"x\":false}]", "false");
    expect_of("min", "date", "[{\"x\":\"2026-02-01\"},{\"x\":\"2025-12-31\"}]", "\"2025-12-31\"");
    expect_of("max", "timestamp",
              "[{\"x\":\"2026-01-01T00:00:00Z\"},{\"x\":\"2026-01-01T00:00:00.5Z\"},{\"x\":"
              "\"2026-01-01T00:00:00.25Z\"}]",
              "\"2026-01-01T00:00:00.5Z\"");
    expect_of("max", "text", "[{\"x\":\"a\"},{\"x\":\"\xc3\xa9\"},{\"x\":\"z\"}]", "\"\xc3\xa9\"");
}
END_TEST

START_TEST(first_last_and_distinct_pass_over_nulls)
{
    static const char input[] = "[{\"x\":null},{\"x\":\"b\"},{\"x\":\"a\"},{\"x\":\"b\"},{}]";
    expect_of("first", "text", input, "\"b\"");
    expect_of("last", "text", input, "\"b\"");
    expect_of("distinct", "text", input, "2");
    expect_of("distinct", "decimal", "[{\"x\":1.0},{\"x\":1},{\"x\":\"1.00\"}]", "1");
    expect_of("last", "json", "[{\"x\":[1, 2]},{\"x\":{\"a\":null}}]", "{\"a\":null}");
    expect_rows(
        "{\"group_by\":[\"k\"],\"aggregates\":[{\"op\":\"distinct\",\"column\":\"x\"},{\"op\":"
        "\"distinct\",\"column\":\"k\"}]}",
        "[{\"k\":1,\"x\":1},{\"k\":2,\"x\":1},{\"k\":1,\"x\":2}]",
        "[{\"k\":1,\"distinct_x\":2,\"distinct_k\":1},{\"k\":2,\"distinct_x\":1,\"distinct_k\":"
        "1}]");
}
END_TEST

/* ---- order and choice ---------------------------------------------------------------------- */

START_TEST(groups_are_sorted_and_cut)
{
    static const char input[] =
        "[{\"k\":\"b\",\"v\":2},{\"k\":\"a\",\"v\":2},{\"k\":\"c\",\"v\":10},{"
        "\"k\":\"d\"}]";
#define SUM "\"group_by\":[\"k\"],\"aggregates\":[{\"op\":\"sum\",\"column\":\"v\",\"as\":\"s\"}]"
    expect_rows(
        "{" SUM ",\"sort\":[{\"by\":\"s\"}]}", input,
        "[{\"k\":\"b\",\"s\":2},{\"k\":\"a\",\"s\":2},{\"k\":\"c\",\"s\":10},{\"k\":\"d\",\"s\":"
        "null}]");
    expect_rows("{" SUM ",\"sort\":[{\"by\":\"s\",\"order\":\"desc\"},{\"by\":\"k\"}],\"top\":3}",
                input, "[{\"k\":\"c\",\"s\":10},{\"k\":\"a\",\"s\":2},{\"k\":\"b\",\"s\":2}]");
    expect_rows("{" SUM ",\"top\":1}", input, "[{\"k\":\"b\",\"s\":2}]");
    expect_bad("{" SUM ",\"sort\":[{\"by\":\"v\"}]}", input, SM_E_BAD_ARGS,
               "args.sort[0].by: \"v\" is none of the output's columns");
    expect_rows(
        "{\"group_by\":[\"k\"],\"sort\":[{\"by\":\"k\"}]}",
        "[{\"k\":\"x\"},{\"k\":10},{\"k\":9},{\"k\":true},{\"k\":null},{\"k\":[]},{\"k\":false}]",
        "[{\"k\":false},{\"k\":true},{\"k\":9},{\"k\":10},{\"k\":\"x\"},{\"k\":[]},{\"k\":null}]");
}
END_TEST

START_TEST(where_and_bad_rows_are_the_row_sources)
{
    static const char args[] =
        "{\"group_by\":[\"k\"],\"aggregates\":[{\"op\":\"count\"}],\"columns\":[{\"name\":\"k\"},{"
        "\"name\":\"v\",\"type\":\"int\"}],\"where\":[{\"column\":\"v\",\"is\":\"ge\",\"value\":2}]"
        ",\"on_"
        "error\":\"collect\"}";
    static const char input[] = "[{\"k\":\"a\",\"v\":1},{\"k\":\"a\",\"v\":2},{\"k\":\"b\",\"v\":"
                                "\"x\"},{\"k\":\"a\",\"v\":3}]";
    struct ran ran = run_named("transform.aggregate", plain, args, input, sizeof input - 1);
    ck_assert_msg(ran.code == 0, "%s", ran.error);
    ck_assert_ptr_nonnull(strstr(ran.result,
                                 "{\"rows\":[{\"k\":\"a\",\"count\":2}],\"rows_in\":4,"
                                 "\"rows_out\":1,\"rows_bad\":1,\"errors\":[{\"row\":3,"));
    ran_free(&ran);
    expect_bad("{\"aggregates\":[{\"op\":\"sum\",\"column\":\"x\"}]}",
               "[{\"x\":1},\n{\"x\":\"?\"}]", SM_E_BAD_INPUT,
               "line 2, column \"x\": expected a decimal number, got \"?\"");
}
END_TEST

START_TEST(arguments_that_make_no_sense_are_named)
{
    expect_bad("{}", "[]", SM_E_BAD_ARGS, "give group_by or aggregates");
    expect_bad("{\"aggregates\":[{\"op\":\"sum\"}]}", "[]", SM_E_BAD_ARGS, "sum of what?");
    expect_bad("{\"aggregates\":[{\"op\":\"count\"},{\"op\":\"count\"}]}", "[]", SM_E_BAD_ARGS,
               "two columns of the output are named \"count\"");
    expect_bad(
        "{\"aggregates\":[{\"op\":\"sum\",\"column\":\"x\"}],\"columns\":[{\"name\":\"x\"}]}", "[]",
        SM_E_BAD_ARGS,
        "args.aggregates[0]: sum takes int, float, decimal or number: see args.columns");
    expect_bad("{\"group_by\":[\"y\"],\"columns\":[{\"name\":\"x\"}]}", "[]", SM_E_BAD_ARGS,
               "args.group_by[0]: \"y\" is none of the columns");
    expect_bad("{\"aggregates\":[{\"op\":\"median\",\"column\":\"x\"}]}", "[]", SM_E_BAD_ARGS,
               "args.aggregates[0].op");
}
END_TEST

/* ---- limits -------------------------------------------------------------------------------- */

static char *many_groups(size_t groups, size_t *size)
{
    char *input = malloc(groups * 12 + 3), *at = input;
    ck_assert_ptr_nonnull(input);
    *at++ = 'k';
    *at++ = '\n';
    for (size_t i = 0; i < groups; i++)
        at += sprintf(at, "%zu\n", i);
    *size = (size_t)(at - input);
    return input;
}

START_TEST(a_million_groups_fit_or_end_as_too_large)
{
    size_t size;
    char *input = many_groups(1000000, &size);
    static const char args[] =
        "{\"format\":\"csv\",\"group_by\":[\"k\"],\"aggregates\":[{\"op\":"
        "\"count\"}],\"sort\":[{\"by\":\"k\",\"order\":\"desc\"}],\"top\":2}";
    expect_failure("transform.aggregate", (struct how){.memory = (size_t)64 << 20}, args, input,
                   size, SM_E_TOO_LARGE, NULL);
    struct ran ran = run_named("transform.aggregate", (struct how){.memory = (size_t)1 << 30}, args,
                               input, size);
    ck_assert_msg(ran.code == 0, "%s", ran.error);
    ck_assert_ptr_nonnull(strstr(ran.result, "{\"rows\":[{\"k\":\"999999\",\"count\":1},{\"k\":"
                                             "\"999998\",\"count\":1}],\"rows_in\":1000000,"));
    ran_free(&ran);
    free(input);
}
END_TEST

START_TEST(values_that_grow_are_kept_within_a_few_times_the_longest)
{
    size_t n = 3000, size = 0;
    char *input = malloc(n * (n + 2));
    ck_assert_ptr_nonnull(input);
    input[size++] = 'x';
    input[size++] = '\n';
    for (size_t i = 1; i < n; i++) { /* each one greater, and longer by one */
        memset(input + size, 'z', i);
        size += i;
        input[size++] = '\n';
    }
    struct ran ran =
        run_named("transform.aggregate", (struct how){.memory = 1 << 20},
                  "{\"format\":\"csv\",\"columns\":[{\"name\":\"x\"}],\"aggregates\":[{"
                  "\"op\":\"max\",\"column\":\"x\"},{\"op\":\"last\",\"column\":\"x\"}]}",
                  input, size);
    ck_assert_msg(ran.code == 0, "%s", ran.error);
    ran_free(&ran);
    free(input);
}
END_TEST

int main(void)
{
    return RUN_SUITE(
        "jobs_aggregate", {rows_are_grouped_counted_and_summed, 0},
        {ndjson_and_csv_are_grouped_alike, 0},
        {equal_values_are_one_group_however_they_are_written, 0},
        {columns_of_a_group_do_not_run_into_each_other, 0},
        {without_group_by_all_rows_are_one_group_even_none, 0},
        {sums_of_integers_are_exact_or_an_error, 0}, {sums_of_decimals_are_exact_or_an_error, 0},
        {sums_of_doubles_keep_what_rounding_would_lose, 0},
        {averages_and_deviations_are_doubles, 0}, {least_and_greatest_go_by_the_type, 0},
        {first_last_and_distinct_pass_over_nulls, 0}, {groups_are_sorted_and_cut, 0},
        {where_and_bad_rows_are_the_row_sources, 0}, {arguments_that_make_no_sense_are_named, 0},
        {a_million_groups_fit_or_end_as_too_large, 0},
        {values_that_grow_are_kept_within_a_few_times_the_longest, 0});
}

/* JSON: writing, and the way to msgpack and back. */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/msg.h"
#include "tests/base/suite.h"

static struct sm_buf out;
static struct sm_json json;

static void fresh(void)
{
    sm_buf_free(&out);
    sm_buf_init(&out, 0);
    sm_json_init(&json, &out);
}

static const char *double_text(double value)
{
    fresh();
    sm_json_put_double(&json, value);
    return sm_buf_text(&out);
}

START_TEST(commas_and_colons_come_by_themselves)
{
    fresh();
    sm_json_put_open(&json, '{');
    sm_json_put_key(&json, "a", 1);
    sm_json_put_open(&json, '[');
    sm_json_put_int(&json, INT64_MIN);
    sm_json_put_uint(&json, UINT64_MAX);
    sm_json_put_bool(&json, true);
    sm_json_put_null(&json);
    sm_json_put_open(&json, '{');
    sm_json_put_close(&json, '}');
    sm_json_put_close(&json, ']');
    sm_json_put_key(&json, "b", 1);
    sm_json_put_raw(&json, "[1]", 3);
    sm_json_put_key(&json, "c", 1);
    sm_json_put_int(&json, 0);
    sm_json_put_close(&json, '}');
    ck_assert_str_eq(sm_buf_text(&out), "{\"a\":[-9223372036854775808,18446744073709551615,true,"
                                        "null,{}],\"b\":[1],\"c\":0}");
    ck_assert_int_eq(json.depth, 0);
}
END_TEST

START_TEST(text_is_escaped)
{
    fresh();
    sm_json_put_text(&json, "a\"b\\c\n\t\r\b\f\x01\x0b\x1f\x7f/\xc3\xa4", 17);
    ck_assert_str_eq(sm_buf_text(&out),
                     "\"a\\\"b\\\\c\\n\\t\\r\\b\\f\\u0001\\u000b\\u001f\x7f/\xc3\xa4\"");
    ck_assert(!json.bad_text);
}
END_TEST

START_TEST(bad_text_is_flagged_and_the_output_stays_valid)
{
    static const struct {
        const char *text;
        size_t size;
    } bad[] = {{"a\xff", 2}, {"a\0b", 3}, {"\xed\xa0\x80", 3}};

    for (size_t i = 0; i < 3; i++) {
        fresh();
        sm_json_put_text(&json, bad[i].text, bad[i].size);
        ck_assert(json.bad_text);
        ck_assert_str_eq(sm_buf_text(&out), "\"\"");
    }
}
END_TEST

START_TEST(doubles_are_the_shortest_that_read_back)
{
    static const double values[] = {0.1,
                                    1.0 / 3,
                                    1e300,
                                    5e-324,
                                    123456.789,
                                    -2.5e-10,
                                    1e15,
                                    1e22,
                                    9007199254740993.0,
                                    0.1 + 0.2,
                                    1.7976931348623157e308};

    ck_assert_str_eq(double_text(0.1), "0.1");
    ck_assert_str_eq(double_text(3.0), "3.0");
    ck_assert_str_eq(double_text(-0.0), "-0.0");
    ck_assert_str_eq(double_text(-7), "-7.0");
    ck_assert_str_eq(double_text(0.1 + 0.2), "0.30000000000000004");
    ck_assert_str_eq(double_text(NAN), "null");
    ck_assert_str_eq(double_text(-INFINITY), "null");
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        const char *text = double_text(values[i]);

        ck_assert_msg(strtod(text, NULL) == values[i], "%s", text);
        ck_assert_ptr_nonnull(strpbrk(text, ".e")); /* still a float for who reads it */
    }
}
END_TEST

START_TEST(a_writer_that_closes_too_much_aborts)
{
    fresh();
    sm_json_put_close(&json, '}');
}
END_TEST

/* JSON to msgpack and back. */
static const char *round_trip(const char *text)
{
    struct sm_buf packed;
    struct sm_err err = {0};
    int rc;

    sm_buf_init(&packed, 0);
    rc = sm_json_to_msgpack(text, strlen(text), &packed, &err);
    ck_assert_msg(rc == 0, "%s: %s", text, err.text);
    ck_assert(sm_msg_check(packed.data, packed.size, SM_JSON_DEPTH));
    fresh();
    sm_json_put_msgpack(&json, packed.data, packed.size);
    sm_buf_free(&packed);
    return sm_buf_text(&out);
}

START_TEST(json_survives_the_way_through_msgpack)
{
    static const char *const same[] = {
        "{}",
        "[]",
        "null",
        "true",
        "false",
        "0",
        "-1",
        "9223372036854775807",
        "-9223372036854775808",
        "1.5",
        "1.0",
        "\"\"",
        "\"\\\"\\n\xc3\xa4\"",
        "{\"z\":1,\"a\":[1,[2,{\"b\":[]}],\"x\"],\"m\":{\"n\":{}},\"last\":null}",
    };

    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
        ck_assert_str_eq(round_trip(same[i]), same[i]);
    ck_assert_str_eq(round_trip(" { \"a\" : \"\\u00e4\" } "), "{\"a\":\"\xc3\xa4\"}");
    ck_assert_str_eq(round_trip("\"[[[{{{\\\"[[\""), "\"[[[{{{\\\"[[\"");
}
END_TEST

START_TEST(bad_json_is_refused_with_its_place)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"", "line 1"},
        {"{\"a\": 1", "line 1"},
        {"{\"a\": 1,\n\"a\": 2}", "line 2"},
        {"1 2", "column"},
        {"9223372036854775808", "too big"},
        {"1e999", "line 1"},
        {"\"a\\u0000b\"", "U+0000"},
        {"{\"a\\u0000b\":1}", "U+0000"},
        {"\"\xff\"", "line 1"},
        {"{a:1}", "line 1, column 2"},
        {"NaN", "line 1"},
        {"[1,]", "line 1"},
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct sm_err err = {0};

        fresh();
        sm_buf_add_text(&out, "keep");
        ck_assert_int_eq(sm_json_to_msgpack(bad[i].text, strlen(bad[i].text), &out, &err),
                         SM_E_USAGE);
        ck_assert_msg(strstr(err.text, bad[i].says) != NULL, "%s: %s", bad[i].text, err.text);
        ck_assert_ptr_nonnull(strstr(err.text, "line"));
        ck_assert_str_eq(sm_buf_text(&out), "keep");
    }
}
END_TEST

START_TEST(nesting_is_bounded_before_it_is_parsed)
{
    static char text[200001];
    struct sm_err err;

    memset(text, '[', 100000);
    memset(text + 100000, ']', 100000);
    fresh();
    ck_assert_int_eq(sm_json_to_msgpack(text, 200000, &out, &err), SM_E_USAGE);
    ck_assert_str_eq(err.text, "line 1, column 65: nested deeper than 64 levels");
    ck_assert_int_eq(
        sm_json_to_msgpack(text + 100000 - SM_JSON_DEPTH, 2 * SM_JSON_DEPTH, &out, &err), 0);
    text[100000 + SM_JSON_DEPTH] = '\0';
    ck_assert_str_eq(round_trip(text + 100000 - SM_JSON_DEPTH), text + 100000 - SM_JSON_DEPTH);
}
END_TEST

START_TEST(what_passes_the_limit_leaves_nothing)
{
    struct sm_err err;
    struct sm_buf small;

    sm_buf_init(&small, 8);
    sm_buf_add_text(&small, "ab");
    ck_assert_int_eq(sm_json_to_msgpack("\"longer\"", 8, &small, &err), SM_E_TOO_LARGE);
    ck_assert_ptr_nonnull(strstr(err.text, "8 bytes"));
    ck_assert_str_eq(sm_buf_text(&small), "ab");
    ck_assert_int_eq(sm_json_to_msgpack("\"short\"", 7, &small, &err), 0);
    sm_buf_free(&small);
}
END_TEST

START_TEST(bytes_become_base64_and_extensions_null)
{
    /* RFC 4648, section 10 */
    static const char *const expected[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
                                           "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    char want[20], bytes[10];

    for (size_t n = 0; n <= 6; n++) {
        bytes[0] = '\xc4';
        bytes[1] = (char)n;
        memcpy(bytes + 2, "foobar", n);
        fresh();
        sm_json_put_msgpack(&json, bytes, n + 2);
        (void)snprintf(want, sizeof want, "\"%s\"", expected[n]);
        ck_assert_str_eq(sm_buf_text(&out), want);
    }
    fresh();
    sm_json_put_msgpack(&json, "\x92\xd4\x01x\xc4\x01\xff", 7);
    ck_assert_str_eq(sm_buf_text(&out), "[null,\"/w==\"]");
}
END_TEST

START_TEST(bad_text_in_msgpack_is_flagged)
{
    fresh();
    sm_json_put_msgpack(&json, "\x81\xa1\xff\xa1\xff", 5);
    ck_assert(json.bad_text);
    ck_assert_str_eq(sm_buf_text(&out), "{\"\":\"\"}");
}
END_TEST

int main(void)
{
    return RUN_SUITE(
        "json", {commas_and_colons_come_by_themselves, 0}, {text_is_escaped, 0},
        {bad_text_is_flagged_and_the_output_stays_valid, 0},
        {doubles_are_the_shortest_that_read_back, 0},
        {a_writer_that_closes_too_much_aborts, SIGABRT}, {json_survives_the_way_through_msgpack, 0},
        {bad_json_is_refused_with_its_place, 0}, {nesting_is_bounded_before_it_is_parsed, 0},
        {what_passes_the_limit_leaves_nothing, 0}, {bytes_become_base64_and_extensions_null, 0},
        {bad_text_in_msgpack_is_flagged, 0});
}

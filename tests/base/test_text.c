/* Near names, units, UTF-8, secrets. */
#include <string.h>

#include "base/text.h"
#include "tests/base/suite.h"

static const char *near(const char *word)
{
    static const char *const names[] = {"delimiter", "header", "rows", NULL, "level", "columns"};

    return sm_text_near(word, strlen(word), names, 6);
}

START_TEST(a_slip_is_recognised)
{
    ck_assert_str_eq(near("delimeter"), "delimiter");
    ck_assert_str_eq(near("delimtier"), "delimiter");
    ck_assert_str_eq(near("ehader"), "header");
    ck_assert_str_eq(near("row"), "rows");
    ck_assert_str_eq(near("orws"), "rows");
    ck_assert_str_eq(near("level"), "level");
}
END_TEST

START_TEST(another_word_is_not)
{
    ck_assert_ptr_null(near("colour"));
    ck_assert_ptr_null(near(""));
    ck_assert_ptr_null(near("ro"));
    ck_assert_ptr_null(near("rxxs"));
    ck_assert_ptr_null(
        near("a-name-that-is-longer-than-sixty-four-bytes-is-not-compared-with-anything"));
}
END_TEST

START_TEST(sizes_are_read)
{
    static const struct {
        const char *text;
        int64_t bytes;
    } good[] = {
        {"0", 0},
        {"1048576", 1048576},
        {"64MiB", 64 << 20},
        {"512k", 512 << 10},
        {"1g", 1 << 30},
        {"16mb", 16 << 20},
        {"7B", 7},
        {"2TiB", INT64_C(2) << 40},
        {"9223372036854775807", INT64_MAX},
    };
    static const char *const bad[] = {
        "",     "MiB", "-1", "1.5M", "1 M", "1x", "9223372036854775808", "9223372036854775807k",
        "1MiBs"};
    int64_t bytes = -7;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!sm_text_parse_size(bad[i], &bytes), "%s", bad[i]);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        ck_assert_msg(sm_text_parse_size(good[i].text, &bytes), "%s", good[i].text);
        ck_assert_int_eq(bytes, good[i].bytes);
    }
}
END_TEST

START_TEST(durations_are_read)
{
    int64_t ms;

    ck_assert(sm_text_parse_duration("250ms", &ms) && ms == 250);
    ck_assert(sm_text_parse_duration("5s", &ms) && ms == 5000);
    ck_assert(sm_text_parse_duration("5", &ms) && ms == 5000);
    ck_assert(sm_text_parse_duration("5m", &ms) && ms == 300000);
    ck_assert(sm_text_parse_duration("1h", &ms) && ms == 3600000);
    ck_assert(sm_text_parse_duration("7d", &ms) && ms == INT64_C(604800000));
    ck_assert(!sm_text_parse_duration("5w", &ms));
    ck_assert(!sm_text_parse_duration("s", &ms));
    ck_assert(!sm_text_parse_duration("", &ms));
    ck_assert(!sm_text_parse_duration("9223372036854775807d", &ms));
}
END_TEST

START_TEST(what_is_printed_reads_back)
{
    static const int64_t numbers[] = {0,
                                      1,
                                      999,
                                      1000,
                                      1024,
                                      1500,
                                      60000,
                                      61000,
                                      65536,
                                      86400000,
                                      INT64_C(1) << 40,
                                      (INT64_C(1) << 40) + 1,
                                      INT64_MAX};
    char text[32];
    int64_t back;

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        sm_text_format_size(numbers[i], text);
        ck_assert(sm_text_parse_size(text, &back));
        ck_assert_int_eq(back, numbers[i]);
        sm_text_format_duration(numbers[i], text);
        ck_assert(sm_text_parse_duration(text, &back));
        ck_assert_int_eq(back, numbers[i]);
    }
    sm_text_format_size(64 << 20, text);
    ck_assert_str_eq(text, "64MiB");
    sm_text_format_duration(250, text);
    ck_assert_str_eq(text, "250ms");
    sm_text_format_duration(0, text);
    ck_assert_str_eq(text, "0s");
}
END_TEST

START_TEST(integers_are_read_up_to_their_bounds)
{
    int64_t value;

    ck_assert(sm_text_parse_int("-9223372036854775808", 20, &value) && value == INT64_MIN);
    ck_assert(sm_text_parse_int("9223372036854775807", 19, &value) && value == INT64_MAX);
    ck_assert(sm_text_parse_int("12345", 2, &value) && value == 12);
    ck_assert(!sm_text_parse_int("9223372036854775808", 19, &value));
    ck_assert(!sm_text_parse_int("-9223372036854775809", 20, &value));
    ck_assert(!sm_text_parse_int("", 0, &value));
    ck_assert(!sm_text_parse_int("-", 1, &value));
    ck_assert(!sm_text_parse_int("+1", 2, &value));
    ck_assert(!sm_text_parse_int(" 1", 2, &value));
    ck_assert(!sm_text_parse_int("1\0", 2, &value));
}
END_TEST

/* The rule of RFC 3629 written the slow way: decode, then look at the number. */
static size_t slow_sequence(const unsigned char *at, size_t left)
{
    static const uint32_t least[] = {0, 1, 0x80, 0x800, 0x10000};
    size_t n = at[0] < 0x80       ? 1
               : at[0] >> 5 == 6  ? 2
               : at[0] >> 4 == 14 ? 3
               : at[0] >> 3 == 30 ? 4
                                  : 0;
    uint32_t code;

    if (n == 0 || n > left)
        return 0;
    code = n == 1 ? at[0] : at[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (at[i] >> 6 != 2)
            return 0;
        code = code << 6 | (at[i] & 0x3f);
    }
    if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    return n;
}

static size_t slow_valid(const char *text, size_t size)
{
    size_t at = 0, n;

    while (at < size && (n = slow_sequence((const unsigned char *)text + at, size - at)) > 0)
        at += n;
    return at;
}

START_TEST(every_sequence_of_three_bytes_is_judged_as_rfc_3629_does)
{
    for (uint32_t code = 0; code < 1u << 24; code += code < 0x800000 ? 251 : 1) {
        char text[3] = {(char)(code >> 16), (char)(code >> 8), (char)code};

        if (sm_text_valid(text, 3) != slow_valid(text, 3))
            ck_abort_msg("%06x", code);
    }
}
END_TEST

START_TEST(sequences_of_four_bytes_are_judged_at_their_edges)
{
    static const unsigned char edges[] = {0x00, 0x7f, 0x80, 0x8f, 0x90,
                                          0x9f, 0xa0, 0xbf, 0xc0, 0xff};

    for (unsigned lead = 0xee; lead <= 0xff; lead++) {
        for (unsigned i = 0; i < 1000; i++) {
            char text[4] = {(char)lead, (char)edges[i / 100], (char)edges[i / 10 % 10],
                            (char)edges[i % 10]};

            ck_assert_uint_eq(sm_text_valid(text, 4), slow_valid(text, 4));
            ck_assert_uint_eq(sm_text_valid(text, 3), slow_valid(text, 3));
        }
    }
}
END_TEST

START_TEST(a_fault_is_found_at_any_place_of_a_long_text)
{
    static const char *const faults[] = {"\xff", "", "\xc3"}; /* "": a NUL */
    char text[100];

    for (size_t length = 1; length <= sizeof text; length++) {
        for (size_t at = 0; at < length; at++) {
            for (size_t i = 0; i < 3; i++) {
                memset(text, 'a', sizeof text);
                text[at] = faults[i][0];
                ck_assert_uint_eq(sm_text_valid(text, length), at);
            }
            memset(text, 'a', sizeof text);
            if (at + 3 <= length) {
                memcpy(text + at, "\xe2\x82\xac", 3);
                ck_assert_uint_eq(sm_text_valid(text, length), length);
            }
        }
    }
}
END_TEST

START_TEST(a_cut_never_splits_a_character)
{
    static const char text[] = "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z";
    static const size_t cuts[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11};

    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++)
        ck_assert_uint_eq(sm_text_cut(text, i), cuts[i]);
    ck_assert_uint_eq(sm_text_cut("a\xff", 2), 2); /* no start of anything */
}
END_TEST

static const struct {
    const char *url, *masked;
} secrets[] = {
    {"redis://:pw@host:6379/0", "redis://:***@host:6379/0"},
    {"redis://user:pw@host", "redis://user:***@host"},
    {"redis://pw@host", "redis://***@host"},
    {"rediss://u:p@ss/w?rd@host/1", "rediss://u:***@host/1"},
    {"redis://host:6379/0", "redis://host:6379/0"},
    {"unix:///run/redis.sock", "unix:///run/redis.sock"},
    {"postgres://user@host/db", "postgres://user@host/db"},
    {"postgresql://u:pw@h1:5432,h2:5433/db?sslmode=require",
     "postgresql://u:***@h1:5432,h2:5433/db?sslmode=require"},
    {"postgres://h/db?user=u&password=pw&x=1", "postgres://h/db?user=u&password=***&x=1"},
    {"postgres://u:a@h/db?password=b", "postgres://u:***@h/db?password=***"},
    {"postgres://h:5432/db?application_name=a@b", "postgres://h:5432/db?application_name=a@b"},
    {"host=h password=pw dbname=d", "host=h password=*** dbname=d"},
    {"host=h PASSWORD = 'p w\\'x' dbname=d", "host=h PASSWORD = *** dbname=d"},
    {"sslpassword=a password=b", "sslpassword=*** password=***"},
    {"", ""},
};

START_TEST(passwords_are_masked_and_the_rest_stays)
{
    char out[200];

    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
        sm_text_mask_url(secrets[i].url, out, sizeof out);
        ck_assert_str_eq(out, secrets[i].masked);
    }
}
END_TEST

START_TEST(a_mask_fits_any_room)
{
    for (size_t room = 1; room < 40; room++) {
        char out[41];

        memset(out, 'X', sizeof out);
        sm_text_mask_url("redis://user:secret@host:6379/0", out, room);
        ck_assert_uint_lt(strlen(out), room);
        ck_assert_ptr_null(strstr(out, "s3"));
        ck_assert_int_eq(out[room], 'X');
        ck_assert_int_eq(strncmp(out, "redis://user:***@host:6379/0", strlen(out)), 0);
    }
}
END_TEST

START_TEST(a_blot_keeps_the_length)
{
    char url[] = "redis://user:secret@host?password=x";
    char none[] = "redis://host:1";

    sm_text_blot_url(url);
    ck_assert_str_eq(url, "redis://user:******@host?password=*");
    sm_text_blot_url(none);
    ck_assert_str_eq(none, "redis://host:1");
}
END_TEST

int main(void)
{
    return RUN_SUITE("text", {a_slip_is_recognised, 0}, {another_word_is_not, 0},
                     {sizes_are_read, 0}, {durations_are_read, 0}, {what_is_printed_reads_back, 0},
                     {integers_are_read_up_to_their_bounds, 0},
                     {every_sequence_of_three_bytes_is_judged_as_rfc_3629_does, 0},
                     {sequences_of_four_bytes_are_judged_at_their_edges, 0},
                     {a_fault_is_found_at_any_place_of_a_long_text, 0},
                     {a_cut_never_splits_a_character, 0},
                     {passwords_are_masked_and_the_rest_stays, 0}, {a_mask_fits_any_room, 0},
                     {a_blot_keeps_the_length, 0});
}

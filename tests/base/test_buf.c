/* The growable buffer and the bridge from msgpack-c. */
#include <signal.h>
#include <string.h>

#include "base/buf.h"
#include "base/msgpack_out.h"
#include "tests/base/suite.h"

START_TEST(appends_grow_it)
{
    struct sm_buf buf;

    sm_buf_init(&buf, 0);
    for (int i = 0; i < 1000; i++)
        sm_buf_printf(&buf, "%03d", i);
    sm_buf_add_char(&buf, '.');
    sm_buf_add_text(&buf, "end");
    sm_buf_add(&buf, NULL, 0);
    ck_assert_uint_eq(buf.size, 3004);
    ck_assert_mem_eq(buf.data + 2997, "999.end", 7);
    ck_assert_str_eq(sm_buf_text(&buf) + 3000, ".end");
    ck_assert(!buf.full);
    sm_buf_free(&buf);
}
END_TEST

START_TEST(the_limit_is_reached_exactly_and_never_passed)
{
    for (size_t limit = 1; limit < 300; limit++) {
        struct sm_buf buf;

        sm_buf_init(&buf, limit);
        for (size_t i = 0; i < limit; i++)
            sm_buf_add_char(&buf, 'x');
        ck_assert(!buf.full);
        ck_assert_uint_eq(buf.size, limit);
        ck_assert_uint_eq(strlen(sm_buf_text(&buf)), limit);
        sm_buf_add_char(&buf, 'y');
        ck_assert(buf.full);
        ck_assert_uint_eq(buf.size, limit);
        ck_assert_uint_le(buf.room, limit + 1);
        sm_buf_free(&buf);
    }
}
END_TEST

START_TEST(what_does_not_fit_is_dropped_whole_and_so_is_all_after_it)
{
    struct sm_buf buf;

    sm_buf_init(&buf, 4);
    sm_buf_add_text(&buf, "abc");
    sm_buf_add_text(&buf, "de");
    sm_buf_add_text(&buf, "f");
    ck_assert(buf.full);
    ck_assert_str_eq(sm_buf_text(&buf), "abc");
    sm_buf_clear(&buf);
    sm_buf_add_text(&buf, "fine");
    ck_assert(!buf.full);
    ck_assert_str_eq(sm_buf_text(&buf), "fine");
    sm_buf_free(&buf);
}
END_TEST

START_TEST(reserved_room_counts_only_once_committed)
{
    struct sm_buf buf;
    char *at;

    sm_buf_init(&buf, 100);
    at = sm_buf_reserve(&buf, 100);
    ck_assert_ptr_nonnull(at);
    ck_assert_uint_eq(buf.size, 0);
    memcpy(at, "hello", 5);
    sm_buf_commit(&buf, 5);
    ck_assert_str_eq(sm_buf_text(&buf), "hello");
    ck_assert_ptr_null(sm_buf_reserve(&buf, 96));
    ck_assert(buf.full);
    sm_buf_free(&buf);
}
END_TEST

START_TEST(committing_more_than_reserved_aborts)
{
    struct sm_buf buf;

    sm_buf_init(&buf, 0);
    sm_buf_reserve(&buf, 10);
    sm_buf_commit(&buf, buf.room);
}
END_TEST

START_TEST(an_absurd_size_is_refused)
{
    struct sm_buf buf;

    sm_buf_init(&buf, 0);
    sm_buf_add_char(&buf, 'x');
    ck_assert_ptr_null(sm_buf_reserve(&buf, (size_t)-1));
    ck_assert(buf.full);
    sm_buf_free(&buf);
}
END_TEST

START_TEST(taking_hands_the_bytes_over)
{
    struct sm_buf buf;
    size_t size;
    char *data;

    sm_buf_init(&buf, 0);
    data = sm_buf_take(&buf, &size);
    ck_assert_ptr_null(data);
    ck_assert_uint_eq(size, 0);
    sm_buf_add_text(&buf, "mine");
    data = sm_buf_take(&buf, &size);
    ck_assert_uint_eq(size, 4);
    ck_assert_mem_eq(data, "mine", 4);
    ck_assert_ptr_null(buf.data);
    ck_assert_str_eq(sm_buf_text(&buf), "");
    sm_buf_free(&buf);
    free(data);
}
END_TEST

START_TEST(long_printed_text_is_whole)
{
    char text[2000];
    struct sm_buf buf;

    memset(text, 'z', sizeof text);
    text[sizeof text - 1] = '\0';
    for (size_t n = 250; n < 260; n++) {
        sm_buf_init(&buf, 0);
        sm_buf_printf(&buf, "%.*s", (int)n, text);
        ck_assert_uint_eq(buf.size, n);
        sm_buf_printf(&buf, "%s|", text);
        ck_assert_uint_eq(buf.size, n + sizeof text);
        ck_assert_int_eq(buf.data[buf.size - 1], '|');
        sm_buf_free(&buf);
    }
}
END_TEST

START_TEST(the_packer_learns_that_the_buffer_is_full)
{
    struct sm_buf buf;

    sm_buf_init(&buf, 3);
    ck_assert_int_eq(sm_buf_msgpack_write(&buf, "abc", 3), 0);
    ck_assert_int_eq(sm_buf_msgpack_write(&buf, "d", 1), -1);
    sm_buf_free(&buf);
}
END_TEST

int main(void)
{
    return RUN_SUITE(
        "buf", {appends_grow_it, 0}, {the_limit_is_reached_exactly_and_never_passed, 0},
        {what_does_not_fit_is_dropped_whole_and_so_is_all_after_it, 0},
        {reserved_room_counts_only_once_committed, 0},
        {committing_more_than_reserved_aborts, SIGABRT}, {an_absurd_size_is_refused, 0},
        {taking_hands_the_bytes_over, 0}, {long_printed_text_is_whole, 0},
        {the_packer_learns_that_the_buffer_is_full, 0});
}

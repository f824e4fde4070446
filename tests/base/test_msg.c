/* The msgpack reader: against msgpack-c's writer, against lies, against noise. */
#include <math.h>
#include <msgpack.h>
#include <string.h>

#include "base/buf.h"
#include "base/msg.h"
#include "base/msgpack_out.h"
#include "tests/base/suite.h"

static struct sm_msg reader(const void *data, size_t size)
{
    const unsigned char *at = data;

    return (struct sm_msg){at, at + size};
}

static void start(struct sm_buf *buf, msgpack_packer *packer)
{
    sm_buf_init(buf, 0);
    msgpack_packer_init(packer, buf, sm_buf_msgpack_write);
}

START_TEST(every_width_of_integer_reads_back)
{
    static const int64_t numbers[] = {
        0,         1,  127, 128, 255,  256,  65535,  65536,  UINT32_MAX, (int64_t)UINT32_MAX + 1,
        INT64_MAX, -1, -32, -33, -128, -129, -32768, -32769, INT32_MIN,  (int64_t)INT32_MIN - 1,
        INT64_MIN,
    };
    size_t count = sizeof numbers / sizeof numbers[0];
    msgpack_packer packer;
    struct sm_msg_value value;
    struct sm_buf buf;
    struct sm_msg msg;

    start(&buf, &packer);
    for (size_t i = 0; i < count; i++)
        msgpack_pack_int64(&packer, numbers[i]);
    msgpack_pack_uint64(&packer, UINT64_MAX);
    msg = reader(buf.data, buf.size);
    for (size_t i = 0; i < count; i++) {
        ck_assert(sm_msg_next(&msg, &value));
        ck_assert_int_eq(value.kind, SM_MSG_INT);
        ck_assert_int_eq(value.as.i, numbers[i]);
    }
    ck_assert(sm_msg_next(&msg, &value));
    ck_assert_int_eq(value.kind, SM_MSG_UINT);
    ck_assert(value.as.u == UINT64_MAX);
    ck_assert(!sm_msg_next(&msg, &value));
    sm_buf_free(&buf);
}
END_TEST

START_TEST(the_signed_heads_of_each_width_keep_their_sign)
{
    static const char bytes[] = "\xd0\x7f\xd0\x80\xd1\x80\x00\xd2\xff\xff\xff\xfe\xd3\x7f\xff\xff"
                                "\xff\xff\xff\xff\xff";
    static const int64_t expected[] = {127, -128, -32768, -2, INT64_MAX};
    struct sm_msg msg = reader(bytes, sizeof bytes - 1);
    struct sm_msg_value value;

    for (size_t i = 0; i < 5; i++) {
        ck_assert(sm_msg_next(&msg, &value));
        ck_assert_int_eq(value.as.i, expected[i]);
    }
}
END_TEST

START_TEST(other_scalars_read_back)
{
    msgpack_packer packer;
    struct sm_msg_value value;
    struct sm_buf buf;
    struct sm_msg msg;

    start(&buf, &packer);
    msgpack_pack_nil(&packer);
    msgpack_pack_true(&packer);
    msgpack_pack_false(&packer);
    msgpack_pack_double(&packer, 0.1);
    msgpack_pack_float(&packer, 0.5F);
    msg = reader(buf.data, buf.size);
    ck_assert(sm_msg_next(&msg, &value) && value.kind == SM_MSG_NIL);
    ck_assert(sm_msg_next(&msg, &value) && value.kind == SM_MSG_BOOL && value.as.b);
    ck_assert(sm_msg_next(&msg, &value) && value.kind == SM_MSG_BOOL && !value.as.b);
    ck_assert(sm_msg_next(&msg, &value) && value.kind == SM_MSG_FLOAT);
    ck_assert_double_eq(value.as.f, 0.1);
    ck_assert(sm_msg_next(&msg, &value) && value.kind == SM_MSG_FLOAT);
    ck_assert_double_eq(value.as.f, 0.5);
    sm_buf_free(&buf);
}
END_TEST

START_TEST(text_and_bytes_of_each_width_point_into_the_input)
{
    static const size_t sizes[] = {0, 1, 31, 32, 255, 256, 65535, 65536};
    static char bytes[65536];

    for (size_t i = 0; i < 3 * sizeof sizes / sizeof sizes[0]; i++) {
        size_t size = sizes[i / 3];
        enum sm_msg_kind kinds[] = {SM_MSG_STR, SM_MSG_BIN, SM_MSG_EXT};
        msgpack_packer packer;
        struct sm_msg_value value;
        struct sm_buf buf;
        struct sm_msg msg;

        start(&buf, &packer);
        if (i % 3 == 0)
            msgpack_pack_str_with_body(&packer, bytes, size);
        else if (i % 3 == 1)
            msgpack_pack_bin_with_body(&packer, bytes, size);
        else
            msgpack_pack_ext_with_body(&packer, bytes, size, 7);
        msg = reader(buf.data, buf.size);
        ck_assert(sm_msg_next(&msg, &value));
        ck_assert_int_eq(value.kind, kinds[i % 3]);
        ck_assert_uint_eq(value.size, size);
        ck_assert_ptr_eq(value.p + size, buf.data + buf.size);
        ck_assert(sm_msg_check(buf.data, buf.size, 0));
        ck_assert(!sm_msg_check(buf.data, buf.size - 1, 0));
        sm_buf_free(&buf);
    }
}
END_TEST

START_TEST(skipping_steps_over_whole_values)
{
    msgpack_packer packer;
    struct sm_msg_value value;
    struct sm_buf buf;
    struct sm_msg msg;

    start(&buf, &packer);
    msgpack_pack_map(&packer, 2);
    msgpack_pack_str_with_body(&packer, "a", 1);
    msgpack_pack_array(&packer, 20);
    for (int i = 0; i < 20; i++)
        msgpack_pack_array(&packer, 0);
    msgpack_pack_str_with_body(&packer, "b", 1);
    msgpack_pack_map(&packer, 0);
    msgpack_pack_int(&packer, 42);
    msg = reader(buf.data, buf.size);
    ck_assert(!sm_msg_skip(&msg, 2));
    ck_assert_ptr_eq(msg.at, buf.data);
    ck_assert(sm_msg_skip(&msg, 3));
    ck_assert(sm_msg_next(&msg, &value));
    ck_assert_int_eq(value.as.i, 42);
    ck_assert(!sm_msg_skip(&msg, 3));
    sm_buf_free(&buf);
}
END_TEST

START_TEST(lies_about_length_are_refused_at_once)
{
    static const struct {
        const char *bytes;
        size_t size;
    } lies[] = {
        {"\xdd\xff\xff\xff\xff", 5},
        {"\xdf\xff\xff\xff\xff", 5},
        {"\xdb\xff\xff\xff\xff", 5},
        {"\xc6\xff\xff\xff\xff", 5},
        {"\xc9\xff\xff\xff\xff\x01", 6},
        {"\xdc\x00\x02\x01", 4},
        {"\x82\x01\x02\x03", 4},
        {"\xa5"
         "abcd",
         5},
        {"\xd9", 1},
        {"\xd9\x01", 2},
        {"\xcb\x00", 2},
        {"\xd8\x01", 2},
        {"\xc1", 1},
        {"\xde\x00", 2},
        {"", 0},
    };

    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        struct sm_msg msg = reader(lies[i].bytes, lies[i].size);
        struct sm_msg_value value;

        ck_assert_msg(!sm_msg_check(lies[i].bytes, lies[i].size, 10), "lie %zu", i);
        ck_assert_msg(!sm_msg_next(&msg, &value), "lie %zu", i);
        ck_assert_ptr_eq(msg.at, lies[i].bytes);
    }
}
END_TEST

START_TEST(depth_is_bounded_exactly)
{
    unsigned char bytes[10001];
    struct sm_msg msg;

    memset(bytes, 0x91, sizeof bytes);
    bytes[64] = 0xc0;
    ck_assert(sm_msg_check(bytes, 65, 64));
    ck_assert(!sm_msg_check(bytes, 65, 63));
    memset(bytes, 0x91, sizeof bytes);
    bytes[10000] = 0xc0;
    ck_assert(!sm_msg_check(bytes, sizeof bytes, 100000));
    msg = reader(bytes, sizeof bytes);
    ck_assert(!sm_msg_skip(&msg, 100000));
    bytes[SM_MSG_DEPTH] = 0xc0;
    ck_assert(sm_msg_check(bytes, SM_MSG_DEPTH + 1, 100000));
}
END_TEST

START_TEST(a_check_wants_one_value_with_text_keys)
{
    ck_assert(sm_msg_check("\x81\xa1"
                           "a\x01",
                           4, 1));
    ck_assert(!sm_msg_check("\x81\x01\x01", 3, 1));
    ck_assert(!sm_msg_check("\x82\xa1"
                            "a\x01\x02\x03",
                            6, 1));
    ck_assert(!sm_msg_check("\x81\x90\x01", 3, 2));
    ck_assert(!sm_msg_check("\x01\x02", 2, 1));
    /* a list inside a map, then a second key */
    ck_assert(sm_msg_check("\x82\xa1"
                           "a\x92\x01\x02\xa1"
                           "b\x80",
                           9, 2));
}
END_TEST

static uint32_t noise(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* Broken copies of a good message: nothing may be read past the end (the sanitizers watch), and
 * what is accepted must also be skippable and walk to the very end. */
START_TEST(noise_is_read_within_its_bounds)
{
    uint32_t state = 7;

    for (int round = 0; round < 50000; round++) {
        size_t size = noise(&state) % 40 + 1;
        unsigned char *bytes = malloc(size); /* of exact size: a step too far is seen */
        struct sm_msg msg;
        bool good;

        ck_assert_ptr_nonnull(bytes);
        for (size_t i = 0; i < size; i++)
            bytes[i] =
                (unsigned char)(noise(&state) % 4 ? 0x80 + noise(&state) % 0x60 : noise(&state));
        msg = reader(bytes, size);
        good = sm_msg_check(bytes, size, 16);
        if (good) {
            ck_assert(sm_msg_skip(&msg, 16));
            ck_assert_ptr_eq(msg.at, msg.end);
        } else {
            (void)sm_msg_skip(&msg, 16);
            ck_assert(msg.at <= msg.end);
        }
        free(bytes);
    }
}
END_TEST

START_TEST(every_kind_has_a_name)
{
    for (int kind = SM_MSG_NIL; kind <= SM_MSG_EXT; kind++)
        ck_assert_ptr_nonnull(sm_msg_kind_name((enum sm_msg_kind)kind));
    ck_assert_str_eq(sm_msg_kind_name(SM_MSG_MAP), "a map");
}
END_TEST

int main(void)
{
    return RUN_SUITE(
        "msg", {every_width_of_integer_reads_back, 0},
        {the_signed_heads_of_each_width_keep_their_sign, 0}, {other_scalars_read_back, 0},
        {text_and_bytes_of_each_width_point_into_the_input, 0},
        {skipping_steps_over_whole_values, 0}, {lies_about_length_are_refused_at_once, 0},
        {depth_is_bounded_exactly, 0}, {a_check_wants_one_value_with_text_keys, 0},
        {noise_is_read_within_its_bounds, 0}, {every_kind_has_a_name, 0});
}

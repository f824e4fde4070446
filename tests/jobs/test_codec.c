/* encode.compress reads back, transform.digest gives known digests. */
#include <libdeflate.h>
#include <stdio.h>
#include <zstd.h>

#include "tests/base/suite.h"
#include "tests/jobs/harness.h"

static const struct how plain;

static char *sample(size_t size, bool random)
{
    char *data = malloc(size + 1);
    uint32_t seed = 7;
    ck_assert_ptr_nonnull(data);
    for (size_t i = 0; i < size; i++) {
        seed = seed * 1664525u + 1013904223u;
        data[i] = random ? (char)(seed >> 24) : "stampmill crushes ore. "[i % 23];
    }
    return data;
}

static void expect_same(const struct ran *ran, const char *data, size_t size, bool gzip)
{
    char *back = malloc(size + 1);
    size_t got = 0;
    if (gzip) {
        struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
        ck_assert_int_eq(
            libdeflate_gzip_decompress(d, ran->body, ran->body_size, back, size + 1, &got), 0);
        libdeflate_free_decompressor(d);
    } else {
        got = ZSTD_decompress(back, size + 1, ran->body, ran->body_size);
        ck_assert(!ZSTD_isError(got));
    }
    ck_assert_uint_eq(got, size);
    ck_assert_int_eq(memcmp(back, data, size), 0);
    free(back);
}

START_TEST(what_was_compressed_reads_back)
{
    static const char *const args[] = {
        "{}", "{\"format\":\"zstd\",\"level\":19}", "{\"format\":\"gzip\"}",
        "{\"format\":\"gzip\",\"level\":12}", "{\"format\":\"gzip\",\"level\":1}"};
    static const size_t sizes[] = {0, 1, 100, 131072, 131073, 700000};
    for (size_t a = 0; a < 5; a++)
        for (size_t s = 0; s < 12; s++) {
            size_t size = sizes[s / 2];
            char *data = sample(size, s % 2 == 1);
            struct ran ran = run_named("encode.compress", plain, args[a], data, size);
            ck_assert_msg(ran.code == 0, "%s: %s", args[a], ran.error);
            ck_assert_str_eq(ran.content_type, a < 2 ? "application/zstd" : "application/gzip");
            expect_same(&ran, data, size, a >= 2);
            free(data);
            ran_free(&ran);
        }
}
END_TEST

START_TEST(the_same_input_gives_the_same_bytes_without_a_time_stamp)
{
    struct ran a = run_named("encode.compress", plain, "{\"format\":\"gzip\"}", "abc", 3);
    struct ran b = run_named("encode.compress", plain, "{\"format\":\"gzip\"}", "abc", 3);
    ck_assert_uint_eq(a.body_size, b.body_size);
    ck_assert_mem_eq(a.body, b.body, a.body_size);
    ck_assert_mem_eq(a.body + 4, "\0\0\0\0", 4);
    ran_free(&a);
    ran_free(&b);
}
END_TEST

START_TEST(the_result_tells_sizes_and_ratio)
{
    char *data = sample(100000, false);
    struct ran ran = run_named("encode.compress", plain, "{\"format\":\"gzip\"}", data, 100000);
    char expected[100];
    snprintf(expected, sizeof expected,
             "{\"input_bytes\":100000,\"output_bytes\":%zu,\"ratio\":", ran.body_size);
    ck_assert_int_eq(strncmp(ran.result, expected, strlen(expected)), 0);
    free(data);
    ran_free(&ran);
}
END_TEST

START_TEST(output_over_its_limit_is_too_large_and_output_within_it_is_not)
{
    char *data = sample(200000, true);
    struct how tight = {.output = 100000};
    expect_failure("encode.compress", tight, "{\"format\":\"zstd\"}", data, 200000, SM_E_TOO_LARGE,
                   NULL);
    expect_failure("encode.compress", tight, "{\"format\":\"gzip\"}", data, 200000, SM_E_TOO_LARGE,
                   "100000");
    free(data);
    data = sample(200000, false); /* shrinks far below the limit that its size is over */
    for (int gzip = 0; gzip < 2; gzip++) {
        struct ran ran = run_named("encode.compress", tight, gzip ? "{\"format\":\"gzip\"}" : "{}",
                                   data, 200000);
        ck_assert_int_eq(ran.code, 0);
        ran_free(&ran);
    }
    free(data);
}
END_TEST

START_TEST(levels_that_the_format_lacks_are_refused)
{
    expect_failure("encode.compress", plain, "{\"format\":\"gzip\",\"level\":13}", "", 0,
                   SM_E_BAD_ARGS, "args.level: 13, expected 1 to 12");
    expect_failure("encode.compress", plain, "{\"level\":20}", "", 0, SM_E_BAD_ARGS,
                   "args.level: 20, expected 1 to 19");
    expect_failure("encode.compress", plain, "{\"format\":\"brotli\"}", "", 0, SM_E_BAD_ARGS,
                   "zstd|gzip");
}
END_TEST

static void expect_result(const char *args, const char *input, const char *expected)
{
    struct ran ran = run_named("transform.digest", plain, args, input, strlen(input));
    ck_assert_int_eq(ran.code, 0);
    ck_assert_str_eq(ran.result, expected);
    ran_free(&ran);
}

START_TEST(digests_are_the_published_ones)
{
    expect_result("{}", "abc",
                  "{\"bytes\":3,\"sha256\":"
                  "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"}");
    expect_result("{\"algorithms\":[\"xxh3\",\"xxh3_128\"]}", "",
                  "{\"bytes\":0,\"xxh3\":\"2d06800538d394c2\",\"xxh3_128\":"
                  "\"99aa06d3014798d86001c324468d497f\"}");
}
END_TEST

START_TEST(digests_over_many_slices_equal_those_of_one_piece)
{
    size_t size = 1000003; /* several slices and a rest */
    char *data = sample(size, true);
    struct ran ran =
        run_named("transform.digest", plain, "{\"algorithms\":[\"sha256\",\"xxh3\"]}", data, size);
    ck_assert_ptr_nonnull(strstr(ran.result, "\"bytes\":1000003"));
    struct ran again =
        run_named("transform.digest", plain, "{\"algorithms\":[\"xxh3\",\"sha256\"]}", data, size);
    ck_assert_str_eq(ran.result, again.result);
    data[size - 1] ^= 1;
    struct ran other =
        run_named("transform.digest", plain, "{\"algorithms\":[\"xxh3\",\"sha256\"]}", data, size);
    ck_assert_str_ne(ran.result, other.result);
    ran_free(&ran);
    ran_free(&again);
    ran_free(&other);
    free(data);
}
END_TEST

int main(void)
{
    return RUN_SUITE("jobs_codec", {what_was_compressed_reads_back, 0},
                     {the_same_input_gives_the_same_bytes_without_a_time_stamp, 0},
                     {the_result_tells_sizes_and_ratio, 0},
                     {output_over_its_limit_is_too_large_and_output_within_it_is_not, 0},
                     {levels_that_the_format_lacks_are_refused, 0},
                     {digests_are_the_published_ones, 0},
                     {digests_over_many_slices_equal_those_of_one_piece, 0});
}

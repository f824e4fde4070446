/* Ids. */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"
#include "base/uuid.h"
#include "tests/base/suite.h"

#define MANY 20000

START_TEST(the_example_of_rfc_9562_comes_out)
{
    /* appendix A.6 */
    static const unsigned char random[10] = {0xc,  0xc3, 0x18, 0xc4, 0xdc,
                                             0x0c, 0x0c, 0x07, 0x39, 0x8f};
    struct sm_id id = sm_uuid_v7(0x017F22E279B0, random);
    char text[SM_ID_TEXT];

    sm_id_format(&id, text);
    ck_assert_str_eq(text, "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
    ck_assert_int_eq(sm_uuid_ms(&id), 0x017F22E279B0);
}
END_TEST

START_TEST(text_is_read_in_either_case_and_without_hyphens)
{
    struct sm_id a, b, c;

    ck_assert(sm_id_parse("017f22e2-79b0-7cc3-98c4-dc0c0c07398f", 36, &a));
    ck_assert(sm_id_parse("017F22E2-79B0-7CC3-98C4-DC0C0C07398F", 36, &b));
    ck_assert(sm_id_parse("017f22e279b07cc398c4dc0c0c07398f", 32, &c));
    ck_assert_int_eq(sm_uuid_compare(&a, &b), 0);
    ck_assert_int_eq(sm_uuid_compare(&a, &c), 0);
}
END_TEST

START_TEST(what_is_no_id_is_refused_and_changes_nothing)
{
    static const char *const bad[] = {
        "",
        "017f22e2",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398fa",
        "017f22e2x79b0-7cc3-98c4-dc0c0c07398f",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398g",
        "017f22e279b07cc398c4dc0c0c07398-",
        "017f22e27-9b0-7cc3-98c4-dc0c0c07398f",
    };
    struct sm_id id = {{1}};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!sm_id_parse(bad[i], strlen(bad[i]), &id), "%s", bad[i]);
    ck_assert_uint_eq(id.b[0], 1);
}
END_TEST

START_TEST(new_ids_are_of_version_7_and_of_now)
{
    int64_t before = sm_wall_us(&sm_clock_real) / 1000;
    struct sm_id id = sm_id_new();

    ck_assert_uint_eq(id.b[6] >> 4, 7);
    ck_assert_uint_eq(id.b[8] >> 6, 2);
    ck_assert_int_ge(sm_uuid_ms(&id), before);
    ck_assert_int_le(sm_uuid_ms(&id), sm_wall_us(&sm_clock_real) / 1000 + 1);
}
END_TEST

START_TEST(ids_of_one_thread_ascend)
{
    struct sm_id last = sm_id_new();

    for (int i = 0; i < MANY; i++) {
        struct sm_id id = sm_id_new();

        ck_assert_int_gt(sm_uuid_compare(&id, &last), 0);
        ck_assert_uint_eq(id.b[6] >> 4, 7);
        ck_assert_uint_eq(id.b[8] >> 6, 2);
        last = id;
    }
}
END_TEST

static void *make_many(void *arg)
{
    struct sm_id *ids = arg;

    for (int i = 0; i < MANY; i++)
        ids[i] = sm_id_new();
    return NULL;
}

static int compare(const void *a, const void *b)
{
    return sm_uuid_compare(a, b);
}

START_TEST(ids_of_several_threads_are_unique)
{
    static struct sm_id ids[4 * MANY];
    pthread_t threads[4];

    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(sm_thread_start(&threads[i], "ids", 0, make_many, ids + i * MANY), 0);
    for (int i = 0; i < 4; i++)
        sm_thread_join(threads[i]);
    qsort(ids, 4 * MANY, sizeof ids[0], compare);
    for (int i = 1; i < 4 * MANY; i++)
        ck_assert_int_ne(sm_uuid_compare(&ids[i - 1], &ids[i]), 0);
}
END_TEST

START_TEST(a_forked_child_draws_its_own_random_bytes)
{
    struct sm_id mine, childs;
    int ends[2], status;
    pid_t pid;

    (void)sm_id_new(); /* fills the batch that a child must not share */
    ck_assert_int_eq(pipe(ends), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        childs = sm_id_new();
        _exit(write(ends[1], &childs, sizeof childs) == sizeof childs ? 0 : 1);
    }
    mine = sm_id_new();
    ck_assert_int_eq(read(ends[0], &childs, sizeof childs), sizeof childs);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_mem_ne(mine.b + 8, childs.b + 8, 8);
}
END_TEST

int main(void)
{
    return RUN_SUITE("uuid", {the_example_of_rfc_9562_comes_out, 0},
                     {text_is_read_in_either_case_and_without_hyphens, 0},
                     {what_is_no_id_is_refused_and_changes_nothing, 0},
                     {new_ids_are_of_version_7_and_of_now, 0}, {ids_of_one_thread_ascend, 0},
                     {ids_of_several_threads_are_unique, 0},
                     {a_forked_child_draws_its_own_random_bytes, 0});
}

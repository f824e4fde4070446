/* Entry ids, queue names, derived job ids: the vectors are those of queue/PROTOCOL.md. */
#include <string.h>

#include "queue/job.h"
#include "tests/base/suite.h"

#define INCARNATION "0123456789abcdef0123456789abcdef"

static bool parses(const char *text, struct sm_entry_id *id)
{
    return sm_entry_id_parse(text, strlen(text), id);
}

START_TEST(entry_ids_survive_text)
{
    static const char *const texts[] = {"0-0", "1-1", "1700000000000-42",
                                        "18446744073709551615-18446744073709551615"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct sm_entry_id id;
        char text[SM_ENTRY_ID_TEXT];
        ck_assert(parses(texts[i], &id));
        sm_entry_id_format(id, text);
        ck_assert_str_eq(text, texts[i]);
    }
}
END_TEST

START_TEST(what_is_no_entry_id_is_refused)
{
    static const char *const texts[] = {"",
                                        "-",
                                        "1",
                                        "1-",
                                        "-1",
                                        "1-1 ",
                                        " 1-1",
                                        "1-1-1",
                                        "a-1",
                                        "1-0x1",
                                        "18446744073709551616-0"};
    struct sm_entry_id id;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        ck_assert_msg(!parses(texts[i], &id), "%s", texts[i]);
}
END_TEST

START_TEST(entry_ids_are_ordered_by_ms_then_seq)
{
    struct sm_entry_id a = {1, 9}, b = {2, 0}, c = {2, 1};
    ck_assert_int_lt(sm_entry_id_compare(a, b), 0);
    ck_assert_int_gt(sm_entry_id_compare(c, b), 0);
    ck_assert_int_eq(sm_entry_id_compare(b, b), 0);
}
END_TEST

START_TEST(queue_names_are_letters_digits_and_three_signs)
{
    static const char *const good[] = {"a", "default", "A.b_c-9", "9"};
    static const char *const bad[] = {"", ".a", "-a", "_a", "a b", "a}b", "a:b", "a\n", "\xc3\xa4"};
    char longest[66];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert(sm_queue_name_valid(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!sm_queue_name_valid(bad[i], strlen(bad[i])), "%s", bad[i]);
    memset(longest, 'q', sizeof longest);
    ck_assert(sm_queue_name_valid(longest, 64));
    ck_assert(!sm_queue_name_valid(longest, 65));
    ck_assert(!sm_queue_name_valid("a\0b", 3));
}
END_TEST

START_TEST(derived_ids_match_the_vectors)
{
    static const struct {
        const char *incarnation, *queue, *entry, *id;
    } vectors[] = {
        {INCARNATION, "default", "1700000000000-0", "018bcfe5-6800-78ef-9dde-7a6f1bdb8116"},
        {INCARNATION, "default", "1700000000000-1", "018bcfe5-6800-71ab-a2a8-e0c54fdb0d61"},
        {INCARNATION, "mail", "1700000000000-0", "018bcfe5-6800-7c94-a86b-904817405cfb"},
        {"ffffffffffffffffffffffffffffffff", "a.b_c-9", "1795478400123-42",
         "01a20ada-2c7b-7f38-9f72-788bd064e5d6"},
        {"00000000000000000000000000000000", "default", "1-1",
         "00000000-0001-7914-8b7f-1910e13f6f5c"},
        {INCARNATION, "default", "18446744073709551615-18446744073709551615",
         "ffffffff-ffff-7a32-b45a-caa874f9aa8c"},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        struct sm_entry_id entry;
        char text[SM_ID_TEXT];
        ck_assert(parses(vectors[i].entry, &entry));
        struct sm_id id = sm_entry_job_id(vectors[i].incarnation, vectors[i].queue, entry);
        sm_id_format(&id, text);
        ck_assert_str_eq(text, vectors[i].id);
    }
}
END_TEST

int main(void)
{
    return RUN_SUITE("queue_entry", {entry_ids_survive_text, 0},
                     {what_is_no_entry_id_is_refused, 0}, {entry_ids_are_ordered_by_ms_then_seq, 0},
                     {queue_names_are_letters_digits_and_three_signs, 0},
                     {derived_ids_match_the_vectors, 0});
}

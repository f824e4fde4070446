/* Deleting what waits in a queue, under the least rights of an admin. */
#include "queue/purge.h"

#include <stdlib.h>
#include <string.h>

#include "tests/queue/rig.h"

static struct sm_inspector *in;
static struct sm_purge_entry entries[SM_PURGE_PAGE];

static void begin(struct sm_purge *p, const char *queue)
{
    struct sm_err err;
    in = sm_inspector_open(rig_url("admin"), &err);
    ck_assert_msg(in != NULL, "%s", err.text);
    int rc = sm_purge_begin(p, in, queue, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
}

static size_t next(struct sm_purge *p)
{
    struct sm_err err;
    size_t n;
    int rc = sm_purge_next(p, entries, &n, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    return n;
}

/* Deletes page by page; how many entries waited. */
static int purge_all(struct sm_purge *p)
{
    struct sm_err err;
    int waited = 0;
    for (size_t n; (n = next(p)) > 0;) {
        ck_assert_int_eq(sm_purge_delete(p, entries, n, &err), 0);
        for (size_t i = 0; i < n; i++)
            waited += entries[i].fate == 1;
    }
    sm_inspector_close(in);
    return waited;
}

START_TEST(what_a_worker_has_stays_and_all_else_goes_with_what_is_known_of_it)
{
    struct sm_queue *q = rig_worker("w1", RIG_MANY);
    struct sm_intake intake = rig_intake(10);
    struct sm_entry_id ids[6];
    struct sm_purge p;
    struct sm_err err;
    for (int i = 0; i < 6; i++)
        ids[i] = rig_add("type t");
    ck_assert_int_eq(rig_fetch(q, 4, RIG_MANY, &intake, &err), 0);
    rig_free(&intake);
    struct sm_parking free = {.owned = {ids[1], 0}, .tries = {.attempts = 1}};
    struct sm_parking later = {
        .owned = {ids[2], 0}, .due_ms = 1900000000000, .tries = {.attempts = 2}};
    ck_assert_int_eq(q->ops->park(q, 0, &free, 1, &err), 0);
    ck_assert_int_eq(q->ops->park(q, 0, &later, 1, &err), 0);
    begin(&p, "q");
    ck_assert_int_eq(purge_all(&p), 4);
    ck_assert_int_eq(rig_int("XLEN sm:{q}:jobs"), 2);
    ck_assert_str_eq(rig_owner(ids[0]), "w1");
    ck_assert_str_eq(rig_owner(ids[3]), "w1");
    ck_assert_str_eq(rig_owner(ids[1]), "");
    ck_assert_str_eq(rig_owner(ids[2]), "");
    ck_assert_int_eq(rig_int("EXISTS sm:{q}:later sm:{q}:tries"), 0);
    struct sm_entry_id mine[] = {ids[0], ids[3]};
    ck_assert_int_eq(q->ops->settle(q, 0, mine, 2, NULL, 0, &err), 0);
    ck_assert_int_eq(rig_int("XLEN sm:{q}:jobs"), 0);
    q->ops->close(q);
}
END_TEST

START_TEST(what_comes_after_it_began_stays)
{
    struct sm_purge p;
    rig_add("type t");
    begin(&p, "q");
    for (int i = 0; i < 300; i++)
        rig_add("type t");
    ck_assert_int_eq(purge_all(&p), 1);
    ck_assert_int_eq(rig_int("XLEN sm:{q}:jobs"), 300);
}
END_TEST

START_TEST(looking_changes_nothing)
{
    struct sm_queue *q = rig_worker("w1", RIG_MANY);
    struct sm_purge p;
    struct sm_err err;
    rig_leased(q);
    rig_add("type t");
    begin(&p, "q");
    size_t n = next(&p);
    ck_assert_int_eq(sm_purge_look(&p, entries, n, &err), 0);
    ck_assert_int_eq(entries[0].fate, 1);
    n = next(&p);
    ck_assert_int_eq(sm_purge_look(&p, entries, n, &err), 0);
    ck_assert_int_eq(entries[0].fate, 0);
    ck_assert_int_eq(rig_int("XLEN sm:{q}:jobs"), 2);
    sm_inspector_close(in);
    q->ops->close(q);
}
END_TEST

START_TEST(an_entry_that_was_taken_since_it_was_read_stays_and_one_that_is_gone_is_said)
{
    struct sm_queue *q = rig_worker("w1", RIG_MANY);
    struct sm_intake intake = rig_intake(10);
    struct sm_purge p;
    struct sm_err err;
    begin(&p, "q");
    entries[0].entry = rig_add("type t");
    entries[1].entry = (struct sm_entry_id){5, 5};
    ck_assert_int_eq(rig_fetch(q, 1, RIG_MANY, &intake, &err), 0);
    rig_free(&intake);
    ck_assert_int_eq(sm_purge_delete(&p, entries, 2, &err), 0);
    ck_assert_int_eq(entries[0].fate, 0);
    ck_assert_int_eq(entries[1].fate, -1);
    ck_assert_int_eq(rig_int("XLEN sm:{q}:jobs"), 1);
    sm_inspector_close(in);
    q->ops->close(q);
}
END_TEST

START_TEST(a_queue_that_no_worker_ever_served_is_purged_and_an_empty_one_is_no_error)
{
    struct sm_purge p;
    begin(&p, "nowhere");
    ck_assert_int_eq(purge_all(&p), 0);
    for (int i = 0; i < 250; i++)
        rig_add("type t");
    begin(&p, "q");
    ck_assert_int_eq(purge_all(&p), 250);
    ck_assert_int_eq(rig_int("XLEN sm:{q}:jobs"), 0);
    begin(&p, "q");
    ck_assert_int_eq(purge_all(&p), 0);
}
END_TEST

/* A hundred of them would be 19 MiB. */
START_TEST(pages_of_large_entries_are_short)
{
    char *big = malloc(200001);
    struct sm_purge p;
    size_t pages = 0, seen = 0;
    memset(big, 'x', 200000);
    big[200000] = '\0';
    for (int i = 0; i < 40; i++)
        rig_text("XADD sm:{q}:jobs * type t input %s", big);
    free(big);
    begin(&p, "q");
    for (size_t n; (n = next(&p)) > 0; pages++) {
        seen += n;
        ck_assert_uint_le(n, 5); /* of a mebibyte in all */
    }
    ck_assert_uint_eq(seen, 40);
    ck_assert_uint_ge(pages, 8);
    sm_inspector_close(in);
}
END_TEST

START_TEST(a_full_redis_can_be_purged)
{
    struct sm_purge p;
    for (int i = 0; i < 10; i++)
        rig_add("type t");
    rig_text("CONFIG SET maxmemory 1");
    begin(&p, "q");
    ck_assert_int_eq(purge_all(&p), 10);
    ck_assert_int_eq(rig_int("XLEN sm:{q}:jobs"), 0);
}
END_TEST

int main(void)
{
    return RIG_SUITE(
        "queue_purge", {what_a_worker_has_stays_and_all_else_goes_with_what_is_known_of_it, 0},
        {what_comes_after_it_began_stays, 0}, {looking_changes_nothing, 0},
        {an_entry_that_was_taken_since_it_was_read_stays_and_one_that_is_gone_is_said, 0},
        {a_queue_that_no_worker_ever_served_is_purged_and_an_empty_one_is_no_error, 0},
        {pages_of_large_entries_are_short, 0}, {a_full_redis_can_be_purged, 0});
}

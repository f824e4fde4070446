/* A private Redis for a test program; see rig.h. */
#include "tests/queue/rig.h"

#include <stdlib.h>
#include <string.h>

struct sm_entry_id rig_add(const char *fields)
{
    struct sm_entry_id id;
    const char *text = rig_text("XADD sm:{q}:jobs * %s", fields);
    ck_assert_msg(sm_entry_id_parse(text, strlen(text), &id), "%s", text);
    return id;
}

const char *rig_owner(struct sm_entry_id id)
{
    char text[SM_ENTRY_ID_TEXT];
    sm_entry_id_format(id, text);
    return rig_second("XPENDING sm:{q}:jobs mill %s %s 1", text, text);
}

struct sm_queue *rig_worker(const char *name, size_t limit)
{
    static const char *const queues[] = {"q"};
    struct sm_redis_options options = {.url = rig_url("worker"),
                                       .worker = name,
                                       .queues = queues,
                                       .queues_n = 1,
                                       .entry_limit = limit};
    struct sm_queue *q = sm_redis_queue_new(&options);
    struct sm_err err;
    int rc = q->ops->connect(q, 2000, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    return q;
}

int rig_fetch(struct sm_queue *q, unsigned count, size_t budget, struct sm_intake *in,
              struct sm_err *err)
{
    int rc = q->ops->fetch_start(q, 0, count, 0, budget, err);
    while (rc == 0 && (rc = q->ops->fetch_wait(q, 100000, in, err)) == 1)
        rc = 0;
    return rc;
}

void rig_hand_back(struct sm_queue *q, const struct sm_entry_id *ids, size_t n)
{
    struct sm_parking items[10];
    struct sm_err err;
    ck_assert_uint_le(n, 10);
    for (size_t i = 0; i < n; i++)
        items[i] = (struct sm_parking){.owned = {ids[i], 0}};
    int rc = q->ops->park(q, 0, items, n, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    for (size_t i = 0; i < n; i++)
        ck_assert(items[i].parked);
}

void rig_free(struct sm_intake *in)
{
    for (size_t i = 0; i < in->n; i++) {
        sm_job_free(&in->items[i].job);
        free(in->items[i].error_text);
    }
    in->n = 0;
}

struct sm_intake rig_intake(size_t room)
{
    static struct sm_delivery items[200];
    return (struct sm_intake){.items = items, .room = room};
}

struct sm_entry_id rig_leased(struct sm_queue *q)
{
    struct sm_entry_id id = rig_add("type t");
    struct sm_intake in = rig_intake(1);
    struct sm_err err;
    ck_assert_int_eq(rig_fetch(q, 1, RIG_MANY, &in, &err), 0);
    ck_assert_uint_eq(in.n, 1);
    ck_assert_int_eq(sm_entry_id_compare(in.items[0].entry, id), 0);
    rig_free(&in);
    return id;
}

/* ---- the suite -- */

static void empty(void)
{
    rig_text("FLUSHALL");
    rig_text("CONFIG SET maxmemory 0");
    rig_text("CONFIG SET maxmemory-policy noeviction");
    rig_make_users();
}

int rig_run(const char *name, const struct suite_test *tests)
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    servers_start(&rig_servers, true, false, NULL);
    tcase_add_checked_fixture(tcase, empty, NULL);
    for (; tests->test; tests++)
        tcase_add_test_raise_signal(tcase, tests->test, tests->signal);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    servers_stop(&rig_servers);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

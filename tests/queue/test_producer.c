/* The producer library on a real Redis, under the least rights of a producer. */
#include <stdlib.h>
#include <string.h>

#include "stampmill/producer.h"
#include "tests/queue/rig.h"

static struct sm_client *open_client(void)
{
    struct sm_err err;
    struct sm_client *client = sm_client_open(rig_url("producer"), &err);
    ck_assert_msg(client != NULL, "%s", err.text);
    return client;
}

START_TEST(what_is_enqueued_arrives_as_it_was)
{
    struct sm_client *client = open_client();
    struct sm_job_spec spec = {
        .queue = "q", .type = "t", .args_json = "{\"a\":1}", .input = "xyz", .input_size = 3};
    static struct sm_delivery item;
    struct sm_intake in = {.items = &item, .room = 1};
    struct sm_err err;
    struct sm_id id;
    ck_assert_int_eq(sm_enqueue(client, &spec, &id, &err), 0);
    struct sm_queue *q = rig_worker("w1", 1 << 20);
    ck_assert_int_eq(rig_fetch(q, 1, 1 << 20, &in, &err), 0);
    ck_assert(in.n == 1 && item.code == 0 && memcmp(item.job.id.b, id.b, 16) == 0);
    ck_assert(item.job.input.n == 3 && memcmp(item.job.input.p, "xyz", 3) == 0);
    rig_free(&in);
    q->ops->close(q);
    sm_client_close(client);
}
END_TEST

START_TEST(many_are_enqueued_in_order_with_ids_that_ascend)
{
    enum { N = 2000 };
    static struct sm_job_spec specs[N];
    static struct sm_id ids[N];
    struct sm_client *client = open_client();
    struct sm_err err;
    size_t done;
    for (int i = 0; i < N; i++)
        specs[i] = (struct sm_job_spec){.queue = "q", .type = "t"};
    ck_assert_int_eq(sm_enqueue_many(client, specs, N, ids, &done, &err), 0);
    ck_assert_uint_eq(done, N);
    ck_assert_int_eq(rig_int("XLEN sm:{q}:jobs"), N);
    for (int i = 1; i < N; i++)
        ck_assert_int_lt(memcmp(ids[i - 1].b, ids[i].b, 16), 0);
    specs[700].type = "a b";
    ck_assert_int_eq(sm_enqueue_many(client, specs, N, NULL, &done, &err), SM_E_USAGE);
    ck_assert_uint_eq(done, 700);
    ck_assert_int_eq(rig_int("XLEN sm:{q}:jobs"), N + 700);
    ck_assert_int_eq(sm_enqueue(client, &specs[0], NULL, NULL), 0); /* the connection is in step */
    sm_client_close(client);
}
END_TEST

START_TEST(a_full_redis_says_so_and_takes_jobs_again_later)
{
    struct sm_client *client = open_client();
    struct sm_job_spec specs[2] = {{.queue = "q", .type = "t"}, {.queue = "q", .type = "t"}};
    struct sm_err err;
    size_t done;
    rig_text("CONFIG SET maxmemory 1");
    ck_assert_int_eq(sm_enqueue_many(client, specs, 2, NULL, &done, &err), SM_E_FULL);
    ck_assert_uint_eq(done, 0);
    rig_text("CONFIG SET maxmemory 0");
    ck_assert_int_eq(sm_enqueue_many(client, specs, 2, NULL, &done, &err), 0);
    ck_assert_uint_eq(done, 2);
    sm_client_close(client);
}
END_TEST

START_TEST(a_connection_closed_meanwhile_is_made_anew)
{
    struct sm_client *client = open_client();
    struct sm_job_spec spec = {.queue = "q", .type = "t"};
    struct sm_err err;
    rig_int("CLIENT KILL USER sm_producer");
    ck_assert_msg(sm_enqueue(client, &spec, NULL, &err) == 0, "%s", err.text);
    sm_client_close(client);
}
END_TEST

START_TEST(a_queue_outside_ones_rights_is_refused)
{
    struct sm_client *client;
    struct sm_job_spec spec = {.queue = "q", .type = "t"};
    struct sm_err err;
    rig_text("ACL SETUSER sm_producer resetkeys ~sm:{mail}:jobs");
    client = open_client();
    ck_assert_int_eq(sm_enqueue(client, &spec, NULL, &err), SM_E_PERMISSION);
    spec.queue = "mail";
    ck_assert_int_eq(sm_enqueue(client, &spec, NULL, &err), 0);
    sm_client_close(client);
}
END_TEST

int main(void)
{
    return RIG_SUITE("queue_producer", {what_is_enqueued_arrives_as_it_was, 0},
                     {many_are_enqueued_in_order_with_ids_that_ascend, 0},
                     {a_full_redis_says_so_and_takes_jobs_again_later, 0},
                     {a_connection_closed_meanwhile_is_made_anew, 0},
                     {a_queue_outside_ones_rights_is_refused, 0});
}

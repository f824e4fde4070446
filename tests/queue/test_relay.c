/*
 * The relay's side of the queue: envelopes of durable jobs as workers decode them, and, on a live
 * Redis under the worker's rights, adding, claiming, and telling the living from the dead.
 */
#include <stdlib.h>
#include <string.h>

#include "queue/relay.h"
#include "tests/queue/rig.h"

#define HOME "00112233445566778899aabbccddeeff"

static struct sm_bytes text(const char *t)
{
    return (struct sm_bytes){t, strlen(t)};
}

/* ---- envelopes -- */

static const struct sm_id an_id = {{1, 2, 3, 4, 5, 6, 0x70, 8, 0x90, 10, 11, 12, 13, 14, 15, 16}};

static int decode(const struct sm_buf *envelope, struct sm_job *job, struct sm_err *err)
{
    struct sm_entry_origin origin = {"q", HOME, {1700000000000, 0}};
    struct sm_field field = {{"job", 3}, {envelope->data, envelope->size}};
    memset(job, 0, sizeof *job);
    return sm_job_decode(job, &origin, &field, 1, err);
}

START_TEST(a_durable_job_arrives_as_it_was_enqueued)
{
    struct sm_relay_job spec = {.id = an_id,
                                .life = 1,
                                .max_attempts = 7,
                                .enqueued_ms = 1690000000000,
                                .at_ms = 1700000060000,
                                .type = text("parse.csv"),
                                .args = text("{\"a\": [1, 2.5]}"),
                                .tags = text("{\"k\": \"v\"}"),
                                .input = {"a\0b", 3}};
    struct sm_buf out;
    struct sm_job job;
    struct sm_err err;
    sm_buf_init(&out, 0);
    ck_assert_int_eq(sm_relay_encode(&spec, &out), 0);
    ck_assert_msg(decode(&out, &job, &err) == 0, "%s", err.text);
    ck_assert_mem_eq(&job.id, &an_id, sizeof an_id);
    ck_assert(job.durable);
    ck_assert_int_eq(job.life, 1);
    ck_assert_int_eq(job.max_attempts, 7);
    ck_assert_int_eq(job.enqueued_ms, 1690000000000);
    ck_assert_int_eq(job.due_ms, 1700000060000);
    ck_assert_mem_eq(job.type.p, "parse.csv", 9);
    ck_assert_mem_eq(job.args.p,
                     "\x81\xa1"
                     "a\x92\x01",
                     5);
    ck_assert_mem_eq(job.tags.p, "{\"k\":\"v\"}", 9);
    ck_assert_uint_eq(job.input.n, 3);
    sm_job_free(&job);
    sm_buf_free(&out);
}
END_TEST

START_TEST(arguments_that_cannot_be_msgpack_bury_the_job_under_its_id)
{
    struct sm_relay_job spec = {.id = an_id, .life = 1, .type = text("debug.noop")};
    struct sm_buf out;
    struct sm_job job;
    struct sm_err err;
    spec.args = text("{\"n\": 99999999999999999999}");
    sm_buf_init(&out, 0);
    ck_assert_int_eq(sm_relay_encode(&spec, &out), 0);
    ck_assert_int_eq(decode(&out, &job, &err), SM_E_BAD_ENVELOPE);
    ck_assert_mem_eq(&job.id, &an_id, sizeof an_id);
    ck_assert(job.durable);
    sm_job_free(&job);
    sm_buf_free(&out);
}
END_TEST

/* What a worker keeps of a job that died. */
static void keep(struct sm_buf *kept)
{
    static const char args[] = "\x81\xa3how\xa9permanent";
    struct sm_job job = {.id = an_id,
                         .life = 1,
                         .type = text("debug.fail"),
                         .args = {args, sizeof args - 1},
                         .input = {"abc", 3},
                         .tags = text("{\"k\":\"v\"}"),
                         .due_ms = 1600000000000,
                         .expires_ms = 1600000001000,
                         .timeout_ms = 1234,
                         .max_attempts = 3,
                         .enqueued_ms = 1590000000000};
    sm_buf_init(kept, 0);
    ck_assert_int_eq(sm_job_encode(&job, 1 << 20, kept), 0);
}

static void retry(const char *args, struct sm_job *job, struct sm_buf *out)
{
    struct sm_buf kept;
    struct sm_err err;
    keep(&kept);
    struct sm_relay_job spec = {.id = an_id,
                                .life = 2,
                                .enqueued_ms = 1590000000000,
                                .type = text("debug.fail"),
                                .envelope = {kept.data, kept.size}};
    if (args != NULL)
        spec.args = text(args);
    sm_buf_init(out, 0);
    ck_assert_int_eq(sm_relay_encode(&spec, out), 0);
    ck_assert_msg(decode(out, job, &err) == 0, "%s", err.text);
    sm_buf_free(&kept);
}

START_TEST(a_retried_job_is_itself_in_another_life_and_neither_late_nor_expired)
{
    struct sm_job job;
    struct sm_buf out;
    retry(NULL, &job, &out);
    ck_assert_int_eq(job.life, 2);
    ck_assert(job.durable);
    ck_assert_int_eq(job.due_ms, 0);
    ck_assert_int_eq(job.expires_ms, 0);
    ck_assert_int_eq(job.timeout_ms, 1234);
    ck_assert_int_eq(job.max_attempts, 3);
    ck_assert_int_eq(job.enqueued_ms, 1590000000000);
    ck_assert_mem_eq(job.input.p, "abc", 3);
    ck_assert_mem_eq(job.args.p, "\x81\xa3how\xa9permanent", 15);
    ck_assert_mem_eq(job.tags.p, "{\"k\":\"v\"}", 9);
    sm_job_free(&job);
    sm_buf_free(&out);
}
END_TEST

START_TEST(an_operators_arguments_stand_instead_of_the_jobs_own)
{
    struct sm_job job;
    struct sm_buf out;
    retry("{\"a\": 1}", &job, &out);
    ck_assert_uint_eq(job.args.n, 4);
    ck_assert_mem_eq(job.args.p,
                     "\x81\xa1"
                     "a\x01",
                     4);
    sm_job_free(&job);
    sm_buf_free(&out);
}
END_TEST

START_TEST(a_kept_envelope_that_is_broken_still_makes_an_entry_with_the_id_and_life)
{
    static const char broken[] = "\x85\xa1v\x01";
    struct sm_relay_job spec = {.id = an_id, .life = 5, .envelope = {broken, sizeof broken - 1}};
    struct sm_buf out;
    struct sm_job job;
    struct sm_err err;
    sm_buf_init(&out, 0);
    ck_assert_int_eq(sm_relay_encode(&spec, &out), 0);
    ck_assert_int_eq(decode(&out, &job, &err), SM_E_BAD_ENVELOPE);
    ck_assert_mem_eq(&job.id, &an_id, sizeof an_id);
    ck_assert_int_eq(job.life, 5);
    sm_job_free(&job);
    sm_buf_free(&out);
}
END_TEST

START_TEST(an_envelope_that_is_cut_says_so_in_front)
{
    char *input = calloc(1, 2000);
    struct sm_job job = {
        .id = an_id, .type = text("t"), .args = {"\x80", 1}, .input = {input, 2000}};
    struct sm_buf out;
    sm_buf_init(&out, 0);
    ck_assert_int_eq(sm_job_encode(&job, 1 << 20, &out), 0);
    ck_assert_mem_eq(out.data + 1, "\xa1v", 2);
    sm_buf_clear(&out);
    ck_assert_int_eq(sm_job_encode(&job, 1500, &out), 0);
    ck_assert_mem_eq(out.data + 1, "\xabx_input_cut", 12);
    sm_buf_free(&out);
    free(input);
}
END_TEST

/* ---- live -- */

static struct sm_relay *connected(const char *user)
{
    struct sm_relay *relay = sm_redis_relay_new(rig_url(user));
    struct sm_err err;
    ck_assert_msg(relay->ops->connect(relay, 2000, &err) == 0, "%s", err.text);
    return relay;
}

static struct sm_relay_entry noop(const char *queue)
{
    static const char envelope[] = "\x82\xa1v\x01\xa4type\xaa"
                                   "debug.noop";
    return (struct sm_relay_entry){.queue = queue, .envelope = {envelope, sizeof envelope - 1}};
}

static struct sm_entry_id add(struct sm_relay *relay)
{
    struct sm_relay_entry entry = noop("q");
    struct sm_err err;
    ck_assert_int_eq(relay->ops->add(relay, &entry, 1, &err), 0);
    ck_assert_int_eq(entry.code, 0);
    return entry.id;
}

static bool is_alive(struct sm_relay *relay, struct sm_entry_id id)
{
    bool alive = false;
    struct sm_err err;
    ck_assert_msg(relay->ops->alive(relay, "q", &id, 1, &alive, &err) == 0, "%s", err.text);
    return alive;
}

static const char *shown(struct sm_entry_id id)
{
    static char id_text[SM_ENTRY_ID_TEXT];
    sm_entry_id_format(id, id_text);
    return id_text;
}

START_TEST(entries_reach_queues_that_nobody_serves_yet)
{
    struct sm_relay *relay = connected("worker");
    struct sm_relay_entry entries[] = {noop("q"), noop("new"), noop("q")};
    struct sm_delivery items[4];
    struct sm_intake in = {.items = items, .room = 4};
    struct sm_err err;
    char incarnation[SM_INCARNATION_TEXT];
    ck_assert_int_eq(relay->ops->claim(relay, "new", HOME, incarnation, &err), 0);
    ck_assert_str_eq(rig_text("HGET sm:{new}:meta incarnation"), incarnation);
    ck_assert_str_eq(rig_text("HGET sm:{new}:meta home"), HOME);
    ck_assert_int_eq(relay->ops->add(relay, entries, 3, &err), 0);
    ck_assert_int_eq(rig_int("XLEN sm:{new}:jobs"), 1);
    struct sm_queue *q = rig_worker("w1", 1 << 20);
    ck_assert_int_eq(rig_fetch(q, 4, 1 << 20, &in, &err), 0);
    ck_assert_uint_eq(in.n, 2);
    ck_assert_int_eq(sm_entry_id_compare(items[1].entry, entries[2].id), 0);
    rig_free(&in);
    q->ops->close(q);
    relay->ops->close(relay);
}
END_TEST

START_TEST(a_queue_of_another_database_is_left_alone)
{
    struct sm_relay *relay = connected("worker");
    struct sm_err err;
    char first[SM_INCARNATION_TEXT], again[SM_INCARNATION_TEXT];
    ck_assert_int_eq(relay->ops->claim(relay, "q", HOME, first, &err), 0);
    ck_assert_int_eq(relay->ops->claim(relay, "q", HOME, again, &err), 0);
    ck_assert_str_eq(first, again);
    rig_text("HSET sm:{q}:meta home ffffffffffffffffffffffffffffffff");
    rig_text("DEL sm:{q}:jobs");
    ck_assert_int_eq(relay->ops->claim(relay, "q", HOME, again, &err), SM_E_FOREIGN);
    ck_assert_ptr_nonnull(strstr(err.text, "belongs to another database"));
    ck_assert_int_eq(rig_int("EXISTS sm:{q}:jobs"), 0);
    relay->ops->close(relay);
}
END_TEST

START_TEST(a_full_redis_refuses_entry_by_entry_and_answers_on)
{
    struct sm_relay *relay = connected("worker");
    struct sm_relay_entry entries[] = {noop("q"), noop("q")};
    struct sm_err err;
    rig_text("CONFIG SET maxmemory 1");
    ck_assert_int_eq(relay->ops->add(relay, entries, 2, &err), 0);
    ck_assert_int_eq(entries[0].code, SM_E_FULL);
    ck_assert_int_eq(entries[1].code, SM_E_FULL);
    rig_text("CONFIG SET maxmemory 0");
    add(relay);
    relay->ops->close(relay);
}
END_TEST

START_TEST(a_user_without_the_right_is_told_so_entry_by_entry)
{
    struct sm_relay *relay = connected("worker");
    struct sm_relay_entry entries[] = {noop("q"), noop("q")};
    struct sm_err err;
    rig_text("ACL SETUSER sm_worker -xadd");
    ck_assert_int_eq(relay->ops->add(relay, entries, 2, &err), 0);
    ck_assert_int_eq(entries[1].code, SM_E_PERMISSION);
    relay->ops->close(relay);
}
END_TEST

START_TEST(waiting_leased_parked_and_free_entries_are_alive_and_settled_ones_are_not)
{
    struct sm_relay *relay = connected("worker");
    struct sm_queue *q = rig_worker("w1", 1 << 20);
    struct sm_delivery items[4];
    struct sm_intake in = {.items = items, .room = 4};
    struct sm_err err;
    struct sm_entry_id settled = add(relay), leased = add(relay), parked = add(relay),
                       freed = add(relay), waiting = add(relay);
    ck_assert_int_eq(rig_fetch(q, 4, 1 << 20, &in, &err), 0);
    ck_assert_int_eq(q->ops->settle(q, 0, &settled, 1, NULL, 0, &err), 0);
    struct sm_parking parking = {.owned.entry = parked, .due_ms = 9000000000000};
    ck_assert_int_eq(q->ops->park(q, 0, &parking, 1, &err), 0);
    rig_hand_back(q, &freed, 1);
    ck_assert(!is_alive(relay, settled));
    ck_assert(is_alive(relay, leased));
    ck_assert(is_alive(relay, parked));
    ck_assert(is_alive(relay, freed));
    ck_assert(is_alive(relay, waiting));
    ck_assert_str_eq(rig_owner(leased), "w1");
    ck_assert_str_eq(rig_owner(parked), ":later");
    ck_assert_str_eq(rig_owner(freed), ":free");
    ck_assert_str_eq(rig_owner(waiting), "");
    rig_free(&in);
    q->ops->close(q);
    relay->ops->close(relay);
}
END_TEST

START_TEST(an_entry_in_nobodys_list_is_given_to_free_and_one_without_a_body_is_dropped)
{
    struct sm_relay *relay = connected("worker");
    struct sm_queue *q = rig_worker("w1", 1 << 20);
    struct sm_delivery items[4];
    struct sm_intake in = {.items = items, .room = 4};
    struct sm_err err;
    struct sm_entry_id orphan = add(relay), hollow = add(relay), waiting = add(relay);
    ck_assert_int_eq(rig_fetch(q, 2, 1 << 20, &in, &err), 0);
    rig_int("XACK sm:{q}:jobs mill %s", shown(orphan));
    rig_int("XDEL sm:{q}:jobs %s", shown(hollow));
    rig_int("HSET sm:{q}:tries %s x", shown(hollow));
    ck_assert(is_alive(relay, orphan));
    ck_assert_str_eq(rig_owner(orphan), ":free");
    ck_assert(!is_alive(relay, hollow));
    ck_assert_str_eq(rig_owner(hollow), "");
    ck_assert_int_eq(rig_int("EXISTS sm:{q}:tries"), 0);
    rig_int("XDEL sm:{q}:jobs %s", shown(waiting));
    ck_assert(!is_alive(relay, waiting));
    rig_free(&in);
    q->ops->close(q);
    relay->ops->close(relay);
}
END_TEST

START_TEST(without_its_group_an_entry_waits_and_without_its_stream_it_is_gone)
{
    struct sm_relay *relay = connected("worker");
    struct sm_entry_id id = add(relay);
    ck_assert(is_alive(relay, id));
    ck_assert_int_eq(rig_int("XINFO GROUPS sm:{q}:jobs"), 0);
    rig_text("DEL sm:{q}:jobs");
    ck_assert(!is_alive(relay, id));
    relay->ops->close(relay);
}
END_TEST

START_TEST(ids_past_the_reach_of_doubles_are_compared_exactly)
{
    struct sm_relay *relay = connected("worker");
    struct sm_queue *q = rig_worker("w1", 1 << 20);
    struct sm_delivery items[4];
    struct sm_intake in = {.items = items, .room = 4};
    struct sm_err err;
    struct sm_entry_id first = {9007199254740993, 9007199254740993},
                       second = {9007199254740993, 9007199254740994};
    rig_text("XADD sm:{q}:jobs %s type debug.noop", shown(first));
    rig_text("XADD sm:{q}:jobs %s type debug.noop", shown(second));
    ck_assert_int_eq(rig_fetch(q, 1, 1 << 20, &in, &err), 0);
    ck_assert(is_alive(relay, second));
    ck_assert_str_eq(rig_owner(second), "");
    rig_free(&in);
    q->ops->close(q);
    relay->ops->close(relay);
}
END_TEST

int main(void)
{
    return RIG_SUITE(
        "queue_relay", {a_durable_job_arrives_as_it_was_enqueued, 0},
        {arguments_that_cannot_be_msgpack_bury_the_job_under_its_id, 0},
        {a_retried_job_is_itself_in_another_life_and_neither_late_nor_expired, 0},
        {an_operators_arguments_stand_instead_of_the_jobs_own, 0},
        {a_kept_envelope_that_is_broken_still_makes_an_entry_with_the_id_and_life, 0},
        {an_envelope_that_is_cut_says_so_in_front, 0},
        {entries_reach_queues_that_nobody_serves_yet, 0},
        {a_queue_of_another_database_is_left_alone, 0},
        {a_full_redis_refuses_entry_by_entry_and_answers_on, 0},
        {a_user_without_the_right_is_told_so_entry_by_entry, 0},
        {waiting_leased_parked_and_free_entries_are_alive_and_settled_ones_are_not, 0},
        {an_entry_in_nobodys_list_is_given_to_free_and_one_without_a_body_is_dropped, 0},
        {without_its_group_an_entry_waits_and_without_its_stream_it_is_gone, 0},
        {ids_past_the_reach_of_doubles_are_compared_exactly, 0});
}

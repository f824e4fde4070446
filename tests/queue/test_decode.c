/* Decoding entries, flat and enveloped: what is taken, what is refused and how, what is known all
 * the same. */
#include <stdlib.h>
#include <string.h>

#include "queue/job.h"
#include "tests/base/suite.h"
#include "tests/queue/pack.h"

#define UUID "018bcfe5-6800-78ef-9dde-7a6f1bdb8116"

static const struct sm_entry_origin origin = {
    "default", "0123456789abcdef0123456789abcdef", {1700000000000, 0}};

static struct sm_bytes text_of(const char *text)
{
    return (struct sm_bytes){text, strlen(text)};
}

/* Decodes up to four flat fields: name, value, .. NULL. */
static int flat(struct sm_job *job, struct sm_err *err, ...)
{
    struct sm_field fields[4];
    size_t n = 0;
    va_list args;
    va_start(args, err);
    for (const char *name; (name = va_arg(args, const char *)) != NULL; n++)
        fields[n] = (struct sm_field){text_of(name), text_of(va_arg(args, const char *))};
    va_end(args);
    memset(job, 0, sizeof *job);
    memset(err, 0, sizeof *err);
    return sm_job_decode(job, &origin, fields, n, err);
}

static int enveloped(struct sm_job *job, struct sm_err *err, const struct sm_buf *envelope)
{
    struct sm_field field = {text_of("job"), {envelope->data, envelope->size}};
    memset(job, 0, sizeof *job);
    memset(err, 0, sizeof *err);
    return sm_job_decode(job, &origin, &field, 1, err);
}

static void check_id(const struct sm_job *job, const char *text)
{
    char id[SM_ID_TEXT];
    sm_id_format(&job->id, id);
    ck_assert_str_eq(id, text);
}

START_TEST(a_bare_type_is_a_job)
{
    struct sm_job job;
    struct sm_err err;
    ck_assert_int_eq(flat(&job, &err, "type", "debug.noop", NULL), 0);
    check_id(&job, UUID); /* derived: the first vector */
    ck_assert(job.type.n == 10 && memcmp(job.type.p, "debug.noop", 10) == 0);
    ck_assert(job.args.n == 1 && job.args.p[0] == (char)0x80);
    ck_assert(job.input.p == NULL && job.tags.p == NULL && job.life == 1);
    ck_assert_int_eq(job.enqueued_ms, 1700000000000);
    ck_assert_int_eq(job.due_ms, 0);
    sm_job_free(&job);
}
END_TEST

START_TEST(flat_json_and_enveloped_msgpack_give_the_same_job)
{
    struct sm_job a, b;
    struct sm_err err;
    struct sm_buf envelope;
    ck_assert_int_eq(flat(&a, &err, "tags", "{\"k\":\"v\"}", "type", "t", "args", " {\"n\":7}",
                          "input", "abc", NULL),
                     0);
    sm_buf_init(&envelope, 0);
    put_msg(&envelope, "m", 4);
    put_msg(&envelope, "ss", "type", "t");
    put_msg(&envelope, "smsi", "args", 1, "n", (int64_t)7);
    put_msg(&envelope, "smss", "tags", 1, "k", "v");
    put_msg(&envelope, "sb", "input", "abc", (size_t)3);
    ck_assert_int_eq(enveloped(&b, &err, &envelope), 0);
    ck_assert(a.args.n == b.args.n && memcmp(a.args.p, b.args.p, a.args.n) == 0);
    ck_assert(a.tags.n == b.tags.n && memcmp(a.tags.p, b.tags.p, a.tags.n) == 0);
    ck_assert(a.input.n == 3 && b.input.n == 3 && memcmp(a.input.p, b.input.p, 3) == 0);
    ck_assert(memcmp(a.id.b, b.id.b, 16) == 0);
    sm_job_free(&a);
    sm_job_free(&b);
    sm_buf_free(&envelope);
}
END_TEST

static const struct {
    const char *name, *value;
    int code;
    const char *says;
} refused[] = {
    {"timeout", "1", SM_E_BAD_ENVELOPE, "timeout: unknown field"},
    {"timeout_mss", "1", SM_E_BAD_ENVELOPE, "did you mean \"timeout_ms\"?"},
    {"v", "2", SM_E_UNSUPPORTED, "v: 2"},
    {"id", "018bcfe5", SM_E_BAD_ENVELOPE, "id: must be a UUID"},
    {"id", "00000000-0000-0000-0000-000000000000", SM_E_BAD_ENVELOPE, "id: is the nil UUID"},
    {"args", "{\"a\":1", SM_E_BAD_ENVELOPE, "args: "},
    {"args", "[1]", SM_E_BAD_ENVELOPE, "args: must be a map"},
    {"args", "\x81\xa1", SM_E_BAD_ENVELOPE, "args: broken msgpack"},
    {"args", "\x81\x01\x01", SM_E_BAD_ENVELOPE, "args: "},
    {"timeout_ms", "0", SM_E_BAD_ENVELOPE, "timeout_ms: 0 is out of bounds, 1 to 86400000"},
    {"timeout_ms", "5s", SM_E_BAD_ENVELOPE, "timeout_ms: must be an integer"},
    {"max_attempts", "1001", SM_E_BAD_ENVELOPE, "max_attempts: 1001 is out of bounds"},
    {"in_ms", "-1", SM_E_BAD_ENVELOPE, "in_ms: -1"},
    {"tags", "{\"a\":1}", SM_E_BAD_ENVELOPE, "tags: must be a map of at most 16 texts"},
    {"tags", "x", SM_E_BAD_ENVELOPE, "tags: "},
    {"type", "again", SM_E_BAD_ENVELOPE, "type: stands twice"},
    {"job", "x", SM_E_BAD_ENVELOPE, "job: "},
};

START_TEST(a_bad_field_is_named_and_the_id_is_known)
{
    struct sm_job job;
    struct sm_err err;
    int rc = flat(&job, &err, "type", "t", refused[_i].name, refused[_i].value, NULL);
    ck_assert_msg(rc == refused[_i].code && err.code == rc, "%s: %d %s", refused[_i].name, rc,
                  err.text);
    ck_assert_msg(strstr(err.text, refused[_i].says) != NULL, "%s", err.text);
    check_id(&job, UUID);
    ck_assert(job.raw.p != NULL && ((unsigned char)job.raw.p[0] & 0xf0) == 0x80);
    sm_job_free(&job);
}
END_TEST

START_TEST(fields_of_ones_own_are_carried_and_ignored)
{
    struct sm_job job;
    struct sm_err err;
    ck_assert_int_eq(flat(&job, &err, "type", "t", "x_trace", "abc", NULL), 0);
    sm_job_free(&job);
}
END_TEST

START_TEST(without_a_type_it_is_no_job)
{
    struct sm_job job;
    struct sm_err err;
    ck_assert_int_eq(flat(&job, &err, "id", "018BCFE5-6800-78ef-9dde-7a6f1bdb8117", NULL),
                     SM_E_BAD_ENVELOPE);
    ck_assert(strstr(err.text, "type: missing") != NULL);
    check_id(&job, "018bcfe5-6800-78ef-9dde-7a6f1bdb8117");
    sm_job_free(&job);
}
END_TEST

START_TEST(due_times_count_from_the_entry)
{
    struct sm_job job;
    struct sm_err err;
    ck_assert_int_eq(flat(&job, &err, "type", "t", "in_ms", "5000", NULL), 0);
    ck_assert_int_eq(job.due_ms, 1700000005000);
    sm_job_free(&job);
    ck_assert_int_eq(flat(&job, &err, "type", "t", "at_ms", "1800000000000", NULL), 0);
    ck_assert_int_eq(job.due_ms, 1800000000000);
    sm_job_free(&job);
    ck_assert_int_eq(flat(&job, &err, "type", "t", "at_ms", "1", "in_ms", "1", NULL),
                     SM_E_BAD_ENVELOPE);
    sm_job_free(&job);
}
END_TEST

START_TEST(whole_floats_are_integers_and_others_are_not)
{
    struct sm_job job;
    struct sm_err err;
    struct sm_buf envelope;
    sm_buf_init(&envelope, 0);
    put_msg(&envelope, "msssf", 2, "type", "t", "at_ms", 1800000000000.0);
    ck_assert_int_eq(enveloped(&job, &err, &envelope), 0);
    ck_assert_int_eq(job.due_ms, 1800000000000);
    sm_job_free(&job);
    sm_buf_clear(&envelope);
    put_msg(&envelope, "msssf", 2, "type", "t", "at_ms", 1.5);
    ck_assert_int_eq(enveloped(&job, &err, &envelope), SM_E_BAD_ENVELOPE);
    sm_job_free(&job);
    sm_buf_free(&envelope);
}
END_TEST

START_TEST(a_cut_envelope_is_refused_at_every_byte_and_keeps_its_id)
{
    static const char id[16] = "0123456789abcdef";
    struct sm_job job;
    struct sm_err err;
    struct sm_buf whole;
    sm_buf_init(&whole, 0);
    put_msg(&whole, "m", 5);
    put_msg(&whole, "si", "v", (int64_t)1);
    put_msg(&whole, "sb", "id", id, sizeof id);
    put_msg(&whole, "ss", "type", "t");
    put_msg(&whole, "smsi", "args", 1, "n", (int64_t)7);
    put_msg(&whole, "sb", "input", "abc", (size_t)3);
    size_t id_end = 1 + 3 + 3 + 18;
    for (size_t n = 0; n < whole.size; n++) {
        char *copy = malloc(n + 1); /* of this size, so that the sanitizer sees a byte too far */
        memcpy(copy, whole.data, n);
        struct sm_buf cut = {.data = copy, .size = n};
        ck_assert_int_eq(enveloped(&job, &err, &cut), SM_E_BAD_ENVELOPE);
        if (n >= id_end)
            ck_assert(memcmp(job.id.b, id, sizeof id) == 0);
        sm_job_free(&job);
        free(copy);
    }
    ck_assert_int_eq(enveloped(&job, &err, &whole), 0);
    sm_job_free(&job);
    sm_buf_free(&whole);
}
END_TEST

START_TEST(lengths_that_lie_and_deep_nesting_are_refused)
{
    struct sm_job job;
    struct sm_err err;
    struct sm_buf deep;
    static const struct sm_buf huge = {.data = (char *)"\xdf\xff\xff\xff\xff", .size = 5};
    static const struct sm_buf long_text = {.data = (char *)"\x81\xdb\xff\xff\xff\xff", .size = 6};
    ck_assert_int_eq(enveloped(&job, &err, &huge), SM_E_BAD_ENVELOPE);
    sm_job_free(&job);
    ck_assert_int_eq(enveloped(&job, &err, &long_text), SM_E_BAD_ENVELOPE);
    sm_job_free(&job);
    sm_buf_init(&deep, 0);
    put_msg(&deep, "msss", 2, "type", "t", "args");
    for (int i = 0; i < 10000; i++)
        put_msg(&deep, "ms", 1, "a");
    put_msg(&deep, "i", (int64_t)1);
    ck_assert_int_eq(enveloped(&job, &err, &deep), SM_E_BAD_ENVELOPE);
    ck_assert(job.type.n == 1);
    sm_job_free(&job);
    sm_buf_free(&deep);
}
END_TEST

START_TEST(deep_json_is_refused)
{
    struct sm_job job;
    struct sm_err err;
    struct sm_buf json;
    sm_buf_init(&json, 0);
    for (int i = 0; i < 10000; i++)
        sm_buf_add_text(&json, "{\"a\":");
    sm_buf_add_text(&json, "1");
    for (int i = 0; i < 10000; i++)
        sm_buf_add_text(&json, "}");
    ck_assert_int_eq(flat(&job, &err, "type", "t", "args", sm_buf_text(&json), NULL),
                     SM_E_BAD_ENVELOPE);
    sm_job_free(&job);
    sm_buf_free(&json);
}
END_TEST

START_TEST(input_may_be_16_mib_and_not_a_byte_more)
{
    size_t most = 16u << 20;
    char *input = calloc(1, most + 1);
    struct sm_job job = {0};
    struct sm_err err;
    struct sm_field fields[] = {{text_of("type"), text_of("t")}, {text_of("input"), {input, most}}};
    ck_assert_int_eq(sm_job_decode(&job, &origin, fields, 2, &err), 0);
    sm_job_free(&job);
    fields[1].value.n++;
    ck_assert_int_eq(sm_job_decode(&job, &origin, fields, 2, &err), SM_E_TOO_LARGE);
    ck_assert(strstr(err.text, "input: ") != NULL);
    ck_assert_uint_lt(job.raw.n, 1u << 20);
    sm_job_free(&job);
    free(input);
}
END_TEST

START_TEST(a_kept_envelope_decodes_to_the_same_job)
{
    struct sm_job a, b;
    struct sm_err err;
    struct sm_buf kept;
    ck_assert_int_eq(flat(&a, &err, "type", "t", "args", "{\"n\":[1,2]}", "tags", "{\"k\":\"v\"}",
                          "input", "abc", NULL),
                     0);
    a.timeout_ms = 5, a.max_attempts = 3, a.life = 2, a.due_ms = 9;
    sm_buf_init(&kept, 0);
    ck_assert_int_eq(sm_job_encode(&a, 1u << 20, &kept), 0);
    ck_assert_int_eq(enveloped(&b, &err, &kept), 0);
    ck_assert(memcmp(a.id.b, b.id.b, 16) == 0 && b.timeout_ms == 5 && b.max_attempts == 3);
    ck_assert(b.life == 2 && b.due_ms == 9 && b.enqueued_ms == a.enqueued_ms);
    ck_assert(a.args.n == b.args.n && memcmp(a.args.p, b.args.p, a.args.n) == 0);
    ck_assert(a.tags.n == b.tags.n && memcmp(a.tags.p, b.tags.p, a.tags.n) == 0);
    ck_assert(b.input.n == 3);
    sm_job_free(&a);
    sm_job_free(&b);
    sm_buf_free(&kept);
}
END_TEST

START_TEST(a_kept_envelope_stays_below_its_limit)
{
    size_t size = 2u << 20;
    char *input = calloc(1, size);
    struct sm_job job = {0}, back;
    struct sm_err err;
    struct sm_buf kept;
    struct sm_field fields[] = {{text_of("type"), text_of("t")}, {text_of("input"), {input, size}}};
    ck_assert_int_eq(sm_job_decode(&job, &origin, fields, 2, &err), 0);
    sm_buf_init(&kept, 0);
    ck_assert_int_eq(sm_job_encode(&job, 1u << 20, &kept), 0);
    ck_assert_uint_le(kept.size, 1u << 20);
    ck_assert_int_eq(enveloped(&back, &err, &kept), 0);
    ck_assert(back.input.p == NULL && back.type.n == 1);
    sm_job_free(&back);
    sm_job_free(&job);
    sm_buf_free(&kept);
    free(input);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("queue_decode");
    TCase *tcase = tcase_create("decode");
    tcase_add_test(tcase, a_bare_type_is_a_job);
    tcase_add_test(tcase, flat_json_and_enveloped_msgpack_give_the_same_job);
    tcase_add_loop_test(tcase, a_bad_field_is_named_and_the_id_is_known, 0,
                        (int)(sizeof refused / sizeof *refused));
    tcase_add_test(tcase, fields_of_ones_own_are_carried_and_ignored);
    tcase_add_test(tcase, without_a_type_it_is_no_job);
    tcase_add_test(tcase, due_times_count_from_the_entry);
    tcase_add_test(tcase, whole_floats_are_integers_and_others_are_not);
    tcase_add_test(tcase, a_cut_envelope_is_refused_at_every_byte_and_keeps_its_id);
    tcase_add_test(tcase, lengths_that_lie_and_deep_nesting_are_refused);
    tcase_add_test(tcase, deep_json_is_refused);
    tcase_add_test(tcase, input_may_be_16_mib_and_not_a_byte_more);
    tcase_add_test(tcase, a_kept_envelope_decodes_to_the_same_job);
    tcase_add_test(tcase, a_kept_envelope_stays_below_its_limit);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

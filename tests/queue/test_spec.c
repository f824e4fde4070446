/* What a producer sends: checked against the bounds, and decoded by a worker to what was meant. */
#include <stdlib.h>
#include <string.h>

#include "queue/job.h"
#include "queue/producer_spec.h"
#include "tests/base/suite.h"

static const struct sm_entry_origin origin = {"q", "0123456789abcdef0123456789abcdef", {5, 0}};
static const struct sm_id id = {"0123456789abcdef"};

/* The envelope inside the command's bytes: the last bulk. */
static struct sm_bytes envelope_of(const struct sm_buf *wire)
{
    static const char mark[] = "\r\n$3\r\njob\r\n$";
    const char *at = memmem(wire->data, wire->size, mark, sizeof mark - 1);
    ck_assert_ptr_nonnull(at);
    at += sizeof mark - 1;
    size_t size = strtoul(at, NULL, 10);
    at = strchr(at, '\n') + 1;
    ck_assert_ptr_eq(at + size + 2, wire->data + wire->size);
    return (struct sm_bytes){at, size};
}

START_TEST(what_is_sent_decodes_to_what_was_meant)
{
    static const struct sm_tag tags[] = {{"user", "7"}, {"plan", "free"}};
    struct sm_job_spec spec = {.queue = "q",
                               .type = "parse.csv",
                               .args_json = "{\"header\":true}",
                               .input = "a,b\n",
                               .input_size = 4,
                               .in_ms = 1000,
                               .expires_ms = 1800000000000,
                               .timeout_ms = 500,
                               .backoff_ms = 10,
                               .backoff_max_ms = 20,
                               .max_attempts = 3,
                               .tags = tags,
                               .tags_n = 2};
    struct sm_buf wire;
    struct sm_err err;
    struct sm_job job = {0};
    sm_buf_init(&wire, 0);
    ck_assert_int_eq(sm_spec_append(&spec, &id, &wire, &err), 0);
    ck_assert(strncmp(wire.data, "*5\r\n$4\r\nXADD\r\n$11\r\nsm:{q}:jobs\r\n$1\r\n*\r\n", 37) == 0);
    struct sm_field field = {{"job", 3}, envelope_of(&wire)};
    ck_assert_int_eq(sm_job_decode(&job, &origin, &field, 1, &err), 0);
    ck_assert(memcmp(job.id.b, id.b, 16) == 0 && job.due_ms == 1005 && job.timeout_ms == 500);
    ck_assert(job.expires_ms == 1800000000000 && job.backoff_ms == 10 && job.backoff_max_ms == 20);
    ck_assert(job.max_attempts == 3 && job.input.n == 4 && job.type.n == 9);
    ck_assert(job.tags.n == 26 &&
              memcmp(job.tags.p, "{\"user\":\"7\",\"plan\":\"free\"}", 26) == 0);
    sm_job_free(&job);
    sm_buf_free(&wire);
}
END_TEST

static const struct sm_tag empty_tag[] = {{"", "x"}}, twins[] = {{"a", "1"}, {"a", "2"}};
static const struct {
    struct sm_job_spec spec;
    const char *says;
} wrong[] = {
    {{.type = NULL}, "type: "},
    {{.type = "a b"}, "type: "},
    {{.type = "t", .queue = "a}b"}, "queue: "},
    {{.type = "t", .args_json = "{"}, "args: "},
    {{.type = "t", .args_json = "[]"}, "args: must be one map"},
    {{.type = "t", .args = "\xdf\xff\xff\xff\xff", .args_size = 5}, "args: must be one map"},
    {{.type = "t", .args_json = "{}", .args = "\x80", .args_size = 1}, "args: stands beside"},
    {{.type = "t", .at_ms = 1, .in_ms = 1}, "in_ms: stands beside at_ms"},
    {{.type = "t", .at_ms = -1}, "at_ms: -1 is out of bounds, 0 to 253402300799999"},
    {{.type = "t", .max_attempts = 1001}, "max_attempts: 1001"},
    {{.type = "t", .input = "", .input_size = (16u << 20) + 1}, "input: 16777217 bytes"},
    {{.type = "t", .tags = empty_tag, .tags_n = 1}, "tags: "},
    {{.type = "t", .tags = twins, .tags_n = 2}, "tags: \"a\" stands twice"},
    {{.type = "t", .tags = twins, .tags_n = 17}, "tags: 17, at most 16"},
};

START_TEST(what_is_out_of_bounds_is_named_and_nothing_is_written)
{
    struct sm_buf wire;
    struct sm_err err;
    sm_buf_init(&wire, 0);
    sm_buf_add_text(&wire, "before");
    ck_assert_int_eq(sm_spec_append(&wrong[_i].spec, &id, &wire, &err), SM_E_USAGE);
    ck_assert_msg(strncmp(err.text, wrong[_i].says, strlen(wrong[_i].says)) == 0, "%s", err.text);
    ck_assert(wire.size == 6 && !wire.full);
    sm_buf_free(&wire);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("queue_spec");
    TCase *tcase = tcase_create("spec");
    tcase_add_test(tcase, what_is_sent_decodes_to_what_was_meant);
    tcase_add_loop_test(tcase, what_is_out_of_bounds_is_named_and_nothing_is_written, 0,
                        (int)(sizeof wrong / sizeof *wrong));
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

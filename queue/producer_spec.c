/*
 * A job's specification, checked and written as one XADD of one field, `job`: the msgpack envelope.
 *
 * Everything is checked here, before anything is sent: a worker would bury the job for the same
 * reason, but the producer is the one who can mend it. The envelope opens with v, id and type, so
 * that whoever sees only its first bytes knows whose it is, and ends with the input, which is
 * copied once.
 */
#include "queue/producer_spec.h"

#include <msgpack.h>
#include <string.h>

#include "base/json.h"
#include "base/msg.h"
#include "base/msgpack_out.h"
#include "base/text.h"

#define ARGS_DEPTH 64
#define QUEUE_NAME_MOST 64

/* The bounds, from the one table. */
static const struct bound {
    const char *name;
    int64_t min, max;
} bounds[] = {
#define SM_FIELD(symbol, name, kind, min, max, fallback, help) {name, min, max},
#include "queue/fields.def"
#undef SM_FIELD
};

static const struct bound *bound_of(const char *name)
{
    size_t i = 0;
    while (strcmp(bounds[i].name, name) != 0)
        i++;
    return &bounds[i];
}

struct number {
    const char *name;
    int64_t value;
};

#define NUMBERS 7

static void numbers_of(const struct sm_job_spec *job, struct number numbers[NUMBERS])
{
    const struct number all[NUMBERS] = {{"at_ms", job->at_ms},
                                        {"in_ms", job->in_ms},
                                        {"expires_ms", job->expires_ms},
                                        {"timeout_ms", job->timeout_ms},
                                        {"backoff_ms", job->backoff_ms},
                                        {"backoff_max_ms", job->backoff_max_ms},
                                        {"max_attempts", job->max_attempts}};
    memcpy(numbers, all, sizeof all);
}

/* 1 to 64 letters, digits, dots, underscores and hyphens, the first a letter or digit. */
static bool name_fine(const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < n; i++) {
        char c = name[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && (i == 0 || (c != '.' && c != '_' && c != '-')))
            return false;
    }
    return n >= 1 && n <= QUEUE_NAME_MOST;
}

static int check_numbers(const struct sm_job_spec *job, struct sm_err *err)
{
    struct number numbers[NUMBERS];
    numbers_of(job, numbers);
    for (size_t i = 0; i < NUMBERS; i++) {
        if (numbers[i].value == 0)
            continue;
        const struct bound *b = bound_of(numbers[i].name);
        if (numbers[i].value < b->min || numbers[i].value > b->max)
            return sm_err_set(err, SM_E_USAGE, "%s: %lld is out of bounds, %lld to %lld", b->name,
                              (long long)numbers[i].value, (long long)b->min, (long long)b->max);
    }
    if (job->at_ms != 0 && job->in_ms != 0)
        return sm_err_set(err, SM_E_USAGE, "in_ms: stands beside at_ms: give one of them");
    return 0;
}

static bool tag_text_fine(const char *text)
{
    size_t n = text == NULL ? 0 : strlen(text);
    return n >= 1 && n <= 256 && sm_text_valid(text, n) == n;
}

static int check_tags(const struct sm_job_spec *job, struct sm_err *err)
{
    if (job->tags_n > (size_t)bound_of("tags")->max)
        return sm_err_set(err, SM_E_USAGE, "tags: %zu, at most %lld", job->tags_n,
                          (long long)bound_of("tags")->max);
    for (size_t i = 0; i < job->tags_n; i++) {
        if (!tag_text_fine(job->tags[i].key) || !tag_text_fine(job->tags[i].value))
            return sm_err_set(err, SM_E_USAGE,
                              "tags: key and value must be 1 to 256 bytes of UTF-8");
        for (size_t k = 0; k < i; k++)
            if (strcmp(job->tags[i].key, job->tags[k].key) == 0)
                return sm_err_set(err, SM_E_USAGE, "tags: \"%s\" stands twice", job->tags[i].key);
    }
    return 0;
}

static int check(const struct sm_job_spec *job, struct sm_err *err)
{
    if (job->queue != NULL && !name_fine(job->queue))
        return sm_err_set(err, SM_E_USAGE, "queue: must be 1 to 64 of a-z A-Z 0-9 . _ -");
    if (job->type == NULL || !name_fine(job->type))
        return sm_err_set(err, SM_E_USAGE, "type: must be 1 to 64 of a-z A-Z 0-9 . _ -");
    if (job->args_json != NULL && job->args != NULL)
        return sm_err_set(err, SM_E_USAGE, "args: stands beside args_json: give one of them");
    if (job->input_size > (size_t)bound_of("input")->max)
        return sm_err_set(err, SM_E_USAGE, "input: %zu bytes, at most %lld", job->input_size,
                          (long long)bound_of("input")->max);
    int rc = check_numbers(job, err);
    return rc == 0 ? check_tags(job, err) : rc;
}

static void put_text(msgpack_packer *pk, const char *text)
{
    size_t n = strlen(text);
    msgpack_pack_str(pk, n);
    msgpack_pack_str_body(pk, text, n);
}

static bool is_map(const char *data, size_t size)
{
    struct sm_msg msg = {(const unsigned char *)data, (const unsigned char *)data + size};
    struct sm_msg_value head;
    return sm_msg_check(data, size, ARGS_DEPTH) && sm_msg_next(&msg, &head) &&
           head.kind == SM_MSG_MAP;
}

/* The arguments as a msgpack map. */
static int put_args(const struct sm_job_spec *job, struct sm_buf *envelope, struct sm_err *err)
{
    static const char none[1] = {(char)0x80};
    size_t at = envelope->size, most = (size_t)bound_of("args")->max;
    if (job->args_json != NULL) {
        int rc = sm_json_to_msgpack(job->args_json, strlen(job->args_json), envelope, err);
        if (rc != 0)
            return rc == SM_E_NO_MEMORY ? rc : sm_err_set(err, SM_E_USAGE, "args: %s", err->text);
    } else if (job->args != NULL) {
        sm_buf_add(envelope, job->args, job->args_size);
    } else {
        sm_buf_add(envelope, none, sizeof none);
    }
    if (envelope->full)
        return sm_err_set(err, SM_E_NO_MEMORY, "args: no memory");
    if (envelope->size - at > most)
        return sm_err_set(err, SM_E_USAGE,
                          "args: %zu bytes, at most %zu; put large data into input",
                          envelope->size - at, most);
    if (!is_map(envelope->data + at, envelope->size - at))
        return sm_err_set(err, SM_E_USAGE, "args: must be one map with text keys, at most %d deep",
                          ARGS_DEPTH);
    return 0;
}

/* The envelope up to and with the head of the input, whose bytes follow. */
static int put_envelope(const struct sm_job_spec *job, const struct sm_id *id,
                        struct sm_buf *envelope, struct sm_err *err)
{
    struct number numbers[NUMBERS];
    msgpack_packer pk;
    size_t n = 4u + (job->tags_n > 0) + (job->input != NULL);
    numbers_of(job, numbers);
    for (size_t i = 0; i < NUMBERS; i++)
        n += numbers[i].value != 0;
    msgpack_packer_init(&pk, envelope, sm_buf_msgpack_write);
    msgpack_pack_map(&pk, n);
    put_text(&pk, "v");
    msgpack_pack_int(&pk, 1);
    put_text(&pk, "id");
    msgpack_pack_bin(&pk, sizeof id->b);
    msgpack_pack_bin_body(&pk, id->b, sizeof id->b);
    put_text(&pk, "type");
    put_text(&pk, job->type);
    for (size_t i = 0; i < NUMBERS; i++)
        if (numbers[i].value != 0) {
            put_text(&pk, numbers[i].name);
            msgpack_pack_int64(&pk, numbers[i].value);
        }
    if (job->tags_n > 0) {
        put_text(&pk, "tags");
        msgpack_pack_map(&pk, job->tags_n);
        for (size_t i = 0; i < job->tags_n; i++) {
            put_text(&pk, job->tags[i].key);
            put_text(&pk, job->tags[i].value);
        }
    }
    put_text(&pk, "args");
    int rc = put_args(job, envelope, err);
    if (rc == 0 && job->input != NULL) {
        put_text(&pk, "input");
        msgpack_pack_bin(&pk, job->input_size);
    }
    return rc;
}

int sm_spec_append(const struct sm_job_spec *job, const struct sm_id *id, struct sm_buf *out,
                   struct sm_err *err)
{
    const char *queue = job->queue == NULL ? "default" : job->queue;
    size_t before = out->size, input = job->input == NULL ? 0 : job->input_size;
    struct sm_buf envelope;
    int rc = check(job, err);
    if (rc != 0)
        return rc;
    sm_buf_init(&envelope, 0);
    rc = put_envelope(job, id, &envelope, err);
    if (rc == 0) {
        sm_buf_printf(
            out, "*5\r\n$4\r\nXADD\r\n$%zu\r\nsm:{%s}:jobs\r\n$1\r\n*\r\n$3\r\njob\r\n$%zu\r\n",
            strlen(queue) + 10, queue, envelope.size + input);
        sm_buf_add(out, envelope.data, envelope.size);
        sm_buf_add(out, job->input, input);
        sm_buf_add(out, "\r\n", 2);
        if (envelope.full || out->full)
            rc = sm_err_set(err, SM_E_NO_MEMORY, "no memory for the job");
    }
    if (rc != 0) {
        out->size = before;
        out->full = false;
    }
    sm_buf_free(&envelope);
    return rc;
}

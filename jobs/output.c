/*
 * The writers of a run's result and body, under two limits: what both hold together (output), and
 * that plus the arena (memory). Over either the run turns `full`: everything after that is dropped
 * and it ends as too_large, so that handlers write without checking.
 *
 * The JSON writer appends first and is measured after, because only it knows how long an escaped
 * text gets; its buffer's own limit keeps one append from growing past what is left. Thread: the
 * stamp that runs.
 */
#include <string.h>

#include "jobs/run.h"

/* Bytes that result and body may still grow by. */
static size_t left(const struct sm_run *run)
{
    size_t used = run->result.size + run->body.size;
    size_t output = run->in->limits.output;
    size_t memory = run->in->limits.memory;
    size_t held = used + run->arena.used;
    size_t a = used < output ? output - used : 0;
    size_t b = held < memory ? memory - held : 0;
    return a < b ? a : b;
}

/* ---- result -------------------------------------------------------------------------------- */

/* The writer, ready for one append; NULL when the run is full. */
static struct sm_json *json_begin(struct sm_run *run)
{
    if (run->full)
        return NULL;
    size_t room = left(run);
    if (room == 0) {
        run->full = true;
        return NULL;
    }
    run->result.limit = run->result.size + room;
    return &run->json;
}

static void json_end(struct sm_run *run)
{
    /* the buffer looks at its limit when it grows only */
    if (run->result.full || run->result.size > run->result.limit)
        run->full = true;
}

#define JSON_PUT(run, call)                                                                        \
    do {                                                                                           \
        struct sm_json *json = json_begin(run);                                                    \
        if (json == NULL)                                                                          \
            return;                                                                                \
        call;                                                                                      \
        json_end(run);                                                                             \
    } while (0)

void sm_json_open_map(struct sm_run *run)
{
    JSON_PUT(run, sm_json_put_open(json, '{'));
}

void sm_json_close_map(struct sm_run *run)
{
    JSON_PUT(run, sm_json_put_close(json, '}'));
}

void sm_json_open_list(struct sm_run *run)
{
    JSON_PUT(run, sm_json_put_open(json, '['));
}

void sm_json_close_list(struct sm_run *run)
{
    JSON_PUT(run, sm_json_put_close(json, ']'));
}

void sm_json_key(struct sm_run *run, const char *key)
{
    JSON_PUT(run, sm_json_put_key(json, key, strlen(key)));
}

void sm_json_text(struct sm_run *run, const char *text, size_t size)
{
    JSON_PUT(run, sm_json_put_text(json, text, size));
}

void sm_json_int(struct sm_run *run, int64_t value)
{
    JSON_PUT(run, sm_json_put_int(json, value));
}

void sm_json_uint(struct sm_run *run, uint64_t value)
{
    JSON_PUT(run, sm_json_put_uint(json, value));
}

void sm_json_double(struct sm_run *run, double value)
{
    JSON_PUT(run, sm_json_put_double(json, value));
}

void sm_json_bool(struct sm_run *run, bool value)
{
    JSON_PUT(run, sm_json_put_bool(json, value));
}

void sm_json_null(struct sm_run *run)
{
    JSON_PUT(run, sm_json_put_null(json));
}

void sm_json_raw(struct sm_run *run, const char *json_text, size_t size)
{
    JSON_PUT(run, sm_json_put_raw(json, json_text, size));
}

/* ---- body ---------------------------------------------------------------------------------- */

void sm_body_type(struct sm_run *run, const char *content_type)
{
    run->content_type = content_type;
}

void *sm_body_reserve(struct sm_run *run, size_t size)
{
    if (run->full || size > left(run)) {
        run->full = true;
        return NULL;
    }
    void *at = sm_buf_reserve(&run->body, size);
    if (at == NULL)
        run->full = run->no_memory = true;
    return at;
}

void sm_body_commit(struct sm_run *run, size_t used)
{
    sm_buf_commit(&run->body, used);
}

void sm_body_write(struct sm_run *run, const void *data, size_t size)
{
    void *at = sm_body_reserve(run, size);
    if (at == NULL || size == 0)
        return;
    memcpy(at, data, size);
    sm_buf_commit(&run->body, size);
}

bool sm_out_full(const struct sm_run *run)
{
    return run->full;
}

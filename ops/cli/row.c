/*
 * A row of stampmill.results on the screen. The arguments are shown of jobs that were buried, whose
 * envelope is kept.
 */
#include <string.h>

#include "ops/cli/cli.h"
#include "ops/cli/out.h"

bool cli_row_ended(const struct sm_job_row *row)
{
    return row->state != NULL && strcmp(row->state, "waiting") != 0;
}

int cli_row_exit(const struct sm_job_row *row)
{
    return row->state != NULL && strcmp(row->state, "succeeded") == 0 ? EXIT_OK : EXIT_JOB_FAILED;
}

static void put_args(struct cli_out *out, const struct sm_job_row *row)
{
    struct sm_entry_origin origin = {"default", "", {0, 0}};
    struct sm_field field = {{"job", 3}, {row->envelope, row->envelope_size}};
    struct sm_buf buf;
    struct sm_json json;
    struct sm_job job;
    struct sm_err ignored;
    memset(&job, 0, sizeof job);
    sm_buf_init(&buf, 0);
    sm_json_init(&json, &buf);
    if (row->envelope != NULL && sm_job_decode(&job, &origin, &field, 1, &ignored) == 0)
        sm_json_put_msgpack(&json, job.args.p, job.args.n);
    out_json(out, "args", buf.size > 0 && !buf.full ? buf.data : NULL, buf.size);
    sm_job_free(&job);
    sm_buf_free(&buf);
}

/* A span of two times that are both known. */
static void put_span(struct cli_out *out, const char *key, int64_t from_us, int64_t to_us)
{
    if (from_us == 0 || to_us == 0)
        out_text(out, key, NULL);
    else
        out_ms(out, key, to_us - from_us);
}

static void put_json(struct cli_out *out, const char *key, const char *json)
{
    out_json(out, key, json, json == NULL ? 0 : strlen(json));
}

static void put_pair(struct sm_json *json, const char *key, const char *text)
{
    sm_json_put_key(json, key, strlen(key));
    if (text == NULL)
        sm_json_put_null(json);
    else
        sm_json_put_text(json, text, strlen(text));
}

static void put_moment(struct sm_json *json, const char *key, int64_t us)
{
    char text[40];
    put_pair(json, key, out_format_time(us, text) ? text : NULL);
}

/* How each failed attempt ended, of earlier lives too; attempt 0: it ended without having run. */
static void put_attempts(struct cli_out *out, const struct sm_attempt_row *attempts, size_t n)
{
    struct sm_buf buf;
    struct sm_json json;
    sm_buf_init(&buf, 0);
    sm_json_init(&json, &buf);
    sm_json_put_open(&json, '[');
    for (size_t i = 0; i < n; i++) {
        sm_json_put_open(&json, '{');
        sm_json_put_key(&json, "life", 4);
        sm_json_put_int(&json, attempts[i].life);
        sm_json_put_key(&json, "attempt", 7);
        sm_json_put_int(&json, attempts[i].attempt);
        put_pair(&json, "error_code", attempts[i].error_code);
        put_pair(&json, "error_text", attempts[i].error_text);
        put_moment(&json, "finished_at", attempts[i].finished_us);
        put_pair(&json, "worker", attempts[i].worker);
        sm_json_put_close(&json, '}');
    }
    sm_json_put_close(&json, ']');
    out_json(out, "attempts", n > 0 && !buf.full ? buf.data : NULL, buf.size);
    sm_buf_free(&buf);
}

int cli_row_print(const struct cli *cli, const struct sm_job_row *row, struct sm_err *err)
{
    return cli_row_print_with(cli, row, NULL, 0, err);
}

int cli_row_print_with(const struct cli *cli, const struct sm_job_row *row,
                       const struct sm_attempt_row *attempts, size_t n, struct sm_err *err)
{
    char id[SM_ID_TEXT];
    struct cli_out out;
    sm_id_format(&row->id, id);
    out_open(&out, cli->json, false);
    out_record(&out);
    out_text(&out, "id", id);
    out_text(&out, "queue", row->queue);
    out_text(&out, "type", row->type);
    out_text(&out, "state", row->state);
    out_text(&out, "error_code", row->error_code);
    out_text(&out, "error_text", row->error_text);
    put_json(&out, "result", row->result);
    out_text(&out, "content_type", row->content_type);
    out_int(&out, "body_bytes", (int64_t)row->body_size);
    put_args(&out, row);
    put_json(&out, "tags", row->tags);
    out_int(&out, "life", row->life);
    out_int(&out, "attempt", row->attempt);
    out_time(&out, "enqueued_at", row->enqueued_us);
    out_time(&out, "started_at", row->started_us);
    out_time(&out, "finished_at", row->finished_us);
    put_span(&out, "wait_ms", row->enqueued_us, row->started_us);
    put_span(&out, "run_ms", row->started_us, row->finished_us);
    out_ms(&out, "cpu_ms", row->cpu_us);
    out_text(&out, "worker", row->worker);
    if (attempts != NULL)
        put_attempts(&out, attempts, n);
    return out_close(&out, err);
}

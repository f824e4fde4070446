/*
 * `job show` and `job result`. A job that has ended is a row in PostgreSQL; one that has not is an
 * entry in Redis. It may end between the two questions, so PostgreSQL is asked once more before a
 * job is said not to exist.
 */
#include <string.h>

#include "ops/cli/cli.h"
#include "ops/cli/out.h"
#include "store/second_life.h"

#define SEARCH_MOST 10000 /* entries of a queue that are looked through for an id */

static int read_row(struct sm_reader *reader, const struct sm_id *id, int what,
                    struct sm_job_row *row, struct sm_err *err)
{
    int rc = sm_reader_job(reader, id, what, row, err);
    return rc == 0 || rc == SM_E_NOT_FOUND ? rc : cli_explain(err, "PostgreSQL");
}

/* The job's entry: read where it was named, else searched for. */
static int read_entry(const struct cli *cli, struct cli_ref *ref, struct sm_entry_state *state,
                      struct sm_err *err)
{
    struct sm_inspector *in = cli_open_inspector(cli, err);
    if (in == NULL)
        return err->code;
    int rc = ref->has_entry ? sm_inspect_entry(in, ref->queue, ref->entry, state, err)
                            : sm_inspect_find(in, &ref->id, SEARCH_MOST, ref->queue, state, err);
    sm_inspector_close(in);
    return rc == 0 || rc == SM_E_NOT_FOUND ? rc : cli_explain(err, "Redis");
}

static const char *state_name(const struct sm_entry_state *state)
{
    if (strcmp(state->owner, ":later") == 0)
        return "later";
    return state->owner[0] == '\0' || state->owner[0] == ':' ? "waiting" : "in_flight";
}

static void put_args(struct cli_out *out, const struct sm_job *job)
{
    struct sm_buf buf;
    struct sm_json json;
    sm_buf_init(&buf, 0);
    sm_json_init(&json, &buf);
    if (job->args.p != NULL)
        sm_json_put_msgpack(&json, job->args.p, job->args.n);
    out_json(out, "args", buf.size > 0 && !buf.full ? buf.data : NULL, buf.size);
    sm_buf_free(&buf);
}

static int print_entry(const struct cli *cli, const struct cli_ref *ref,
                       const struct sm_entry_state *state, struct sm_err *err)
{
    const struct sm_delivery *d = &state->delivery;
    char id[SM_ID_TEXT], entry[SM_ENTRY_ID_TEXT], type[65];
    bool owned = strcmp(state_name(state), "in_flight") == 0;
    struct cli_out out;
    sm_id_format(&d->job.id, id);
    sm_entry_id_format(d->entry, entry);
    snprintf(type, sizeof type, "%.*s", (int)d->job.type.n,
             d->job.type.p == NULL ? "" : d->job.type.p);
    out_open(&out, cli->json, false);
    out_record(&out);
    out_text(&out, "id", id);
    out_text(&out, "queue", ref->queue);
    out_text(&out, "entry", entry);
    out_text(&out, "type", d->job.type.p == NULL ? NULL : type);
    out_text(&out, "state", state_name(state));
    out_text(&out, "error_code", d->code == 0 ? NULL : sm_error_name(d->code));
    out_text(&out, "error_text", d->error_text);
    put_args(&out, &d->job);
    out_int(&out, "input_bytes", (int64_t)d->job.input.n);
    out_json(&out, "tags", d->job.tags.p, d->job.tags.n);
    out_time(&out, "enqueued_at", d->job.enqueued_ms * 1000);
    out_time(&out, "due_at", state->due_ms * 1000);
    out_text(&out, "worker", owned ? state->owner : NULL);
    return out_close(&out, err);
}

/* No row: is it in Redis? `print`: show it. EXIT_STILL_RUNNING when it is, SM_E_NOT_FOUND when it
 * is not. */
static int look_in_redis(const struct cli *cli, struct cli_ref *ref, bool print, struct sm_err *err)
{
    struct sm_entry_state state;
    int rc = read_entry(cli, ref, &state, err);
    if (rc != 0)
        return rc;
    if (print)
        rc = print_entry(cli, ref, &state, err);
    sm_entry_state_free(&state);
    return rc == 0 ? EXIT_STILL_RUNNING : rc;
}

/* Not in Redis: does it stand in the outbox? EXIT_STILL_RUNNING when it does. */
static int look_in_outbox(const struct cli *cli, struct sm_reader *reader, const struct sm_id *id,
                          bool print, struct sm_err *err)
{
    struct sm_waiting_row row;
    struct cli_out out;
    char text[SM_ID_TEXT];
    int rc = sm_reader_waiting(reader, id, &row, err);
    if (rc != 0)
        return rc == SM_E_NOT_FOUND ? rc : cli_explain(err, "PostgreSQL");
    if (!print)
        return EXIT_STILL_RUNNING;
    sm_id_format(id, text);
    out_open(&out, cli->json, false);
    out_record(&out);
    out_text(&out, "id", text);
    out_text(&out, "queue", row.queue);
    out_text(&out, "type", row.type);
    out_text(&out, "state", "outbox");
    out_int(&out, "life", row.life);
    out_time(&out, "enqueued_at", row.enqueued_us);
    out_time(&out, "due_at", row.due_us);
    rc = out_close(&out, err);
    return rc == 0 ? EXIT_STILL_RUNNING : rc;
}

/* Row, entry, outbox, row. 0 with *row filled, EXIT_STILL_RUNNING, or a code. */
static int look_up(const struct cli *cli, struct cli_ref *ref, int what, bool print,
                   struct sm_job_row *row, struct sm_err *err)
{
    struct sm_reader *reader = cli_open_reader(cli, err);
    if (reader == NULL)
        return err->code;
    int rc = read_row(reader, &ref->id, what, row, err);
    if (rc == SM_E_NOT_FOUND) {
        rc = look_in_redis(cli, ref, print, err);
        if (rc == SM_E_NOT_FOUND)
            rc = look_in_outbox(cli, reader, &ref->id, print, err);
        if (rc == SM_E_NOT_FOUND)
            rc = read_row(reader, &ref->id, what, row, err);
    }
    sm_reader_close(reader);
    if (rc == SM_E_NOT_FOUND)
        cli_ref_not_found(ref, cli->words[0], err);
    return rc;
}

/* With the errors of all lives, when there were any. */
static int print_row(const struct cli *cli, const struct sm_job_row *row, struct sm_err *err)
{
    struct sm_attempt_row *attempts = NULL;
    size_t n = 0;
    struct sm_reader *reader = cli_open_reader(cli, err);
    if (reader == NULL)
        return err->code;
    int rc = sm_reader_attempts(reader, &row->id, &attempts, &n, err);
    sm_reader_close(reader);
    rc = rc == 0 ? cli_row_print_with(cli, row, attempts, n, err) : cli_explain(err, "PostgreSQL");
    sm_attempt_rows_free(attempts, n);
    return rc;
}

int cli_job_show(struct cli *cli, struct sm_err *err)
{
    struct sm_job_row row = {0};
    struct cli_ref ref;
    int rc = cli_ref_read(cli, cli->words[0], &ref, err);
    if (rc == 0)
        rc = look_up(cli, &ref, SM_READ_ENVELOPE, true, &row, err);
    if (rc != 0)
        return rc == EXIT_STILL_RUNNING ? EXIT_OK : rc; /* it has been shown */
    rc = print_row(cli, &row, err);
    sm_job_row_free(&row);
    return rc;
}

static int print_result(const struct sm_job_row *row, struct sm_err *err)
{
    if (cli_row_exit(row) != EXIT_OK) {
        fprintf(stderr, "stampmill: the job is %s: %s: %s\n", row->state,
                row->error_code == NULL ? "" : row->error_code,
                row->error_text == NULL ? "" : row->error_text);
        return EXIT_JOB_FAILED;
    }
    if (row->content_type != NULL)
        return out_bytes(row->body == NULL ? "" : row->body, row->body_size, err);
    puts(row->result == NULL ? "null" : row->result);
    return out_bytes("", 0, err);
}

int cli_job_result(struct cli *cli, struct sm_err *err)
{
    struct sm_job_row row = {0};
    struct cli_ref ref;
    int rc = cli_ref_read(cli, cli->words[0], &ref, err);
    if (rc == 0)
        rc = look_up(cli, &ref, SM_READ_BODY, false, &row, err);
    if (rc == EXIT_STILL_RUNNING || (rc == 0 && !cli_row_ended(&row))) {
        fprintf(stderr, "stampmill: %s has not ended; stampmill job wait waits for it\n",
                cli->words[0]);
        rc = EXIT_STILL_RUNNING;
    } else if (rc == 0) {
        rc = print_result(&row, err);
    }
    sm_job_row_free(&row);
    return rc;
}

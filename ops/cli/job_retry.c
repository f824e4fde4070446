/*
 * `job retry` and `job ls`: what an operator does about jobs that did not succeed. A retry is one
 * transaction in PostgreSQL (stampmill.retry); relays bring the job to Redis.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "jobs/job.h"
#include "ops/cli/cli.h"
#include "ops/cli/out.h"
#include "store/second_life.h"

#define LIMIT 100
#define LIMIT_MOST 10000

/* The new arguments are held against the type's schema, where this build knows the type. */
static int check_args(const struct cli *cli, const struct sm_job_row *row, struct sm_err *err)
{
    const char *text = cli->flag[FLAG_ARGS];
    const struct sm_type *type = sm_type_find(row->type, strlen(row->type));
    struct sm_buf args;
    if (text == NULL)
        return 0;
    sm_buf_init(&args, 0);
    int rc = sm_json_to_msgpack(text, strlen(text), &args, err);
    if (rc != 0)
        rc = sm_err_wrap(err, "--args");
    else if (type != NULL)
        rc = sm_args_check(type, args.data, args.size, err);
    sm_buf_free(&args);
    return rc;
}

static int print_retried(const struct cli *cli, const struct sm_id *id, int life,
                         struct sm_err *err)
{
    struct cli_out out;
    char text[SM_ID_TEXT];
    sm_id_format(id, text);
    out_open(&out, cli->json, false);
    out_record(&out);
    out_text(&out, "id", text);
    out_text(&out, "state", "waiting");
    out_int(&out, "life", life);
    return out_close(&out, err);
}

/* Reads the job, so that the life that was seen is the one that is followed. */
static int retry(const struct cli *cli, struct sm_reader *reader, const struct sm_id *id, int *life,
                 struct sm_err *err)
{
    struct sm_job_row row;
    int rc = sm_reader_job(reader, id, 0, &row, err);
    if (rc == 0) {
        rc = check_args(cli, &row, err);
        if (rc != 0) {
            sm_job_row_free(&row);
            return rc;
        }
    }
    int seen = rc == 0 ? row.life : 1;
    sm_job_row_free(&row);
    if (rc == 0 || rc == SM_E_NOT_FOUND) /* the function knows whether it stands in the outbox */
        rc = sm_reader_retry(reader, id, seen, cli->flag[FLAG_ARGS], life, err);
    if (rc == SM_E_NOT_FOUND)
        return sm_err_set(err, rc,
                          "%.80s: no job by this id has ended; stampmill job show says whether it "
                          "waits",
                          cli->words[0]);
    bool said = rc == SM_E_CONFLICT || rc == SM_E_USAGE;
    return rc == 0 || said ? rc : cli_explain(err, "PostgreSQL");
}

int cli_job_retry(struct cli *cli, struct sm_err *err)
{
    struct cli_ref ref;
    int life = 0, rc = cli_ref_read(cli, cli->words[0], &ref, err);
    if (rc != 0)
        return rc;
    struct sm_reader *reader = cli_open_reader(cli, err);
    if (reader == NULL)
        return err->code;
    rc = retry(cli, reader, &ref.id, &life, err);
    sm_reader_close(reader);
    return rc == 0 ? print_retried(cli, &ref.id, life, err) : rc;
}

/* ---- job ls -- */

static int read_limit(const struct cli *cli, int64_t *limit, struct sm_err *err)
{
    const char *text = cli->flag[FLAG_LIMIT];
    *limit = LIMIT;
    if (text == NULL ||
        (sm_text_parse_int(text, strlen(text), limit) && *limit >= 1 && *limit <= LIMIT_MOST))
        return 0;
    return sm_err_set(err, SM_E_USAGE, "--limit: expected 1 to %d, got \"%.40s\"", LIMIT_MOST,
                      text);
}

static void put_row(struct cli_out *out, const struct sm_job_row *row)
{
    char id[SM_ID_TEXT];
    sm_id_format(&row->id, id);
    out_record(out);
    out_text(out, "id", id);
    out_text(out, "queue", row->queue);
    out_text(out, "type", row->type);
    out_text(out, "state", row->state);
    out_int(out, "life", row->life);
    out_int(out, "attempt", row->attempt);
    out_time(out, "finished_at", row->finished_us);
    out_text(out, "error_code", row->error_code);
    out_text(out, "error_text", row->error_text);
}

int cli_job_ls(struct cli *cli, struct sm_err *err)
{
    struct sm_ls_filter filter = {.state = cli->flag[FLAG_STATE],
                                  .queue = cli->flag[FLAG_QUEUE],
                                  .type = cli->flag[FLAG_TYPE]};
    struct sm_job_row *rows;
    struct cli_out out;
    size_t n;
    if (read_limit(cli, &filter.limit, err) != 0)
        return err->code;
    struct sm_reader *reader = cli_open_reader(cli, err);
    if (reader == NULL)
        return err->code;
    int rc = sm_reader_ls(reader, &filter, &rows, &n, err);
    sm_reader_close(reader);
    if (rc != 0)
        return rc == SM_E_USAGE ? sm_err_wrap(err, "--state") : cli_explain(err, "PostgreSQL");
    if (n == 0 && !cli->json)
        fputs("no such jobs\n", stderr);
    out_open(&out, cli->json, true);
    for (size_t i = 0; i < n; i++) {
        put_row(&out, &rows[i]);
        sm_job_row_free(&rows[i]);
    }
    free(rows);
    return out_close(&out, err);
}

/* Reading jobs back, for the CLI. Text results; small, one job at a time. */
#include "store/read.h"

#include <stdlib.h>
#include <string.h>

#include "store/reader.h"

#define CONNECT_MS 5000
#define US(column) "coalesce((extract(epoch FROM " column ") * 1000000)::bigint, 0)"

struct sm_reader *sm_reader_open(const struct sm_pg_options *options, struct sm_err *err)
{
    struct sm_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) {
        sm_err_set(err, SM_E_NO_MEMORY, "no memory");
        return NULL;
    }
    reader->pg = sm_pg_connect(options, CONNECT_MS, err);
    if (reader->pg != NULL && sm_pg_check_schema(reader->pg, err) == 0)
        return reader;
    sm_reader_close(reader);
    return NULL;
}

void sm_reader_close(struct sm_reader *reader)
{
    if (reader == NULL)
        return;
    PQfinish(reader->pg);
    free(reader);
}

/* A copy of a text column, NULL for SQL NULL. */
static char *text(const PGresult *result, int row, int column)
{
    return PQgetisnull(result, row, column) ? NULL : strdup(PQgetvalue(result, row, column));
}

static int64_t number(const PGresult *result, int row, int column)
{
    return strtoll(PQgetvalue(result, row, column), NULL, 10);
}

/* A bytea column in hex form. */
static char *bytes(const PGresult *result, int column, size_t *size)
{
    char *copy = NULL;
    if (PQgetisnull(result, 0, column))
        return NULL;
    unsigned char *raw =
        PQunescapeBytea((const unsigned char *)PQgetvalue(result, 0, column), size);
    if (raw != NULL && (copy = malloc(*size + 1)) != NULL)
        memcpy(copy, raw, *size);
    PQfreemem(raw);
    return copy;
}

static void fill(struct sm_job_row *row, const PGresult *r, int what)
{
    row->queue = text(r, 0, 0);
    row->type = text(r, 0, 1);
    row->state = text(r, 0, 2);
    row->error_code = text(r, 0, 3);
    row->error_text = text(r, 0, 4);
    row->worker = text(r, 0, 5);
    row->content_type = text(r, 0, 6);
    row->result = text(r, 0, 7);
    row->tags = text(r, 0, 8);
    row->life = (int)number(r, 0, 9);
    row->attempt = (int)number(r, 0, 10);
    row->enqueued_us = number(r, 0, 11);
    row->started_us = number(r, 0, 12);
    row->finished_us = number(r, 0, 13);
    row->cpu_us = number(r, 0, 14);
    row->body_size = (size_t)number(r, 0, 15);
    if (what & SM_READ_BODY)
        row->body = bytes(r, 16, &row->body_size);
    if (what & SM_READ_ENVELOPE)
        row->envelope = bytes(r, 17, &row->envelope_size);
}

int sm_reader_job(struct sm_reader *reader, const struct sm_id *id, int what,
                  struct sm_job_row *row, struct sm_err *err)
{
    char key[SM_ID_TEXT];
    const char *values[] = {key, what & SM_READ_BODY ? "t" : "f",
                            what & SM_READ_ENVELOPE ? "t" : "f"};
    PGresult *result;
    memset(row, 0, sizeof *row);
    row->id = *id;
    sm_id_format(id, key);
    int rc = sm_pg_exec(
        reader->pg,
        "SELECT queue, type, state, error_code, error_text, worker, content_type, result, tags, "
        "life, attempt, " US("enqueued_at") ", " US("started_at") ", " US(
            "finished_at") ", cpu_us, "
                           "coalesce(octet_length(body), 0), CASE WHEN $2::bool THEN body END, "
                           "CASE WHEN $3::bool THEN envelope END FROM stampmill.results WHERE id = "
                           "$1::uuid",
        3, values, &result, err);
    if (rc != 0)
        return rc;
    if (PQntuples(result) == 0)
        rc = sm_err_set(err, SM_E_NOT_FOUND, "%s: no result (yet)", key);
    else
        fill(row, result, what);
    PQclear(result);
    return rc;
}

void sm_job_row_free(struct sm_job_row *row)
{
    char *texts[] = {row->queue,      row->type,   row->state,        row->error_code,
                     row->error_text, row->worker, row->content_type, row->result,
                     row->tags,       row->body,   row->envelope};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
    memset(row, 0, sizeof *row);
}

int sm_reader_attempts(struct sm_reader *reader, const struct sm_id *id,
                       struct sm_attempt_row **rows, size_t *n, struct sm_err *err)
{
    char key[SM_ID_TEXT];
    const char *values[] = {key};
    PGresult *result;
    sm_id_format(id, key);
    *rows = NULL;
    *n = 0;
    int rc = sm_pg_exec(
        reader->pg,
        "SELECT life, attempt, error_code, error_text, worker, " US("started_at") ", " US(
            "finished_at") " FROM stampmill.attempts WHERE id = $1::uuid ORDER BY life, attempt",
        1, values, &result, err);
    if (rc != 0)
        return rc;
    int count = PQntuples(result);
    *rows = calloc((size_t)count + 1, sizeof **rows);
    for (int i = 0; *rows != NULL && i < count; i++)
        (*rows)[(*n)++] = (struct sm_attempt_row){.life = (int)number(result, i, 0),
                                                  .attempt = (int)number(result, i, 1),
                                                  .error_code = text(result, i, 2),
                                                  .error_text = text(result, i, 3),
                                                  .worker = text(result, i, 4),
                                                  .started_us = number(result, i, 5),
                                                  .finished_us = number(result, i, 6)};
    PQclear(result);
    return 0;
}

void sm_attempt_rows_free(struct sm_attempt_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(rows[i].error_code);
        free(rows[i].error_text);
        free(rows[i].worker);
    }
    free(rows);
}

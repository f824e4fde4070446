/* Finding jobs that did not succeed, and giving them another life. */
#include "store/second_life.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/reader.h"

#define US(column) "coalesce((extract(epoch FROM " column ") * 1000000)::bigint, 0)"

/* A copy of a text column, NULL for SQL NULL. */
static char *text(const PGresult *result, int row, int column)
{
    return PQgetisnull(result, row, column) ? NULL : strdup(PQgetvalue(result, row, column));
}

static int64_t number(const PGresult *result, int row, int column)
{
    return strtoll(PQgetvalue(result, row, column), NULL, 10);
}

static void fill(struct sm_job_row *row, const PGresult *r, int i)
{
    const char *id = PQgetvalue(r, i, 0);
    sm_id_parse(id, strlen(id), &row->id);
    row->queue = text(r, i, 1);
    row->type = text(r, i, 2);
    row->state = text(r, i, 3);
    row->error_code = text(r, i, 4);
    row->error_text = text(r, i, 5);
    row->life = (int)number(r, i, 6);
    row->attempt = (int)number(r, i, 7);
    row->enqueued_us = number(r, i, 8);
    row->started_us = number(r, i, 9);
    row->finished_us = number(r, i, 10);
}

static bool is_state(const char *state)
{
    return state == NULL || strcmp(state, "dead") == 0 || strcmp(state, "cancelled") == 0 ||
           strcmp(state, "waiting") == 0;
}

int sm_reader_ls(struct sm_reader *reader, const struct sm_ls_filter *filter,
                 struct sm_job_row **rows, size_t *n, struct sm_err *err)
{
    char limit[24];
    const char *values[] = {filter->state, filter->queue, filter->type, limit};
    PGresult *result;
    *rows = NULL;
    *n = 0;
    if (!is_state(filter->state))
        return sm_err_set(err, SM_E_USAGE, "expected dead, cancelled or waiting, got \"%.40s\"",
                          filter->state);
    snprintf(limit, sizeof limit, "%" PRId64, filter->limit);
    /* `state <> 'succeeded'` is what the index is on */
    int rc = sm_pg_exec(
        reader->pg,
        "SELECT id, queue, type, state, error_code, error_text, life, attempt, " US(
            "enqueued_at") ", " US("started_at") ", " US("finished_at") " FROM stampmill.results "
                                                                        "WHERE state <> "
                                                                        "'succeeded' AND ($1::text "
                                                                        "IS NULL OR state = "
                                                                        "$1::stampmill.job_state) "
                                                                        "AND "
                                                                        "($2::text IS NULL OR "
                                                                        "queue = $2) AND ($3::text "
                                                                        "IS NULL OR type = $3) "
                                                                        "ORDER BY finished_at "
                                                                        "DESC, id DESC LIMIT "
                                                                        "$4::bigint",
        4, values, &result, err);
    if (rc != 0)
        return rc;
    int count = PQntuples(result);
    *rows = calloc((size_t)count + 1, sizeof **rows);
    for (int i = 0; *rows != NULL && i < count; i++)
        fill(&(*rows)[(*n)++], result, i);
    PQclear(result);
    return *rows == NULL ? sm_err_set(err, SM_E_NO_MEMORY, "no memory") : 0;
}

int sm_reader_outbox(struct sm_reader *reader, int64_t *due, int64_t *due_for_us, int64_t *later,
                     struct sm_err *err)
{
    PGresult *result;
    int rc = sm_pg_exec(
        reader->pg,
        "SELECT count(*) FILTER (WHERE due_at <= now()), coalesce((extract(epoch FROM now() - "
        "min(due_at)) * 1000000)::bigint, 0), count(*) FILTER (WHERE due_at > now()) FROM "
        "stampmill.outbox WHERE epoch IS NULL",
        0, NULL, &result, err);
    if (rc != 0)
        return rc;
    *due = number(result, 0, 0);
    *due_for_us = number(result, 0, 1);
    *later = number(result, 0, 2);
    PQclear(result);
    return 0;
}

int sm_reader_waiting(struct sm_reader *reader, const struct sm_id *id, struct sm_waiting_row *row,
                      struct sm_err *err)
{
    char key[SM_ID_TEXT];
    const char *values[] = {key};
    PGresult *result;
    sm_id_format(id, key);
    int rc = sm_pg_exec(reader->pg,
                        "SELECT queue, type, life, " US("created_at") ", " US(
                            "due_at") " FROM stampmill.outbox WHERE id = $1::uuid",
                        1, values, &result, err);
    if (rc != 0)
        return rc;
    if (PQntuples(result) == 0) {
        rc = sm_err_set(err, SM_E_NOT_FOUND, "%s: not in the outbox", key);
    } else {
        snprintf(row->queue, sizeof row->queue, "%s", PQgetvalue(result, 0, 0));
        snprintf(row->type, sizeof row->type, "%s", PQgetvalue(result, 0, 1));
        row->life = (int)number(result, 0, 2);
        row->enqueued_us = number(result, 0, 3);
        row->due_us = number(result, 0, 4);
    }
    PQclear(result);
    return rc;
}

/* The functions' own refusals, in their own words. */
static int refused(const PGresult *result, struct sm_err *err)
{
    static const struct {
        const char *state;
        int code;
    } own[] = {{"SM404", SM_E_NOT_FOUND}, {"SM409", SM_E_CONFLICT}, {"22023", SM_E_USAGE}};
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *said = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    for (size_t i = 0; state != NULL && i < sizeof own / sizeof *own; i++)
        if (strcmp(state, own[i].state) == 0)
            return sm_err_set(err, own[i].code, "%s", said == NULL ? "refused" : said);
    return sm_pg_failed(result, err);
}

int sm_reader_retry(struct sm_reader *reader, const struct sm_id *id, int life, const char *args,
                    int *new_life, struct sm_err *err)
{
    char key[SM_ID_TEXT], number_[16];
    const char *values[] = {key, args, number_};
    PGresult *result;
    sm_id_format(id, key);
    snprintf(number_, sizeof number_, "%d", life);
    if (!PQsendQueryParams(reader->pg, "SELECT stampmill.retry($1::uuid, $2::jsonb, $3::integer)",
                           3, NULL, values, NULL, NULL, 0))
        return sm_err_set(err, SM_E_UNREACHABLE, "PostgreSQL: connection lost");
    int rc = sm_pg_wait(reader->pg, sm_mono_us(&sm_clock_real) + SM_PG_CALL_US, &result, err);
    if (rc == 1)
        return sm_err_set(err, SM_E_TIMEOUT,
                          "PostgreSQL: did not answer in time; the job may or may not be retried");
    if (rc != 0)
        return rc;
    if (PQresultStatus(result) == PGRES_TUPLES_OK)
        *new_life = (int)number(result, 0, 0);
    else
        rc = refused(result, err);
    PQclear(result);
    return rc;
}

int sm_reader_cancel(struct sm_reader *reader, const struct sm_id *id, bool *durable,
                     struct sm_err *err)
{
    char key[SM_ID_TEXT];
    const char *values[] = {key};
    PGresult *result;
    sm_id_format(id, key);
    int rc = sm_pg_exec(reader->pg, "SELECT stampmill.cancel($1::uuid)", 1, values, &result, err);
    if (rc != 0)
        return rc;
    *durable = *PQgetvalue(result, 0, 0) == 't';
    PQclear(result);
    return 0;
}

/* Durable jobs of one queue; see purge.h. */
#include "store/purge.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/uuid.h"
#include "store/reader.h"

static uint64_t number(const PGresult *result, int row, int column)
{
    return strtoull(PQgetvalue(result, row, column), NULL, 10);
}

int sm_reader_purge_count(struct sm_reader *reader, const char *queue, struct sm_purge_count *count,
                          struct sm_err *err)
{
    const char *values[] = {queue};
    PGresult *result;
    int rc = sm_pg_exec(reader->pg,
                        "SELECT count(*), count(*) FILTER (WHERE epoch IS NULL), "
                        "clock_timestamp() FROM stampmill.outbox WHERE queue = $1",
                        1, values, &result, err);
    if (rc != 0)
        return rc;
    count->rows = number(result, 0, 0);
    count->unrelayed = number(result, 0, 1);
    snprintf(count->now, sizeof count->now, "%s", PQgetvalue(result, 0, 2));
    PQclear(result);
    return 0;
}

int sm_reader_purge_rows(struct sm_reader *reader, const char *queue, const char *now,
                         const struct sm_id *below, struct sm_purge_row *rows, size_t *n,
                         struct sm_err *err)
{
    char id[SM_ID_TEXT], most[16];
    const char *values[] = {queue, now, id, most};
    PGresult *result;
    *n = 0;
    sm_id_format(below, id);
    snprintf(most, sizeof most, "%d", SM_PURGE_ROWS);
    int rc = sm_pg_exec(reader->pg,
                        "SELECT id, epoch IS NOT NULL, coalesce(entry_ms, 0), coalesce(entry_seq, "
                        "0) FROM stampmill.outbox WHERE queue = $1 AND created_at <= "
                        "$2::timestamptz AND id < $3::uuid ORDER BY id DESC LIMIT $4::bigint",
                        4, values, &result, err);
    if (rc != 0)
        return rc;
    for (int i = 0; i < PQntuples(result) && *n < SM_PURGE_ROWS; i++) {
        struct sm_purge_row *row = &rows[(*n)++];
        sm_id_parse(PQgetvalue(result, i, 0), SM_ID_TEXT - 1, &row->id);
        row->relayed = *PQgetvalue(result, i, 1) == 't';
        row->entry_ms = number(result, i, 2);
        row->entry_seq = number(result, i, 3);
        row->ended = false;
    }
    PQclear(result);
    return 0;
}

/* The columns of the rows as three arrays. */
static void put_rows(const struct sm_purge_row *rows, size_t n, struct sm_buf buf[3])
{
    char id[SM_ID_TEXT];
    for (size_t i = 0; i < n; i++) {
        const char *glue = i == 0 ? "{" : ",";
        sm_id_format(&rows[i].id, id);
        sm_buf_printf(&buf[0], "%s%s", glue, id);
        if (rows[i].relayed) {
            sm_buf_printf(&buf[1], "%s%" PRIu64, glue, rows[i].entry_ms);
            sm_buf_printf(&buf[2], "%s%" PRIu64, glue, rows[i].entry_seq);
        } else {
            sm_buf_printf(&buf[1], "%sNULL", glue);
            sm_buf_printf(&buf[2], "%sNULL", glue);
        }
    }
    for (int i = 0; i < 3; i++)
        sm_buf_add_char(&buf[i], '}');
}

static void note_ended(const PGresult *result, struct sm_purge_row *rows, size_t n)
{
    for (int k = 0; k < PQntuples(result); k++) {
        struct sm_id id;
        sm_id_parse(PQgetvalue(result, k, 0), SM_ID_TEXT - 1, &id);
        for (size_t i = 0; i < n; i++)
            rows[i].ended |= sm_uuid_compare(&rows[i].id, &id) == 0;
    }
}

/* Calls a statement over the rows' columns that answers ids: those of the rows have ended. */
static int call(struct sm_reader *reader, const char *sql, const char *queue,
                struct sm_purge_row *rows, size_t n, struct sm_err *err)
{
    struct sm_buf buf[3];
    PGresult *result;
    int rc = 0;
    if (n == 0)
        return 0;
    for (int i = 0; i < 3; i++)
        sm_buf_init(&buf[i], 0);
    put_rows(rows, n, buf);
    const char *values[] = {sm_buf_text(&buf[0]), sm_buf_text(&buf[1]), sm_buf_text(&buf[2]),
                            queue};
    if (buf[0].full || buf[1].full || buf[2].full)
        rc = sm_err_set(err, SM_E_NO_MEMORY, "no memory for a statement");
    else
        rc = sm_pg_exec(reader->pg, sql, queue == NULL ? 1 : 4, values, &result, err);
    if (rc == 0) {
        note_ended(result, rows, n);
        PQclear(result);
    }
    for (int i = 0; i < 3; i++)
        sm_buf_free(&buf[i]);
    return rc;
}

int sm_reader_purge(struct sm_reader *reader, const char *queue, struct sm_purge_row *rows,
                    size_t n, struct sm_err *err)
{
    return call(reader, "SELECT stampmill.purge($4, $1::uuid[], $2::bigint[], $3::bigint[])", queue,
                rows, n, err);
}

int sm_reader_purge_gone(struct sm_reader *reader, struct sm_purge_row *rows, size_t n,
                         struct sm_err *err)
{
    return call(reader,
                "SELECT a.id FROM unnest($1::uuid[]) AS a(id) WHERE NOT EXISTS (SELECT FROM "
                "stampmill.outbox AS o WHERE o.id = a.id)",
                NULL, rows, n, err);
}

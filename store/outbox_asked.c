/*
 * The outbox on PostgreSQL: the rows that are in Redis, as long as they are. Which of them to ask
 * after, what became of those that were asked after, and the end of those whose job has ended. And
 * a count of the others.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store/outbox_pg.h"

#define LOCK_LOOK "1397575490, 3"

#define ENDED "(r.state = 'succeeded' OR (r.state IN ('dead', 'cancelled') AND r.life >= m.life))"
#define MARKS                                                                                      \
    "unnest($1::uuid[], $2::int4[], $3::int8[], $4::int8[]) AS a(id, life, entry_ms, entry_seq)"
#define SAME                                                                                       \
    "o.id = a.id AND o.life = a.life AND o.entry_ms = a.entry_ms AND o.entry_seq = a.entry_seq"

/* Rows are locked in the order of their ids, as by whoever deletes: unsorted ones deadlock. */
static const char found_sql[] =
    "WITH mine AS MATERIALIZED (SELECT o.id FROM stampmill.outbox AS o JOIN " MARKS " ON " SAME
    " WHERE o.epoch IS NOT NULL ORDER BY o.id FOR UPDATE OF o) UPDATE stampmill.outbox AS o SET "
    "epoch = $5, asked_at = now() FROM mine AS m WHERE o.id = m.id";
static const char lost_sql[] =
    "WITH mine AS MATERIALIZED (SELECT o.id, o.life FROM stampmill.outbox AS o JOIN " MARKS
    " ON " SAME " WHERE o.epoch IS NOT NULL ORDER BY o.id FOR UPDATE OF o), gone AS (DELETE FROM "
    "stampmill.outbox AS o USING mine AS m, stampmill.results AS r WHERE o.id = m.id AND r.id = "
    "m.id AND " ENDED " RETURNING o.id), anew AS (UPDATE stampmill.outbox AS o SET epoch = NULL, "
    "asked_at = NULL, entry_ms = NULL, entry_seq = NULL FROM mine AS m WHERE o.id = m.id AND NOT "
    "EXISTS (SELECT FROM stampmill.results AS r WHERE r.id = m.id AND " ENDED
    ") RETURNING o.id) SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM anew)";
static const char ended_sql[] =
    "WITH mine AS MATERIALIZED (SELECT id, life FROM stampmill.outbox WHERE id = ANY($1::uuid[]) "
    "ORDER BY id FOR UPDATE) DELETE FROM stampmill.outbox AS o USING mine AS m, stampmill.results "
    "AS r WHERE o.id = m.id AND r.id = m.id AND " ENDED;
/* The probe stands in a LATERAL, or a plan might read the whole outbox. */
static const char epochs_sql[] =
    "SELECT e.epoch, e.doubted, e.queue, e.incarnation, e.run_id FROM stampmill.epochs AS e, "
    "LATERAL (SELECT FROM stampmill.outbox AS o WHERE o.epoch = e.epoch LIMIT 1) AS any_row "
    "WHERE e.epoch > $2 ORDER BY e.epoch LIMIT $1";
static const char relayed_sql[] =
    "SELECT id, life, entry_ms, entry_seq, bytes FROM stampmill.silent_rows($1, $2, $3)";

int sm_outbox_epochs(struct sm_outbox *outbox, int32_t after, struct sm_outbox_epoch *epochs,
                     size_t room, size_t *n, struct sm_err *err)
{
    struct pg_outbox *o = sm_outbox_self(outbox);
    PGresult *result;
    int rc = 0;
    *n = 0;
    if (!o->looks)
        rc = sm_outbox_ask(o, "SELECT pg_try_advisory_lock(" LOCK_LOOK ")", &o->looks, err);
    if (rc != 0 || !o->looks)
        return rc;
    sm_outbox_param_int(o, (int64_t)room);
    sm_outbox_param_int(o, after);
    rc = sm_outbox_query(o, epochs_sql, &result, err);
    for (int i = 0; rc == 0 && i < PQntuples(result); i++) {
        struct sm_outbox_epoch *e = &epochs[(*n)++];
        e->epoch = (int32_t)sm_outbox_number(result, i, 0);
        e->doubted = *PQgetvalue(result, i, 1) != 0;
        sm_outbox_copy_text(result, i, 2, e->queue, sizeof e->queue);
        sm_outbox_copy_text(result, i, 3, e->incarnation, sizeof e->incarnation);
        sm_outbox_copy_text(result, i, 4, e->run_id, sizeof e->run_id);
    }
    PQclear(result);
    return rc;
}

int sm_outbox_relayed(struct sm_outbox *outbox, int32_t epoch, int64_t silent_ms,
                      struct sm_outbox_mark *rows, size_t room, size_t *n, struct sm_err *err)
{
    struct pg_outbox *o = sm_outbox_self(outbox);
    PGresult *result;
    *n = 0;
    sm_outbox_param_int(o, epoch);
    sm_outbox_param_int(o, silent_ms);
    sm_outbox_param_int(o, (int64_t)room);
    int rc = sm_outbox_query(o, relayed_sql, &result, err);
    for (int i = 0; rc == 0 && i < PQntuples(result); i++) {
        struct sm_outbox_mark *row = &rows[(*n)++];
        memcpy(row->id.b, PQgetvalue(result, i, 0), sizeof row->id.b);
        row->life = (int32_t)sm_outbox_number(result, i, 1);
        row->epoch = epoch;
        row->entry_ms = (uint64_t)sm_outbox_number(result, i, 2);
        row->entry_seq = (uint64_t)sm_outbox_number(result, i, 3);
        row->bytes = (size_t)sm_outbox_number(result, i, 4);
    }
    PQclear(result);
    return rc;
}

int sm_outbox_found(struct sm_outbox *outbox, const struct sm_outbox_mark *rows, size_t n,
                    int32_t epoch, struct sm_err *err)
{
    struct pg_outbox *o = sm_outbox_self(outbox);
    if (n == 0)
        return 0;
    sm_outbox_param_marks(o, rows, n);
    sm_outbox_param_int(o, epoch);
    return sm_outbox_run(o, found_sql, err);
}

int sm_outbox_lost(struct sm_outbox *outbox, const struct sm_outbox_mark *rows, size_t n,
                   uint64_t *ended, uint64_t *anew, struct sm_err *err)
{
    struct pg_outbox *o = sm_outbox_self(outbox);
    PGresult *result;
    *ended = *anew = 0;
    if (n == 0)
        return 0;
    sm_outbox_param_marks(o, rows, n);
    int rc = sm_outbox_query(o, lost_sql, &result, err);
    if (rc == 0) {
        *ended = (uint64_t)sm_outbox_number(result, 0, 0);
        *anew = (uint64_t)sm_outbox_number(result, 0, 1);
    }
    PQclear(result);
    return rc;
}

int sm_outbox_tally(struct sm_outbox *outbox, struct sm_outbox_count *count, bool *mine,
                    struct sm_err *err)
{
    struct pg_outbox *o = sm_outbox_self(outbox);
    PGresult *result;
    *mine = o->looks;
    if (!o->looks)
        return 0;
    int rc = sm_outbox_query(o,
                             "SELECT count(*) FILTER (WHERE due_at <= now()), count(*) FILTER "
                             "(WHERE due_at > now()) FROM stampmill.outbox WHERE epoch IS NULL",
                             &result, err);
    if (rc == 0) {
        count->due = sm_outbox_number(result, 0, 0);
        count->later = sm_outbox_number(result, 0, 1);
    }
    PQclear(result);
    return rc;
}

int sm_outbox_doubt(struct sm_outbox *outbox, int32_t epoch, struct sm_err *err)
{
    struct pg_outbox *o = sm_outbox_self(outbox);
    sm_outbox_param_int(o, epoch);
    return sm_outbox_run(o, "UPDATE stampmill.epochs SET doubted = true WHERE epoch = $1", err);
}

int sm_outbox_ended(struct sm_outbox *outbox, const struct sm_id *ids, size_t n,
                    uint64_t *n_deleted, struct sm_err *err)
{
    struct pg_outbox *o = sm_outbox_self(outbox);
    PGresult *result;
    char text[SM_ID_TEXT];
    if (n == 0)
        return 0;
    struct sm_buf *id = sm_outbox_param(o);
    for (size_t i = 0; i < n; i++) {
        sm_id_format(&ids[i], text);
        sm_buf_printf(id, "%s%s", i == 0 ? "{" : ",", text);
    }
    sm_buf_add_char(id, '}');
    int rc = sm_outbox_query(o, ended_sql, &result, err);
    if (rc == 0 && n_deleted != NULL)
        *n_deleted = strtoull(PQcmdTuples(result), NULL, 10);
    PQclear(result);
    return rc;
}

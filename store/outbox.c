/*
 * The outbox on PostgreSQL.
 *
 * Taking locks rows (SKIP LOCKED), so that several relays never add the same one at once; the
 * transaction ends with the mark. A crash in between gives a second entry for the job, which is
 * allowed, and never none.
 *
 * Three session locks: WATCH is held by the one relay that is told of new rows (the others look now
 * and then), ASLEEP by it while it sleeps: whoever enqueues tries for a share of it, and notifies
 * only when there is none to be had. LOOK is held by the one that asks after what may be lost.
 */
#include "store/outbox_pg.h"

#include <endian.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"

#define LOCK_WATCH "1397575490, 1"
#define LOCK_ASLEEP "1397575490, 2"

static const char take_sql[] =
    "SELECT id, life, coalesce(max_attempts, 0), floor(extract(epoch FROM created_at) * "
    "1000)::int8, CASE WHEN due_at > now() THEN ceil(extract(epoch FROM due_at) * 1000)::int8 ELSE "
    "0 END, queue, type, args, tags, input, envelope FROM stampmill.take_due($1, $2, $3)";
static const char mark_sql[] =
    "UPDATE stampmill.outbox AS o SET epoch = a.epoch, entry_ms = a.entry_ms, entry_seq = "
    "a.entry_seq, asked_at = now() FROM unnest($1::uuid[], $2::int4[], $3::int8[], $4::int8[], "
    "$5::int4[]) AS a(id, life, entry_ms, entry_seq, epoch) WHERE o.id = a.id AND o.life = a.life";
/* Those that another has followed for a day and that no row is in. */
static const char forget_sql[] =
    "DELETE FROM stampmill.epochs AS e WHERE EXISTS (SELECT FROM stampmill.epochs AS n WHERE "
    "n.queue = e.queue AND n.epoch > e.epoch AND n.seen_at < now() - interval '1 day') AND NOT "
    "EXISTS (SELECT FROM stampmill.outbox AS o WHERE o.epoch = e.epoch)";

static void disconnect(struct pg_outbox *o)
{
    PQclear(o->held);
    PQfinish(o->pg);
    o->held = NULL;
    o->pg = NULL;
    o->taken = o->watches = o->asleep = o->looks = false;
}

/* ---- statements -- */

struct sm_buf *sm_outbox_param(struct pg_outbox *o)
{
    SM_ASSERT(o->params_n < SM_OUTBOX_PARAMS);
    struct sm_buf *buf = &o->params[o->params_n++];
    sm_buf_clear(buf);
    return buf;
}

void sm_outbox_param_int(struct pg_outbox *o, int64_t value)
{
    sm_buf_printf(sm_outbox_param(o), "%" PRId64, value);
}

/* Sends the statement with the parameters that were made, and waits. *result is in binary. */
int sm_outbox_query(struct pg_outbox *o, const char *sql, PGresult **result, struct sm_err *err)
{
    const char *values[SM_OUTBOX_PARAMS];
    int n = o->params_n, rc;
    *result = NULL;
    o->params_n = 0;
    for (int i = 0; i < n; i++) {
        values[i] = sm_buf_text(&o->params[i]);
        if (o->params[i].full)
            return sm_err_set(err, SM_E_NO_MEMORY, "no memory for a statement");
    }
    if (o->pg == NULL || !PQsendQueryParams(o->pg, sql, n, NULL, values, NULL, NULL, 1)) {
        disconnect(o);
        return sm_err_set(err, SM_E_UNREACHABLE, "PostgreSQL: not connected");
    }
    rc = sm_pg_wait(o->pg, sm_mono_us(&sm_clock_real) + SM_PG_CALL_US, result, err);
    if (rc == 1)
        rc = sm_err_set(err, SM_E_TIMEOUT, "PostgreSQL: did not answer in time");
    if (rc == 0 && PQresultStatus(*result) != PGRES_TUPLES_OK &&
        PQresultStatus(*result) != PGRES_COMMAND_OK)
        rc = sm_pg_failed(*result, err);
    if (rc == 0)
        return 0;
    PQclear(*result);
    *result = NULL;
    disconnect(o);
    return rc;
}

int sm_outbox_run(struct pg_outbox *o, const char *sql, struct sm_err *err)
{
    PGresult *result;
    int rc = sm_outbox_query(o, sql, &result, err);
    PQclear(result);
    return rc;
}

int64_t sm_outbox_number(const PGresult *r, int row, int column)
{
    const char *value = PQgetvalue(r, row, column);
    uint64_t wide;
    uint32_t narrow;
    if (PQgetlength(r, row, column) == 8) {
        memcpy(&wide, value, 8);
        return (int64_t)be64toh(wide);
    }
    memcpy(&narrow, value, 4);
    return (int32_t)be32toh(narrow);
}

static struct sm_bytes bytes(const PGresult *r, int row, int column)
{
    if (PQgetisnull(r, row, column))
        return (struct sm_bytes){NULL, 0};
    return (struct sm_bytes){PQgetvalue(r, row, column), (size_t)PQgetlength(r, row, column)};
}

void sm_outbox_copy_text(const PGresult *r, int row, int column, char *to, size_t room)
{
    snprintf(to, room, "%.*s", PQgetlength(r, row, column), PQgetvalue(r, row, column));
}

/* A statement that answers one boolean. */
int sm_outbox_ask(struct pg_outbox *o, const char *sql, bool *answer, struct sm_err *err)
{
    PGresult *result;
    int rc = sm_outbox_query(o, sql, &result, err);
    if (rc == 0)
        *answer = *PQgetvalue(result, 0, 0) != 0;
    PQclear(result);
    return rc;
}

/* ---- connecting -- */

static int read_home(struct pg_outbox *o, struct sm_err *err)
{
    PGresult *result;
    int rc = sm_outbox_query(o, "SELECT id FROM stampmill.home", &result, err);
    if (rc == 0 && PQntuples(result) == 1)
        sm_outbox_copy_text(result, 0, 0, o->home, sizeof o->home);
    else if (rc == 0)
        rc = sm_err_set(err, SM_E_SCHEMA, "stampmill.home has %d rows, not one", PQntuples(result));
    PQclear(result);
    return rc;
}

static int o_connect(struct sm_outbox *outbox, int wait_ms, struct sm_err *err)
{
    struct pg_outbox *o = sm_outbox_self(outbox);
    disconnect(o);
    o->pg = sm_pg_connect(&o->options, wait_ms, err);
    if (o->pg == NULL)
        return err->code;
    int rc = sm_pg_check_schema(o->pg, err);
    if (rc == 0)
        rc = read_home(o, err);
    if (rc == 0)
        rc = sm_outbox_run(o, forget_sql, err);
    if (rc != 0)
        disconnect(o);
    return rc;
}

static const char *o_home(const struct sm_outbox *outbox)
{
    return ((const struct pg_outbox *)outbox)->home;
}

static int o_epoch(struct sm_outbox *outbox, const char *queue, const char *incarnation,
                   const char *run_id, int32_t *epoch, struct sm_err *err)
{
    struct pg_outbox *o = sm_outbox_self(outbox);
    PGresult *result;
    sm_buf_add_text(sm_outbox_param(o), queue);
    sm_buf_add_text(sm_outbox_param(o), incarnation);
    sm_buf_add_text(sm_outbox_param(o), run_id);
    int rc = sm_outbox_query(o, "SELECT stampmill.epoch_of($1, $2, $3)", &result, err);
    if (rc == 0)
        *epoch = (int32_t)sm_outbox_number(result, 0, 0);
    PQclear(result);
    return rc;
}

/* ---- taking and marking -- */

/* The columns id, life, entry_ms and entry_seq of marks, as arrays. */
void sm_outbox_param_marks(struct pg_outbox *o, const struct sm_outbox_mark *marks, size_t n)
{
    struct sm_buf *id = sm_outbox_param(o), *life = sm_outbox_param(o), *ms = sm_outbox_param(o),
                  *seq = sm_outbox_param(o);
    char text[SM_ID_TEXT];
    for (size_t i = 0; i < n; i++) {
        const char *glue = i == 0 ? "{" : ",";
        sm_id_format(&marks[i].id, text);
        sm_buf_printf(id, "%s%s", glue, text);
        sm_buf_printf(life, "%s%" PRId32, glue, marks[i].life);
        sm_buf_printf(ms, "%s%" PRIu64, glue, marks[i].entry_ms);
        sm_buf_printf(seq, "%s%" PRIu64, glue, marks[i].entry_seq);
    }
    sm_buf_add_char(id, '}');
    sm_buf_add_char(life, '}');
    sm_buf_add_char(ms, '}');
    sm_buf_add_char(seq, '}');
}

static void fill(struct sm_outbox_row *row, const PGresult *r, int i)
{
    memcpy(row->id.b, PQgetvalue(r, i, 0), sizeof row->id.b);
    row->life = (int32_t)sm_outbox_number(r, i, 1);
    row->max_attempts = (int32_t)sm_outbox_number(r, i, 2);
    row->enqueued_ms = sm_outbox_number(r, i, 3);
    row->at_ms = sm_outbox_number(r, i, 4);
    sm_outbox_copy_text(r, i, 5, row->queue, sizeof row->queue);
    row->type = bytes(r, i, 6);
    row->args = bytes(r, i, 7);
    row->tags = bytes(r, i, 8);
    row->input = bytes(r, i, 9);
    row->envelope = bytes(r, i, 10);
}

static int keep_rows(struct pg_outbox *o, PGresult *result, struct sm_err *err)
{
    size_t n = (size_t)PQntuples(result);
    o->held = result;
    o->taken = true;
    if (n > o->rows_room) {
        free(o->rows);
        o->rows = calloc(n, sizeof *o->rows);
        o->rows_room = o->rows == NULL ? 0 : n;
    }
    if (n > o->rows_room) {
        disconnect(o);
        return sm_err_set(err, SM_E_NO_MEMORY, "no memory for rows of the outbox");
    }
    for (size_t i = 0; i < n; i++)
        fill(&o->rows[i], result, (int)i);
    return 0;
}

static int o_take(struct sm_outbox *outbox, size_t most, size_t budget, const char *const *but,
                  size_t but_n, const struct sm_outbox_row **rows, size_t *n, struct sm_err *err)
{
    struct pg_outbox *o = sm_outbox_self(outbox);
    PGresult *result;
    SM_ASSERT(!o->taken);
    *n = 0;
    int rc = sm_outbox_run(o, "BEGIN", err);
    if (rc != 0)
        return rc;
    sm_outbox_param_int(o, (int64_t)most);
    sm_outbox_param_int(o, (int64_t)budget);
    struct sm_buf *names = sm_outbox_param(o);
    sm_buf_add_char(names, '{');
    for (size_t i = 0; i < but_n; i++)
        sm_buf_printf(names, "%s\"%s\"", i == 0 ? "" : ",", but[i]); /* names need no escapes */
    sm_buf_add_char(names, '}');
    rc = sm_outbox_query(o, take_sql, &result, err);
    if (rc == 0)
        rc = keep_rows(o, result, err);
    if (rc != 0)
        return rc;
    *n = (size_t)PQntuples(result);
    *rows = o->rows;
    return *n > 0 ? 0 : outbox->ops->mark(outbox, NULL, 0, err);
}

static int o_mark(struct sm_outbox *outbox, const struct sm_outbox_mark *marks, size_t n,
                  struct sm_err *err)
{
    struct pg_outbox *o = sm_outbox_self(outbox);
    SM_ASSERT(o->taken || o->pg == NULL);
    o->taken = false;
    PQclear(o->held);
    o->held = NULL;
    if (n == 0) /* not undone: an epoch may have been made */
        return sm_outbox_run(o, "COMMIT", err);
    sm_outbox_param_marks(o, marks, n);
    struct sm_buf *epoch = sm_outbox_param(o);
    for (size_t i = 0; i < n; i++)
        sm_buf_printf(epoch, "%s%" PRId32, i == 0 ? "{" : ",", marks[i].epoch);
    sm_buf_add_char(epoch, '}');
    int rc = sm_outbox_run(o, mark_sql, err);
    return rc == 0 ? sm_outbox_run(o, "COMMIT", err) : rc;
}

/* ---- sleeping -- */

static int o_doze(struct sm_outbox *outbox, enum sm_doze *doze, struct sm_err *err)
{
    struct pg_outbox *o = sm_outbox_self(outbox);
    int rc = 0;
    if (!o->watches)
        rc = sm_outbox_ask(o, "SELECT pg_try_advisory_lock(" LOCK_WATCH ")", &o->watches, err);
    if (rc == 0 && !o->watches) {
        *doze = SM_DOZE_SPARE;
        return 0;
    }
    if (rc == 0 && !o->asleep)
        rc = sm_outbox_run(o, "LISTEN stampmill_outbox", err);
    if (rc == 0 && !o->asleep)
        rc = sm_outbox_ask(o, "SELECT pg_try_advisory_lock(" LOCK_ASLEEP ")", &o->asleep, err);
    *doze = o->asleep ? SM_DOZE_ASLEEP : SM_DOZE_RESTLESS;
    return rc;
}

/* True when a notification has come; takes all there are. */
static bool notified(PGconn *pg)
{
    bool any = false;
    for (PGnotify *note; (note = PQnotifies(pg)) != NULL; PQfreemem(note))
        any = true;
    return any;
}

static int o_wait(struct sm_outbox *outbox, int64_t wait_us, bool *woken, struct sm_err *err)
{
    struct pg_outbox *o = sm_outbox_self(outbox);
    *woken = false;
    if (o->pg == NULL)
        return sm_err_set(err, SM_E_UNREACHABLE, "PostgreSQL: not connected");
    *woken = notified(o->pg); /* it came with an answer */
    struct pollfd p = {.fd = PQsocket(o->pg), .events = POLLIN};
    if (*woken || poll(&p, 1, (int)((wait_us + 999) / 1000)) <= 0)
        return 0;
    if (!PQconsumeInput(o->pg)) {
        disconnect(o);
        return sm_err_set(err, SM_E_UNREACHABLE, "PostgreSQL: connection lost");
    }
    *woken = notified(o->pg);
    return 0;
}

static int o_rouse(struct sm_outbox *outbox, struct sm_err *err)
{
    struct pg_outbox *o = sm_outbox_self(outbox);
    bool held;
    if (!o->asleep)
        return 0;
    int rc = sm_outbox_ask(o, "SELECT pg_advisory_unlock(" LOCK_ASLEEP ")", &held, err);
    o->asleep = false;
    return rc;
}

static void o_close(struct sm_outbox *outbox)
{
    struct pg_outbox *o = sm_outbox_self(outbox);
    disconnect(o);
    for (int i = 0; i < SM_OUTBOX_PARAMS; i++)
        sm_buf_free(&o->params[i]);
    free(o->rows);
    free(o);
}

static const struct sm_outbox_ops ops = {
    .connect = o_connect,
    .home = o_home,
    .epoch = o_epoch,
    .take = o_take,
    .mark = o_mark,
    .doze = o_doze,
    .wait = o_wait,
    .rouse = o_rouse,
    .epochs = sm_outbox_epochs,
    .relayed = sm_outbox_relayed,
    .found = sm_outbox_found,
    .lost = sm_outbox_lost,
    .doubt = sm_outbox_doubt,
    .ended = sm_outbox_ended,
    .count = sm_outbox_tally,
    .close = o_close,
};

struct sm_outbox *sm_pg_outbox_new(const struct sm_pg_options *options)
{
    struct pg_outbox *o = calloc(1, sizeof *o);
    if (o == NULL)
        return NULL;
    o->base.ops = &ops;
    o->options = *options; /* its texts live as long as the process */
    for (int i = 0; i < SM_OUTBOX_PARAMS; i++)
        sm_buf_init(&o->params[i], 0);
    return &o->base;
}

/*
 * Committing a batch: one statement, one transaction.
 *
 * A plain insert first, because a row is almost never there already; 23505 leads to the upsert,
 * which carries the rule of the design (store/statement.c). What the upsert does not return is read
 * again by a second statement, whose snapshot is newer, to tell "my own commit whose answer was
 * lost" from "another stands above".
 *
 * What PostgreSQL refuses is found by halving (store/work.c); the rest commits.
 *
 * After a failure the outcome of what was under way is unknown: begun again with the same batch,
 * the store goes on where it was, by the upsert, which is harmless to repeat.
 *
 * A part that loses the connection three times is taken for the cause and halved, down to the one
 * row that is refused. What counts is a connection that was lost with nothing else on it, when the
 * next one carries more bytes than that without harm and the server is the same run as before. So
 * neither a network that cuts after so many bytes nor a restart proves anything; a session ended by
 * an administrator or a watchdog looks the same, and therefore the last row has ten times.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "store/conn.h"
#include "store/sqlstate.h"
#include "store/statement.h"
#include "store/work.h"

#define STATEMENT_US 30000000 /* past it the outcome is unknown */
#define KEEP_BYTES (4u << 20)
#define TRY_MORE 4096   /* bytes by which a try is larger, both ways */
#define PASSING_MOST 10 /* deadlocks and the like in a row */

/* What the statement under way is for. */
enum step {
    STEP_NONE,
    STEP_TRY,     /* was the range lost with the connection, or because of it? */
    STEP_PREPARE, /* .. the statement of the range */
    STEP_WRITE,   /* the range, or its probe */
    STEP_REREAD,  /* rows that the upsert did not write */
};

struct pg_store {
    struct sm_store base;
    struct sm_pg_options options;
    PGconn *pg;
    char server_run[40]; /* start time of the server connected to last */
    struct sm_prepared prepared;
    struct sm_params params;
    struct sm_buf text;
    char worker[40];

    struct sm_work work;
    char statement[SM_STATEMENT_NAME]; /* of the range under way */
    enum step step;
    bool open;  /* a batch is begun and neither done nor halted */
    bool fresh; /* nothing was written on this connection yet */
    int passing;
    int64_t until_us;
    bool doubt;      /* an outcome is unknown: no plain insert for the next batch */
    uint64_t halted; /* digest of the batch that a failure stopped; 0: none */

    size_t room;   /* of the arrays */
    bool *missing; /* by row of the range: not returned by the upsert */
    const void **items;
};

static struct pg_store *self(struct sm_store *store)
{
    return (struct pg_store *)store;
}

const char *sm_state_name(enum sm_state state)
{
    static const char *const names[] = {"waiting", "dead", "cancelled", "succeeded"};
    SM_ASSERT(state <= SM_STATE_SUCCEEDED);
    return names[state];
}

/* ---- connecting -- */

/* A failure: what was under way is still to be written, and may have been. */
static void halt(struct pg_store *s)
{
    if (!s->open)
        return;
    s->work.now.upsert = true;
    if (s->step != STEP_NONE)
        sm_work_again(&s->work);
    s->step = STEP_NONE;
    s->open = false;
    s->doubt = true;
    s->halted = sm_batch_digest(&s->work.batch);
}

static void disconnect(struct pg_store *s)
{
    halt(s);
    PQfinish(s->pg);
    s->pg = NULL;
    s->prepared.n = 0;
}

/* Another run of the server than before: what was lost then was lost with the server. */
static int note_server_run(struct pg_store *s, struct sm_err *err)
{
    PGresult *result;
    int rc = sm_pg_exec(s->pg, "SELECT pg_postmaster_start_time()", 0, NULL, &result, err);
    if (rc != 0)
        return rc;
    const char *run = PQgetvalue(result, 0, 0);
    for (int i = 0; i < s->work.left && strcmp(run, s->server_run) != 0; i++)
        s->work.ranges[i].lost = false;
    snprintf(s->server_run, sizeof s->server_run, "%s", run);
    PQclear(result);
    return 0;
}

static int s_connect(struct sm_store *store, int wait_ms, struct sm_err *err)
{
    struct pg_store *s = self(store);
    disconnect(s);
    s->pg = sm_pg_connect(&s->options, wait_ms, err);
    if (s->pg == NULL)
        return err->code;
    s->fresh = true;
    int rc = sm_pg_check_schema(s->pg, err);
    if (rc == 0)
        rc = sm_pg_check_safe(s->pg, &s->options, err);
    if (rc == 0)
        rc = note_server_run(s, err);
    if (rc != 0)
        disconnect(s);
    return rc;
}

/* ---- sending -- */

static int sent(struct pg_store *s, int ok, enum step step, struct sm_err *err)
{
    s->step = ok ? step : STEP_PREPARE; /* what was not sent was not lost with it */
    if (!ok)
        return sm_err_set(err, SM_E_UNREACHABLE, "PostgreSQL: connection lost");
    s->until_us = sm_mono_us(&sm_clock_real) + STATEMENT_US;
    PQflush(s->pg);
    return 0;
}

/* The parameters of the range that was taken, and the shape of its statement. */
static void encode(struct pg_store *s, struct sm_shape *shape)
{
    const struct sm_range *r = &s->work.now;
    size_t rows = r->probe ? 0 : r->row_end - r->row;
    size_t attempts = r->attempt_end - r->attempt;
    *shape = (struct sm_shape){.verb = r->upsert ? SM_VERB_UPSERT : SM_VERB_INSERT};
    if (r->probe)
        shape->verb = SM_VERB_PROBE;
    sm_params_begin(&s->params, s->worker);
    for (size_t i = 0; i < rows; i++)
        s->items[i] = s->work.batch.rows[r->row + i];
    if (rows > 0)
        sm_params_columns(&s->params, &sm_results_table, s->items, rows, shape->rows);
    for (size_t i = 0; i < attempts; i++)
        s->items[i] = sm_work_attempt(&s->work, r->attempt + i);
    if (attempts > 0)
        sm_params_columns(&s->params, &sm_attempts_table, s->items, attempts, shape->attempts);
}

static int send_statement(struct pg_store *s, struct sm_err *err)
{
    const struct sm_params *p = &s->params;
    int ok = sm_prepared_has(&s->prepared, s->statement)
                 ? PQsendQueryPrepared(s->pg, s->statement, p->n, p->value, p->size, p->format, 1)
                 : PQsendQueryParams(s->pg, sm_buf_text(&s->text), p->n, NULL, p->value, p->size,
                                     p->format, 1);
    return sent(s, ok, STEP_WRITE, err);
}

/* The statement of a shape is prepared when it is met first. */
static int send_or_prepare(struct pg_store *s, struct sm_err *err)
{
    if (sm_prepared_has(&s->prepared, s->statement) || s->prepared.n == SM_PREPARED_MOST)
        return send_statement(s, err);
    int ok = PQsendPrepare(s->pg, s->statement, sm_buf_text(&s->text), 0, NULL);
    return sent(s, ok, STEP_PREPARE, err);
}

static int no_memory(struct pg_store *s, struct sm_err *err)
{
    s->step = STEP_PREPARE; /* the range is still to be sent */
    return sm_err_set(err, SM_E_FULL, "no memory for a batch");
}

/* More bytes than statement and parameters, as one value, and a longer answer than theirs. */
static int send_try(struct pg_store *s, struct sm_err *err)
{
    static const char more[TRY_MORE];
    int binary = 1;
    sm_buf_add(&s->params.bytes, s->text.data, s->text.size);
    sm_buf_add(&s->params.bytes, more, sizeof more);
    if (s->params.bytes.full)
        return no_memory(s, err);
    const char *value = s->params.bytes.data;
    int size = (int)s->params.bytes.size;
    int ok = PQsendQueryParams(s->pg, "SELECT octet_length($1::bytea), repeat('.', 4096)", 1, NULL,
                               &value, &size, &binary, 1);
    return sent(s, ok, STEP_TRY, err);
}

static int send_next(struct pg_store *s, struct sm_err *err)
{
    struct sm_shape shape;
    sm_work_take(&s->work);
    encode(s, &shape);
    sm_shape_name(&shape, s->statement);
    sm_shape_text(&shape, &s->text);
    if (!sm_params_seal(&s->params) || s->text.full)
        return no_memory(s, err);
    return s->work.now.lost ? send_try(s, err) : send_or_prepare(s, err);
}

/* ---- outcomes -- */

/* The row of the range with this id; the range is ordered by id. */
static size_t row_of(const struct pg_store *s, const char *id)
{
    size_t low = s->work.now.row, high = s->work.now.row_end;
    while (low + 1 < high) {
        size_t middle = (low + high) / 2;
        if (memcmp(s->work.batch.rows[middle]->id.b, id, 16) <= 0)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* After an upsert: what it returned stood; the rest is asked for. */
static int upserted(struct pg_store *s, const PGresult *result, struct sm_err *err)
{
    size_t n = s->work.now.row_end - s->work.now.row, left = n;
    for (size_t i = 0; i < n; i++)
        s->missing[i] = true;
    for (int i = 0; i < PQntuples(result); i++) {
        s->missing[row_of(s, PQgetvalue(result, i, 0)) - s->work.now.row] = false;
        left--;
    }
    if (left == 0)
        return 0;
    sm_params_ids(&s->params, s->work.batch.rows + s->work.now.row, n, s->missing);
    if (!sm_params_seal(&s->params))
        return no_memory(s, err);
    int ok = PQsendQueryParams(
        s->pg, "SELECT id, life, state::text FROM stampmill.results WHERE id = ANY($1::uuid[])", 1,
        NULL, s->params.value, s->params.size, s->params.format, 1);
    return sent(s, ok, STEP_REREAD, err);
}

static void reread(struct pg_store *s, const PGresult *result)
{
    for (int i = 0; i < PQntuples(result); i++) {
        size_t k = row_of(s, PQgetvalue(result, i, 0));
        const struct sm_row *row = s->work.batch.rows[k];
        const unsigned char *b = (const unsigned char *)PQgetvalue(result, i, 1);
        uint32_t life = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
        bool same = life == (uint32_t)row->life &&
                    strcmp(PQgetvalue(result, i, 2), sm_state_name(row->state)) == 0;
        s->work.verdicts[k] = same ? SM_VERDICT_STOOD : SM_VERDICT_SUPERSEDED;
    }
}

static int written(struct pg_store *s, const PGresult *result, struct sm_err *err)
{
    const struct sm_range *r = &s->work.now;
    if (!r->probe && r->upsert && r->row < r->row_end)
        return upserted(s, result, err);
    return 0;
}

/* A failed statement: again, by the upsert, in halves, or the whole batch fails. */
static int failed(struct pg_store *s, const PGresult *result, struct sm_err *err)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    bool unique = state != NULL && strcmp(state, "23505") == 0;
    if (state == NULL || s->step != STEP_WRITE)
        return sm_pg_failed(result, err);
    bool again = sm_sqlstate_is_passing(state) || unique;
    if (again && s->passing++ < PASSING_MOST) {
        s->work.now.upsert |= unique;
        sm_work_again(&s->work);
    } else if (sm_sqlstate_is_refusal(state)) {
        sm_work_refused(&s->work, state, PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME));
    } else {
        return sm_pg_failed(result, err);
    }
    s->step = STEP_NONE;
    return 0;
}

/* The connection is gone: while the range was being written, and with nothing else on it? */
static void note_loss(struct pg_store *s, int rc)
{
    s->work.now.lost = s->step == STEP_WRITE && rc == SM_E_UNREACHABLE && s->fresh;
}

/* The try went well, so the range is to blame. What is left goes on by a fresh connection. */
static int count_kill(struct pg_store *s, struct sm_err *err)
{
    s->step = STEP_NONE;
    s->work.now.lost = false;
    sm_work_killed(&s->work);
    return sm_err_set(err, SM_E_UNREACHABLE,
                      "PostgreSQL: the connection was lost with a batch, and carries as much "
                      "without it; connecting anew");
}

static int step(struct pg_store *s, const PGresult *result, struct sm_err *err)
{
    ExecStatusType status = PQresultStatus(result);
    enum step done = s->step;
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        return failed(s, result, err);
    s->passing = 0;
    if (done != STEP_PREPARE)
        s->fresh = false;
    switch (done) {
    case STEP_TRY:
        return count_kill(s, err);
    case STEP_PREPARE:
        sm_prepared_add(&s->prepared, s->statement);
        return send_statement(s, err);
    case STEP_WRITE:
        s->step = STEP_NONE;
        return written(s, result, err);
    default:
        s->step = STEP_NONE;
        reread(s, result);
        return 0;
    }
}

/* ---- the seam -- */

static void make_room(struct pg_store *s, size_t room)
{
    if (room <= s->room)
        return;
    free(s->missing);
    free(s->items);
    s->missing = calloc(room, sizeof *s->missing);
    s->items = calloc(room, sizeof *s->items);
    SM_ASSERT(s->missing != NULL && s->items != NULL);
    s->room = room;
}

static int fail(struct pg_store *s, int rc)
{
    note_loss(s, rc);
    disconnect(s);
    return rc;
}

static int s_start(struct sm_store *store, const struct sm_batch *batch, const char *worker,
                   struct sm_err *err)
{
    struct pg_store *s = self(store);
    SM_ASSERT(!s->open && batch->n + batch->attempts_n > 0 && strlen(worker) < sizeof s->worker);
    if (s->pg == NULL)
        return sm_err_set(err, SM_E_UNREACHABLE, "PostgreSQL: not connected");
    strcpy(s->worker, worker);
    make_room(s, batch->n > batch->attempts_n ? batch->n : batch->attempts_n);
    if (s->halted == 0 || s->halted != sm_batch_digest(batch))
        sm_work_begin(&s->work, batch, s->doubt);
    s->work.batch = *batch;
    s->halted = 0;
    s->passing = 0;
    s->open = true;
    int rc = s->work.left > 0 ? send_next(s, err) : 0;
    return rc == 0 ? 0 : fail(s, rc);
}

/* One answer. */
static int turn(struct pg_store *s, int64_t until_us, struct sm_err *err)
{
    PGresult *answer;
    int rc = sm_pg_wait(s->pg, until_us, &answer, err);
    if (rc == 1 && sm_mono_us(&sm_clock_real) < s->until_us)
        return 1;
    if (rc == 1)
        return sm_err_set(err, SM_E_TIMEOUT, "PostgreSQL: a commit did not end in time");
    if (rc != 0)
        return rc;
    rc = step(s, answer, err);
    PQclear(answer);
    return rc;
}

static void hand_over(struct pg_store *s, struct sm_commit_result *result)
{
    const struct sm_work *work = &s->work;
    s->open = s->doubt = false;
    if (work->batch.n > 0)
        memcpy(result->verdicts, work->verdicts, work->batch.n * sizeof *work->verdicts);
    memcpy(result->refusal, work->refusal, sizeof result->refusal);
    result->attempts_refused = work->attempts_refused;
    if (s->params.bytes.room > KEEP_BYTES)
        sm_buf_free(&s->params.bytes);
}

static int s_wait(struct sm_store *store, int64_t wait_us, struct sm_commit_result *result,
                  struct sm_err *err)
{
    struct pg_store *s = self(store);
    int64_t until = sm_mono_us(&sm_clock_real) + wait_us;
    while (s->step != STEP_NONE || s->work.left > 0) {
        int rc = s->step != STEP_NONE ? turn(s, until, err) : send_next(s, err);
        if (rc == 1)
            return 1;
        if (rc != 0)
            return fail(s, rc);
    }
    hand_over(s, result);
    return 0;
}

static int s_check(struct sm_store *store, int wait_ms, struct sm_err *err)
{
    struct pg_store *s = self(store);
    PGresult *answer = NULL;
    int rc = SM_E_UNREACHABLE;
    SM_ASSERT(s->step == STEP_NONE);
    if (s->pg != NULL && PQsendQuery(s->pg, "SELECT 1"))
        rc = sm_pg_wait(s->pg, sm_mono_us(&sm_clock_real) + wait_ms * INT64_C(1000), &answer, err);
    else
        sm_err_set(err, rc, "PostgreSQL: connection lost");
    if (rc == 1)
        rc = sm_err_set(err, SM_E_TIMEOUT, "PostgreSQL: gives no sign of life");
    PQclear(answer);
    if (rc != 0)
        disconnect(s);
    return rc;
}

static void s_close(struct sm_store *store)
{
    struct pg_store *s = self(store);
    PQfinish(s->pg);
    sm_buf_free(&s->params.bytes);
    sm_buf_free(&s->text);
    sm_work_free(&s->work);
    free(s->missing);
    free(s->items);
    free(s);
}

static const struct sm_store_ops ops = {s_connect, s_start, s_wait, s_check, s_close};

struct sm_store *sm_pg_store_new(const struct sm_pg_options *options)
{
    struct pg_store *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->base.ops = &ops;
    s->options = *options; /* its texts live as long as the process */
    sm_buf_init(&s->params.bytes, 0);
    sm_buf_init(&s->text, 0);
    return &s->base;
}

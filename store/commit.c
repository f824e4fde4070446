/*
 * Committing a batch: one statement, one transaction.
 *
 * A plain insert first, because a row is almost never there already; 23505 leads to the upsert,
 * which carries the rule of the design (store/statement.c). What the upsert does not return is read
 * again by a second statement, whose snapshot is newer, to tell "my own commit whose answer was
 * lost" from "another stands above".
 *
 * What PostgreSQL refuses is found by halving (store/range.c); the rest commits. Attempts are asked
 * about apart, by a statement that writes nothing, so that a bad text among them never halves the
 * rows.
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
#include "store/range.h"
#include "store/sqlstate.h"
#include "store/statement.h"

#define STATEMENT_US 30000000 /* past it the outcome is unknown */
#define RANGES_MOST 64        /* halving 1,024 rows never holds more */
#define KEEP_BYTES (4u << 20)
#define KILLS_HALVE 3
#define KILLS_REFUSE 10
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

    struct sm_batch batch;
    struct sm_range ranges[RANGES_MOST]; /* still to be written; the last is next */
    int ranges_n;
    struct sm_range now; /* under way */
    char statement[SM_STATEMENT_NAME];
    enum step step;
    bool open;  /* a batch is begun and neither done nor halted */
    bool fresh; /* nothing was written on this connection yet */
    int passing;
    int64_t until_us;
    bool doubt;      /* an outcome is unknown: no plain insert for the next batch */
    uint64_t halted; /* digest of the batch that a failure stopped; 0: none */

    size_t room; /* of the arrays by row and attempt */
    enum sm_verdict *verdicts;
    bool *missing;             /* by row of the range: not returned by the upsert */
    bool *bad;                 /* by attempt: its text is refused */
    struct sm_attempt *mended; /* by attempt, where bad */
    const void **items;
    char refusal[200], bad_text[80];
    size_t attempts_refused;
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

/* ---- the parts that are left -- */

static void push(struct pg_store *s, const struct sm_range *range)
{
    SM_ASSERT(s->ranges_n < RANGES_MOST);
    s->ranges[s->ranges_n++] = *range;
}

/* FNV-1a. */
static void digest_add(uint64_t *digest, const void *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        *digest = (*digest ^ ((const unsigned char *)bytes)[i]) * UINT64_C(1099511628211);
}

/* Tells whether a batch is the one that was begun before; never 0. */
static uint64_t digest_of(const struct sm_batch *batch)
{
    uint64_t digest = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < batch->n; i++) {
        const struct sm_row *row = batch->rows[i];
        digest_add(&digest, &row->id, sizeof row->id);
        digest_add(&digest, &row->state, sizeof row->state);
        digest_add(&digest, &row->life, sizeof row->life);
    }
    for (size_t i = 0; i < batch->attempts_n; i++) {
        const struct sm_attempt *attempt = &batch->attempts[i];
        digest_add(&digest, &attempt->id, sizeof attempt->id);
        digest_add(&digest, &attempt->life, sizeof attempt->life);
        digest_add(&digest, &attempt->attempt, sizeof attempt->attempt);
    }
    return digest | 1;
}

/* A failure: what was under way is still to be written, and may have been. */
static void halt(struct pg_store *s)
{
    if (!s->open)
        return;
    s->now.upsert = true;
    if (s->step != STEP_NONE)
        push(s, &s->now);
    s->step = STEP_NONE;
    s->open = false;
    s->doubt = true;
    s->halted = digest_of(&s->batch);
}

/* ---- connecting -- */

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
    for (int i = 0; i < s->ranges_n && strcmp(run, s->server_run) != 0; i++)
        s->ranges[i].lost = false;
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

/* The attempts of the range, the bad ones with another text. */
static void attempts_of(struct pg_store *s, const struct sm_range *r)
{
    for (size_t i = r->attempt; i < r->attempt_end; i++) {
        const struct sm_attempt *attempt = &s->batch.attempts[i];
        if (s->bad[i]) {
            s->mended[i] = *attempt;
            s->mended[i].error_text = (struct sm_bytes){s->bad_text, strlen(s->bad_text)};
            attempt = &s->mended[i];
        }
        s->items[i - r->attempt] = attempt;
    }
}

static void encode(struct pg_store *s, const struct sm_range *r, struct sm_shape *shape)
{
    size_t rows = r->probe ? 0 : r->row_end - r->row;
    size_t attempts = r->alone ? 0 : r->attempt_end - r->attempt;
    *shape = (struct sm_shape){.verb = r->upsert ? SM_VERB_UPSERT : SM_VERB_INSERT};
    if (r->probe)
        shape->verb = SM_VERB_PROBE;
    sm_params_begin(&s->params, s->worker);
    for (size_t i = 0; i < rows; i++)
        s->items[i] = s->batch.rows[r->row + i];
    if (rows > 0)
        sm_params_columns(&s->params, &sm_results_table, s->items, rows, shape->rows);
    if (attempts == 0)
        return;
    attempts_of(s, r);
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

/* More bytes than statement and parameters, as one value, and a longer answer than theirs. */
static int send_try(struct pg_store *s, struct sm_err *err)
{
    static const char more[TRY_MORE];
    int binary = 1;
    sm_buf_add(&s->params.bytes, s->text.data, s->text.size);
    sm_buf_add(&s->params.bytes, more, sizeof more);
    if (s->params.bytes.full) {
        push(s, &s->now);
        return sm_err_set(err, SM_E_FULL, "no memory for a batch");
    }
    const char *value = s->params.bytes.data;
    int size = (int)s->params.bytes.size;
    int ok = PQsendQueryParams(s->pg, "SELECT octet_length($1::bytea), repeat('.', 4096)", 1, NULL,
                               &value, &size, &binary, 1);
    return sent(s, ok, STEP_TRY, err);
}

static int send_next(struct pg_store *s, struct sm_err *err)
{
    struct sm_shape shape;
    s->now = s->ranges[--s->ranges_n];
    encode(s, &s->now, &shape);
    sm_shape_name(&shape, s->statement);
    sm_shape_text(&shape, &s->text);
    if (!sm_params_seal(&s->params) || s->text.full) {
        push(s, &s->now);
        return sm_err_set(err, SM_E_FULL, "no memory for a batch");
    }
    return s->now.lost ? send_try(s, err) : send_or_prepare(s, err);
}

/* ---- what is refused -- */

static const char *reason(const char *state, const char *constraint, const char *what, char *text,
                          size_t room)
{
    snprintf(text, room, "PostgreSQL refuses the %s: SQLSTATE %s%s%s", what, state,
             constraint == NULL ? "" : ", constraint ", constraint == NULL ? "" : constraint);
    return text;
}

/* One row, or attempts without one, that cannot be halved further. A row is tried without its
 * attempts before it is refused, and they without it after. */
static void refuse(struct pg_store *s, const char *why)
{
    struct sm_range r = s->now;
    bool attempts = r.attempt < r.attempt_end;
    if (r.row == r.row_end) {
        s->attempts_refused++;
        return;
    }
    if (attempts && !r.alone) {
        r.alone = true;
        push(s, &r);
        return;
    }
    s->verdicts[r.row] = SM_VERDICT_REFUSED;
    snprintf(s->refusal, sizeof s->refusal, "%s", why);
    r.row = r.row_end;
    r.alone = false;
    if (attempts)
        push(s, &r);
}

static bool is_last(const struct pg_store *s, const struct sm_range *range)
{
    struct sm_range low, high;
    return !sm_range_split(&s->batch, range, &low, &high);
}

/* In halves, the lower first, or the one that is left is refused. */
static void narrow(struct pg_store *s, int kills, const char *why)
{
    struct sm_range low, high;
    s->now.kills = 0;
    if (!sm_range_split(&s->batch, &s->now, &low, &high)) {
        refuse(s, why);
        return;
    }
    low.kills = is_last(s, &low) ? 0 : kills;
    high.kills = is_last(s, &high) ? 0 : kills;
    push(s, &high);
    push(s, &low);
}

/* Before rows are halved: is one of the attempts to blame? */
static bool probe_first(struct pg_store *s)
{
    struct sm_range r = s->now;
    if (r.probed || r.alone || r.attempt == r.attempt_end)
        return false;
    r.probed = true;
    push(s, &r);
    r.probe = true;
    push(s, &r);
    return true;
}

/* A refused statement. */
static void refused(struct pg_store *s, const PGresult *result)
{
    char why[200];
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *constraint = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);
    bool one = s->now.attempt_end - s->now.attempt == 1;
    if (s->now.probe && one) {
        s->bad[s->now.attempt] = true;
        s->attempts_refused++;
        reason(state, NULL, "text of this error", s->bad_text, sizeof s->bad_text);
    } else if (!probe_first(s)) {
        narrow(s, 0, reason(state, constraint, "result", why, sizeof why));
    }
}

/* ---- outcomes -- */

/* The row of the range with this id; the range is ordered by id. */
static size_t row_of(const struct pg_store *s, const char *id)
{
    size_t low = s->now.row, high = s->now.row_end;
    while (low + 1 < high) {
        size_t middle = (low + high) / 2;
        if (memcmp(s->batch.rows[middle]->id.b, id, 16) <= 0)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* After an upsert: what it returned stood; the rest is asked for. */
static int upserted(struct pg_store *s, const PGresult *result, struct sm_err *err)
{
    size_t n = s->now.row_end - s->now.row, left = n;
    for (size_t i = 0; i < n; i++)
        s->missing[i] = true;
    for (int i = 0; i < PQntuples(result); i++) {
        s->missing[row_of(s, PQgetvalue(result, i, 0)) - s->now.row] = false;
        left--;
    }
    if (left == 0)
        return 0;
    sm_params_ids(&s->params, s->batch.rows + s->now.row, n, s->missing);
    if (!sm_params_seal(&s->params))
        return sm_err_set(err, SM_E_FULL, "no memory for a batch");
    int ok = PQsendQueryParams(
        s->pg, "SELECT id, life, state::text FROM stampmill.results WHERE id = ANY($1::uuid[])", 1,
        NULL, s->params.value, s->params.size, s->params.format, 1);
    return sent(s, ok, STEP_REREAD, err);
}

static void reread(struct pg_store *s, const PGresult *result)
{
    for (int i = 0; i < PQntuples(result); i++) {
        size_t k = row_of(s, PQgetvalue(result, i, 0));
        const struct sm_row *row = s->batch.rows[k];
        const unsigned char *b = (const unsigned char *)PQgetvalue(result, i, 1);
        uint32_t life = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
        bool same = life == (uint32_t)row->life &&
                    strcmp(PQgetvalue(result, i, 2), sm_state_name(row->state)) == 0;
        s->verdicts[k] = same ? SM_VERDICT_STOOD : SM_VERDICT_SUPERSEDED;
    }
}

static int written(struct pg_store *s, const PGresult *result, struct sm_err *err)
{
    if (s->now.alone)
        s->attempts_refused += s->now.attempt_end - s->now.attempt;
    if (!s->now.probe && s->now.upsert && s->now.row < s->now.row_end)
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
        s->now.upsert |= unique;
        push(s, &s->now);
    } else if (sm_sqlstate_is_refusal(state)) {
        refused(s, result);
    } else {
        return sm_pg_failed(result, err);
    }
    s->step = STEP_NONE;
    return 0;
}

/* The connection is gone: while the range was being written, and with nothing else on it? */
static void note_loss(struct pg_store *s, int rc)
{
    s->now.lost = s->step == STEP_WRITE && rc == SM_E_UNREACHABLE && s->fresh;
}

/* The try went well, so the range is to blame. What is left goes on by a fresh connection. A half
 * of it needs one more to be halved again, but the last row all of its own. */
static int count_kill(struct pg_store *s, struct sm_err *err)
{
    s->step = STEP_NONE;
    s->now.lost = false;
    s->now.kills++;
    if (s->now.kills < (is_last(s, &s->now) ? KILLS_REFUSE : KILLS_HALVE))
        push(s, &s->now);
    else
        narrow(s, KILLS_HALVE - 1,
               "PostgreSQL loses the connection each time when this result alone is stored");
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
    free(s->verdicts);
    free(s->missing);
    free(s->bad);
    free(s->mended);
    free(s->items);
    s->verdicts = calloc(room, sizeof *s->verdicts);
    s->missing = calloc(room, sizeof *s->missing);
    s->bad = calloc(room, sizeof *s->bad);
    s->mended = calloc(room, sizeof *s->mended);
    s->items = calloc(room, sizeof *s->items);
    SM_ASSERT(s->verdicts && s->missing && s->bad && s->mended && s->items);
    s->room = room;
}

/* A batch from its beginning. */
static void begin(struct pg_store *s, const struct sm_batch *batch)
{
    make_room(s, batch->n > batch->attempts_n ? batch->n : batch->attempts_n);
    memset(s->verdicts, 0, s->room * sizeof *s->verdicts); /* STOOD */
    memset(s->bad, 0, s->room * sizeof *s->bad);
    s->refusal[0] = '\0';
    s->attempts_refused = 0;
    s->ranges_n = 0;
    s->passing = 0;
    struct sm_range whole = sm_range_whole(batch);
    whole.upsert = s->doubt;
    push(s, &whole);
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
    s->batch = *batch;
    if (s->halted == 0 || s->halted != digest_of(batch))
        begin(s, batch);
    s->halted = 0;
    s->open = true;
    int rc = s->ranges_n > 0 ? send_next(s, err) : 0;
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
    s->open = s->doubt = false;
    if (s->batch.n > 0)
        memcpy(result->verdicts, s->verdicts, s->batch.n * sizeof *s->verdicts);
    memcpy(result->refusal, s->refusal, sizeof result->refusal);
    result->attempts_refused = s->attempts_refused;
    if (s->params.bytes.room > KEEP_BYTES)
        sm_buf_free(&s->params.bytes);
}

static int s_wait(struct sm_store *store, int64_t wait_us, struct sm_commit_result *result,
                  struct sm_err *err)
{
    struct pg_store *s = self(store);
    int64_t until = sm_mono_us(&sm_clock_real) + wait_us;
    while (s->step != STEP_NONE || s->ranges_n > 0) {
        int rc = s->step != STEP_NONE ? turn(s, until, err) : send_next(s, err);
        if (rc == 1)
            return 1;
        if (rc != 0)
            return fail(s, rc);
    }
    hand_over(s, result);
    return 0;
}

static void s_close(struct sm_store *store)
{
    struct pg_store *s = self(store);
    PQfinish(s->pg);
    sm_buf_free(&s->params.bytes);
    sm_buf_free(&s->text);
    free(s->verdicts);
    free(s->missing);
    free(s->bad);
    free(s->mended);
    free(s->items);
    free(s);
}

static const struct sm_store_ops ops = {s_connect, s_start, s_wait, s_close};

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

/*
 * Committing a batch: one statement, one transaction.
 *
 * A plain insert first, because a row is almost never there already; 23505 leads to the upsert,
 * which carries the rule of the design: `succeeded` never changes; below it the greater (life,
 * state) stands. What the upsert does not return is read again by a second statement, whose
 * snapshot is newer, to tell "my own commit whose answer was lost" from "another stands above". A
 * row that PostgreSQL refuses is found by halving; its neighbours commit. After a connection was
 * lost the outcome is unknown: from then on the batch goes by the upsert, which is harmless to
 * repeat.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "store/conn.h"
#include "store/encode.h"

#define STATEMENT_US 30000000 /* past it the outcome is unknown */
#define RANGES_MOST 64        /* halving 1,024 rows never holds more */
#define KEEP_BYTES (4u << 20)

#define ROWS                                                                                       \
    "INSERT INTO stampmill.results AS r (id, enqueued_at, started_at, finished_at, cpu_us, life, " \
    "attempt, "                                                                                    \
    "state, queue, type, result, body, content_type, error_code, error_text, tags, envelope, "     \
    "worker) "                                                                                     \
    "SELECT a, b, c, d, e, f, g, h::stampmill.job_state, i, j, k, l, m, n, o, p, q, $18 FROM "     \
    "unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::timestamptz[], $5::int8[], "     \
    "$6::int4[], "                                                                                 \
    "$7::int4[], $8::text[], $9::text[], $10::text[], $11::jsonb[], $12::bytea[], $13::text[], "   \
    "$14::text[], $15::text[], $16::jsonb[], $17::bytea[]) AS t(a, b, c, d, e, f, g, h, i, j, k, " \
    "l, m, n, "                                                                                    \
    "o, p, q)"
#define RULE                                                                                       \
    " ON CONFLICT (id) DO UPDATE SET enqueued_at = excluded.enqueued_at, "                         \
    "started_at = excluded.started_at, finished_at = excluded.finished_at, cpu_us = "              \
    "excluded.cpu_us, "                                                                            \
    "life = excluded.life, attempt = excluded.attempt, state = excluded.state, queue = "           \
    "excluded.queue, "                                                                             \
    "type = excluded.type, result = excluded.result, body = excluded.body, "                       \
    "content_type = excluded.content_type, error_code = excluded.error_code, "                     \
    "error_text = excluded.error_text, tags = excluded.tags, envelope = excluded.envelope, "       \
    "worker = excluded.worker WHERE r.state <> 'succeeded' AND (excluded.state = 'succeeded' OR "  \
    "(excluded.life, excluded.state) > (r.life, r.state)) RETURNING id"
#define ATTEMPTS                                                                                   \
    "WITH failed AS (INSERT INTO stampmill.attempts (id, started_at, finished_at, cpu_us, life, "  \
    "attempt, "                                                                                    \
    "error_code, error_text, worker) SELECT a, b, c, d, e, f, g, h, $18 FROM unnest($19::uuid[], " \
    "$20::timestamptz[], $21::timestamptz[], $22::int8[], $23::int4[], $24::int4[], $25::text[], " \
    "$26::text[]) AS t(a, b, c, d, e, f, g, h) ON CONFLICT DO NOTHING) "

static const char *const statements[][2] = {
    {"insert", ROWS},
    {"upsert", ROWS RULE},
    {"insert_failed", ATTEMPTS ROWS},
    {"upsert_failed", ATTEMPTS ROWS RULE},
    {"reread", "SELECT id, life, state::text FROM stampmill.results WHERE id = ANY($1::uuid[])"},
};

/* A part of the batch still to be written. */
struct range {
    size_t from, to;
    bool upsert;
};

struct pg_store {
    struct sm_store base;
    struct sm_pg_options options;
    PGconn *pg;
    struct sm_params params;
    char worker[40];
    struct sm_batch batch;
    struct range ranges[RANGES_MOST];
    int ranges_n;
    struct range now; /* under way */
    bool under_way, rereading;
    bool doubt; /* an outcome is unknown: no plain insert for the next batch */
    int64_t until_us;
    enum sm_verdict *verdicts; /* of the batch; handed over at the end */
    size_t verdicts_room;
    bool *missing; /* of the range: not returned by the upsert */
    char refusal[200];
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

static void disconnect(struct pg_store *s)
{
    if (s->under_way)
        s->doubt = true;
    s->under_way = false;
    PQfinish(s->pg);
    s->pg = NULL;
}

static int prepare(struct pg_store *s, struct sm_err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof statements / sizeof *statements; i++) {
        PGresult *result;
        if (!PQsendPrepare(s->pg, statements[i][0], statements[i][1], 0, NULL))
            return sm_err_set(err, SM_E_UNREACHABLE, "PostgreSQL: connection lost");
        rc = sm_pg_wait(s->pg, sm_mono_us(&sm_clock_real) + SM_PG_CALL_US, &result, err);
        if (rc == 1)
            return sm_err_set(err, SM_E_TIMEOUT, "PostgreSQL: did not answer in time");
        if (rc == 0 && PQresultStatus(result) != PGRES_COMMAND_OK)
            rc = sm_pg_failed(result, err);
        if (result != NULL)
            PQclear(result);
    }
    return rc;
}

static int s_connect(struct sm_store *store, int wait_ms, struct sm_err *err)
{
    struct pg_store *s = self(store);
    disconnect(s);
    s->pg = sm_pg_connect(&s->options, wait_ms, err);
    if (s->pg == NULL)
        return err->code;
    int rc = sm_pg_check_schema(s->pg, err);
    if (rc == 0)
        rc = sm_pg_check_safe(s->pg, &s->options, err);
    if (rc == 0)
        rc = prepare(s, err);
    if (rc != 0)
        disconnect(s);
    return rc;
}

/* ---- one statement -- */

/* The attempts whose rows are in the range; both are ordered by id. */
static const struct sm_attempt *attempts_of(const struct pg_store *s, struct range range, size_t *n)
{
    const struct sm_batch *b = &s->batch;
    const unsigned char *low = b->rows[range.from]->id.b, *high = b->rows[range.to - 1]->id.b;
    size_t from = 0, to;
    while (from < b->attempts_n && memcmp(b->attempts[from].id.b, low, 16) < 0)
        from++;
    for (to = from; to < b->attempts_n && memcmp(b->attempts[to].id.b, high, 16) <= 0; to++)
        ;
    *n = to - from;
    return *n > 0 ? b->attempts + from : NULL; /* there may be no attempts at all */
}

static int send(struct pg_store *s, const char *statement, struct sm_err *err)
{
    if (!sm_params_seal(&s->params))
        return sm_err_set(err, SM_E_FULL, "no memory for a batch");
    if (!PQsendQueryPrepared(s->pg, statement, s->params.n, s->params.value, s->params.size,
                             s->params.format, 1))
        return sm_err_set(err, SM_E_UNREACHABLE, "PostgreSQL: connection lost");
    s->under_way = true;
    s->until_us = sm_mono_us(&sm_clock_real) + STATEMENT_US;
    PQflush(s->pg);
    return 0;
}

static int send_next(struct pg_store *s, struct sm_err *err)
{
    size_t failed_n;
    s->now = s->ranges[--s->ranges_n];
    const struct sm_attempt *failed = attempts_of(s, s->now, &failed_n);
    sm_params_clear(&s->params);
    sm_params_rows(&s->params, s->batch.rows + s->now.from, s->now.to - s->now.from, s->worker);
    if (failed_n > 0)
        sm_params_attempts(&s->params, failed, failed_n);
    s->rereading = false;
    return send(s, statements[(failed_n > 0 ? 2 : 0) + s->now.upsert][0], err);
}

static void push(struct pg_store *s, size_t from, size_t to, bool upsert)
{
    SM_ASSERT(s->ranges_n < RANGES_MOST && from < to);
    s->ranges[s->ranges_n++] = (struct range){from, to, upsert};
}

/* ---- its outcome -- */

/* The row of the range with this id; the range is ordered by id. */
static size_t row_of(const struct pg_store *s, const char *id)
{
    size_t low = s->now.from, high = s->now.to;
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
    size_t n = s->now.to - s->now.from, left = n;
    for (size_t i = 0; i < n; i++)
        s->missing[i] = true;
    for (int i = 0; i < PQntuples(result); i++) {
        s->missing[row_of(s, PQgetvalue(result, i, 0)) - s->now.from] = false;
        left--;
    }
    if (left == 0)
        return 0;
    sm_params_clear(&s->params);
    sm_params_ids(&s->params, s->batch.rows + s->now.from, n, s->missing);
    s->rereading = true;
    return send(s, "reread", err);
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

/* True for errors that the rows themselves cause, and would cause again. */
static bool is_refusal(const char *state)
{
    return strncmp(state, "22", 2) == 0 || strncmp(state, "23", 2) == 0 ||
           strncmp(state, "54", 2) == 0;
}

/* A failed statement: to the upsert, in halves, or the whole batch fails. */
static int failed(struct pg_store *s, const PGresult *result, struct sm_err *err)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *constraint = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);
    struct range r = s->now;
    if (state != NULL && strcmp(state, "23505") == 0 && !r.upsert) {
        push(s, r.from, r.to, true);
        return 0;
    }
    if (state == NULL || !is_refusal(state))
        return sm_pg_failed(result, err);
    if (r.to - r.from > 1) {
        size_t middle = r.from + (r.to - r.from) / 2;
        push(s, middle, r.to, r.upsert);
        push(s, r.from, middle, r.upsert);
        return 0;
    }
    s->verdicts[r.from] = SM_VERDICT_REFUSED;
    snprintf(s->refusal, sizeof s->refusal, "PostgreSQL refuses the result: SQLSTATE %s%s%s", state,
             constraint == NULL ? "" : ", constraint ", constraint == NULL ? "" : constraint);
    return 0;
}

static int step(struct pg_store *s, const PGresult *result, struct sm_err *err)
{
    ExecStatusType status = PQresultStatus(result);
    s->under_way = false;
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        return failed(s, result, err);
    if (s->rereading)
        reread(s, result);
    else if (s->now.upsert)
        return upserted(s, result, err);
    return 0;
}

/* ---- the seam -- */

static int s_start(struct sm_store *store, const struct sm_batch *batch, const char *worker,
                   struct sm_err *err)
{
    struct pg_store *s = self(store);
    SM_ASSERT(!s->under_way && batch->n > 0 && strlen(worker) < sizeof s->worker);
    if (s->pg == NULL)
        return sm_err_set(err, SM_E_UNREACHABLE, "PostgreSQL: not connected");
    if (batch->n > s->verdicts_room) {
        free(s->verdicts);
        free(s->missing);
        s->verdicts = calloc(batch->n, sizeof *s->verdicts);
        s->missing = calloc(batch->n, sizeof *s->missing);
        SM_ASSERT(s->verdicts != NULL && s->missing != NULL);
        s->verdicts_room = batch->n;
    }
    memset(s->verdicts, 0, batch->n * sizeof *s->verdicts); /* STOOD */
    strcpy(s->worker, worker);
    s->batch = *batch;
    s->refusal[0] = '\0';
    s->ranges_n = 0;
    push(s, 0, batch->n, s->doubt);
    return send_next(s, err);
}

static int s_wait(struct sm_store *store, int64_t wait_us, struct sm_commit_result *result,
                  struct sm_err *err)
{
    struct pg_store *s = self(store);
    int64_t until = sm_mono_us(&sm_clock_real) + wait_us;
    while (s->under_way) {
        PGresult *answer;
        int rc = sm_pg_wait(s->pg, until, &answer, err);
        if (rc == 1 && sm_mono_us(&sm_clock_real) < s->until_us)
            return 1;
        if (rc == 1)
            rc = sm_err_set(err, SM_E_TIMEOUT, "PostgreSQL: a commit did not end in time");
        if (rc == 0) {
            rc = step(s, answer, err);
            PQclear(answer);
        }
        if (rc == 0 && !s->under_way && s->ranges_n > 0)
            rc = send_next(s, err);
        if (rc != 0) {
            s->doubt = true;
            disconnect(s);
            return rc;
        }
    }
    s->doubt = false;
    memcpy(result->verdicts, s->verdicts, s->batch.n * sizeof *s->verdicts);
    memcpy(result->refusal, s->refusal, sizeof result->refusal);
    if (s->params.bytes.room > KEEP_BYTES)
        sm_buf_free(&s->params.bytes);
    return 0;
}

static void s_close(struct sm_store *store)
{
    struct pg_store *s = self(store);
    disconnect(s);
    sm_buf_free(&s->params.bytes);
    free(s->verdicts);
    free(s->missing);
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
    return &s->base;
}

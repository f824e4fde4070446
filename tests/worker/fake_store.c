/*
 * The fake store: a table that keeps rows by the rule of the design, and failed attempts.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "tests/worker/fakes.h"

struct fake_store {
    struct sm_store base;
    struct fake_world *world;
    const struct sm_batch *batch;
    struct sm_batch copy;
    bool late;
};

static int s_connect(struct sm_store *store, int wait_ms, struct sm_err *err)
{
    struct fake_store *s = (struct fake_store *)store;
    bool late;
    (void)wait_ms;
    s->batch = NULL;
    s->world->connects++;
    if (s->world->connecting != NULL)
        s->world->connecting(s->world->connecting_arg);
    int rc = fake_enter(s->world, s->world->postgres_down, &late, err);
    return rc == 0 && late ? sm_err_set(err, SM_E_TIMEOUT, "fake: late") : rc;
}

static int s_start(struct sm_store *store, const struct sm_batch *batch, const char *worker,
                   struct sm_err *err)
{
    struct fake_store *s = (struct fake_store *)store;
    (void)worker;
    SM_ASSERT(s->batch == NULL && batch->n + batch->attempts_n > 0);
    s->copy = *batch;
    int rc = fake_enter(s->world, s->world->postgres_down, &s->late, err);
    if (rc == 0)
        s->batch = &s->copy;
    return rc;
}

/* The rule of the design: succeeded above all, then the greater rank. */
static enum sm_verdict write_row(struct fake_world *world, const struct sm_row *row)
{
    struct fake_row *there = fake_find_row(world, &row->id);
    if (world->refuse_results && row->result.p != NULL)
        return SM_VERDICT_REFUSED;
    if (there == NULL) {
        there = &world->row[world->rows++];
        *there = (struct fake_row){.id = row->id, .state = row->state};
        if (row->error_code != NULL)
            snprintf(there->error_code, sizeof there->error_code, "%s", row->error_code);
    } else if (row->state > there->state) {
        there->state = row->state;
    }
    there->writes++;
    return row->state == there->state ? SM_VERDICT_STOOD : SM_VERDICT_SUPERSEDED;
}

/* Once for each attempt of a job, as the primary key has it for one worker. */
static void write_attempt(struct fake_world *world, const struct sm_attempt *attempt)
{
    for (size_t i = 0; i < world->attempts; i++)
        if (memcmp(&world->attempt[i].id, &attempt->id, sizeof attempt->id) == 0 &&
            world->attempt[i].attempt == attempt->attempt)
            return;
    struct fake_attempt *fresh = &world->attempt[world->attempts++];
    fresh->id = attempt->id;
    fresh->attempt = attempt->attempt;
    snprintf(fresh->error_code, sizeof fresh->error_code, "%s", attempt->error_code);
}

static int s_wait(struct sm_store *store, int64_t wait_us, struct sm_commit_result *result,
                  struct sm_err *err)
{
    struct fake_store *s = (struct fake_store *)store;
    (void)wait_us;
    SM_ASSERT(s->batch != NULL);
    if (s->world->postgres_full) {
        s->batch = NULL;
        return sm_err_set(err, SM_E_FULL, "fake: no room left");
    }
    for (size_t i = 0; i < s->batch->n; i++) {
        SM_ASSERT(i == 0 || memcmp(&s->batch->rows[i - 1]->id, &s->batch->rows[i]->id,
                                   sizeof(struct sm_id)) < 0);
        result->verdicts[i] = write_row(s->world, s->batch->rows[i]);
    }
    for (size_t i = 0; i < s->batch->attempts_n; i++)
        write_attempt(s->world, &s->batch->attempts[i]);
    snprintf(result->refusal, sizeof result->refusal, "22P05");
    s->batch = NULL;
    return s->late ? sm_err_set(err, SM_E_TIMEOUT, "fake: outcome unknown") : 0;
}

static int s_check(struct sm_store *store, int wait_ms, struct sm_err *err)
{
    struct fake_store *s = (struct fake_store *)store;
    bool late = false;
    (void)wait_ms;
    int rc = fake_enter(s->world, s->world->postgres_down, &late, err);
    return late ? sm_err_set(err, SM_E_TIMEOUT, "fake: no sign of life") : rc;
}

static void s_close(struct sm_store *store)
{
    free(store);
}

static const struct sm_store_ops store_ops = {s_connect, s_start, s_wait, s_check, s_close};

struct sm_store *fake_open_store(void *arg)
{
    struct fake_store *s = calloc(1, sizeof *s);
    SM_ASSERT(s != NULL);
    s->base.ops = &store_ops;
    s->world = ((const struct fake_seat *)arg)->world;
    return &s->base;
}

/*
 * The store, one of the three seams: where the one terminal row of each job is written, once.
 *
 * The committer sees only this. store/pg.h makes the real one; a test's fake keeps rows in memory
 * and fails when told to. The rule that decides which row stands (design, section 3) is the
 * store's: the order in which workers arrive does not matter.
 *
 * Thread: one store belongs to one thread.
 */
#ifndef SM_STORE_STORE_H
#define SM_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "stampmill/error.h"
#include "stampmill/id.h"

/* Ranks within a life: waiting 0 < dead 1 < cancelled 2; succeeded is above all. */
enum sm_state {
    SM_STATE_WAITING = 0, /* an operator asked for another life; only the CLI writes it */
    SM_STATE_DEAD = 1,
    SM_STATE_CANCELLED = 2,
    SM_STATE_SUCCEEDED = 3,
};

/* "waiting", "dead", "cancelled", "succeeded": the labels of the enum stampmill.job_state. */
const char *sm_state_name(enum sm_state state);

/* A terminal row as the committer hands it over. Nothing is copied: all pointers must stay good
 * until the commit is done. Texts are valid UTF-8 without NUL and within the limits of the schema:
 * the caller has checked. */
struct sm_row {
    struct sm_id id;
    enum sm_state state;
    int32_t life;    /* from 1 */
    int32_t attempt; /* the attempt that ended it, from 1; 0: never ran */
    struct sm_bytes queue, type;
    struct sm_bytes result; /* JSON text */
    struct sm_bytes body;
    const char *content_type; /* of the body, or NULL */
    const char *error_code;   /* NULL when it succeeded */
    struct sm_bytes error_text;
    int64_t enqueued_us, started_us, finished_us; /* Unix microseconds; started 0: never ran */
    int64_t cpu_us;
    struct sm_bytes tags;     /* JSON map of texts */
    struct sm_bytes envelope; /* kept for rows that did not succeed, so that they can be retried */
};

/* One failed attempt, kept in stampmill.attempts: of a job whose row is in the batch, or of one
 * that will be tried again and has no row yet. */
struct sm_attempt {
    struct sm_id id;
    int32_t life, attempt;
    const char *error_code;
    struct sm_bytes error_text;
    int64_t started_us, finished_us;
    int64_t cpu_us;
};

/* What became of one row. */
enum sm_verdict {
    SM_VERDICT_STOOD,      /* this row, or one equal in life and rank, is committed */
    SM_VERDICT_SUPERSEDED, /* a row that stands above it was there: settle all the same */
    SM_VERDICT_REFUSED,    /* PostgreSQL refuses this very row: the caller must make it a failure */
};

struct sm_commit_result {
    enum sm_verdict *verdicts; /* n of them, the caller's memory, filled in when done */
    char refusal[200];       /* of the last refused row: SQLSTATE and constraint, never its data */
    size_t attempts_refused; /* kept with the refusal in place of their text, or not at all */
};

/* A batch: rows, or attempts, or both, and not neither. `rows` hold no id twice and are ordered by
 * id (sm_uuid_compare). An attempt needs no row in the batch; it is written in one transaction with
 * its row where there is one, once however often the batch is begun again or halved, and it never
 * fails or halves the batch: one that PostgreSQL refuses keeps its place without its text. */
struct sm_batch {
    const struct sm_row *const *rows;
    size_t n;
    const struct sm_attempt *attempts; /* ordered by (id, life, attempt) */
    size_t attempts_n;
};

struct sm_store;

struct sm_store_ops {
    /* Connects (again): closes what is open first; checks login, schema version and that the server
     * is not set up to lose data. Waits at most `wait_ms`. 0, or SM_E_UNREACHABLE, _AUTH,
     * _PERMISSION, _SCHEMA, _READ_ONLY, _UNSAFE. Any commit under way is over, its outcome unknown:
     * start it again. */
    int (*connect)(struct sm_store *store, int wait_ms, struct sm_err *err);

    /* Begins to commit a batch; one at a time. The batch and all it points to must stay until
     * commit_wait has not answered 1. Starting the same batch again after a failure is always safe
     * and goes on where it was, so do that before any other: a batch that kills its connections is
     * found out only when it comes again. `worker` is written into each row. 0 or a SERVER code. */
    int (*commit_start)(struct sm_store *store, const struct sm_batch *batch, const char *worker,
                        struct sm_err *err);

    /* Waits at most `wait_us` for it: 1 not done yet, 0 committed (result filled in), negative when
     * it failed, after which connect must be called: a SERVER code, or SM_E_PERMISSION or _SCHEMA
     * when somebody changed rights or tables. A row that PostgreSQL refuses, or that alone loses
     * the connection time after time while all else works, is found by halving and does not fail
     * the batch; deadlocks and serialization failures are tried again in here. */
    int (*commit_wait)(struct sm_store *store, int64_t wait_us, struct sm_commit_result *result,
                       struct sm_err *err);

    /* Asks the server for a sign of life while no commit is under way, waiting at most `wait_ms`:
     * 0, or a SERVER code, after which connect must be called. */
    int (*check)(struct sm_store *store, int wait_ms, struct sm_err *err);

    /* Closes and frees. */
    void (*close)(struct sm_store *store);
};

struct sm_store {
    const struct sm_store_ops *ops;
};

#endif

/*
 * The committer: batches what is done, commits it to PostgreSQL, and only then settles it in Redis.
 * Thread: its own.
 */
#ifndef SM_WORKER_COMMITTER_H
#define SM_WORKER_COMMITTER_H

#include "worker/outcome.h"
#include "worker/settle.h"
#include "worker/worker.h"

struct sm_committer {
    struct sm_worker *w;
    struct sm_stats *stats;
    struct sm_store *store;
    struct sm_link postgres;
    struct sm_settler settler; /* has what was committed, until Redis has let go of it */

    uint32_t held[SM_SLOTS]; /* DONE, waiting for a batch; oldest first */
    size_t held_n;
    uint32_t batch[SM_BATCH_ROWS]; /* being committed: rows and failed attempts, by job id */
    enum sm_outcome outcome[SM_BATCH_ROWS];
    size_t batch_n;
    bool under_way;
    bool refuses; /* the last commit failed: a connection alone proves nothing */
    int64_t began_us;
    int64_t checked_us; /* monotonic time of PostgreSQL's last sign of life */

    struct sm_row rows[SM_BATCH_ROWS];
    const struct sm_row *row_of[SM_BATCH_ROWS];
    size_t slot_of_row[SM_BATCH_ROWS]; /* its place in the batch */
    size_t rows_n;
    enum sm_verdict verdicts[SM_BATCH_ROWS];
    char name[40]; /* the identity under which the batch was begun */
    struct sm_attempt attempts[SM_BATCH_ROWS];
    size_t attempts_n;
    struct sm_buf envelopes; /* of the rows that did not succeed */
    size_t envelope_at[SM_BATCH_ROWS], envelope_size[SM_BATCH_ROWS]; /* of rows */
};

int sm_committer_init(struct sm_committer *c, struct sm_worker *w);
void sm_committer_free(struct sm_committer *c);
/* One step: takes what is done, begins or goes on with a commit, settles; waits at most wait_us.
 * False when nothing is left and the done ring is closed. */
bool sm_committer_turn(struct sm_committer *c, int64_t wait_us);

/* ---- rows.c: a slot as the row that is written -- */

/* Fills rows, attempts and envelopes for c->batch by c->outcome. */
void sm_rows_build(struct sm_committer *c);
/* The state a slot ends in by its code. */
enum sm_state sm_slot_end(const struct sm_slot *slot);

#endif

/*
 * What of a batch is still to be written, and what became of the rest. It knows no connection: the
 * committing side (store/commit.c) takes one range after another and says how it went. Private to
 * store/. Thread: one at a time.
 */
#ifndef SM_STORE_WORK_H
#define SM_STORE_WORK_H

#include "store/store.h"

#define SM_RANGES_MOST 64 /* halving 1,024 rows never holds more */

/* Rows and attempts of a stretch of ids. An attempt goes with its row, in one transaction, until
 * one of the two is refused or kills. */
struct sm_range {
    size_t row, row_end, attempt, attempt_end; /* in the batch; ends are exclusive */
    bool probe;                                /* only ask whether PostgreSQL reads the attempts */
    bool probed;                               /* they were asked about: the bad ones are marked */
    bool upsert;                               /* a row may be there already */
    bool lost; /* the last connection was lost with it and nothing else */
    int kills; /* how often that was proven to be its own doing */
};

struct sm_work {
    struct sm_batch batch;
    struct sm_range now;                    /* the range that was taken last */
    struct sm_range ranges[SM_RANGES_MOST]; /* still to be written; the last is next */
    int left;

    size_t room; /* of the arrays by row and attempt */
    enum sm_verdict *verdicts;
    bool *bad;                 /* by attempt: its text is refused */
    struct sm_attempt *mended; /* by attempt, where bad */
    char refusal[200], bad_text[80];
    size_t attempts_refused;
};

/* A zeroed work is ready for sm_work_begin. */
void sm_work_free(struct sm_work *work);
/* All of this batch, by the plain insert or by the upsert. */
void sm_work_begin(struct sm_work *work, const struct sm_batch *batch, bool upsert);
/* Tells whether a batch is the one that was begun before; never 0. */
uint64_t sm_batch_digest(const struct sm_batch *batch);

/* Takes the next range as `now`; there must be one. */
void sm_work_take(struct sm_work *work);
/* Puts `now` back: it is the next again. */
void sm_work_again(struct sm_work *work);
/* An attempt as it is to be written. */
const struct sm_attempt *sm_work_attempt(struct sm_work *work, size_t i);

/* How `now` went, where it is not simply written. Refused by PostgreSQL with this SQLSTATE and
 * constraint (or NULL): what is next tells which row or attempt is to blame. */
void sm_work_refused(struct sm_work *work, const char *sqlstate, const char *constraint);
/* Proven to have lost a connection. */
void sm_work_killed(struct sm_work *work);

#endif

/*
 * Finding jobs that did not succeed, and giving them another life; for the CLI. Thread: a reader
 * belongs to its caller.
 */
#ifndef SM_STORE_SECOND_LIFE_H
#define SM_STORE_SECOND_LIFE_H

#include <stdbool.h>

#include "store/read.h"

/* What is looked for; NULL: any. */
struct sm_ls_filter {
    const char *state; /* "dead", "cancelled" or "waiting"; SM_E_USAGE for another */
    const char *queue, *type;
    int64_t limit;
};

/* Jobs that did not succeed, those that ended last first. Of each row id, queue, type, state,
 * error_code, error_text, life, attempt and the times are filled in. The caller frees each row
 * (sm_job_row_free) and the array. */
int sm_reader_ls(struct sm_reader *reader, const struct sm_ls_filter *filter,
                 struct sm_job_row **rows, size_t *n, struct sm_err *err);

/* A durable job that stands in the outbox. */
struct sm_waiting_row {
    char queue[65], type[65];
    int life;
    int64_t enqueued_us, due_us;
};

/* 0, SM_E_NOT_FOUND, or a SERVER code. */
int sm_reader_waiting(struct sm_reader *reader, const struct sm_id *id, struct sm_waiting_row *row,
                      struct sm_err *err);

/* Durable jobs that are not in Redis: due, how long the first of them has been, and those that wait
 * for their time. 0, or a SERVER or SETUP code. */
int sm_reader_outbox(struct sm_reader *reader, int64_t *due, int64_t *due_for_us, int64_t *later,
                     struct sm_err *err);

/* Gives a dead or cancelled job another life, with `args` (a JSON map) in place of its own unless
 * NULL. `life` is the one that is to be followed; another retry may have come first. 0 and the new
 * life; SM_E_CONFLICT: its state does not allow it, the text says why; SM_E_NOT_FOUND; SM_E_USAGE:
 * the arguments are out of bounds; or a SERVER or SETUP code. */
int sm_reader_retry(struct sm_reader *reader, const struct sm_id *id, int life, const char *args,
                    int *new_life, struct sm_err *err);

/* Ends a durable job that has not ended: its cancelled row is written, and a Redis that is wiped
 * later does not bring it back. *durable: there was such a job. 0, or a SERVER or SETUP code. */
int sm_reader_cancel(struct sm_reader *reader, const struct sm_id *id, bool *durable,
                     struct sm_err *err);

#endif

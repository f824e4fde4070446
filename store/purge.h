/*
 * Durable jobs of one queue, as `stampmill queue purge` ends them: those that stood in the outbox
 * when it began. Thread: a reader belongs to its caller.
 */
#ifndef SM_STORE_PURGE_H
#define SM_STORE_PURGE_H

#include <stdbool.h>

#include "store/read.h"

#define SM_PURGE_ROWS 100 /* of one transaction */

/* A durable job, and its entry in Redis as it was seen. */
struct sm_purge_row {
    struct sm_id id;
    bool relayed; /* false: it is not in Redis */
    uint64_t entry_ms, entry_seq;
    bool ended;
};

/* What the outbox holds of a queue: all, and those that are not in Redis. */
struct sm_purge_count {
    uint64_t rows, unrelayed;
    char now[64]; /* PostgreSQL's time, for sm_reader_purge_rows */
};

/* 0, or a SERVER or SETUP code. */
int sm_reader_purge_count(struct sm_reader *reader, const char *queue, struct sm_purge_count *count,
                          struct sm_err *err);
/* The next rows (room for SM_PURGE_ROWS) whose id is less than `below`, greatest first, of those
 * that were there at `now`. */
int sm_reader_purge_rows(struct sm_reader *reader, const char *queue, const char *now,
                         const struct sm_id *below, struct sm_purge_row *rows, size_t *n,
                         struct sm_err *err);
/* Ends at most SM_PURGE_ROWS of them as cancelled, those whose entry is still the one that was seen
 * and that have not ended: `ended` says which. */
int sm_reader_purge(struct sm_reader *reader, const char *queue, struct sm_purge_row *rows,
                    size_t n, struct sm_err *err);

/* Which of at most SM_PURGE_ROWS jobs the outbox does not hold (any more): `ended` says so. */
int sm_reader_purge_gone(struct sm_reader *reader, struct sm_purge_row *rows, size_t n,
                         struct sm_err *err);

#endif

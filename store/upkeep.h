/*
 * What a daemon does for the database from time to time: partitions ahead, and pruning of what was
 * kept long enough. Safe to do from many daemons at once: one works, the others find it at work and
 * do nothing.
 *
 * Thread: an upkeep belongs to one thread; it has a connection of its own.
 */
#ifndef SM_STORE_UPKEEP_H
#define SM_STORE_UPKEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "stampmill/error.h"
#include "store/pg.h"

#define SM_UPKEEP_DAYS 7 /* ahead: daemons may be away for a week before rows go into `other` */

struct sm_upkeep;

/* Connects within wait_ms and checks the schema. NULL and *err: a SERVER or SETUP code. */
struct sm_upkeep *sm_upkeep_open(const struct sm_pg_options *options, int wait_ms,
                                 struct sm_err *err);
/* NULL is fine. */
void sm_upkeep_close(struct sm_upkeep *upkeep);

/* Makes the partitions of stampmill.results of today (UTC) and `days_ahead` days that are missing;
 * *made: how many. It waits for locks at most about a second each, 10 s in all; 0 and fewer, or
 * none, made when somebody holds one or another daemon is at it: call again later, rows without a
 * partition of their own are stored all the same. After a negative code: close, and open anew. */
int sm_upkeep_make_partitions(struct sm_upkeep *upkeep, int days_ahead, int *made,
                              struct sm_err *err);

/* One step of pruning. */
struct sm_pruned {
    char what[64];  /* "results", "attempts" or "outbox", or the partition that was dropped; "":
                     * there  is nothing to prune */
    uint64_t rows;  /* of that; of a partition about */
    bool busy;      /* somebody else prunes, or holds a lock: try again later */
    bool partition; /* a whole day */
};

/* How long is kept what succeeded, and what is dead or cancelled; ms, 0: for ever. Less than an
 * hour is an hour. */
struct sm_keep {
    int64_t results_ms, dead_ms;
};

/* Does one bounded step: call again until `what` is "" or it is busy. Waits for a lock at most
 * about a second. After a negative code: close, and open anew. */
int sm_upkeep_prune(struct sm_upkeep *upkeep, const struct sm_keep *keep, struct sm_pruned *pruned,
                    struct sm_err *err);
/* How many results there are to prune; it reads them all, within `wait_ms`. */
int sm_upkeep_prunable(struct sm_upkeep *upkeep, const struct sm_keep *keep, int wait_ms,
                       uint64_t *rows, struct sm_err *err);

#endif

/*
 * Parts of a batch that are still to be written, and how they are halved. Private to store/.
 */
#ifndef SM_STORE_RANGE_H
#define SM_STORE_RANGE_H

#include "store/store.h"

/* Rows and attempts of a stretch of ids: an attempt always goes with its row. */
struct sm_range {
    size_t row, row_end, attempt, attempt_end; /* in the batch; ends are exclusive */
    bool probe;                                /* only ask whether PostgreSQL reads the attempts */
    bool probed;                               /* they were asked about: the bad ones are marked */
    bool alone;                                /* leave the attempts out */
    bool upsert;                               /* a row may be there already */
    bool lost; /* the last connection was lost with it and nothing else */
    int kills; /* how often that was proven to be its own doing */
};

/* All of a batch. */
struct sm_range sm_range_whole(const struct sm_batch *batch);
/* Halves it: at an id where there are rows, at any attempt where there are none. False when that is
 * not possible: one row with its attempts, or one attempt. */
bool sm_range_split(const struct sm_batch *batch, const struct sm_range *range,
                    struct sm_range *low, struct sm_range *high);

#endif

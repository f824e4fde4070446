/*
 * Memory for the texts of one row that do not stand in the input as they are: unescaped fields,
 * keys. What was handed out stays where it is until the next row, in the run's arena; the block
 * doubles, so that all that is ever taken is a few times what one row needs. Thread: the stamp that
 * runs.
 */
#ifndef SM_JOBS_ROWS_SCRATCH_H
#define SM_JOBS_ROWS_SCRATCH_H

#include "stampmill/handler.h"

struct sm_scratch {
    struct sm_run *run;
    char *p;
    size_t size, used;
};

/* For the next row. */
static inline void sm_scratch_reset(struct sm_scratch *scratch)
{
    scratch->used = 0;
}

/* Room for n bytes, of which sm_scratch_keep keeps the first; NULL: SM_E_TOO_LARGE. */
static inline char *sm_scratch_room(struct sm_scratch *scratch, size_t n)
{
    if (n <= scratch->size - scratch->used)
        return scratch->p + scratch->used;
    size_t size = 2 * (scratch->used + n);
    scratch->size = scratch->used = 0;
    scratch->p = sm_run_alloc(scratch->run, size);
    if (scratch->p != NULL)
        scratch->size = size;
    return scratch->p;
}

static inline void sm_scratch_keep(struct sm_scratch *scratch, size_t n)
{
    scratch->used += n;
}

#endif

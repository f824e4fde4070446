/*
 * What becomes of a job whose run has ended: a row that ends it, another attempt later, or back
 * into the queue as if nothing had been. One pure function, so that the whole policy is read, and
 * tested, in one place. Thread: any.
 */
#ifndef SM_WORKER_OUTCOME_H
#define SM_WORKER_OUTCOME_H

#include "worker/options.h"
#include "worker/slot.h"

#define SM_AGAIN_MOST 1000 /* times a handler may ask to be run again */
#define SM_CRASHES_KNOWN 3 /* charges that bury, with the cause known */
#define SM_CRASHES_MOST 10 /* ... and whatever the cause */

enum sm_outcome {
    SM_OUTCOME_ROW,   /* it has ended: its row is written, then it is settled */
    SM_OUTCOME_RETRY, /* the failed attempt is written, then the entry is parked */
    SM_OUTCOME_PARK,  /* goes back into the queue, nothing is written */
};

/* Decides for a slot in DONE. For RETRY and PARK sets its due_ms and next; may change its code and
 * text (SM_E_EXPIRED when the next attempt would come too late). `now_ms` is Redis's clock,
 * `random` any 32 random bits. */
enum sm_outcome sm_outcome_of(struct sm_slot *slot, const struct sm_options *options,
                              int64_t now_ms, uint32_t random);

/* True when a job has crashed too often to be run once more. */
static inline bool sm_outcome_crashed(const struct sm_tries *tries)
{
    return tries->evident >= SM_CRASHES_KNOWN || tries->crashes >= SM_CRASHES_MOST;
}

#endif

/*
 * The policy of ends. Permanent failures end the job at once: a malformed file does not parse
 * better the fifth time. An attempt that failed is tried again after a wait that doubles, until
 * max_attempts or expires_ms. A handler that asks to be run again uses up no attempt, but may ask
 * only so often.
 *
 * A suspect that ran alone and came to an end has shown that it does not kill its worker: its
 * unexplained losses are forgotten, and the charge of this run, which is not in its tries here, is
 * taken back by writing them.
 */
#include "worker/outcome.h"

#include <stdlib.h>
#include <string.h>

#include "base/backoff.h"

/* The job's end is one of time or count: says so, and what the last run said. */
static void give_reason(struct sm_slot *slot, int code, const char *reason)
{
    struct sm_err err;
    const char *last = slot->out.error_text;
    sm_err_set(&err, code, "%s; last: %s: %.300s", reason, sm_error_name(slot->out.code),
               last != NULL ? last : sm_error_text(slot->out.code));
    free(slot->out.error_text);
    slot->out.error_text = strdup(err.text);
    slot->out.code = code;
}

static enum sm_outcome later(struct sm_slot *slot, int64_t due_ms, enum sm_outcome outcome)
{
    if (slot->job.expires_ms > 0 && due_ms >= slot->job.expires_ms) {
        give_reason(slot, SM_E_EXPIRED, "not finished before its expires_ms");
        return SM_OUTCOME_ROW;
    }
    slot->due_ms = due_ms;
    return outcome;
}

static enum sm_outcome again(struct sm_slot *slot, int64_t now_ms)
{
    slot->next.again++;
    if (slot->next.again > SM_AGAIN_MOST) {
        give_reason(slot, SM_E_AGAIN, "asked to be run again 1,000 times");
        return SM_OUTCOME_ROW;
    }
    return later(slot, now_ms + slot->out.again_ms, SM_OUTCOME_PARK);
}

static enum sm_outcome retry(struct sm_slot *slot, const struct sm_options *o, int64_t now_ms,
                             uint32_t random)
{
    const struct sm_job *job = &slot->job;
    int most = job->max_attempts > 0 ? job->max_attempts : o->max_attempts;
    int64_t first_ms = job->backoff_ms > 0 ? job->backoff_ms : o->backoff_ms;
    int64_t longest_ms = job->backoff_max_ms > 0 ? job->backoff_max_ms : o->backoff_max_ms;
    slot->next.attempts++;
    if (slot->next.attempts >= most)
        return SM_OUTCOME_ROW;
    int64_t wait_ms = sm_backoff_ms(first_ms, longest_ms, slot->next.attempts, random);
    return later(slot, now_ms + wait_ms, SM_OUTCOME_RETRY);
}

enum sm_outcome sm_outcome_of(struct sm_slot *slot, const struct sm_options *options,
                              int64_t now_ms, uint32_t random)
{
    slot->next = slot->tries;
    if (slot->out.code == SM_E_STOPPED) { /* by a drain: as if it had not run */
        slot->due_ms = 0;
        return SM_OUTCOME_PARK;
    }
    if (atomic_load(&slot->lone) != 0)
        slot->next.losses = 0;
    if (slot->out.code == SM_E_AGAIN)
        return again(slot, now_ms);
    if (sm_error_class(slot->out.code) == SM_CLASS_ATTEMPT)
        return retry(slot, options, now_ms, random);
    return SM_OUTCOME_ROW;
}

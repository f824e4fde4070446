/*
 * Rows: what a finished slot, or a failed attempt that is tried again, looks like in PostgreSQL.
 * Nothing is copied but the envelopes of jobs that did not succeed, which are written out anew (cut
 * at 1 MiB) so that they can be inspected and retried.
 */
#include <string.h>

#include "worker/committer.h"

#define ENVELOPE_MOST (1u << 20)

enum sm_state sm_slot_end(const struct sm_slot *slot)
{
    if (slot->out.code == 0)
        return SM_STATE_SUCCEEDED;
    return slot->out.code == SM_E_CANCELLED ? SM_STATE_CANCELLED : SM_STATE_DEAD;
}

static struct sm_bytes text_of(const char *text)
{
    return (struct sm_bytes){text, strlen(text)};
}

static struct sm_bytes error_of(const struct sm_slot *slot)
{
    return text_of(slot->out.error_text != NULL ? slot->out.error_text
                                                : sm_error_text(slot->out.code));
}

/* A run that failed, for now or for good; not one that was cancelled, ran out of time between two
 * attempts, or only asked to be run again. */
static bool is_attempt(const struct sm_slot *slot)
{
    bool for_good =
        sm_error_class(slot->out.code) == SM_CLASS_JOB && slot->out.code != SM_E_EXPIRED;
    return slot->started_us != 0 && (for_good || slot->next.attempts > slot->tries.attempts);
}

static void build_attempt(struct sm_committer *c, const struct sm_slot *slot)
{
    c->attempts[c->attempts_n++] = (struct sm_attempt){
        .id = slot->job.id,
        .life = slot->job.life,
        .attempt = slot->tries.attempts + 1,
        .error_code = sm_error_name(slot->out.code),
        .error_text = error_of(slot),
        .started_us = slot->started_us,
        .finished_us = slot->finished_us,
        .cpu_us = slot->cpu_us,
    };
}

static void build_failure(struct sm_committer *c, size_t row_n, const struct sm_slot *slot)
{
    struct sm_row *row = &c->rows[row_n];
    row->error_code = sm_error_name(slot->out.code);
    row->error_text = error_of(slot);
    c->envelope_at[row_n] = c->envelopes.size;
    if (sm_job_encode(&slot->job, ENVELOPE_MOST, &c->envelopes) == 0)
        c->envelope_size[row_n] = c->envelopes.size - c->envelope_at[row_n];
}

static void build_row(struct sm_committer *c, size_t k)
{
    const struct sm_slot *slot = &c->w->slots.slot[c->batch[k]];
    const char *queue = c->w->options->queues[slot->queue];
    bool ran = slot->started_us != 0;
    size_t n = c->rows_n++;
    c->slot_of_row[n] = k;
    c->row_of[n] = &c->rows[n];
    c->envelope_size[n] = 0;
    c->rows[n] = (struct sm_row){
        .id = slot->job.id,
        .state = sm_slot_end(slot),
        .life = slot->job.life,
        .attempt = ran ? slot->tries.attempts + 1 : slot->tries.attempts,
        .queue = text_of(queue),
        .type = slot->job.type,
        .result = {slot->out.result, slot->out.result_size},
        .body = {slot->out.body, slot->out.body_size},
        .content_type = slot->out.content_type,
        .enqueued_us = slot->job.enqueued_ms * 1000,
        .started_us = slot->started_us,
        .finished_us = ran ? slot->finished_us : slot->leased_us,
        .cpu_us = slot->cpu_us,
        .tags = slot->job.tags,
    };
    if (slot->out.content_type != NULL && slot->out.body == NULL)
        c->rows[n].body.p = ""; /* an empty body is not an absent one */
    if (slot->out.code != 0)
        build_failure(c, n, slot);
}

void sm_rows_build(struct sm_committer *c)
{
    sm_buf_clear(&c->envelopes);
    c->attempts_n = c->rows_n = 0;
    for (size_t k = 0; k < c->batch_n; k++) {
        const struct sm_slot *slot = &c->w->slots.slot[c->batch[k]];
        if (c->outcome[k] == SM_OUTCOME_ROW)
            build_row(c, k);
        if (is_attempt(slot))
            build_attempt(c, slot);
    }
    for (size_t n = 0; n < c->rows_n; n++) /* only now: the buffer no longer moves */
        if (c->envelope_size[n] > 0)
            c->rows[n].envelope =
                (struct sm_bytes){c->envelopes.data + c->envelope_at[n], c->envelope_size[n]};
}

/*
 * Halving: by id, so that a row and its attempts stay together and the order of ids is kept.
 *
 * Before rows are halved the attempts are asked about apart, by a range that writes nothing, so
 * that a bad text among them never halves the rows. Only a row that is left alone with its attempts
 * is parted from them.
 */
#include "store/work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/uuid.h"

#define KILLS_HALVE 3   /* proofs before a range is halved */
#define KILLS_REFUSE 10 /* .. before the last row of one is refused */

/* ---- halving -- */

/* Is this id on the lower side of the cut? */
static bool is_below(const struct sm_id *id, const struct sm_id *cut, bool with_cut)
{
    int order = sm_uuid_compare(id, cut);
    return order < 0 || (with_cut && order == 0);
}

/* False when one side would be empty. */
static bool cut_at(const struct sm_work *w, const struct sm_range *range, const struct sm_id *cut,
                   bool with_cut, struct sm_range *low, struct sm_range *high)
{
    size_t row = range->row, attempt = range->attempt;
    while (row < range->row_end && is_below(&w->batch.rows[row]->id, cut, with_cut))
        row++;
    while (attempt < range->attempt_end && is_below(&w->batch.attempts[attempt].id, cut, with_cut))
        attempt++;
    *low = *high = *range;
    low->row_end = high->row = row;
    low->attempt_end = high->attempt = attempt;
    bool low_empty = row == range->row && attempt == range->attempt;
    bool high_empty = row == range->row_end && attempt == range->attempt_end;
    return !low_empty && !high_empty;
}

/* One row from its attempts. */
static bool part(const struct sm_range *range, struct sm_range *low, struct sm_range *high)
{
    *low = *high = *range;
    low->attempt_end = range->attempt;
    high->row = range->row_end;
    return range->attempt < range->attempt_end;
}

/* At an id where there are rows, at any attempt where there are none. False when nothing is left to
 * halve: one row, or one attempt. */
static bool split(const struct sm_work *w, const struct sm_range *range, struct sm_range *low,
                  struct sm_range *high)
{
    size_t rows = range->row_end - range->row, attempts = range->attempt_end - range->attempt;
    if (rows == 0 || range->probe) {
        *low = *high = *range;
        low->attempt_end = high->attempt = range->attempt + attempts / 2;
        return attempts > 1;
    }
    const struct sm_id *cut = rows >= attempts
                                  ? &w->batch.rows[range->row + rows / 2]->id
                                  : &w->batch.attempts[range->attempt + attempts / 2].id;
    return cut_at(w, range, cut, false, low, high) || cut_at(w, range, cut, true, low, high) ||
           part(range, low, high);
}

static bool is_last(const struct sm_work *w, const struct sm_range *range)
{
    struct sm_range low, high;
    return !split(w, range, &low, &high);
}

static void push(struct sm_work *w, const struct sm_range *range)
{
    SM_ASSERT(w->left < SM_RANGES_MOST);
    w->ranges[w->left++] = *range;
}

/* ---- who is to blame -- */

/* One row, or one attempt. */
static void refuse(struct sm_work *w, const char *why)
{
    if (w->now.row == w->now.row_end) {
        w->attempts_refused++;
        return;
    }
    w->verdicts[w->now.row] = SM_VERDICT_REFUSED;
    snprintf(w->refusal, sizeof w->refusal, "%s", why);
}

/* In halves, the lower first, or what is left is refused. Half of a killer is one proof away from
 * the next halving; the last row needs all of its own. */
static void narrow(struct sm_work *w, int kills, const char *why)
{
    struct sm_range low, high;
    w->now.kills = 0;
    if (!split(w, &w->now, &low, &high)) {
        refuse(w, why);
        return;
    }
    low.kills = is_last(w, &low) ? 0 : kills;
    high.kills = is_last(w, &high) ? 0 : kills;
    push(w, &high);
    push(w, &low);
}

/* False when the attempts were asked about already, or there are none. */
static bool probe_first(struct sm_work *w)
{
    struct sm_range r = w->now;
    if (r.probed || r.attempt == r.attempt_end)
        return false;
    r.probed = true;
    push(w, &r);
    r.probe = true;
    push(w, &r);
    return true;
}

void sm_work_refused(struct sm_work *w, const char *sqlstate, const char *constraint)
{
    char why[200];
    if (w->now.probe && is_last(w, &w->now)) {
        w->bad[w->now.attempt] = true;
        w->attempts_refused++;
        snprintf(w->bad_text, sizeof w->bad_text,
                 "PostgreSQL refuses the text of this error: SQLSTATE %s", sqlstate);
        return;
    }
    snprintf(why, sizeof why, "PostgreSQL refuses the result: SQLSTATE %s%s%s", sqlstate,
             constraint == NULL ? "" : ", constraint ", constraint == NULL ? "" : constraint);
    if (!probe_first(w))
        narrow(w, 0, why);
}

void sm_work_killed(struct sm_work *w)
{
    w->now.kills++;
    if (w->now.kills < (is_last(w, &w->now) ? KILLS_REFUSE : KILLS_HALVE))
        push(w, &w->now);
    else
        narrow(w, KILLS_HALVE - 1,
               "PostgreSQL loses the connection each time when this result alone is stored");
}

/* ---- a batch -- */

void sm_work_free(struct sm_work *w)
{
    free(w->verdicts);
    free(w->bad);
    free(w->mended);
}

static void make_room(struct sm_work *w, size_t room)
{
    if (room <= w->room)
        return;
    sm_work_free(w);
    w->verdicts = calloc(room, sizeof *w->verdicts);
    w->bad = calloc(room, sizeof *w->bad);
    w->mended = calloc(room, sizeof *w->mended);
    SM_ASSERT(w->verdicts != NULL && w->bad != NULL && w->mended != NULL);
    w->room = room;
}

void sm_work_begin(struct sm_work *w, const struct sm_batch *batch, bool upsert)
{
    make_room(w, batch->n > batch->attempts_n ? batch->n : batch->attempts_n);
    memset(w->verdicts, 0, w->room * sizeof *w->verdicts); /* STOOD */
    memset(w->bad, 0, w->room * sizeof *w->bad);
    w->batch = *batch;
    w->refusal[0] = '\0';
    w->attempts_refused = 0;
    w->left = 0;
    push(w, &(struct sm_range){
                .row_end = batch->n, .attempt_end = batch->attempts_n, .upsert = upsert});
}

/* FNV-1a. */
static void add(uint64_t *digest, const void *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        *digest = (*digest ^ ((const unsigned char *)bytes)[i]) * UINT64_C(1099511628211);
}

uint64_t sm_batch_digest(const struct sm_batch *batch)
{
    uint64_t digest = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < batch->n; i++) {
        const struct sm_row *row = batch->rows[i];
        add(&digest, &row->id, sizeof row->id);
        add(&digest, &row->state, sizeof row->state);
        add(&digest, &row->life, sizeof row->life);
    }
    for (size_t i = 0; i < batch->attempts_n; i++) {
        const struct sm_attempt *attempt = &batch->attempts[i];
        add(&digest, &attempt->id, sizeof attempt->id);
        add(&digest, &attempt->life, sizeof attempt->life);
        add(&digest, &attempt->attempt, sizeof attempt->attempt);
    }
    return digest | 1;
}

void sm_work_take(struct sm_work *w)
{
    SM_ASSERT(w->left > 0);
    w->now = w->ranges[--w->left];
}

void sm_work_again(struct sm_work *w)
{
    push(w, &w->now);
}

const struct sm_attempt *sm_work_attempt(struct sm_work *w, size_t i)
{
    if (!w->bad[i])
        return &w->batch.attempts[i];
    w->mended[i] = w->batch.attempts[i];
    w->mended[i].error_text = (struct sm_bytes){w->bad_text, strlen(w->bad_text)};
    return &w->mended[i];
}

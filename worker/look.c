/*
 * Asking after durable jobs that Redis may have lost: by evidence, never by age.
 *
 * Evidence is that the queue's incarnation or Redis's run is no longer the one a row was last seen
 * in, that a row of it was caught missing, or an hour of silence. Then Redis is asked whether the
 * entry is alive. Only if not is the result read (a commit precedes its settle, so it is there by
 * now if there ever was one), and only if the job has not ended is it due again.
 *
 * An hour is long for a stream that somebody has deleted, which leaves incarnation and run as they
 * were. So of each epoch the row that was asked after longest ago is asked after now and then: one
 * that is missing casts doubt on the whole epoch.
 */
#include <string.h>

#include "worker/mover.h"

#define SILENCE_MS 3600000
#define SAMPLE_MS 5000
#define EPOCHS_MOST 64
#define PORTIONS_MOST 8      /* of one epoch in one step */
#define ASK_BYTES (1u << 20) /* a waiting entry is read inside Redis to see that it is there */

/* How many of the rows go into one question. */
static size_t portion(const struct sm_outbox_mark *rows, size_t n)
{
    size_t bytes = 0, k = 0;
    while (k < n && k < SM_RELAY_ASK_MOST && (k == 0 || bytes + rows[k].bytes <= ASK_BYTES))
        bytes += rows[k++].bytes;
    return k;
}

/* Splits rows into the living, in front, and the lost; *living of them. False: Redis did not say.
 */
static bool ask(struct sm_mover_state *m, const char *queue, struct sm_outbox_mark *rows, size_t n,
                size_t *living)
{
    struct sm_outbox_mark lost[SM_RELAY_ASK_MOST];
    struct sm_entry_id ids[SM_RELAY_ASK_MOST];
    bool alive[SM_RELAY_ASK_MOST];
    struct sm_err err;
    size_t lost_n = 0;
    *living = 0;
    for (size_t at = 0, k; at < n; at += k) {
        k = portion(rows + at, n - at);
        for (size_t i = 0; i < k; i++)
            ids[i] = (struct sm_entry_id){rows[at + i].entry_ms, rows[at + i].entry_seq};
        if (m->relay->ops->alive(m->relay, queue, ids, k, alive, &err) != 0) {
            sm_mover_redis_failed(m, "outbox: asking after entries failed", &err);
            return false;
        }
        for (size_t i = 0; i < k; i++)
            if (alive[i])
                rows[(*living)++] = rows[at + i];
            else
                lost[lost_n++] = rows[at + i];
    }
    memcpy(rows + *living, lost, lost_n * sizeof *lost);
    return true;
}

/* Writes down what Redis said; *anew: how many are due again. */
static bool conclude(struct sm_mover_state *m, const struct sm_outbox_mark *rows, size_t living,
                     size_t n, int32_t epoch, uint64_t *anew)
{
    const struct sm_outbox_ops *ops = m->outbox->ops;
    struct sm_err err;
    uint64_t ended;
    int rc = ops->lost(m->outbox, rows + living, n - living, &ended, anew, &err);
    if (rc == 0)
        rc = ops->found(m->outbox, rows, living, epoch, &err);
    if (rc != 0) {
        sm_mover_postgres_failed(m, "outbox: noting what Redis holds failed", &err);
        return false;
    }
    sm_count(m->stats, SM_C_ASKED, n);
    sm_count(m->stats, SM_C_CLEARED, ended);
    sm_count(m->stats, SM_C_RELAYED_ANEW, *anew);
    return true;
}

static bool read_rows(struct sm_mover_state *m, const struct sm_outbox_epoch *e, bool current,
                      struct sm_outbox_mark *rows, size_t *n)
{
    const struct sm_outbox_ops *ops = m->outbox->ops;
    struct sm_err err;
    int rc = ops->relayed(m->outbox, e->epoch, current ? SILENCE_MS : 0, rows, SM_RELAY_ASK_MOST, n,
                          &err);
    if (rc == 0 && *n == 0 && current)
        rc = ops->relayed(m->outbox, e->epoch, SAMPLE_MS, rows, 1, n, &err);
    if (rc != 0)
        sm_mover_postgres_failed(m, "outbox: reading what is in Redis failed", &err);
    return rc == 0;
}

static void doubt(struct sm_mover_state *m, const struct sm_outbox_epoch *e, struct sm_place *place)
{
    struct sm_err err;
    sm_log(SM_LOG_WARN, "outbox: Redis has lost an entry; all of its queue are asked after",
           SM_S("queue", e->queue));
    place->stale_us = 0; /* the next of its rows are of another epoch */
    if (m->outbox->ops->doubt(m->outbox, e->epoch, &err) != 0)
        sm_mover_postgres_failed(m, "outbox: noting a doubt failed", &err);
}

/* Asks after up to SM_RELAY_ASK_MOST rows of an epoch; true when there may be more. */
static bool ask_some(struct sm_mover_state *m, const struct sm_outbox_epoch *e,
                     struct sm_place *place, bool current)
{
    struct sm_outbox_mark rows[SM_RELAY_ASK_MOST];
    size_t n = 0, living;
    uint64_t anew = 0;
    if (!read_rows(m, e, current, rows, &n) || n == 0 || !ask(m, e->queue, rows, n, &living) ||
        !conclude(m, rows, living, n, place->epoch, &anew))
        return false;
    if (anew > 0)
        m->take_us = 0;
    if (current && anew > 0)
        doubt(m, e, place);
    return n == SM_RELAY_ASK_MOST || (current && anew > 0);
}

/* One step over one epoch; true when there may be more to ask. New rows must not wait long for its
 * end. */
static bool look_at(struct sm_mover_state *m, const struct sm_outbox_epoch *e)
{
    struct sm_place *place = sm_mover_place(m, e->queue, true);
    if (place == NULL)
        return false;
    bool current = place->epoch == e->epoch && !e->doubted, more = true;
    for (int i = 0; i < PORTIONS_MOST && more && place->stale_us != 0; i++)
        more = ask_some(m, e, place, current);
    return more;
}

bool sm_mover_look(struct sm_mover_state *m)
{
    struct sm_outbox_epoch epochs[EPOCHS_MOST];
    struct sm_err err;
    bool more = false;
    size_t n;
    if (m->outbox->ops->epochs(m->outbox, m->look_after, epochs, EPOCHS_MOST, &n, &err) != 0) {
        sm_mover_postgres_failed(m, "outbox: reading epochs failed", &err);
        return false;
    }
    for (size_t i = 0; i < n && m->postgres.up && m->redis.up; i++)
        more |= look_at(m, &epochs[i]);
    m->look_after = n == EPOCHS_MOST ? epochs[n - 1].epoch : 0; /* the rest at once */
    return more || m->look_after != 0;
}

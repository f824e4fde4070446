/*
 * The mover. Rows that are due are taken under their locks, added to Redis, and marked with their
 * entries in the same transaction. A crash in between gives the job a second entry; nothing that
 * can happen gives it none. Where Redis refuses (full, read-only, no right) the rows stay due, and
 * the mover tries again with a back-off that ends at 2 s.
 *
 * It is prompt without being told of every row: while there is work it looks for more, and before
 * it sleeps it leaves word in PostgreSQL, so that only who enqueues then has to call. It sleeps in
 * short steps, because what the committer hands over calls nobody.
 */
#include "worker/mover.h"

#include <poll.h>
#include <string.h>

#define PLACE_US 10000000
#define REFUSED_US 30000000
#define LOOK_US 2000000
#define ASLEEP_US 1000000 /* looks all the same */
#define SPARE_US 300000
#define RESTLESS_US 5000
#define RESTLESS_MOST_US 40000
#define DOWN_US 10000

int sm_mover_init(struct sm_mover_state *m, struct sm_worker *w, struct sm_outbox *outbox,
                  struct sm_relay *relay)
{
    memset(m, 0, sizeof *m);
    m->w = w;
    m->stats = &w->stats_mover;
    m->outbox = outbox;
    m->relay = relay;
    sm_buf_init(&m->envelopes, 0);
    return outbox == NULL || relay == NULL ? SM_E_NO_MEMORY : 0;
}

void sm_mover_free(struct sm_mover_state *m)
{
    if (m->outbox != NULL)
        m->outbox->ops->close(m->outbox);
    if (m->relay != NULL)
        m->relay->ops->close(m->relay);
    sm_buf_free(&m->envelopes);
}

static int64_t now_us(const struct sm_mover_state *m)
{
    return sm_mono_us(m->w->clock);
}

/* ---- servers -- */

static void say(struct sm_mover_state *m, const char *what, const struct sm_err *err)
{
    if (m->said != err->code)
        sm_log(SM_LOG_WARN, what, SM_S("error", sm_error_name(err->code)), SM_S("text", err->text));
    m->said = err->code;
}

void sm_mover_redis_failed(struct sm_mover_state *m, const char *what, const struct sm_err *err)
{
    sm_link_set_down(&m->redis, now_us(m));
    sm_count(m->stats, SM_C_REDIS_ERRORS, 1);
    say(m, what, err);
}

void sm_mover_postgres_failed(struct sm_mover_state *m, const char *what, const struct sm_err *err)
{
    m->asleep = false;
    sm_link_set_down(&m->postgres, now_us(m));
    sm_count(m->stats, SM_C_POSTGRES_ERRORS, 1);
    say(m, what, err);
}

static bool postgres_ready(struct sm_mover_state *m)
{
    struct sm_err err;
    if (m->postgres.up)
        return true;
    if (!sm_link_due(&m->postgres, now_us(m)))
        return false;
    if (m->outbox->ops->connect(m->outbox, 1000, &err) != 0) {
        sm_mover_postgres_failed(m, "outbox: PostgreSQL connection failed", &err);
        return false;
    }
    memset(m->places, 0, sizeof m->places);
    sm_link_set_up(&m->postgres);
    return true;
}

/* The back-off starts over only when something was added: a full Redis lets us connect. */
static bool redis_ready(struct sm_mover_state *m)
{
    struct sm_err err;
    if (m->redis.up)
        return true;
    if (!sm_link_due(&m->redis, now_us(m)))
        return false;
    if (m->relay->ops->connect(m->relay, 1000, &err) != 0) {
        sm_mover_redis_failed(m, "outbox: Redis connection failed", &err);
        return false;
    }
    memset(m->places, 0, sizeof m->places); /* perhaps another run, which is another epoch */
    if (m->said == SM_E_UNREACHABLE || m->said == SM_E_TIMEOUT)
        m->said = 0;
    m->redis.up = true;
    return true;
}

/* ---- places -- */

static struct sm_place *find_place(struct sm_mover_state *m, const char *queue)
{
    struct sm_place *oldest = &m->places[0];
    for (size_t i = 0; i < SM_PLACES_MOST; i++) {
        struct sm_place *place = &m->places[i];
        if (strcmp(place->queue, queue) == 0)
            return place;
        if (place->used_us < oldest->used_us)
            oldest = place;
    }
    memset(oldest, 0, sizeof *oldest);
    snprintf(oldest->queue, sizeof oldest->queue, "%s", queue);
    return oldest;
}

/* True for what Redis says of itself; anything else it says of one queue: no right, a key that is
 * something else, another database's. */
static bool concerns_all(int code)
{
    return code == SM_E_UNREACHABLE || code == SM_E_TIMEOUT || code == SM_E_FULL ||
           code == SM_E_READ_ONLY || code == SM_E_AUTH;
}

static void refuse_place(struct sm_mover_state *m, struct sm_place *place, const struct sm_err *err)
{
    if (place->code != err->code)
        sm_log(SM_LOG_ERROR, "outbox: nothing is moved to a queue", SM_S("queue", place->queue),
               SM_S("error", sm_error_name(err->code)), SM_S("text", err->text));
    place->code = err->code;
    place->stale_us = now_us(m) + REFUSED_US;
}

static bool look_up(struct sm_mover_state *m, struct sm_place *place)
{
    char incarnation[SM_INCARNATION_TEXT];
    struct sm_err err;
    if (m->relay->ops->claim(m->relay, place->queue, m->outbox->ops->home(m->outbox), incarnation,
                             &err) != 0) {
        if (concerns_all(err.code))
            sm_mover_redis_failed(m, "outbox: a queue cannot be opened", &err);
        else
            refuse_place(m, place, &err);
        return false;
    }
    place->code = 0;
    strcpy(place->incarnation, incarnation);
    if (m->outbox->ops->epoch(m->outbox, place->queue, incarnation, m->relay->ops->run_id(m->relay),
                              &place->epoch, &err) != 0) {
        sm_mover_postgres_failed(m, "outbox: an epoch cannot be read", &err);
        return false;
    }
    place->stale_us = now_us(m) + PLACE_US;
    return true;
}

struct sm_place *sm_mover_place(struct sm_mover_state *m, const char *queue, bool anew)
{
    struct sm_place *place = find_place(m, queue);
    place->used_us = now_us(m);
    bool stale = anew || now_us(m) >= place->stale_us;
    if (place->code != 0 && now_us(m) < place->stale_us)
        return NULL;
    return !stale || look_up(m, place) ? place : NULL;
}

/* ---- moving -- */

static bool encode(struct sm_mover_state *m, const struct sm_outbox_row *row)
{
    struct sm_relay_job job = {.id = row->id,
                               .life = row->life,
                               .max_attempts = row->max_attempts,
                               .enqueued_ms = row->enqueued_ms,
                               .at_ms = row->at_ms,
                               .type = row->type,
                               .args = row->args,
                               .tags = row->tags,
                               .input = row->input,
                               .envelope = row->envelope};
    size_t at = m->envelopes.size;
    if (sm_relay_encode(&job, &m->envelopes) == 0)
        return true;
    m->envelopes.size = at; /* no memory: it stays due */
    m->envelopes.full = false;
    return false;
}

/* The taken rows as entries, without those that cannot go now. */
static size_t build(struct sm_mover_state *m, const struct sm_outbox_row *rows, size_t rows_n)
{
    size_t n = 0;
    sm_buf_clear(&m->envelopes);
    for (size_t i = 0; i < rows_n && m->redis.up && m->postgres.up; i++) {
        size_t at = m->envelopes.size;
        const struct sm_place *place = sm_mover_place(m, rows[i].queue, false);
        if (place == NULL || !encode(m, &rows[i]))
            continue;
        m->envelope_at[n] = at;
        m->epoch_of[n] = place->epoch;
        m->of[n] = &rows[i];
        m->entries[n++] = (struct sm_relay_entry){.queue = rows[i].queue};
    }
    for (size_t i = 0; i < n; i++) { /* only now: the buffer no longer moves */
        size_t end = i + 1 < n ? m->envelope_at[i + 1] : m->envelopes.size;
        m->entries[i].envelope =
            (struct sm_bytes){m->envelopes.data + m->envelope_at[i], end - m->envelope_at[i]};
    }
    return n;
}

/* One entry was refused for its queue's sake. */
static void refuse_entry(struct sm_mover_state *m, size_t i, struct sm_err why)
{
    why.code = m->entries[i].code; /* the text may be another's */
    refuse_place(m, find_place(m, m->entries[i].queue), &why);
}

/* Adds the entries; the marks of those that Redis took. */
static size_t add(struct sm_mover_state *m, size_t n)
{
    struct sm_err err = {0};
    size_t marks = 0;
    bool refused = false;
    int lost = m->relay->ops->add(m->relay, m->entries, n, &err);
    for (size_t i = 0; i < n; i++) {
        if (m->entries[i].code == 0)
            m->marks[marks++] = (struct sm_outbox_mark){.id = m->of[i]->id,
                                                        .life = m->of[i]->life,
                                                        .epoch = m->epoch_of[i],
                                                        .entry_ms = m->entries[i].id.ms,
                                                        .entry_seq = m->entries[i].id.seq};
        else if (concerns_all(m->entries[i].code))
            refused = true;
        else
            refuse_entry(m, i, err);
    }
    if (lost != 0 || refused)
        sm_mover_redis_failed(m, "outbox: Redis does not take jobs", &err);
    return marks;
}

static size_t but_queues(const struct sm_mover_state *m, const char **names)
{
    size_t n = 0;
    for (size_t i = 0; i < SM_PLACES_MOST; i++)
        if (m->places[i].code != 0 && now_us(m) < m->places[i].stale_us)
            names[n++] = m->places[i].queue;
    return n;
}

/* Moves one batch; how many rows were taken. */
static size_t move(struct sm_mover_state *m)
{
    const struct sm_outbox_ops *ops = m->outbox->ops;
    const struct sm_outbox_row *rows;
    const char *but[SM_PLACES_MOST];
    struct sm_err err;
    size_t taken = 0;
    if (ops->take(m->outbox, SM_MOVE_ROWS, SM_MOVE_BYTES, but, but_queues(m, but), &rows, &taken,
                  &err) != 0) {
        sm_mover_postgres_failed(m, "outbox: taking failed", &err);
        return 0;
    }
    if (taken == 0)
        return 0;
    size_t n = build(m, rows, taken), marks = 0;
    if (n > 0 && m->redis.up && m->postgres.up)
        marks = add(m, n);
    if (!m->postgres.up)
        return taken; /* while opening a queue: the rows are due again */
    if (ops->mark(m->outbox, m->marks, marks, &err) != 0) {
        sm_mover_postgres_failed(m, "outbox: marking failed", &err);
        return taken;
    }
    sm_count(m->stats, SM_C_RELAYED, marks);
    if (marks > 0 && m->redis.up) {
        sm_link_set_up(&m->redis);
        if (m->said != 0)
            sm_log(SM_LOG_INFO, "outbox: jobs are moved again", SM_N("jobs", (int64_t)marks));
        m->said = 0;
    }
    if (m->envelopes.room > 2 * SM_MOVE_BYTES)
        sm_buf_free(&m->envelopes);
    return taken;
}

/* ---- what has ended -- */

/* True when there may be more. */
static bool clear_ended(struct sm_mover_state *m)
{
    struct sm_err err;
    uint64_t deleted = 0;
    if (m->ended_n == 0)
        m->ended_n = sm_ended_take(&m->w->ended, m->ended, SM_MOVE_ROWS);
    if (m->ended_n == 0)
        return false;
    if (m->outbox->ops->ended(m->outbox, m->ended, m->ended_n, &deleted, &err) != 0) {
        sm_mover_postgres_failed(m, "outbox: deleting failed", &err);
        return false; /* once more after the next connect */
    }
    bool more = m->ended_n == SM_MOVE_ROWS;
    sm_count(m->stats, SM_C_CLEARED, deleted);
    m->ended_n = 0;
    return more;
}

/* ---- rest -- */

/* Nothing was due: when to take again, and asleep if that can be. */
static void doze(struct sm_mover_state *m)
{
    enum sm_doze doze = SM_DOZE_ASLEEP;
    struct sm_err err;
    bool slept = m->asleep;
    if (!slept && m->outbox->ops->doze(m->outbox, &doze, &err) != 0) {
        sm_mover_postgres_failed(m, "outbox: falling asleep failed", &err);
        return;
    }
    m->asleep = doze == SM_DOZE_ASLEEP;
    int64_t wait = doze == SM_DOZE_SPARE ? SPARE_US : slept ? ASLEEP_US : 0; /* 0: once more */
    if (doze == SM_DOZE_RESTLESS) {
        wait = RESTLESS_US << (m->restless < 3 ? m->restless : 3);
        wait = wait < RESTLESS_MOST_US ? wait : RESTLESS_MOST_US;
        m->restless++;
    } else {
        m->restless = 0;
    }
    m->take_us = now_us(m) + wait;
}

static void rouse(struct sm_mover_state *m)
{
    struct sm_err err;
    m->take_us = 0;
    m->restless = 0;
    if (!m->asleep)
        return;
    m->asleep = false;
    if (m->outbox->ops->rouse(m->outbox, &err) != 0)
        sm_mover_postgres_failed(m, "outbox: waking failed", &err);
}

static void rest(struct sm_mover_state *m, int64_t wait_us)
{
    int64_t now = now_us(m), until = m->take_us < m->look_us ? m->take_us : m->look_us;
    struct sm_err err;
    bool woken = false;
    if (until - now < wait_us)
        wait_us = until - now;
    if (wait_us <= 0)
        return;
    if (m->outbox->ops->wait(m->outbox, wait_us, &woken, &err) != 0)
        sm_mover_postgres_failed(m, "outbox: waiting failed", &err);
    else if (woken)
        rouse(m);
}

/* Takes what is due, or falls asleep. */
static void take_turn(struct sm_mover_state *m)
{
    if (now_us(m) < m->take_us)
        return;
    if (move(m) > 0)
        rouse(m);
    else if (m->postgres.up && m->redis.up)
        doze(m);
}

void sm_mover_turn(struct sm_mover_state *m, int64_t wait_us)
{
    bool more = postgres_ready(m) && clear_ended(m);
    if (m->postgres.up && redis_ready(m))
        take_turn(m);
    if (m->postgres.up && m->redis.up && now_us(m) >= m->look_us)
        m->look_us = now_us(m) + (sm_mover_look(m) ? 0 : LOOK_US);
    if (m->postgres.up && now_us(m) >= m->tally_us)
        sm_mover_tally(m);
    if (more)
        return;
    if (m->postgres.up && m->redis.up)
        rest(m, wait_us);
    else if (wait_us >= DOWN_US)
        poll(NULL, 0, DOWN_US / 1000); /* a server waits for its next try */
}

void sm_mover_finish(struct sm_mover_state *m)
{
    while (m->postgres.up && clear_ended(m))
        ;
}

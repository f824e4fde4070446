/*
 * The fake outbox: the table of rows that wait, as sessions see it: who holds which row, who
 * watches, who looks.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "tests/worker/fake_outbox.h"

struct box_outbox {
    struct sm_outbox base;
    struct box_world *world;
    bool connected, asleep;
    struct sm_outbox_row rows[SM_MOVE_ROWS];
};

static struct box_outbox *box(struct sm_outbox *o)
{
    return (struct box_outbox *)o;
}

/* A session has ended: its locks and its transaction with it. */
static void let_go(struct box_outbox *o)
{
    for (size_t i = 0; i < o->world->rows; i++)
        if (o->world->row[i].taken_by == o)
            o->world->row[i].taken_by = NULL;
    o->world->watcher = o->world->watcher == o ? NULL : o->world->watcher;
    o->world->looker = o->world->looker == o ? NULL : o->world->looker;
    o->asleep = false;
}

static int begin(struct box_outbox *o, bool *late, struct sm_err *err)
{
    int rc = box_enter(o->world, &o->connected, o->world->postgres_down, late, err);
    if (rc != 0)
        let_go(o);
    return rc;
}

static int finish(struct box_outbox *o, bool late, struct sm_err *err)
{
    if (late)
        let_go(o);
    return box_leave(&o->connected, late, err);
}

static int o_connect(struct sm_outbox *outbox, int wait_ms, struct sm_err *err)
{
    struct box_outbox *o = box(outbox);
    bool late;
    (void)wait_ms;
    let_go(o);
    o->connected = true;
    int rc = begin(o, &late, err);
    return rc == 0 ? finish(o, late, err) : rc;
}

static const char *o_home(const struct sm_outbox *outbox)
{
    (void)outbox;
    return "00112233445566778899aabbccddeeff";
}

static int o_epoch(struct sm_outbox *outbox, const char *queue, const char *incarnation,
                   const char *run_id, int32_t *epoch, struct sm_err *err)
{
    struct box_outbox *o = box(outbox);
    struct box_world *w = o->world;
    bool late;
    size_t i = 0;
    int rc = begin(o, &late, err);
    if (rc != 0)
        return rc;
    while (i < w->epochs && (w->epoch[i].doubted || strcmp(w->epoch[i].queue, queue) != 0 ||
                             strcmp(w->epoch[i].incarnation, incarnation) != 0 ||
                             strcmp(w->epoch[i].run_id, run_id) != 0))
        i++;
    if (i == w->epochs) {
        struct box_epoch *e = &w->epoch[w->epochs++];
        SM_ASSERT(w->epochs <= BOX_EPOCHS);
        snprintf(e->queue, sizeof e->queue, "%s", queue);
        snprintf(e->incarnation, sizeof e->incarnation, "%s", incarnation);
        snprintf(e->run_id, sizeof e->run_id, "%s", run_id);
    }
    *epoch = (int32_t)i + 1;
    return finish(o, late, err);
}

static bool is_among(const char *queue, const char *const *but, size_t but_n)
{
    for (size_t i = 0; i < but_n; i++)
        if (strcmp(queue, but[i]) == 0)
            return true;
    return false;
}

static int o_take(struct sm_outbox *outbox, size_t most, size_t budget, const char *const *but,
                  size_t but_n, const struct sm_outbox_row **rows, size_t *n, struct sm_err *err)
{
    struct box_outbox *o = box(outbox);
    struct box_world *w = o->world;
    bool late;
    (void)budget;
    *n = 0;
    *rows = o->rows;
    int rc = begin(o, &late, err);
    for (size_t i = 0; rc == 0 && i < w->rows && *n < most; i++) {
        struct box_row *row = &w->row[i];
        if (!row->there || row->epoch != 0 || row->taken_by != NULL ||
            row->due_us > w->now_us + 60000000 || is_among(row->queue, but, but_n))
            continue;
        row->taken_by = o;
        struct sm_outbox_row *to = &o->rows[(*n)++];
        *to = (struct sm_outbox_row){.id = row->id,
                                     .life = row->life,
                                     .enqueued_ms = w->now_us / 1000,
                                     .at_ms = row->due_us > w->now_us ? row->due_us / 1000 : 0,
                                     .type = {"debug.noop", 10},
                                     .args = {"{}", 2}};
        strcpy(to->queue, row->queue);
    }
    return rc == 0 ? finish(o, late, err) : rc;
}

static struct box_row *row_of(struct box_world *w, const struct sm_outbox_mark *mark)
{
    for (size_t i = 0; i < w->rows; i++)
        if (w->row[i].there && box_same_id(&w->row[i].id, &mark->id) &&
            w->row[i].life == mark->life)
            return &w->row[i];
    return NULL;
}

static int o_mark(struct sm_outbox *outbox, const struct sm_outbox_mark *marks, size_t n,
                  struct sm_err *err)
{
    struct box_outbox *o = box(outbox);
    bool late;
    int rc = begin(o, &late, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct box_row *row = row_of(o->world, &marks[i]);
        SM_ASSERT(row == NULL || row->taken_by == o);
        if (row == NULL)
            continue;
        row->epoch = marks[i].epoch;
        row->entry = marks[i].entry_seq;
        row->asked_us = o->world->now_us;
    }
    for (size_t i = 0; rc == 0 && i < o->world->rows; i++)
        if (o->world->row[i].taken_by == o)
            o->world->row[i].taken_by = NULL;
    return rc == 0 ? finish(o, late, err) : rc;
}

static int o_doze(struct sm_outbox *outbox, enum sm_doze *doze, struct sm_err *err)
{
    struct box_outbox *o = box(outbox);
    bool late;
    int rc = begin(o, &late, err);
    if (rc != 0)
        return rc;
    if (o->world->watcher == NULL)
        o->world->watcher = o;
    if (o->world->watcher != o)
        *doze = SM_DOZE_SPARE;
    else
        *doze = o->world->enqueueing ? SM_DOZE_RESTLESS : SM_DOZE_ASLEEP;
    o->asleep = *doze == SM_DOZE_ASLEEP;
    return finish(o, late, err);
}

static int o_wait(struct sm_outbox *outbox, int64_t wait_us, bool *woken, struct sm_err *err)
{
    struct box_outbox *o = box(outbox);
    bool late;
    (void)wait_us;
    int rc = begin(o, &late, err);
    *woken = rc == 0 && o->asleep && o->world->called;
    if (*woken)
        o->world->called = false;
    return rc == 0 ? finish(o, late, err) : rc;
}

static int o_rouse(struct sm_outbox *outbox, struct sm_err *err)
{
    struct box_outbox *o = box(outbox);
    bool late;
    int rc = begin(o, &late, err);
    o->asleep = false;
    return rc == 0 ? finish(o, late, err) : rc;
}

static int o_epochs(struct sm_outbox *outbox, int32_t after, struct sm_outbox_epoch *epochs,
                    size_t room, size_t *n, struct sm_err *err)
{
    struct box_outbox *o = box(outbox);
    struct box_world *w = o->world;
    bool late;
    *n = 0;
    int rc = begin(o, &late, err);
    if (rc == 0 && w->looker == NULL)
        w->looker = o;
    for (size_t e = (size_t)after; rc == 0 && w->looker == o && e < w->epochs && *n < room; e++) {
        bool used = false;
        for (size_t i = 0; i < w->rows; i++)
            used |= w->row[i].there && w->row[i].epoch == (int32_t)e + 1;
        if (!used)
            continue;
        struct sm_outbox_epoch *to = &epochs[(*n)++];
        to->epoch = (int32_t)e + 1;
        to->doubted = w->epoch[e].doubted;
        strcpy(to->queue, w->epoch[e].queue);
        strcpy(to->incarnation, w->epoch[e].incarnation);
        strcpy(to->run_id, w->epoch[e].run_id);
    }
    return rc == 0 ? finish(o, late, err) : rc;
}

/* The row of this epoch that was asked after longest ago, after the one before. */
static struct box_row *next_asked(struct box_world *w, int32_t epoch, const struct box_row *before)
{
    struct box_row *best = NULL;
    for (size_t i = 0; i < w->rows; i++) {
        struct box_row *row = &w->row[i];
        bool later = before == NULL || row->asked_us > before->asked_us ||
                     (row->asked_us == before->asked_us && row > before);
        if (row->there && row->epoch == epoch && later &&
            (best == NULL || row->asked_us < best->asked_us))
            best = row;
    }
    return best;
}

static int o_relayed(struct sm_outbox *outbox, int32_t epoch, int64_t silent_ms,
                     struct sm_outbox_mark *rows, size_t room, size_t *n, struct sm_err *err)
{
    struct box_outbox *o = box(outbox);
    struct box_row *row = NULL;
    bool late;
    *n = 0;
    int rc = begin(o, &late, err);
    while (rc == 0 && *n < room && (row = next_asked(o->world, epoch, row)) != NULL &&
           row->asked_us <= o->world->now_us - silent_ms * 1000)
        rows[(*n)++] = (struct sm_outbox_mark){.id = row->id,
                                               .life = row->life,
                                               .epoch = epoch,
                                               .entry_ms = 1,
                                               .entry_seq = row->entry,
                                               .bytes = 300};
    return rc == 0 ? finish(o, late, err) : rc;
}

static int o_found(struct sm_outbox *outbox, const struct sm_outbox_mark *rows, size_t n,
                   int32_t epoch, struct sm_err *err)
{
    struct box_outbox *o = box(outbox);
    bool late;
    int rc = n == 0 ? 0 : begin(o, &late, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct box_row *row = row_of(o->world, &rows[i]);
        if (row == NULL || row->entry != rows[i].entry_seq || row->epoch == 0)
            continue;
        row->epoch = epoch;
        row->asked_us = o->world->now_us;
    }
    return rc == 0 && n > 0 ? finish(o, late, err) : rc;
}

/* The rule by which a row is deleted. */
static bool has_ended(const struct box_world *w, const struct box_row *row)
{
    const struct box_result *r = box_result_of(w, &row->id);
    return r != NULL && (r->state == SM_STATE_SUCCEEDED ||
                         (r->state != SM_STATE_WAITING && r->life >= row->life));
}

static int o_lost(struct sm_outbox *outbox, const struct sm_outbox_mark *rows, size_t n,
                  uint64_t *ended, uint64_t *anew, struct sm_err *err)
{
    struct box_outbox *o = box(outbox);
    bool late = false;
    *ended = *anew = 0;
    if (o->world->after_asking != NULL)
        o->world->after_asking(o->world);
    int rc = n == 0 ? 0 : begin(o, &late, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct box_row *row = row_of(o->world, &rows[i]);
        if (row == NULL || row->entry != rows[i].entry_seq || row->epoch == 0)
            continue;
        if (has_ended(o->world, row))
            row->there = false, ++*ended;
        else
            row->epoch = 0, row->entry = 0, ++*anew;
    }
    return rc == 0 ? finish(o, late, err) : rc;
}

static int o_doubt(struct sm_outbox *outbox, int32_t epoch, struct sm_err *err)
{
    struct box_outbox *o = box(outbox);
    bool late;
    int rc = begin(o, &late, err);
    if (rc == 0)
        o->world->epoch[epoch - 1].doubted = true;
    return rc == 0 ? finish(o, late, err) : rc;
}

static int o_ended(struct sm_outbox *outbox, const struct sm_id *ids, size_t n, uint64_t *n_deleted,
                   struct sm_err *err)
{
    struct box_outbox *o = box(outbox);
    bool late;
    *n_deleted = 0;
    int rc = begin(o, &late, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        for (size_t k = 0; k < o->world->rows; k++) {
            struct box_row *row = &o->world->row[k];
            if (row->there && box_same_id(&row->id, &ids[i]) && has_ended(o->world, row))
                row->there = false, ++*n_deleted;
        }
    return rc == 0 ? finish(o, late, err) : rc;
}

static int o_count(struct sm_outbox *outbox, struct sm_outbox_count *count, bool *mine,
                   struct sm_err *err)
{
    struct box_outbox *o = box(outbox);
    const struct box_world *w = o->world;
    bool late;
    int rc = begin(o, &late, err);
    *mine = rc == 0 && w->looker == o;
    if (!*mine)
        return rc == 0 ? finish(o, late, err) : rc;
    *count = (struct sm_outbox_count){0, 0};
    for (size_t i = 0; i < w->rows; i++)
        if (w->row[i].there && w->row[i].epoch == 0)
            ++*(w->row[i].due_us <= w->now_us ? &count->due : &count->later);
    return finish(o, late, err);
}

static void o_close(struct sm_outbox *outbox)
{
    let_go(box(outbox));
    free(outbox);
}

static const struct sm_outbox_ops outbox_ops = {
    .connect = o_connect,
    .home = o_home,
    .epoch = o_epoch,
    .take = o_take,
    .mark = o_mark,
    .doze = o_doze,
    .wait = o_wait,
    .rouse = o_rouse,
    .epochs = o_epochs,
    .relayed = o_relayed,
    .found = o_found,
    .lost = o_lost,
    .doubt = o_doubt,
    .ended = o_ended,
    .count = o_count,
    .close = o_close,
};

struct sm_outbox *box_outbox(struct box_world *world)
{
    struct box_outbox *o = calloc(1, sizeof *o);
    SM_ASSERT(o != NULL);
    o->base.ops = &outbox_ops;
    o->world = world;
    return &o->base;
}

/* Movers on fakes; see mover_rig.h. */
#include "tests/worker/mover_rig.h"

#include <check.h>
#include <stdlib.h>

struct rig *rig_new(void)
{
    struct rig *r = calloc(1, sizeof *r);
    r->world = box_world_new();
    r->step_us = 20000;
    r->options =
        (struct sm_options){.queues = {"default"}, .queues_n = 1, .stamps = 1, .lease_ms = 5000};
    struct sm_seams seams = {&r->world->clock, NULL, NULL, NULL};
    ck_assert_int_eq(sm_worker_init(&r->w, &r->options, &seams, "wtest", NULL), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(
            sm_mover_init(&r->mover[i], &r->w, box_outbox(r->world), box_relay(r->world)), 0);
    return r;
}

void rig_free(struct rig *r)
{
    sm_mover_free(&r->mover[0]);
    sm_mover_free(&r->mover[1]);
    sm_worker_free(&r->w);
    free(r->world);
    free(r);
}

/* The process has died, with all that it had in memory. */
static void replace_mover(struct rig *r)
{
    struct sm_id forgotten[64];
    while (sm_ended_take(&r->w.ended, forgotten, 64) > 0)
        ;
    sm_mover_free(&r->mover[0]);
    ck_assert_int_eq(sm_mover_init(&r->mover[0], &r->w, box_outbox(r->world), box_relay(r->world)),
                     0);
    r->world->failed = false;
}

void rig_turn(struct rig *r, int64_t us)
{
    for (int64_t until = r->world->now_us + us; r->world->now_us < until;
         r->world->now_us += r->step_us) {
        sm_mover_turn(&r->mover[0], 1);
        if (r->dies && r->world->failed)
            replace_mover(r);
    }
}

void rig_work(struct rig *r)
{
    for (size_t i = 0; i < r->world->entries; i++)
        if (r->world->entry[i].there) {
            sm_ended_add(&r->w.ended, &r->world->entry[i].id);
            box_end(r->world, i, SM_STATE_SUCCEEDED);
        }
}

size_t rig_rows_left(const struct rig *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->world->rows; i++)
        n += r->world->row[i].there;
    return n;
}

size_t rig_marked(const struct rig *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->world->rows; i++)
        n += r->world->row[i].there && r->world->row[i].epoch != 0;
    return n;
}

void rig_enqueue(struct rig *r, const char *queue, size_t n)
{
    for (size_t i = 0; i < n; i++)
        box_enqueue(r->world, queue, r->world->now_us);
}

void rig_each_alive_once(const struct rig *r)
{
    for (size_t i = 0; i < r->world->rows; i++)
        ck_assert_uint_eq(box_alive(r->world, i), 1);
}

/* The world of outbox and relay, and the n-th call that fails; see fake_outbox.h. */
#include "tests/worker/fake_outbox.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

static int64_t now(const struct sm_clock *clock)
{
    return ((const struct box_world *)clock)->now_us;
}

struct box_world *box_world_new(void)
{
    struct box_world *world = calloc(1, sizeof *world);
    SM_ASSERT(world != NULL);
    world->clock = (struct sm_clock){now, now};
    world->now_us = 1700000000000000;
    world->incarnation = world->run = 1;
    return world;
}

size_t box_enqueue(struct box_world *world, const char *queue, int64_t due_us)
{
    SM_ASSERT(world->rows < BOX_ROWS);
    struct box_row *row = &world->row[world->rows];
    *row = (struct box_row){.there = true, .life = 1, .due_us = due_us};
    row->id.b[0] = 1;
    row->id.b[14] = (unsigned char)(world->rows >> 8);
    row->id.b[15] = (unsigned char)world->rows;
    snprintf(row->queue, sizeof row->queue, "%s", queue);
    return world->rows++;
}

bool box_same_id(const struct sm_id *a, const struct sm_id *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

size_t box_alive(const struct box_world *world, size_t row)
{
    size_t n = 0;
    for (size_t i = 0; i < world->entries; i++)
        n += world->entry[i].there && box_same_id(&world->entry[i].id, &world->row[row].id);
    return n;
}

const struct box_result *box_result_of(const struct box_world *world, const struct sm_id *id)
{
    for (size_t i = 0; i < world->results; i++)
        if (box_same_id(&world->result[i].id, id))
            return &world->result[i];
    return NULL;
}

void box_end(struct box_world *world, size_t entry, enum sm_state state)
{
    struct box_entry *e = &world->entry[entry];
    struct box_result *r = (struct box_result *)box_result_of(world, &e->id);
    SM_ASSERT(e->there);
    e->there = false;
    if (r == NULL)
        world->result[world->results++] = (struct box_result){e->id, state, e->life};
    else if (r->state != SM_STATE_SUCCEEDED && (state == SM_STATE_SUCCEEDED || e->life > r->life ||
                                                (e->life == r->life && state > r->state)))
        r->state = state, r->life = e->life;
}

void box_wipe(struct box_world *world)
{
    for (size_t i = 0; i < world->entries; i++)
        world->entry[i].there = false;
    world->incarnation++;
}

int box_enter(struct box_world *world, bool *connected, bool down, bool *late, struct sm_err *err)
{
    bool hit = ++world->calls == world->fail_at;
    *late = hit && world->fail_late;
    world->failed |= hit;
    if (*connected && !down && !(hit && !world->fail_late))
        return 0;
    *connected = false;
    return sm_err_set(err, SM_E_UNREACHABLE, "fake: gone");
}

int box_leave(bool *connected, bool late, struct sm_err *err)
{
    if (!late)
        return 0;
    *connected = false;
    return sm_err_set(err, SM_E_TIMEOUT, "fake: answer lost");
}

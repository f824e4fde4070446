/*
 * The world of the fakes: its clock, what a test puts into it and finds in it, and the n-th call
 * that fails. See fakes.h.
 */
#include "tests/worker/fakes.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

static int64_t now(const struct sm_clock *clock)
{
    return ((const struct fake_world *)clock)->now_us;
}

static int64_t wall(const struct sm_clock *clock)
{
    return now(clock) + ((const struct fake_world *)clock)->wall_ahead_us;
}

struct fake_world *fake_world_new(void)
{
    struct fake_world *world = calloc(1, sizeof *world);
    SM_ASSERT(world != NULL);
    world->clock = (struct sm_clock){now, wall};
    world->now_us = 1700000000000000;
    return world;
}

void fake_world_free(struct fake_world *world)
{
    free(world);
}

void fake_enqueue(struct fake_world *world, const char *type, const char *args, int64_t at_ms)
{
    SM_ASSERT(world->entries < FAKE_ENTRIES);
    struct fake_entry *entry = &world->entry[world->entries++];
    *entry = (struct fake_entry){.present = true, .at_ms = at_ms};
    entry->id = (struct sm_entry_id){1700000000000, world->entries};
    entry->job.b[15] = (unsigned char)world->entries;
    entry->job.b[14] = (unsigned char)(world->entries >> 8);
    snprintf(entry->type, sizeof entry->type, "%s", type);
    snprintf(entry->args, sizeof entry->args, "%s", args);
}

size_t fake_unsettled(const struct fake_world *world)
{
    size_t n = 0;
    for (size_t i = 0; i < world->entries; i++)
        n += world->entry[i].present || world->entry[i].pending;
    return n;
}

struct fake_row *fake_find_row(struct fake_world *world, const struct sm_id *id)
{
    for (size_t i = 0; i < world->rows; i++)
        if (memcmp(&world->row[i].id, id, sizeof *id) == 0)
            return &world->row[i];
    return NULL;
}

void fake_cancel(struct fake_world *world, const struct sm_id *job)
{
    SM_ASSERT(world->cancelled_n < 8);
    world->cancelled[world->cancelled_n] = *job;
    world->cancelled_ms[world->cancelled_n++] = fake_redis_ms(world);
    for (size_t i = 0; i < world->entries; i++)
        if (memcmp(&world->entry[i].job, job, sizeof *job) == 0)
            world->entry[i].due_ms = 0;
}

int64_t fake_cancelled_ms(const struct fake_world *world, const struct sm_id *job)
{
    int64_t since = 0;
    for (size_t k = 0; k < world->cancelled_n; k++)
        if (memcmp(&world->cancelled[k], job, sizeof *job) == 0)
            since = world->cancelled_ms[k];
    return since;
}

int64_t fake_newest_cancel(const struct fake_world *world)
{
    return world->cancelled_n == 0 ? 0 : world->cancelled_ms[world->cancelled_n - 1];
}

int64_t fake_redis_ms(const struct fake_world *world)
{
    return world->now_us / 1000 - world->redis_behind_ms;
}

int fake_enter(struct fake_world *world, bool down, bool *late, struct sm_err *err)
{
    bool hit = ++world->calls == world->fail_at;
    *late = hit && world->fail_late;
    if (down || (hit && !world->fail_late))
        return sm_err_set(err, SM_E_UNREACHABLE, "fake: gone");
    return 0;
}

struct sm_seams fake_seams(struct fake_world *world, const char *worker)
{
    struct fake_seat *seat = &world->seat[world->seats++];
    SM_ASSERT(world->seats <= sizeof world->seat / sizeof *world->seat);
    seat->world = world;
    strcpy(seat->worker, worker);
    return (struct sm_seams){&world->clock, fake_open_queue, fake_open_store, seat};
}

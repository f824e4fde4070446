/* A worker on fakes; see road.h. */
#include "tests/worker/road.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

struct road *road_new(struct fake_world *world, const char *name)
{
    struct road *r = calloc(1, sizeof *r);
    static const struct sm_box_label label;
    r->world = world;
    r->options = (struct sm_options){.queues = {"default"},
                                     .queues_n = 1,
                                     .stamps = 1,
                                     .memory = 512u << 20,
                                     .lease_ms = 5000,
                                     .shutdown_ms = 1000,
                                     .grace_ms = 1000,
                                     .backoff_ms = 1000,
                                     .backoff_max_ms = 3600000,
                                     .max_attempts = 25,
                                     .limits = {16u << 20, 16u << 20, 256u << 20, 300000},
                                     .debug_types = true};
    struct sm_seams seams = fake_seams(world, name);
    r->committer = calloc(1, sizeof *r->committer);
    ck_assert_int_eq(sm_worker_init(&r->w, &r->options, &seams, name, NULL), 0);
    ck_assert_int_eq(sm_fetcher_init(&r->fetcher, &r->w), 0);
    ck_assert_int_eq(sm_stamp_init(&r->stamp, &r->w, 0), 0);
    ck_assert_int_eq(sm_committer_init(r->committer, &r->w), 0);
    ck_assert_int_eq(sm_keeper_init(&r->keeper, &r->w, NULL, &label), 0);
    return r;
}

void road_free(struct road *r)
{
    sm_fetcher_free(&r->fetcher);
    sm_stamp_free(&r->stamp);
    sm_committer_free(r->committer);
    sm_keeper_free(&r->keeper);
    sm_worker_free(&r->w);
    free(r->committer);
    free(r);
}

void road_end(struct road *r)
{
    struct fake_world *world = r->world;
    road_free(r);
    fake_world_free(world);
}

void road_step(struct road *r)
{
    sm_keeper_turn(&r->keeper);
    sm_fetcher_turn(&r->fetcher, 0);
    sm_stamp_turn(&r->stamp, 0);
    sm_committer_turn(r->committer, 0);
}

void road_turn(struct road *r)
{
    road_step(r);
    r->world->now_us += 20000;
}

static bool is_over(struct road *r)
{
    return fake_unsettled(r->world) == 0 && sm_ring_count(&r->w.slots.free) == SM_SLOTS;
}

bool road_run(struct road *r, int most)
{
    for (int i = 0; i < most && !is_over(r); i++)
        road_turn(r);
    return is_over(r);
}

void roads_pass(struct road **roads, size_t n, int64_t ms)
{
    struct fake_world *world = roads[0]->world;
    for (int64_t until = world->now_us + ms * 1000; world->now_us < until; world->now_us += 20000)
        for (size_t i = 0; i < n; i++)
            road_step(roads[i]);
}

void road_pass(struct road *road, int64_t ms)
{
    roads_pass(&road, 1, ms);
}

struct fake_row *road_row(struct fake_world *world, size_t entry)
{
    return fake_find_row(world, &world->entry[entry].job);
}

uint64_t road_runs(struct road *r)
{
    return atomic_load(&r->w.stats_stamps[0].counter[SM_C_STARTED]);
}

/*
 * One worker on fakes, driven turn by turn in the test's own thread. Several on one world are a
 * fleet; time goes on in the world.
 */
#ifndef SM_TESTS_ROAD_H
#define SM_TESTS_ROAD_H

#include "tests/worker/fakes.h"
#include "worker/committer.h"
#include "worker/fetcher.h"
#include "worker/keeper.h"

struct road {
    struct fake_world *world;
    struct sm_options options;
    struct sm_worker w;
    struct sm_fetcher fetcher;
    struct sm_stamp stamp;
    struct sm_committer *committer;
    struct sm_keeper keeper;
};

/* A worker of that name on the world. */
struct road *road_new(struct fake_world *world, const char *name);
/* Ends the worker as a crash would: nothing is handed back. */
void road_free(struct road *r);
/* The same, and the world's end. */
void road_end(struct road *r);
/* One turn of each of its threads; time stands still. */
void road_step(struct road *r);
/* A step, then 20 ms. */
void road_turn(struct road *r);
/* Turns until everything is settled and known to be; false when it is not after `most` turns. */
bool road_run(struct road *r, int most);
/* Lets time go on for the workers given, in steps of 20 ms. */
void roads_pass(struct road **roads, size_t n, int64_t ms);
void road_pass(struct road *road, int64_t ms);

/* The row of the n-th entry's job; NULL: none. */
struct fake_row *road_row(struct fake_world *world, size_t entry);
/* How many runs its stamp has begun. */
uint64_t road_runs(struct road *r);

#endif

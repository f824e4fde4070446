/*
 * Movers on a fake outbox and a fake relay, driven turn by turn in the test's own thread.
 */
#ifndef SM_TESTS_MOVER_RIG_H
#define SM_TESTS_MOVER_RIG_H

#include "tests/worker/fake_outbox.h"

#define SECOND_US 1000000

struct rig {
    struct box_world *world;
    struct sm_options options;
    struct sm_worker w;
    struct sm_mover_state mover[2]; /* two daemons; the second is idle in most tests */
    bool dies;                      /* the first, where a call fails: another comes in its place */
    int64_t step_us;                /* between two turns */
};

struct rig *rig_new(void);
void rig_free(struct rig *r);
/* Turns the first mover for so long. */
void rig_turn(struct rig *r, int64_t us);

/* Writes n rows that are due now. */
void rig_enqueue(struct rig *r, const char *queue, size_t n);
/* A worker ends all entries that there are, and tells its mover. */
void rig_work(struct rig *r);

/* Rows in the outbox; of those, the ones that are marked as moved. */
size_t rig_rows_left(const struct rig *r);
size_t rig_marked(const struct rig *r);
/* Asserts that each job has one living entry. */
void rig_each_alive_once(const struct rig *r);

#endif

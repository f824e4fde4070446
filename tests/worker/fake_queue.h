/*
 * What the fake queue's own files share: one worker's connection to the fake Redis. Private to
 * fake_queue.c and fake_fleet.c.
 */
#ifndef SM_TESTS_FAKE_QUEUE_H
#define SM_TESTS_FAKE_QUEUE_H

#include "tests/worker/fakes.h"

struct fake_queue {
    struct sm_queue base;
    struct fake_world *world;
    char worker[40];
    int run; /* of Redis, when it was connected */
    bool connected, under_way;
    unsigned count;
    bool fetch_fails_late;
};

struct fake_queue *fake_self(struct sm_queue *q);
/* What a call does first: fails (before its effect), or goes on and perhaps, with *late, fails
 * after it by fake_leave. */
int fake_begin(struct fake_queue *q, bool *late, struct sm_err *err);
int fake_leave(struct fake_queue *q, bool late, struct sm_err *err);
struct fake_entry *fake_find(struct fake_world *world, struct sm_entry_id id);
/* The fence: owned, and not taken again since. */
bool fake_owns_still(struct fake_queue *q, struct sm_owned item);

/* ---- fake_fleet.c -- */

int fake_beat(struct sm_queue *queue, int index, int64_t lease_ms, struct sm_beat *beat,
              struct sm_err *err);
int fake_census(struct sm_queue *queue, int index, struct sm_peer *peers, size_t room, size_t *n,
                int64_t *now_ms, struct sm_err *err);
int fake_reclaim(struct sm_queue *queue, int index, const char *worker, int64_t seen_ms,
                 unsigned most, const struct sm_doubt *doubt, uint64_t *moved, uint64_t *left,
                 struct sm_err *err);
int fake_pardon(struct sm_queue *queue, int index, const struct sm_entry_id *ids, size_t n,
                struct sm_err *err);
int fake_charge(struct sm_queue *queue, int index, struct sm_owned item, struct sm_err *err);
int fake_cancelled(struct sm_queue *queue, int index, const struct sm_id *jobs, size_t n,
                   int64_t *since_ms, struct sm_err *err);
int fake_report(struct sm_queue *queue, const char *const *pairs, size_t n, int64_t ttl_ms,
                struct sm_err *err);
int fake_offers(struct sm_queue *queue, const struct sm_peer *peers, size_t n, char *types,
                size_t room, struct sm_err *err);

#endif

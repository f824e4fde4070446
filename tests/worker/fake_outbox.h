/*
 * Outbox and relay as fakes over one small world (box_world.c): rows that wait (fake_outbox.c), the
 * entries of a Redis (fake_relay.c), results. The test plays producers and workers; each call of
 * either seam counts, and the n-th can be made to fail, before or after it had its effect. Several
 * movers may share a world.
 */
#ifndef SM_TESTS_FAKE_OUTBOX_H
#define SM_TESTS_FAKE_OUTBOX_H

#include "worker/mover.h"

#define BOX_ROWS 4096
#define BOX_ENTRIES 16384
#define BOX_EPOCHS 512

struct box_row {
    bool there;
    struct sm_id id;
    int32_t life;
    int64_t due_us;
    char queue[65];
    const void *taken_by;
    int32_t epoch; /* 0: not in Redis */
    int64_t asked_us;
    uint64_t entry;
};

struct box_entry {
    bool there;
    struct sm_id id;
    int32_t life;
    int64_t at_ms;
    char queue[65];
};

struct box_result {
    struct sm_id id;
    enum sm_state state;
    int32_t life;
};

struct box_epoch {
    bool doubted;
    char queue[65], incarnation[SM_HOME_TEXT], run_id[48];
};

struct box_world {
    struct sm_clock clock; /* first: the clock's functions cast back */
    int64_t now_us;
    struct box_row row[BOX_ROWS];
    size_t rows;
    struct box_entry entry[BOX_ENTRIES]; /* seq - 1 is the index */
    size_t entries;
    struct box_result result[BOX_ROWS];
    size_t results;
    struct box_epoch epoch[BOX_EPOCHS]; /* number - 1 is the index */
    size_t epochs;
    int incarnation, run; /* of the Redis */
    const char *foreign;  /* the queue that is another database's, or NULL */
    const char *broken;   /* the queue that Redis has no stream for, or NULL */
    bool redis_down, postgres_down, redis_full;
    bool enqueueing; /* a producer's transaction is open: nobody falls asleep */
    bool called;     /* a producer has notified */
    const void *watcher, *looker;
    int calls, fail_at;
    bool fail_late;
    bool failed; /* it has, just now */
    /* called between Redis's answer about entries and what is made of it */
    void (*after_asking)(struct box_world *world);
};

struct box_world *box_world_new(void);
/* Writes a row as stampmill.enqueue does; its number. */
size_t box_enqueue(struct box_world *world, const char *queue, int64_t due_us);
/* The living entries of a row's job. */
size_t box_alive(const struct box_world *world, size_t row);
/* A worker's commit and settle of an entry: the result by the rule, and the entry is gone. */
void box_end(struct box_world *world, size_t entry, enum sm_state state);
const struct box_result *box_result_of(const struct box_world *world, const struct sm_id *id);
/* Redis loses everything, and what it tells of itself is new. */
void box_wipe(struct box_world *world);

struct sm_outbox *box_outbox(struct box_world *world);
struct sm_relay *box_relay(struct box_world *world);

/* ---- for the fakes themselves -- */

/* What a call does first: fails before its effect, or goes on and perhaps, with *late, fails after
 * it by box_leave. */
int box_enter(struct box_world *world, bool *connected, bool down, bool *late, struct sm_err *err);
int box_leave(bool *connected, bool late, struct sm_err *err);
bool box_same_id(const struct sm_id *a, const struct sm_id *b);

#endif

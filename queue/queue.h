/*
 * The queue, one of the three seams: leasing entries, handing them on, settling them. queue/redis.h
 * makes the real one; a test's fake keeps entries in memory and fails when told to.
 *
 * A struct sm_queue is one connection on behalf of one worker identity, for a fixed list of queues
 * which are named by their index. queue/PROTOCOL.md says what each call does to the keys.
 *
 * Errors: a SERVER code. After SM_E_UNREACHABLE, SM_E_TIMEOUT, SM_E_OVER_BUDGET, SM_E_OTHER_RUN or
 * SM_E_SERVER the connection is closed and `connect` must be called (a late reply must never be
 * taken for the next command's). SM_E_FULL, SM_E_READ_ONLY, SM_E_NO_GROUP leave it open.
 *
 * Thread: a queue belongs to one thread.
 */
#ifndef SM_QUEUE_QUEUE_H
#define SM_QUEUE_QUEUE_H

#include "queue/job.h"

/* What sm:{Q}:tries says of an entry; all 0 for one that never failed. */
struct sm_tries {
    int32_t attempts; /* failed ones */
    int32_t crashes;
    int32_t suspect;  /* unexplained losses */
    int32_t releases; /* times it was handed back or asked to be run again */
};

/* One entry now owned by this worker. */
struct sm_delivery {
    struct sm_entry_id entry;
    int queue;
    struct sm_tries tries;
    struct sm_job job;
    int code; /* 0; what decoding said; SM_E_TOO_LARGE: over the entry limit, its values are cut */
    char *error_text; /* malloc'ed when code is not 0 */
};

/* Deliveries in the caller's memory; `n` of `room` are filled. */
struct sm_intake {
    struct sm_delivery *items;
    size_t n, room;
    size_t bytes;   /* read from the wire for this intake */
    size_t largest; /* bytes of the largest entry in it */
    size_t gone;    /* ids whose entry was trimmed by somebody: settled, nothing is left to run */
};

/* What a beat answers. */
struct sm_beat {
    int64_t redis_ms;     /* Redis's clock */
    bool group_missing;   /* the group or its meta is gone: connect again */
    bool paused;          /* wished state of the queue */
    int64_t last_seen_ms; /* this worker's score before this beat; 0: it was not listed */
};

struct sm_queue;

struct sm_queue_ops {
    /* Connects (again), closing what is open; for each queue makes stream, group and incarnation
     * where they are missing. Waits at most `wait_ms`. 0, a SERVER code, or SM_E_AUTH,
     * SM_E_PERMISSION, SM_E_UNSAFE (eviction allowed), SM_E_UNSUPPORTED (server too old, a
     * cluster). */
    int (*connect)(struct sm_queue *q, int wait_ms, struct sm_err *err);

    /* Asks for at most `count` new entries (XREADGROUP >), blocking at most `block_ms` (0: not at
     * all). One fetch under way at a time, and no other call meanwhile. `budget` bounds the bytes
     * of the answer: past it the connection is dropped and the answer is SM_E_OVER_BUDGET; what was
     * owned by then comes by `owned` and `take`. */
    int (*fetch_start)(struct sm_queue *q, int queue, unsigned count, int block_ms, size_t budget,
                       struct sm_err *err);
    /* Waits at most `wait_us` for the answer: 1 not yet, 0 done (nothing is 0 too; intake filled
     * in, `room` at least `count`), negative: failed. */
    int (*fetch_wait)(struct sm_queue *q, int64_t wait_us, struct sm_intake *in,
                      struct sm_err *err);
    /* A descriptor to poll for input while a fetch is under way; -1 when there is none. */
    int (*fetch_fd)(struct sm_queue *q);

    /* Promotes what is due and takes up to `want` (at most 100) from :free, reading each within
     * `budget`. *next_due_ms: ms until the next parked entry is due, -1 when none is. */
    int (*tick)(struct sm_queue *q, int queue, unsigned want, size_t budget, struct sm_intake *in,
                int64_t *next_due_ms, struct sm_err *err);
    /* Reads entries this worker owns already (at most 100); one over `entry_limit` comes with its
     * values cut, and takes no memory while it passes. Stops before `budget` would be passed, and
     * leaves out ids whose entry is gone: in->n may be less than n. */
    int (*take)(struct sm_queue *q, int queue, const struct sm_entry_id *ids, size_t n,
                size_t entry_limit, size_t budget, struct sm_intake *in, struct sm_err *err);
    /* The ids owned by this worker after `after` ({0,0}: from the first), in order, up to `room`.
     */
    int (*owned)(struct sm_queue *q, int queue, struct sm_entry_id after, struct sm_entry_id *ids,
                 size_t room, size_t *n, struct sm_err *err);

    /* Settles successes: XDEL then XACK in one write. `tried` are those among them that have a row
     * in tries. Harmless when repeated. */
    int (*settle)(struct sm_queue *q, int queue, const struct sm_entry_id *ids, size_t n,
                  const struct sm_entry_id *tried, size_t tried_n, struct sm_err *err);
    /* Settles entries that this worker still owns (burials, cancellations); of others nothing
     * happens. owned[i] (may be NULL) tells which. */
    int (*drop)(struct sm_queue *q, int queue, const struct sm_entry_id *ids, size_t n, bool *owned,
                struct sm_err *err);
    /* Which of these this worker still owns: asked right before a burial or failed attempt is
     * committed. */
    int (*still_owned)(struct sm_queue *q, int queue, const struct sm_entry_id *ids, size_t n,
                       bool *owned, struct sm_err *err);
    /* Hands back to :free what this worker still owns, uncharged. */
    int (*release)(struct sm_queue *q, int queue, const struct sm_entry_id *ids, size_t n,
                   struct sm_err *err);
    /* Parks an owned entry until `due_ms` (Redis's clock) with its new tries, if its attempts are
     * still `expect_attempts`. 0, or SM_E_CONFLICT when it is no longer so or no longer owned. */
    int (*park)(struct sm_queue *q, int queue, struct sm_entry_id id, int64_t due_ms,
                int32_t expect_attempts, const struct sm_tries *tries, struct sm_err *err);

    /* Beats: this worker is alive. */
    int (*beat)(struct sm_queue *q, int queue, struct sm_beat *beat, struct sm_err *err);
    /* Publishes the report of this worker for the CLI: flat name/value pairs, kept for `ttl_ms`. */
    int (*report)(struct sm_queue *q, const char *const *pairs, size_t n, int64_t ttl_ms,
                  struct sm_err *err);
    /* Gives up to `most` (at most 100) entries of a dead worker to :free; strikes the worker off
     * when it has none left (*left is 0 then). `seen_ms` is the score that was judged: nothing
     * happens, and SM_E_CONFLICT, when it has changed; -1: death is proven. */
    int (*reclaim)(struct sm_queue *q, int queue, const char *worker, int64_t seen_ms,
                   unsigned most, uint64_t *moved, uint64_t *left, struct sm_err *err);

    /* What Redis run this connection speaks to (INFO run_id), "" when not connected. */
    const char *(*run_id)(const struct sm_queue *q);
    void (*close)(struct sm_queue *q);
};

struct sm_queue {
    const struct sm_queue_ops *ops;
};

#endif

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
    int32_t crashes;  /* deaths of a worker that it is charged with */
    int32_t evident;  /* of those, the ones whose cause is known */
    int32_t losses;   /* deaths of workers that it was running in, unexplained */
    int32_t again;    /* times its handler asked to be run again */
    int32_t takes;    /* times it was taken from :free: tells this ownership from an earlier one */
};

static inline bool sm_tries_any(const struct sm_tries *t)
{
    return (t->attempts | t->crashes | t->evident | t->losses | t->again | t->takes) != 0;
}

/* Worth running alone, so that only the guilty is charged (design, "Guilt needs evidence"). */
static inline bool sm_tries_suspect(const struct sm_tries *t)
{
    return t->crashes > 0 || t->losses > 1;
}

/* One entry now owned by this worker. */
struct sm_delivery {
    struct sm_entry_id entry;
    int queue;
    struct sm_tries tries;
    struct sm_job job;
    bool repeated; /* the group was made anew since: it may be in hand already */
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
    int64_t cancel_ms; /* newest request to cancel that its answer told of; 0: it says nothing */
};

/* What a beat answers. */
struct sm_beat {
    int64_t redis_ms;     /* Redis's clock */
    bool group_missing;   /* the group or its meta is gone: connect again */
    bool paused;          /* wished state of the queue */
    int64_t last_seen_ms; /* this worker's score before this beat; 0: it was not listed */
    int64_t cancel_ms;    /* Redis's time of the newest request to cancel; 0: none stands */
};

/* A worker as the judge sees it. */
struct sm_peer {
    char worker[40];
    int64_t seen_ms;  /* its score: last seen by Redis's clock; 0: not listed */
    int64_t lease_ms; /* its own lease; 0: not known */
};

/* What the death of a worker says of the entries it owned. */
struct sm_doubt {
    bool all;   /* nothing is known: each of them has one unexplained loss */
    bool known; /* a job is known to be at fault (a kill for memory), though not which */
    const struct sm_entry_id *running; /* without `all`: those that were running */
    size_t running_n;
    bool has_faulted;
    struct sm_entry_id faulted; /* the one whose stamp took a fatal signal: it alone is charged */
};

/* An owned entry, and the takes it was owned with: a command that comes late, over a connection
 * that was lost, must not touch what the same worker has come to own again since. */
struct sm_owned {
    struct sm_entry_id entry;
    int32_t takes;
};

/* An entry to be parked. */
struct sm_parking {
    struct sm_owned owned;
    struct sm_id job;      /* when it was asked to be cancelled it goes to :free, to end there */
    int64_t due_ms;        /* Redis's clock; not later than now: handed back, to :free */
    struct sm_tries tries; /* what is noted from now on; its takes are owned.takes */
    bool parked;           /* set by the call: done; false: not owned any more */
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
     * `budget`; what was taken and does not fit is owned, and comes by `owned` and `take`.
     * *next_due_ms: ms until the next parked entry is due, -1 when none is. in->cancel_ms: a parked
     * entry is due, too, when it was cancelled. */
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
    /* Settles entries (at most 100) that this worker still owns (burials, cancellations); of others
     * nothing happens. owned[i] (may be NULL) tells which. */
    int (*drop)(struct sm_queue *q, int queue, const struct sm_owned *items, size_t n, bool *owned,
                struct sm_err *err);
    /* Which of these this worker still owns: asked right before a burial or failed attempt is
     * committed. */
    int (*still_owned)(struct sm_queue *q, int queue, const struct sm_entry_id *ids, size_t n,
                       bool *owned, struct sm_err *err);
    /* Parks owned entries (at most 100) until each is due, or hands them back, with their new
     * tries. The caller keeps them until this has been answered: what was sent may still take
     * effect. */
    int (*park)(struct sm_queue *q, int queue, struct sm_parking *items, size_t n,
                struct sm_err *err);
    /* Charges an owned suspect before it is started, alone: 0 start it, 1 another one of this queue
     * runs alone now, SM_E_CONFLICT it is no longer owned. */
    int (*charge)(struct sm_queue *q, int queue, struct sm_owned item, struct sm_err *err);
    /* Since when each of these jobs is asked to be cancelled, Redis's ms; 0: it is not. */
    int (*cancelled)(struct sm_queue *q, int queue, const struct sm_id *jobs, size_t n,
                     int64_t *since_ms, struct sm_err *err);

    /* Beats: this worker is alive, and is to be taken for dead after `lease_ms` of silence. */
    int (*beat)(struct sm_queue *q, int queue, int64_t lease_ms, struct sm_beat *beat,
                struct sm_err *err);
    /* Who else consumes the queue: up to `room` of them, those that are not listed (any more)
     * included. *redis_ms: Redis's clock. */
    int (*census)(struct sm_queue *q, int queue, struct sm_peer *peers, size_t room, size_t *n,
                  int64_t *redis_ms, struct sm_err *err);
    /* Publishes the report of this worker for the CLI: flat name/value pairs, kept for `ttl_ms`. */
    int (*report)(struct sm_queue *q, const char *const *pairs, size_t n, int64_t ttl_ms,
                  struct sm_err *err);
    /* The types that the others of a queue, as far as they are alive, say they run: names, each
     * with a space before and behind it, cut at `room`; "" when there is nobody else. */
    int (*offers)(struct sm_queue *q, const struct sm_peer *peers, size_t n, char *types,
                  size_t room, struct sm_err *err);
    /* Gives up to `most` (at most 100) entries of a dead worker to :free and notes the doubt;
     * strikes the worker off when it has none left (*left is 0 then). `seen_ms` is the score that
     * was judged: nothing happens, and SM_E_CONFLICT, when it has changed; -1: death is proven. */
    int (*reclaim)(struct sm_queue *q, int queue, const char *worker, int64_t seen_ms,
                   unsigned most, const struct sm_doubt *doubt, uint64_t *moved, uint64_t *left,
                   struct sm_err *err);
    /* Takes back one unexplained loss of each (at most 100). */
    int (*pardon)(struct sm_queue *q, int queue, const struct sm_entry_id *ids, size_t n,
                  struct sm_err *err);
    /* Goes on under another identity; the connection is closed. */
    void (*rename)(struct sm_queue *q, const char *worker);

    /* Which making of a queue this is (32 hex digits), "" before the first connection: tells one
     * Redis from another, however it is reached. */
    const char *(*incarnation)(const struct sm_queue *q, int queue);
    /* What Redis run this connection speaks to (INFO run_id), "" when not connected. */
    const char *(*run_id)(const struct sm_queue *q);
    void (*close)(struct sm_queue *q);
};

struct sm_queue {
    const struct sm_queue_ops *ops;
};

#endif

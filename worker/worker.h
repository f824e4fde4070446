/*
 * The worker: what the daemon's threads share. Each thread's own matters stand in its own struct
 * and file; here is the road between them (slots, rings) and what one thread tells another
 * (atomics).
 *
 *     fetcher --ready ring--> stamps --done ring--> committer --free ring--> fetcher
 *
 * A thread is a loop over a turn function. A turn does one bounded piece of work and never waits
 * longer than it is told, so that tests can drive the whole road in one thread with simulated time.
 *
 * No thread holds two locks; batches are taken under a ring's lock and worked on outside it.
 */
#ifndef SM_WORKER_WORKER_H
#define SM_WORKER_WORKER_H

#include <stdatomic.h>

#include "base/clock.h"
#include "queue/queue.h"
#include "store/store.h"
#include "worker/ended.h"
#include "worker/link.h"
#include "worker/options.h"
#include "worker/slot.h"
#include "worker/stats.h"

#define SM_SLOTS 4096      /* jobs in hand at most: fetched, ready, done, being committed */
#define SM_BATCH_ROWS 1024 /* rows of one transaction */
#define SM_BATCH_BYTES (8u << 20)
#define SM_FETCH_MOST 1024 /* entries of one fetch */
#define SM_TICK_MOST 100   /* entries a script touches */
#define SM_TYPES_MOST 64

/* The seams: where connections come from. A test gives its own. */
struct sm_seams {
    const struct sm_clock *clock;
    struct sm_queue *(*open_queue)(void *arg); /* NULL without memory */
    struct sm_store *(*open_store)(void *arg);
    void *arg;
};

#define SM_OFFERS_MOST 8192 /* bytes of type names that others run */

/* What the others of a queue run, as the keeper has last heard. */
struct sm_offers {
    pthread_mutex_t lock;
    char types[SM_QUEUES_MAX][SM_OFFERS_MOST]; /* names, each with a space before and behind it */
};

/* Loops whose standing still must stop the beat. */
enum sm_loop { SM_LOOP_FETCHER, SM_LOOP_COMMITTER, SM_LOOPS };

/* Who this worker is in Redis: the consumer's name. One that was given up takes a new one, so that
 * nothing it may still have under way can be taken for the living. */
struct sm_identity {
    pthread_mutex_t lock;
    char name[40];
    _Atomic uint32_t turn; /* how often it was changed */
};

struct sm_worker {
    const struct sm_options *options;
    struct sm_seams seams;
    const struct sm_clock *clock;
    struct sm_identity identity;
    struct sm_offers offers;
    struct sm_slots slots;
    struct sm_ring ready, done;

    _Atomic int64_t beat_us;        /* monotonic start of the last beat that was answered */
    _Atomic uint32_t gaps;          /* how often the trust in the lease was lost and came back */
    _Atomic int64_t redis_ahead_us; /* Redis's clock minus our monotonic one, at least ... */
    _Atomic int64_t redis_ahead_most_us; /* ... and at most */
    _Atomic bool paused[SM_QUEUES_MAX];
    _Atomic int64_t cancel_ms[SM_QUEUES_MAX]; /* newest request to cancel; 0: none stands */
    _Atomic bool quiet;                       /* asked to fetch nothing for now */
    _Atomic uint32_t busy;                    /* stamps that are in a turn */
    _Atomic uint32_t suspect;                 /* the slot of a suspect in hand, plus 1; 0: none */
    _Atomic uint32_t lone;        /* the same once it is charged, until a stamp takes it */
    _Atomic bool hush;            /* only a lone suspect may start */
    _Atomic uint32_t hung;        /* stamps whose handler never returned */
    _Atomic uint64_t audited_run; /* digest of the Redis run that was audited last */
    _Atomic bool audit_wanted;    /* a connection was lost: audit soon */
    _Atomic int64_t turned_us[SM_LOOPS];
    _Atomic bool draining;       /* nothing new is fetched or started */
    _Atomic int64_t mean_run_ns; /* moving mean of run times */
    _Atomic int64_t mean_type_ns[SM_TYPES_MOST];

    _Atomic bool redis_up, postgres_up;          /* as seen by the last call */
    _Atomic int redis_failure, postgres_failure; /* the code of the last call that failed */
    _Atomic int64_t commit_us; /* monotonic start of the commit under way; 0: none is */
    _Atomic int64_t outbox_due, outbox_later; /* durable jobs not in Redis; -1: another counts */
    struct sm_ended ended;                    /* durable jobs, from the committer to the mover */
    struct sm_stats stats_fetcher, stats_committer, stats_keeper, stats_mover;
    struct sm_stats *stats_stamps; /* options->stamps of them */
};

/* Sets up slots and rings. `name` is the first identity. 0 or SM_E_NO_MEMORY. `box` may be NULL. */
int sm_worker_init(struct sm_worker *w, const struct sm_options *options,
                   const struct sm_seams *seams, const char *name, struct sm_box *box);
void sm_worker_free(struct sm_worker *w);

/* The identity now; the turn it belongs to. */
uint32_t sm_worker_name(struct sm_worker *w, char name[40]);
/* Takes a new one; until it has beaten nothing is fetched or started. */
void sm_worker_rename(struct sm_worker *w, const char *name);

/* True when another living worker of the queue runs a type. */
bool sm_worker_offered(struct sm_worker *w, int queue, struct sm_bytes type);

/* True while the lease may be relied on: half a lease after the last acknowledged beat. */
bool sm_worker_trusts_lease(const struct sm_worker *w);
/* Redis's clock now, ms, as far as known: not later than it is, so that nothing that waits for a
 * time starts early; and not earlier, so that what is put off from now is not put off too little.
 * Our own wall clock has no part in it and may jump. */
int64_t sm_worker_redis_ms(const struct sm_worker *w);
int64_t sm_worker_redis_ms_most(const struct sm_worker *w);
/* Notes that a loop has turned; that it may stand still for so long from now. */
void sm_worker_turned(struct sm_worker *w, enum sm_loop loop);
void sm_worker_rests(struct sm_worker *w, enum sm_loop loop, int64_t us);
/* A digest of a Redis run id, never 0. */
uint64_t sm_run_digest(const char *run_id);

/* Logs a failed call, counts it, and notes what of it the whole worker must know: which server is
 * down, and that an audit is due. */
void sm_worker_failed(struct sm_worker *w, struct sm_stats *stats, const char *what, bool redis,
                      const struct sm_err *err);

/* ---- intake (fetcher and keeper) -- */

/* Slots are reserved before entries are asked for, so that what comes always finds room however
 * many threads ask. Returns how many of n there were. */
size_t sm_slots_reserve(struct sm_worker *w, uint32_t *slots, size_t n);
void sm_slots_unreserve(struct sm_worker *w, const uint32_t *slots, size_t n);

/* Takes deliveries of one queue into the reserved slots and gives back what is left of those: parks
 * what is not due, refuses what cannot or must not run, and puts the rest into the ready ring (in
 * front with `first`). Empties *in. */
void sm_intake_take(struct sm_worker *w, struct sm_queue *q, struct sm_stats *stats,
                    struct sm_intake *in, const uint32_t *slots, size_t slots_n, bool first);
/* Sends slots back into the queue, not before due_ms (0: at once, uncharged): the committer does
 * it, and keeps them until Redis has answered. They must be LEASED or READY, and in no ring. */
void sm_send_back(struct sm_worker *w, const uint32_t *items, size_t n, int64_t due_ms,
                  enum sm_mover by);

/* ---- stamps -- */

struct sm_stamp {
    struct sm_worker *w;
    struct sm_stats *stats;
    struct sm_runner *runner;
    uint32_t items[64];
    uint32_t done[64];
};

int sm_stamp_init(struct sm_stamp *stamp, struct sm_worker *w, int number);
void sm_stamp_free(struct sm_stamp *stamp);
/* Takes jobs (waits at most wait_us for one), runs them, puts them into the done ring. False when
 * the ready ring is closed and empty. */
bool sm_stamp_turn(struct sm_stamp *stamp, int64_t wait_us);

/* Makes the open connection `q` usable, under the worker's identity of now, when it is not and it
 * is time to try; true when it is. */
bool sm_queue_ready(struct sm_worker *w, struct sm_queue *q, struct sm_link *link,
                    struct sm_stats *stats);

#endif

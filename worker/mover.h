/*
 * The mover: from the outbox to Redis, and back to the outbox what Redis has lost. Any daemon moves
 * jobs of any queue, also of one that nobody serves yet, as far as its Redis user may: a producer
 * need not care who is there. Thread: its own.
 */
#ifndef SM_WORKER_MOVER_H
#define SM_WORKER_MOVER_H

#include "queue/relay.h"
#include "store/outbox.h"
#include "worker/worker.h"

#define SM_MOVE_ROWS 512 /* of one transaction */
#define SM_MOVE_BYTES (8u << 20)
#define SM_PLACES_MOST 64

/* A queue as it is in Redis now. */
struct sm_place {
    char queue[65], incarnation[SM_INCARNATION_TEXT];
    int32_t epoch;
    int code;         /* why nothing is moved there; 0: it is */
    int64_t stale_us; /* when it must be looked at anew */
    int64_t used_us;  /* the one unused for longest makes room */
};

struct sm_mover_state {
    struct sm_worker *w;
    struct sm_stats *stats;
    struct sm_outbox *outbox;
    struct sm_relay *relay;
    struct sm_link postgres, redis;
    struct sm_place places[SM_PLACES_MOST];
    int said; /* the code that was logged last; 0: all was well since */

    int64_t take_us, look_us, tally_us; /* when next */
    int32_t look_after;                 /* the epoch that was looked at last; 0: from the first */
    bool asleep;                        /* PostgreSQL wakes us */
    int restless;                       /* how often in a row it could not be */

    struct sm_id ended[SM_MOVE_ROWS]; /* to be deleted from the outbox */
    size_t ended_n;
    struct sm_buf envelopes;
    struct sm_relay_entry entries[SM_MOVE_ROWS];
    size_t envelope_at[SM_MOVE_ROWS];
    int32_t epoch_of[SM_MOVE_ROWS];
    const struct sm_outbox_row *of[SM_MOVE_ROWS]; /* of entries */
    struct sm_outbox_mark marks[SM_MOVE_ROWS];
};

/* Takes outbox and relay over, not connected yet, also when it fails. 0 or SM_E_NO_MEMORY (one of
 * them is NULL). */
int sm_mover_init(struct sm_mover_state *m, struct sm_worker *w, struct sm_outbox *outbox,
                  struct sm_relay *relay);
void sm_mover_free(struct sm_mover_state *m);
/* One step: deletes what has ended, moves a batch, or asks after what may be lost; with nothing to
 * do waits at most wait_us. */
void sm_mover_turn(struct sm_mover_state *m, int64_t wait_us);

/* At the end of a drain: deletes what is left of what has ended. */
void sm_mover_finish(struct sm_mover_state *m);

/* ---- shared by the mover's files -- */

/* The queue as it is now: from memory for some seconds, or asked for with `anew`. NULL when nothing
 * can be moved there for now (said in the log), or a server is away. */
struct sm_place *sm_mover_place(struct sm_mover_state *m, const char *queue, bool anew);
/* Notes that a server failed us, once in the log until all is well again. */
void sm_mover_redis_failed(struct sm_mover_state *m, const char *what, const struct sm_err *err);
void sm_mover_postgres_failed(struct sm_mover_state *m, const char *what, const struct sm_err *err);

/* ---- look.c: asking after what may be lost -- */

/* One step over all epochs; true when there is more to ask at once. */
bool sm_mover_look(struct sm_mover_state *m);

/* ---- tally.c -- */

/* Counts what is not in Redis, for /metrics. */
void sm_mover_tally(struct sm_mover_state *m);

#endif

/*
 * The three seams as fakes, for driving the whole road in one thread with simulated time: a stream
 * that keeps entries and owners (fake_queue.c, fake_fleet.c), a table that keeps rows
 * (fake_store.c), a clock that goes forward when told (fakes.c). Each call of the queue or store
 * counts; the n-th can be made to fail, before or after it had its effect.
 */
#ifndef SM_TESTS_FAKES_H
#define SM_TESTS_FAKES_H

#include "worker/worker.h"

#define FAKE_ENTRIES 4096

/* One worker's view of the world: what its seams carry. */
struct fake_seat {
    struct fake_world *world;
    char worker[40];
};

/* A worker that has beaten. */
struct fake_member {
    char worker[40];
    int64_t seen_ms, lease_ms;
};

struct fake_entry {
    struct sm_entry_id id;
    char owner[40]; /* "": not delivered yet */
    bool present;   /* in the stream */
    bool pending;   /* in the pending list */
    int64_t due_ms; /* parked until */
    int64_t expires_ms;
    int max_attempts;
    struct sm_tries tries;
    struct sm_id job;
    char type[32];
    char args[64]; /* JSON */
    int64_t at_ms;
};

struct fake_row {
    struct sm_id id;
    enum sm_state state;
    int writes; /* how often a commit had this row */
    char error_code[32];
};

struct fake_world {
    struct sm_clock clock; /* first: the clock's functions cast back */
    int64_t now_us;
    int64_t wall_ahead_us; /* of the workers' wall clock */
    struct fake_entry entry[FAKE_ENTRIES];
    size_t entries;
    struct fake_row row[FAKE_ENTRIES];
    size_t rows;
    size_t attempts;
    int calls;      /* of queue and store so far */
    int fail_at;    /* the number of the call that fails; 0: none */
    bool fail_late; /* fails after its effect, as a lost reply does */
    bool redis_down, postgres_down;
    bool postgres_full;            /* connects, and takes no row */
    int connects;                  /* to PostgreSQL so far */
    void (*connecting)(void *arg); /* called while PostgreSQL is connected to */
    void *connecting_arg;
    int redis_run;       /* one more each time Redis is restarted: connections of before are cut */
    bool refuse_results; /* PostgreSQL refuses rows with a result */
    int settled_uncommitted; /* settles of entries whose job had no row: must stay 0 */
    char offers[100];        /* the types that others run: " a b " */
    int64_t redis_behind_ms; /* Redis's clock behind ours */
    struct fake_member member[8];
    size_t members;
    struct sm_id cancelled[8];
    int64_t cancelled_ms[8];
    size_t cancelled_n;
    char alone[40]; /* who runs a suspect alone, and which */
    struct sm_entry_id alone_entry;
    struct fake_attempt {
        struct sm_id id;
        int attempt;
        char error_code[32];
    } attempt[FAKE_ENTRIES];
    struct fake_seat seat[4];
    size_t seats;
};

struct fake_world *fake_world_new(void);
void fake_world_free(struct fake_world *world);
/* Adds a waiting job; `args` is JSON. */
void fake_enqueue(struct fake_world *world, const char *type, const char *args, int64_t at_ms);
/* The seams of one more worker (at most 4), first known as `worker`. */
struct sm_seams fake_seams(struct fake_world *world, const char *worker);
/* Asks that a job be cancelled, as the command line does. */
void fake_cancel(struct fake_world *world, const struct sm_id *job);
struct fake_row *fake_find_row(struct fake_world *world, const struct sm_id *id);
/* Entries still in the stream or pending. */
size_t fake_unsettled(const struct fake_world *world);

/* ---- for the fakes themselves -- */

/* What a call does first: fails (before its effect), or goes on and, with *late, is to fail after.
 */
int fake_enter(struct fake_world *world, bool down, bool *late, struct sm_err *err);
/* Redis's clock. */
int64_t fake_redis_ms(const struct fake_world *world);
/* Redis's time of the request to cancel a job, of the newest one; 0: none. */
int64_t fake_cancelled_ms(const struct fake_world *world, const struct sm_id *job);
int64_t fake_newest_cancel(const struct fake_world *world);
/* Of the seams; `arg` is a seat. */
struct sm_queue *fake_open_queue(void *arg);
struct sm_store *fake_open_store(void *arg);

#endif

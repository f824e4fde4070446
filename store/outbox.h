/*
 * The outbox: durable jobs that have not ended, as the relay sees them (store/migrations/0004). It
 * belongs to the seam `store`; sm_pg_outbox_new makes the real one, a test's fake keeps rows in
 * memory.
 *
 * A row's road: due -> taken -> marked with its entry in Redis -> asked after, where it may have
 * been lost -> deleted once the job's terminal row stands.
 *
 * Errors: a SERVER or SETUP code; after any, `connect` must be called, and what was taken is due
 * again. Thread: an outbox belongs to one thread.
 */
#ifndef SM_STORE_OUTBOX_H
#define SM_STORE_OUTBOX_H

#include "store/pg.h"

#define SM_HOME_TEXT 33 /* 32 hex digits and a NUL */

/* A row that was taken. Its bytes are the outbox's, good until the next call but `epoch`. */
struct sm_outbox_row {
    struct sm_id id;
    int32_t life;
    int32_t max_attempts; /* 0: not given */
    int64_t enqueued_ms;
    int64_t at_ms; /* 0: at once */
    char queue[65];
    struct sm_bytes type, args, tags, input, envelope; /* args, tags: JSON; p NULL: none */
};

/* A row that is in Redis, and where. */
struct sm_outbox_mark {
    struct sm_id id;
    int32_t life;
    int32_t epoch;
    uint64_t entry_ms, entry_seq;
    size_t bytes; /* about what its entry takes; filled in by `relayed` */
};

/* A queue over a stretch of time in which Redis can have lost nothing; see the migration. */
struct sm_outbox_epoch {
    int32_t epoch;
    bool doubted;
    char queue[65], incarnation[SM_HOME_TEXT], run_id[48];
};

/* Durable jobs that are not in Redis. */
struct sm_outbox_count {
    int64_t due, later;
};

/* Whether the relay may sleep. */
enum sm_doze {
    SM_DOZE_RESTLESS, /* somebody is enqueueing just now: look again soon */
    SM_DOZE_ASLEEP,   /* `wait` hears of what comes from now on; take once more before it */
    SM_DOZE_SPARE,    /* another relay keeps watch: look now and then */
};

struct sm_outbox;

struct sm_outbox_ops {
    /* Connects (again), within `wait_ms`; checks the schema. */
    int (*connect)(struct sm_outbox *o, int wait_ms, struct sm_err *err);
    /* The id by which this database knows its Redis, once connected. */
    const char *(*home)(const struct sm_outbox *o);
    /* The number of an epoch; made when it is new. */
    int (*epoch)(struct sm_outbox *o, const char *queue, const char *incarnation,
                 const char *run_id, int32_t *epoch, struct sm_err *err);

    /* Takes what is due within a minute, oldest first: at most `most` rows of about `budget` bytes
     * in all, at least one, none of the queues `but`. What others have taken is passed over. Until
     * `mark` nobody else takes them. */
    int (*take)(struct sm_outbox *o, size_t most, size_t budget, const char *const *but,
                size_t but_n, const struct sm_outbox_row **rows, size_t *n, struct sm_err *err);
    /* Notes where the taken rows are, those among them that were added; the others are due again.
     */
    int (*mark)(struct sm_outbox *o, const struct sm_outbox_mark *marks, size_t n,
                struct sm_err *err);

    /* Tries to fall asleep. 0 and *doze, or a failure. */
    int (*doze)(struct sm_outbox *o, enum sm_doze *doze, struct sm_err *err);
    /* Waits at most `wait_us` for something to come. 0 and *woken, or a failure. */
    int (*wait)(struct sm_outbox *o, int64_t wait_us, bool *woken, struct sm_err *err);
    /* Awake again: nobody needs to call. */
    int (*rouse)(struct sm_outbox *o, struct sm_err *err);

    /* The epochs that rows are in, those after number `after` (0: from the first). None while
     * another daemon is looking after them. */
    int (*epochs)(struct sm_outbox *o, int32_t after, struct sm_outbox_epoch *epochs, size_t room,
                  size_t *n, struct sm_err *err);
    /* Rows of an epoch that were last asked after at least `silent_ms` ago, longest ago first. */
    int (*relayed)(struct sm_outbox *o, int32_t epoch, int64_t silent_ms,
                   struct sm_outbox_mark *rows, size_t room, size_t *n, struct sm_err *err);
    /* These are alive, in this epoch. */
    int (*found)(struct sm_outbox *o, const struct sm_outbox_mark *rows, size_t n, int32_t epoch,
                 struct sm_err *err);
    /* These entries are gone: of a job that has ended the row is deleted (*ended of them), of the
     * others it is due again (*anew). Reads the results only now, after Redis was asked: a commit
     * precedes its settle. */
    int (*lost)(struct sm_outbox *o, const struct sm_outbox_mark *rows, size_t n, uint64_t *ended,
                uint64_t *anew, struct sm_err *err);
    /* An epoch was caught having lost an entry: all its rows are to be asked after. */
    int (*doubt)(struct sm_outbox *o, int32_t epoch, struct sm_err *err);
    /* Deletes the rows of those among these jobs whose terminal row stands, in this life or a later
     * one, or in any when it succeeded. *n_deleted may be NULL. */
    int (*ended)(struct sm_outbox *o, const struct sm_id *ids, size_t n, uint64_t *n_deleted,
                 struct sm_err *err);
    /* Counts what is not in Redis: due by now, and waiting for its time. *mine false: another
     * daemon looks after them and counts. */
    int (*count)(struct sm_outbox *o, struct sm_outbox_count *count, bool *mine,
                 struct sm_err *err);
    void (*close)(struct sm_outbox *o);
};

struct sm_outbox {
    const struct sm_outbox_ops *ops;
};

/* Not connected yet; NULL only without memory. The texts of the options must outlive it. */
struct sm_outbox *sm_pg_outbox_new(const struct sm_pg_options *options);

#endif

/*
 * The relay's side of the queue: adding durable jobs to streams, and asking whether what was added
 * is still alive. It belongs to the seam `queue`, apart from struct sm_queue because it has no
 * worker's identity and serves any queue by name. sm_redis_relay_new makes the real one; a test's
 * fake keeps entries in memory.
 *
 * Errors: a SERVER code. After SM_E_UNREACHABLE, SM_E_TIMEOUT and SM_E_SERVER `connect` must be
 * called. Thread: a relay belongs to one thread.
 */
#ifndef SM_QUEUE_RELAY_H
#define SM_QUEUE_RELAY_H

#include "queue/job.h"

#define SM_RELAY_ASK_MOST 100 /* entries of one question */

/* One entry to add, and what became of it. */
struct sm_relay_entry {
    const char *queue;
    struct sm_bytes envelope;
    struct sm_entry_id id; /* filled in when code is 0 */
    int code;              /* filled in: SM_E_FULL, SM_E_READ_ONLY, SM_E_PERMISSION, .. */
};

struct sm_relay;

struct sm_relay_ops {
    /* Connects (again), waiting at most `wait_ms`. 0, a SERVER code, SM_E_AUTH, SM_E_UNSUPPORTED.
     */
    int (*connect)(struct sm_relay *relay, int wait_ms, struct sm_err *err);
    /* Makes a queue ready for entries of the database `home` (32 hex digits), and tells its
     * incarnation. SM_E_FOREIGN when it belongs to another database: nothing was done. */
    int (*claim)(struct sm_relay *relay, const char *queue, const char *home,
                 char incarnation[SM_INCARNATION_TEXT], struct sm_err *err);
    /* Adds entries, pipelined. 0 when each has its code; negative when the connection was lost:
     * then those without an answer have that code, and may or may not be there. *err: the last
     * refusal. */
    int (*add)(struct sm_relay *relay, struct sm_relay_entry *entries, size_t n,
               struct sm_err *err);
    /* Which of n entries (at most SM_RELAY_ASK_MOST) are alive: in the stream, and pending or not
     * yet delivered. One that is in nobody's list is given to :free. An entry that waits is read
     * inside Redis, so `n` should be small where entries are large. */
    int (*alive)(struct sm_relay *relay, const char *queue, const struct sm_entry_id *ids, size_t n,
                 bool *alive, struct sm_err *err);
    /* What Redis run this connection speaks to, "" when not connected. */
    const char *(*run_id)(const struct sm_relay *relay);
    void (*close)(struct sm_relay *relay);
};

struct sm_relay {
    const struct sm_relay_ops *ops;
};

/* Not connected yet; NULL only without memory. The URL (sm_redis_url_check came first) is copied.
 */
struct sm_relay *sm_redis_relay_new(const char *url);

/* ---- relay_encode.c -- */

/* A durable job as the outbox holds it. */
struct sm_relay_job {
    struct sm_id id;
    int32_t life;
    int32_t max_attempts; /* 0: not given */
    int64_t enqueued_ms;
    int64_t at_ms; /* 0: at once */
    struct sm_bytes type;
    struct sm_bytes args, tags; /* JSON maps; absent: none */
    struct sm_bytes input;      /* absent: none */
    struct sm_bytes envelope;   /* of a retried job, as it was kept; then type, tags, input and
                                   max_attempts are its own, and args too where absent */
};

/* Appends the envelope that is added to the stream. 0, or SM_E_NO_MEMORY; whatever is wrong with
 * the job itself goes into the envelope as it is, for a worker to bury it by. */
int sm_relay_encode(const struct sm_relay_job *job, struct sm_buf *out);

#endif

/*
 * Looking at queues, for the CLI. Never changes anything. Thread: an inspector belongs to its
 * caller.
 */
#ifndef SM_QUEUE_INSPECT_H
#define SM_QUEUE_INSPECT_H

#include "queue/queue.h"

struct sm_inspector;

/* Connects. NULL and *err when it cannot. */
struct sm_inspector *sm_inspector_open(const char *url, struct sm_err *err);
void sm_inspector_close(struct sm_inspector *in);

struct sm_queue_state {
    char name[SM_QUEUE_NAME_MAX + 1];
    bool has_group; /* false: no worker ever came, only producers */
    bool paused;
    uint64_t length;      /* unfinished jobs */
    uint64_t in_flight;   /* owned by workers */
    uint64_t free, later; /* handed back or due; parked */
    uint64_t waiting;     /* length - in_flight - later */
    uint64_t workers;     /* living ones */
    int64_t oldest_ms;    /* age of the first entry; -1: empty */
};

/* Every queue that exists: those in sm:queues and those found by SCAN that only a raw XADD ever
 * touched, by name. *states is malloc'ed. */
int sm_inspect_queues(struct sm_inspector *in, struct sm_queue_state **states, size_t *n,
                      struct sm_err *err);

/* One entry that is still in the stream: decoded job, owner ("" when not delivered yet), due time.
 * SM_E_NOT_FOUND when it is not there (any more). */
struct sm_entry_state {
    struct sm_delivery delivery;
    char owner[40];
    int64_t due_ms; /* parked until; 0 */
};
int sm_inspect_entry(struct sm_inspector *in, const char *queue, struct sm_entry_id entry,
                     struct sm_entry_state *state, struct sm_err *err);
void sm_entry_state_free(struct sm_entry_state *state);

/* The job id of queue/entry-id, from the entry where it still is, else derived. SM_E_NOT_FOUND when
 * the queue has no incarnation. */
int sm_inspect_job_id(struct sm_inspector *in, const char *queue, struct sm_entry_id entry,
                      struct sm_id *id, struct sm_err *err);

/* Searches the waiting entries of all queues (newest first, at most `most` entries each) for a job
 * id. */
int sm_inspect_find(struct sm_inspector *in, const struct sm_id *id, size_t most, char *queue,
                    struct sm_entry_state *state, struct sm_err *err);

/* What `stampmill doctor` looks at. */
struct sm_redis_health {
    char version[32], role[16], policy[32]; /* policy "" where it cannot be read */
    bool valkey, cluster, aof, aof_ok, scripts;
    uint64_t used_memory, max_memory;
};
int sm_inspect_health(struct sm_inspector *in, struct sm_redis_health *health, struct sm_err *err);

#endif

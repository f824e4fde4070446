/*
 * Durable jobs whose row was committed, on their way from the committer to the mover, which deletes
 * them from the outbox. Bounded: what finds no room is left to the mover's asking, which finds it
 * an hour later. Thread: any.
 */
#ifndef SM_WORKER_ENDED_H
#define SM_WORKER_ENDED_H

#include <pthread.h>
#include <stddef.h>

#include "stampmill/id.h"

#define SM_ENDED_MOST 16384

struct sm_ended {
    pthread_mutex_t lock;
    struct sm_id *ids;
    size_t n;
};

/* 0 or SM_E_NO_MEMORY. */
int sm_ended_init(struct sm_ended *ended);
void sm_ended_free(struct sm_ended *ended);
void sm_ended_add(struct sm_ended *ended, const struct sm_id *id);
/* Moves up to `most` to `ids`; how many. */
size_t sm_ended_take(struct sm_ended *ended, struct sm_id *ids, size_t most);

#endif

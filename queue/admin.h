/*
 * What an admin asks of queues, over an inspector's connection. Thread: an inspector belongs to its
 * caller.
 */
#ifndef SM_QUEUE_ADMIN_H
#define SM_QUEUE_ADMIN_H

#include "queue/inspect.h"

/* Asks that the entries of a job which are in the queue now be dropped (queue/PROTOCOL.md,
 * "Cancel"). `entry`, where it is known (else NULL), makes a parked one due, so that it ends now.
 * *at_ms: the time of the request. 0, SM_E_USAGE (no queue name) or a SERVER code. */
int sm_admin_cancel(struct sm_inspector *in, const char *queue, const struct sm_id *job,
                    const struct sm_entry_id *entry, int64_t *at_ms, struct sm_err *err);

#endif

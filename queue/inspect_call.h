/* An inspector's connection, as its own files share it. Private to queue/. */
#ifndef SM_QUEUE_INSPECT_CALL_H
#define SM_QUEUE_INSPECT_CALL_H

#include "queue/inspect.h"
#include "queue/redis_queue.h"

struct sm_inspector {
    struct sm_redis_queue
        q;          /* for its connection and for decoding; keys[0] is the queue looked at */
    int64_t now_ms; /* Redis's clock, when it was last asked */
};

/* Calls the command of these words, up to a NULL; connects anew where the last call lost the
 * connection. The caller frees the reply. */
int sm_inspect_call(struct sm_inspector *in, redisReply **reply, struct sm_err *err, ...)
    __attribute__((sentinel));

/* Makes `queue` the one looked at, with its incarnation ("" when it has none). SM_E_USAGE for what
 * is no queue name. */
int sm_inspect_look_at(struct sm_inspector *in, const char *queue, struct sm_err *err);

/* The names of all queues, sorted; the caller frees each and the array. */
int sm_inspect_names(struct sm_inspector *in, char ***names, size_t *n, struct sm_err *err);
void sm_inspect_names_free(char **names, size_t n);

#endif

/*
 * The queue on Redis or Valkey (hiredis). Thread: a queue belongs to one thread; sm_redis_queue_new
 * may be called from any.
 */
#ifndef SM_QUEUE_REDIS_H
#define SM_QUEUE_REDIS_H

#include "queue/queue.h"

struct sm_redis_options {
    const char *url;           /* redis://[user:password@]host[:port][/db],
                                  unix://[user:password@]/path[?db=n], or a path */
    const char *worker;        /* identity: the consumer's name, at most 39 bytes */
    const char *const *queues; /* names, in the order of their indexes */
    int queues_n;
    size_t entry_limit;  /* largest entry that is read */
    int read_timeout_ms; /* above any block time; 0: 2,000 */
    bool allow_eviction; /* accept a maxmemory-policy that loses jobs */
};

/* Not connected yet; NULL only without memory. Copies the options. */
struct sm_queue *sm_redis_queue_new(const struct sm_redis_options *options);

/* Checks the form of a URL without connecting: 0 or SM_E_CONFIG (also for rediss://, which this
 * build does not speak; the message says so and how to go on). */
int sm_redis_url_check(const char *url, struct sm_err *err);

#endif

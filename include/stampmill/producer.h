/*
 * libstampmill, the producer interface in C: enqueue jobs, one or many. A job is one XADD into a
 * Redis stream (queue/PROTOCOL.md), so any Redis client can do the same; this library adds the
 * compact envelope, ids, checks before sending, and pipelining.
 *
 *     struct sm_err err;
 *     struct sm_client *client = sm_client_open("redis://127.0.0.1", &err);
 *     struct sm_job_spec job = {.type = "parse.csv", .args_json = "{\"header\":true}",
 *                               .input = csv, .input_size = size};
 *     struct sm_id id;
 *     if (sm_enqueue(client, &job, &id, &err) != 0)
 *         fprintf(stderr, "%s\n", err.text);
 *
 * Thread: a client belongs to one thread at a time.
 */
#ifndef STAMPMILL_PRODUCER_H
#define STAMPMILL_PRODUCER_H

#include <stddef.h>
#include <stdint.h>

#include "stampmill/error.h"
#include "stampmill/id.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sm_client;

/* Connects, waiting at most 5 s. URL: redis://[user:password@]host[:port][/db],
 * unix://[user:password@]/path[?db=n], or a socket's path; NULL: STAMPMILL_REDIS_URL, REDIS_URL,
 * redis://127.0.0.1:6379. NULL and *err on failure: SM_E_UNREACHABLE, SM_E_AUTH, SM_E_CONFIG,
 * SM_E_NO_MEMORY. */
struct sm_client *sm_client_open(const char *url, struct sm_err *err);
/* Closes and frees; NULL is fine. */
void sm_client_close(struct sm_client *client);

struct sm_tag {
    const char *key, *value; /* UTF-8, 1 to 256 bytes each */
};

/* A job to enqueue. All zero but `type` is a job: everything else has a default. Nothing is kept
 * after the call returns. */
struct sm_job_spec {
    const char *queue;     /* NULL: "default" */
    const char *type;      /* required */
    const char *args_json; /* the arguments as a JSON map ... */
    const void *args;      /* ... or as a msgpack map of args_size bytes; neither: {} */
    size_t args_size;
    const void *input; /* the bytes to work on, at most 16 MiB */
    size_t input_size;
    const struct sm_id *id; /* NULL: a new version 7 id */
    int64_t at_ms;          /* not before this Unix time in ms; 0: at once */
    int64_t in_ms;          /* not before so many ms from now; 0: at once */
    int64_t expires_ms;     /* Unix ms; 0: never */
    int64_t timeout_ms;     /* 0: the worker's setting; likewise below */
    int64_t backoff_ms, backoff_max_ms;
    int max_attempts;
    const struct sm_tag *tags;
    size_t tags_n; /* at most 16 */
};

/* Enqueues one job and waits for Redis's answer. 0 and *id (may be NULL) when Redis has it.
 * SM_E_USAGE names the field that is out of bounds: nothing was sent. SM_E_FULL, SM_E_READ_ONLY,
 * SM_E_SERVER: Redis refused it. SM_E_UNREACHABLE, SM_E_TIMEOUT: it may or may not be enqueued;
 * send it again under the SAME id: at most one result will be stored. The next call reconnects by
 * itself. */
int sm_enqueue(struct sm_client *client, const struct sm_job_spec *job, struct sm_id *id,
               struct sm_err *err);

/* Enqueues n jobs, pipelined. ids (may be NULL) has room for n and is filled for all of them before
 * anything is sent. *enqueued (may be NULL): how many from the front Redis has surely taken. 0 when
 * all n are; else as sm_enqueue, for the first that failed. */
int sm_enqueue_many(struct sm_client *client, const struct sm_job_spec *jobs, size_t n,
                    struct sm_id *ids, size_t *enqueued, struct sm_err *err);

/* The version of the library, "0.1.0". */
const char *sm_version(void);

#ifdef __cplusplus
}
#endif
#endif

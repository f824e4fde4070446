/*
 * The daemon's options as its parts read them: worker/settings.def, parsed and checked.
 * Thread: main reads them once; read-only after.
 */
#ifndef SM_WORKER_OPTIONS_H
#define SM_WORKER_OPTIONS_H

#include <stdio.h>

#include "base/log.h"
#include "base/settings.h"
#include "stampmill/handler.h"
#include "store/upkeep.h"

#define SM_QUEUES_MAX 16

struct sm_options {
    const char *redis_url, *postgres_url, *http_listen;
    char queue_text[1100]; /* the names of `queues`, NUL-separated */
    const char *queues[SM_QUEUES_MAX];
    int queues_n;
    int stamps;
    size_t memory;
    int64_t lease_ms, shutdown_ms, grace_ms;
    int64_t backoff_ms, backoff_max_ms; /* of attempts, where the job does not say */
    int max_attempts;
    struct sm_limits limits; /* of a job, where its type says no less */
    struct sm_keep keep;     /* of results */
    char runtime_dir[200];
    enum sm_log_level log_level;
    enum sm_log_format log_format;
    bool start_wait, allow_eviction, allow_unsafe, debug_types;
};

/* Largest stream entry that is read: an input, its arguments and the rest. */
size_t sm_options_entry_limit(const struct sm_options *options);

/* Reads flags and environment. 0, or SM_E_USAGE / SM_E_CONFIG with what to change. What `options`
 * points to lives until the process ends. */
int sm_options_read(struct sm_options *options, int argc, char **argv, struct sm_err *err);
/* The settings for --help. */
void sm_options_help(FILE *out);
/* The settings in force with the origin of each, secrets masked. */
void sm_options_print(FILE *out);

#endif

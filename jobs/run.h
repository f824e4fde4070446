/*
 * The inside of a run: what stands behind stampmill/handler.h. Only runner.c, run.c and output.c
 * look in here; handlers use the public interface. Thread: the stamp that runs.
 */
#ifndef SM_JOBS_RUN_H
#define SM_JOBS_RUN_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "jobs/job.h"

struct sm_run {
    const struct sm_run_in *in;
    const struct sm_value *args; /* in the arena; NULL with open_args */
    struct sm_arena arena;
    struct sm_buf result; /* the JSON value */
    struct sm_buf body;
    struct sm_json json; /* writes into `result` */
    const char *content_type;
    bool full; /* something was dropped for a limit; sticky */
    bool no_memory;
    int64_t again_ms;
    bool failed; /* `error` holds a text */
    char error[SM_ERROR_TEXT_MAX + 1];
};

/* The clock this run lives by. */
const struct sm_clock *sm_run_clock(const struct sm_run *run);

#endif

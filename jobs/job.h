/*
 * What the daemon and the CLI see of the handlers: the table of types, the check of arguments
 * against a schema, and the runner that runs one attempt at one job on the calling thread.
 *
 * Thread: the table and the check any; a runner belongs to one stamp.
 */
#ifndef SM_JOBS_JOB_H
#define SM_JOBS_JOB_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "stampmill/handler.h"

/* ---- the table of types (jobs/types.def) --------------------------------------------------- */

/* The type of that name; NULL when there is none. */
const struct sm_type *sm_type_find(const char *name, size_t size);
/* The number of a type in the table's order, below 64. */
size_t sm_type_number(const struct sm_type *type);
/* Type number i from 0 in the table's order; NULL past the end. */
const struct sm_type *sm_type_at(size_t i);
/* The name that a mistyped one most likely meant; NULL when none is near. */
const char *sm_type_near(const char *name, size_t size);

/* Checks msgpack arguments against the type's schema without running anything. Size 0 stands for an
 * empty map. 0, or SM_E_BAD_ARGS with the path in front: `args.columns[2].type: "flot" is none of
 * int|float|..; did you mean "float"?`; SM_E_TOO_LARGE or SM_E_NO_MEMORY when they are too big to
 * read. */
int sm_args_check(const struct sm_type *type, const void *args, size_t size, struct sm_err *err);

/* The worker's limits (none 0) lowered by what the type says. */
struct sm_limits sm_limits_of(const struct sm_type *type, const struct sm_limits *worker);

/* ---- running ------------------------------------------------------------------------------- */

#define SM_ERROR_TEXT_MAX 8192 /* bytes of a run's error text, without the NUL */

/* How far a running job is; another thread may read it (relaxed). */
struct sm_progress {
    _Atomic uint64_t done;
    _Atomic uint64_t total; /* 0: not known */
};

/* All of it must stay until sm_runner_run has returned. */
struct sm_run_in {
    const struct sm_type *type;
    const void *args; /* a msgpack map; size 0: empty */
    size_t args_size;
    const void *input; /* NULL with size 0: none */
    size_t input_size;
    int attempt;             /* from 1 */
    struct sm_limits limits; /* final, see sm_limits_of; timeout_ms is kept by who sets *stop */
    const _Atomic int *stop; /* 0 or SM_E_CANCELLED, _TIMED_OUT, _STOPPED; NULL: never stops */
    struct sm_progress *progress; /* NULL: not wanted */
    const struct sm_clock *clock; /* NULL: the machine's */
};

/* How it ended. Owned by the caller, who frees it by sm_run_out_free or takes the pointers. */
struct sm_run_out {
    int code;         /* 0, or SM_E_*: what the handler said, or why it was not run */
    char *error_text; /* with a code only: valid UTF-8 of at most SM_ERROR_TEXT_MAX bytes; may be
                         NULL (no memory): then sm_error_text(code) says it */
    int64_t again_ms; /* SM_E_AGAIN only */
    char *result;     /* one JSON value that jsonb takes (not NUL-terminated); NULL: none */
    size_t result_size;
    char *body; /* NULL: none, unless content_type is set: then it is empty */
    size_t body_size;
    const char *content_type; /* a literal; NULL: no body */
};

/* A stamp's own reusable state. Small between runs: what a large job used is given back. */
struct sm_runner;

/* NULL without memory. */
struct sm_runner *sm_runner_new(void);
void sm_runner_free(struct sm_runner *runner);

/* Checks input and arguments against type and limits, runs the handler, fills *out wholly. Never
 * fails itself: whatever goes wrong is out->code with its text. A code other than 0 has no result
 * and no body. */
void sm_runner_run(struct sm_runner *runner, const struct sm_run_in *in, struct sm_run_out *out);
/* Frees what *out owns and zeroes it. Also right for a zeroed one. */
void sm_run_out_free(struct sm_run_out *out);

#endif

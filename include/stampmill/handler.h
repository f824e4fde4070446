/*
 * The handler interface: what turns one job's arguments and input into its result.
 *
 * A handler is a function of its input. It gets `args` (already checked against its schema),
 * `input` (bytes), an output writer, a per-job arena, a cancel check and a progress call. It never
 * sees Redis or SQL, keeps nothing between jobs but read-only tables, uses no locale-dependent
 * function and never changes the process (signals, environment, working folder).
 *
 * A handler runs on one stamp (a worker thread), many of them side by side, each with its own
 * struct sm_run. Nothing of a run may be kept or used after the handler has returned.
 *
 * One struct sm_type row describes a handler wholly: from it come validation, the CLI's check
 * before it sends, help texts and documentation.
 */
#ifndef STAMPMILL_HANDLER_H
#define STAMPMILL_HANDLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stampmill/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the schema of `args` ------------------------------------------------------------------ */

enum sm_arg_kind {
    SM_ARG_INT,     /* int64 within [min, max] */
    SM_ARG_FLOAT,   /* double, finite; integers are taken too */
    SM_ARG_BOOL,    /* true or false */
    SM_ARG_TEXT,    /* UTF-8 without NUL, length in bytes within [min, max] */
    SM_ARG_CHOICE,  /* one of `choices` ("a|b|c"), read as its index from 0 */
    SM_ARG_SCALAR,  /* a text, a number or a bool, read as its text (see TEXT) */
    SM_ARG_CHOICES, /* a list of distinct ones of `choices`, read as a bit set; count in [min, max]
                     */
    SM_ARG_TEXTS,   /* a list of TEXT, count within [min, max] */
    SM_ARG_INTS,    /* a list of at most 1,024 INT, each within [min, max] */
    SM_ARG_MAPS,    /* a list of maps that fit `fields`, count within [min, max] */
};

struct sm_arg {
    const char *name; /* NULL ends a schema */
    enum sm_arg_kind kind;
    bool required;
    int64_t min, max;            /* see the kind; both 0: no bound but the worker's */
    const char *fallback;        /* what stands when it is absent, as JSON; NULL: reads as unset */
    const char *choices;         /* CHOICE, CHOICES */
    const struct sm_arg *fields; /* MAPS */
    const char *help;            /* one line, no full stop */
};

/* One value as the handler reads it, at the same index as its row in the schema. */
struct sm_value {
    bool set; /* given, or filled in from `fallback` */
    union {
        int64_t i; /* INT; CHOICE (index); CHOICES (bit set) */
        double f;
        bool b;
        struct {
            const char *p; /* NUL-terminated as well */
            size_t n;
        } text;
        struct {
            const struct sm_value
                *v;   /* TEXTS, INTS: n values; MAPS: n * (fields' row count) values */
            size_t n; /* elements */
        } list;
    } as;
};

/* ---- one run of one job -------------------------------------------------------------------- */

struct sm_run; /* one attempt at one job; owned by the stamp */

/* The values of `args`, one per schema row in the schema's order. For a type with `open_args` see
 * sm_run_raw_args. Lives until the handler returns. */
const struct sm_value *sm_run_args(const struct sm_run *run);

/* `args` as it came, a msgpack map. */
const void *sm_run_raw_args(const struct sm_run *run, size_t *size);

/* The input: `*size` bytes, never NULL (an absent input is empty). Read-only. */
const void *sm_run_input(const struct sm_run *run, size_t *size);

/* Which attempt this is, from 1. */
int sm_run_attempt(const struct sm_run *run);

/* The limits in force for this run: the type's own, lowered by the worker's settings or the job. */
struct sm_limits {
    size_t input;       /* bytes of input */
    size_t output;      /* bytes of result and body together */
    size_t memory;      /* bytes of arena and output together */
    int64_t timeout_ms; /* wall clock */
};
const struct sm_limits *sm_run_limits(const struct sm_run *run);

/* Scratch memory that is gone when the handler returns; aligned for any object, not zeroed. NULL
 * when the run's memory limit is reached: sm_fail has then been called with SM_E_TOO_LARGE, just
 * return its code (SM_E_TOO_LARGE). */
void *sm_run_alloc(struct sm_run *run, size_t size);

/* True when the job was cancelled, has run past its timeout, or the worker must stop: return
 * sm_run_stop_code(run) soon. Cheap (a flag); call it at least every few milliseconds. */
bool sm_run_stopping(const struct sm_run *run);

/* SM_E_CANCELLED, SM_E_TIMED_OUT, SM_E_STOPPED, or 0 when nothing asks to stop. */
int sm_run_stop_code(const struct sm_run *run);

/* Reports progress: `done` of `total` (total 0: not known). Cheap; call it as often as you like. */
void sm_run_progress(struct sm_run *run, uint64_t done, uint64_t total);

/* Fails the run: sets the message (UTF-8; name the field or the line, what was expected, and what
 * to do) and returns `code`, one of the classes JOB and ATTEMPT, so that `return sm_fail(..)`. */
int sm_fail(struct sm_run *run, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Asks to be run again in `ms` (1 to 86,400,000) without using up an attempt; returns SM_E_AGAIN.
 */
int sm_again_in(struct sm_run *run, int64_t ms);

/* ---- output -------------------------------------------------------------------------------- */

/*
 * A result has up to two parts: `result`, one JSON value, kept as jsonb; and `body`, bytes with a
 * content type. Both writers have a sticky overflow flag: past the output limit they drop what
 * comes and the run ends as too_large, so a handler need not check each call (but a long loop
 * should stop on sm_out_full).
 */

/* The JSON writer. Commas and colons come by themselves; each value closes what it opened. Text is
 * UTF-8 and is escaped; invalid UTF-8 and U+0000, which jsonb refuses, make the run fail as
 * bad_input naming where. A double that is not finite is written as null. */
void sm_json_open_map(struct sm_run *run);
void sm_json_close_map(struct sm_run *run);
void sm_json_open_list(struct sm_run *run);
void sm_json_close_list(struct sm_run *run);
void sm_json_key(struct sm_run *run, const char *key);
void sm_json_text(struct sm_run *run, const char *text, size_t size);
void sm_json_int(struct sm_run *run, int64_t value);
void sm_json_uint(struct sm_run *run, uint64_t value);
void sm_json_double(struct sm_run *run, double value);
void sm_json_bool(struct sm_run *run, bool value);
void sm_json_null(struct sm_run *run);
/* One complete JSON value, already checked by the caller. */
void sm_json_raw(struct sm_run *run, const char *json, size_t size);

/* The body. sm_body_reserve gives room for at least `size` bytes at the end (NULL: over the
 * limit), of which sm_body_commit keeps the first `used`. `content_type` must be a literal. */
void sm_body_type(struct sm_run *run, const char *content_type);
void sm_body_write(struct sm_run *run, const void *data, size_t size);
void *sm_body_reserve(struct sm_run *run, size_t size);
void sm_body_commit(struct sm_run *run, size_t used);

/* True once anything was dropped for the output or memory limit. */
bool sm_out_full(const struct sm_run *run);

/* ---- the row of a type --------------------------------------------------------------------- */

struct sm_type {
    const char *name;            /* "parse.csv": [a-z0-9_]+(.[a-z0-9_]+)*, at most 64 bytes */
    const char *summary;         /* one line */
    const struct sm_arg *schema; /* ended by a row with name NULL; NULL with open_args */
    bool open_args;              /* takes any map (debug.noop, debug.echo) */
    bool debug;                  /* runs only under --debug-types */
    bool takes_input;            /* false: a job with input fails as bad_args */
    struct sm_limits limits;     /* 0: the worker's */
    /* Returns 0 when done, else a code from sm_fail, sm_again_in or sm_run_stop_code. */
    int (*run)(struct sm_run *run);
    const char *result_help;   /* what `result` and `body` hold */
    const char *example_args;  /* JSON, works as printed .. */
    const char *example_input; /* .. with this input; NULL: with any */
};

#ifdef __cplusplus
}
#endif
#endif

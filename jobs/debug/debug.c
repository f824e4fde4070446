/*
 * The debug types that do something harmless: what tests, benchmarks and new users run before they
 * have a job of their own. They exist only under --debug-types, because burn, sleep and alloc let
 * any producer hold a stamp or memory. Thread: the stamp that runs.
 */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "jobs/debug/debug.h"
#include "jobs/run.h"

/* ---- noop ---------------------------------------------------------------------------------- */

static int run_noop(struct sm_run *run)
{
    (void)run;
    return 0;
}

const struct sm_type sm_type_debug_noop = {
    .name = "debug.noop",
    .summary = "does nothing: what the road itself costs",
    .open_args = true,
    .debug = true,
    .takes_input = true,
    .run = run_noop,
    .result_help = "no result, no body",
    .example_args = "{\"anything\": [1, 2, 3]}",
};

/* ---- echo ---------------------------------------------------------------------------------- */

static int run_echo(struct sm_run *run)
{
    size_t size;
    const void *args = sm_run_raw_args(run, &size);
    struct sm_buf text;
    struct sm_json json;
    sm_buf_init(&text, sm_run_limits(run)->output);
    sm_json_init(&json, &text);
    sm_json_put_msgpack(&json, args, size);
    bool bad_text = json.bad_text;
    bool full = text.full;
    if (!bad_text && !full)
        sm_json_raw(run, text.data, text.size);
    sm_buf_free(&text);
    if (bad_text)
        return sm_fail(run, SM_E_BAD_ARGS, "args: text with invalid UTF-8 or U+0000");
    if (full)
        return sm_fail(run, SM_E_TOO_LARGE, "args as JSON are over the output limit");
    const void *input = sm_run_input(run, &size);
    if (size != 0) {
        sm_body_type(run, "application/octet-stream");
        sm_body_write(run, input, size);
    }
    return 0;
}

const struct sm_type sm_type_debug_echo = {
    .name = "debug.echo",
    .summary = "gives back its arguments and its input",
    .open_args = true,
    .debug = true,
    .takes_input = true,
    .run = run_echo,
    .result_help =
        "result: the arguments as JSON (bytes as base64); body: the input, when there is one",
    .example_args = "{\"hello\": \"world\"}",
};

/* ---- burn ---------------------------------------------------------------------------------- */

static const struct sm_arg burn_schema[] = {
    {.name = "ms",
     .kind = SM_ARG_INT,
     .required = true,
     .min = 0,
     .max = 3600000,
     .help = "milliseconds of CPU time to use up"},
    {.name = NULL},
};

static int run_burn(struct sm_run *run)
{
    int64_t begun = sm_thread_cpu_us();
    int64_t wanted = sm_run_args(run)[0].as.i * 1000;
    int64_t used = 0;
    volatile uint64_t sum = 0; /* keeps the loop from being optimised away */
    while (used < wanted) {
        for (int i = 0; i < 5000; i++)
            sum = sum * 6364136223846793005u + 1442695040888963407u;
        if (sm_run_stopping(run))
            return sm_run_stop_code(run);
        used = sm_thread_cpu_us() - begun;
        sm_run_progress(run, (uint64_t)(used < wanted ? used : wanted), (uint64_t)wanted);
    }
    sm_json_open_map(run);
    sm_json_key(run, "cpu_us");
    sm_json_int(run, used);
    sm_json_close_map(run);
    return 0;
}

const struct sm_type sm_type_debug_burn = {
    .name = "debug.burn",
    .summary = "uses up so many milliseconds of CPU time",
    .schema = burn_schema,
    .debug = true,
    .run = run_burn,
    .result_help = "result: {cpu_us}",
    .example_args = "{\"ms\": 5}",
};

/* ---- sleep --------------------------------------------------------------------------------- */

static const struct sm_arg sleep_schema[] = {
    {.name = "ms",
     .kind = SM_ARG_INT,
     .required = true,
     .min = 0,
     .max = 86400000,
     .help = "milliseconds to wait without using the CPU"},
    {.name = NULL},
};

int sm_debug_wait(struct sm_run *run, int64_t ms)
{
    const struct sm_clock *clock = sm_run_clock(run);
    int64_t now = sm_mono_us(clock);
    int64_t until = now + ms * 1000;
    for (; now < until; now = sm_mono_us(clock)) {
        int code = sm_run_stop_code(run);
        if (code != 0)
            return code;
        int64_t step_us = until - now < 5000 ? until - now : 5000;
        struct timespec step = {.tv_nsec = (long)(step_us * 1000)};
        nanosleep(&step, NULL);
    }
    return 0;
}

static int run_sleep(struct sm_run *run)
{
    return sm_debug_wait(run, sm_run_args(run)[0].as.i);
}

const struct sm_type sm_type_debug_sleep = {
    .name = "debug.sleep",
    .summary = "waits for so many milliseconds, and wakes early when stopped",
    .schema = sleep_schema,
    .debug = true,
    .run = run_sleep,
    .result_help = "no result, no body",
    .example_args = "{\"ms\": 20}",
};

/* ---- alloc --------------------------------------------------------------------------------- */

static const struct sm_arg alloc_schema[] = {
    {.name = "bytes",
     .kind = SM_ARG_INT,
     .required = true,
     .min = 0,
     .max = (int64_t)1 << 40,
     .help = "how much memory to take and touch"},
    {.name = "hold_ms",
     .kind = SM_ARG_INT,
     .fallback = "0",
     .min = 0,
     .max = 3600000,
     .help = "how long to keep it"},
    {.name = NULL},
};

static int run_alloc(struct sm_run *run)
{
    const struct sm_value *args = sm_run_args(run);
    const size_t step = (size_t)1 << 20;
    size_t bytes = (size_t)args[0].as.i;
    for (size_t done = 0; done < bytes; done += step) {
        size_t n = bytes - done < step ? bytes - done : step;
        void *at = sm_run_alloc(run, n);
        if (at == NULL)
            return SM_E_TOO_LARGE;
        memset(at, 0xa5, n);
        if (sm_run_stopping(run))
            return sm_run_stop_code(run);
        sm_run_progress(run, done + n, bytes);
    }
    return sm_debug_wait(run, args[1].as.i);
}

const struct sm_type sm_type_debug_alloc = {
    .name = "debug.alloc",
    .summary = "takes and touches so many bytes of memory",
    .schema = alloc_schema,
    .debug = true,
    .run = run_alloc,
    .result_help = "no result, no body; too_large past the job's memory limit",
    .example_args = "{\"bytes\": 1048576}",
};

/*
 * What a handler reads of its run, and how it ends one: the plain half of stampmill/handler.h (the
 * writers are in output.c). Thread: the stamp that runs.
 */
#include "jobs/run.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/text.h"

const struct sm_value *sm_run_args(const struct sm_run *run)
{
    return run->args;
}

const void *sm_run_raw_args(const struct sm_run *run, size_t *size)
{
    static const unsigned char empty_map[] = {0x80};
    *size = run->in->args_size != 0 ? run->in->args_size : sizeof empty_map;
    return run->in->args_size != 0 ? run->in->args : empty_map;
}

const void *sm_run_input(const struct sm_run *run, size_t *size)
{
    *size = run->in->input_size;
    return run->in->input != NULL ? run->in->input : "";
}

int sm_run_attempt(const struct sm_run *run)
{
    return run->in->attempt;
}

const struct sm_limits *sm_run_limits(const struct sm_run *run)
{
    return &run->in->limits;
}

const struct sm_clock *sm_run_clock(const struct sm_run *run)
{
    return run->in->clock != NULL ? run->in->clock : &sm_clock_real;
}

void *sm_run_alloc(struct sm_run *run, size_t size)
{
    size_t memory = run->in->limits.memory;
    size_t out = run->result.size + run->body.size;
    run->arena.limit = out < memory ? memory - out : 0;
    void *at = sm_arena_alloc(&run->arena, size);
    if (at == NULL)
        sm_fail(run, SM_E_TOO_LARGE,
                "the run asks for %zu bytes on top of %zu: over its memory limit of %zu bytes",
                size, run->arena.used + out, memory);
    return at;
}

int sm_run_stop_code(const struct sm_run *run)
{
    const _Atomic int *stop = run->in->stop;
    return stop != NULL ? atomic_load_explicit(stop, memory_order_relaxed) : 0;
}

bool sm_run_stopping(const struct sm_run *run)
{
    return sm_run_stop_code(run) != 0;
}

void sm_run_progress(struct sm_run *run, uint64_t done, uint64_t total)
{
    struct sm_progress *progress = run->in->progress;
    if (progress == NULL)
        return;
    atomic_store_explicit(&progress->done, done, memory_order_relaxed);
    atomic_store_explicit(&progress->total, total, memory_order_relaxed);
}

/* Messages quote what users sent: what is not UTF-8 becomes '?', so that any column takes it. */
static void clean(char *text)
{
    size_t size = sm_text_cut(text, strlen(text));
    text[size] = '\0';
    for (size_t at = 0; (at += sm_text_valid(text + at, size - at)) < size;)
        text[at] = '?';
}

int sm_fail(struct sm_run *run, int code, const char *format, ...)
{
    enum sm_error_class klass = sm_error_class(code);
    SM_ASSERT(klass == SM_CLASS_JOB || klass == SM_CLASS_ATTEMPT);
    va_list args;
    va_start(args, format);
    int n = vsnprintf(run->error, sizeof run->error, format, args);
    va_end(args);
    run->failed = n >= 0;
    if (run->failed)
        clean(run->error);
    return code;
}

int sm_again_in(struct sm_run *run, int64_t ms)
{
    SM_ASSERT(ms >= 1 && ms <= 86400000);
    run->again_ms = ms;
    return SM_E_AGAIN;
}

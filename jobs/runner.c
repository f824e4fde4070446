/*
 * The runner: one attempt at one job, from bytes to an outcome, on the calling thread. It holds
 * what is worth keeping between runs (the arena's first block) and nothing else: result and body
 * are handed over, not copied. A run of a handler that writes nothing calls neither malloc nor a
 * clock.
 *
 * It does not time, count or log: the worker does. Thread: the stamp that owns it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "jobs/args.h"
#include "jobs/job.h"
#include "jobs/run.h"

struct sm_runner {
    struct sm_run run;
};

struct sm_runner *sm_runner_new(void)
{
    struct sm_runner *runner = calloc(1, sizeof *runner);
    if (runner != NULL)
        sm_arena_init(&runner->run.arena, 0);
    return runner;
}

void sm_runner_free(struct sm_runner *runner)
{
    if (runner == NULL)
        return;
    sm_arena_free(&runner->run.arena);
    free(runner);
}

void sm_run_out_free(struct sm_run_out *out)
{
    free(out->error_text);
    free(out->result);
    free(out->body);
    *out = (struct sm_run_out){0};
}

static void begin(struct sm_run *run, const struct sm_run_in *in)
{
    const struct sm_limits *limits = &in->limits;
    SM_ASSERT(limits->input != 0 && limits->output != 0 && limits->memory != 0);
    run->in = in;
    run->args = NULL;
    run->content_type = NULL;
    run->full = run->no_memory = run->failed = false;
    run->again_ms = 0;
    sm_arena_reset(&run->arena, limits->memory);
    sm_buf_init(&run->result, 1);
    sm_buf_init(&run->body, limits->output);
    sm_json_init(&run->json, &run->result);
}

static int check_input(struct sm_run *run)
{
    const struct sm_run_in *in = run->in;
    if (in->input_size != 0 && !in->type->takes_input)
        return sm_fail(run, SM_E_BAD_ARGS, "%s takes no input, but %zu bytes came with the job",
                       in->type->name, in->input_size);
    if (in->input_size > in->limits.input)
        return sm_fail(run, SM_E_TOO_LARGE, "%zu bytes of input, at most %zu are taken",
                       in->input_size, in->limits.input);
    return 0;
}

static int run_handler(struct sm_run *run)
{
    const struct sm_run_in *in = run->in;
    struct sm_err err;
    int code = check_input(run);
    if (code != 0)
        return code;
    code = sm_args_read(in->type, in->args, in->args_size, &run->arena, &run->args, &err);
    if (code != 0)
        return sm_fail(run, code, "%s", err.text);
    code = sm_run_stop_code(run);
    return code != 0 ? code : in->type->run(run);
}

/* What the sticky flags make of a run that its handler calls done. */
static int check_output(struct sm_run *run)
{
    const struct sm_limits *limits = &run->in->limits;
    if (run->no_memory)
        return sm_fail(run, SM_E_NO_MEMORY, "no memory for the result");
    if (run->full)
        return sm_fail(run, SM_E_TOO_LARGE,
                       "the result is over its limit: %zu bytes of output, %zu of memory",
                       limits->output, limits->memory);
    if (run->json.bad_text)
        return sm_fail(run, SM_E_BAD_INPUT,
                       "the result would hold text that JSON cannot: invalid UTF-8 or U+0000");
    SM_ASSERT(run->json.depth == 0);
    return 0;
}

/* Buffers double while they grow; what waits for its commit should not hold the spare half. */
static char *hand_over(struct sm_buf *buf, size_t *size)
{
    size_t room = buf->room;
    char *data = sm_buf_take(buf, size);
    if (*size == 0) {
        free(data);
        return NULL;
    }
    if (room - *size > 4096 && room - *size > *size / 4) {
        char *smaller = realloc(data, *size);
        data = smaller != NULL ? smaller : data;
    }
    return data;
}

static void hand_over_all(struct sm_run *run, struct sm_run_out *out)
{
    out->result = hand_over(&run->result, &out->result_size);
    out->body = hand_over(&run->body, &out->body_size);
    out->content_type = run->content_type;
    if (out->body != NULL && out->content_type == NULL)
        out->content_type = "application/octet-stream";
}

static int known_code(struct sm_run *run, int code)
{
    enum sm_error_class klass = sm_error_class(code);
    if (code == 0 || klass == SM_CLASS_JOB || klass == SM_CLASS_ATTEMPT || klass == SM_CLASS_ENDED)
        return code;
    return sm_fail(run, SM_E_INTERNAL, "the handler of %s returned %d, which is no outcome",
                   run->in->type->name, code);
}

void sm_runner_run(struct sm_runner *runner, const struct sm_run_in *in, struct sm_run_out *out)
{
    struct sm_run *run = &runner->run;
    *out = (struct sm_run_out){0};
    begin(run, in);
    int code = known_code(run, run_handler(run));
    if (code == 0)
        code = check_output(run);
    if (code == 0)
        hand_over_all(run, out);
    else
        out->error_text = strdup(run->failed ? run->error : sm_error_text(code));
    out->code = code;
    out->again_ms = code == SM_E_AGAIN ? run->again_ms : 0;
    sm_buf_free(&run->result);
    sm_buf_free(&run->body);
    sm_arena_reset(&run->arena, 0); /* a large job leaves no mark while its stamp idles */
}

/*
 * Runs a type as the worker would, from JSON arguments: what the tests of jobs/ share. A run's
 * outcome is kept with NUL-terminated texts, so that tests can compare and search them.
 */
#ifndef SM_TESTS_JOBS_HARNESS_H
#define SM_TESTS_JOBS_HARNESS_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "jobs/job.h"

struct ran {
    int code;
    char *error;  /* "" when none */
    char *result; /* "" when none */
    char *body;
    size_t body_size;
    const char *content_type;
    int64_t again_ms;
};

struct how {
    size_t output, memory, input; /* 0: 16 MiB, 64 MiB, 16 MiB */
    int attempt;                  /* 0: 1 */
    const _Atomic int *stop;
    struct sm_progress *progress;
};

static inline char *terminated(const char *p, size_t n)
{
    char *copy = malloc(n + 1);
    ck_assert_ptr_nonnull(copy);
    if (n != 0)
        memcpy(copy, p, n);
    copy[n] = '\0';
    return copy;
}

static inline struct ran run_type(const struct sm_type *type, struct how how, const char *args,
                                  const char *input, size_t size)
{
    struct sm_buf msg;
    struct sm_err err;
    struct sm_run_out out;
    sm_buf_init(&msg, 0);
    ck_assert_msg(sm_json_to_msgpack(args, strlen(args), &msg, &err) == 0, "%s: %s", args,
                  err.text);
    struct sm_runner *runner = sm_runner_new();
    struct sm_run_in in = {
        .type = type,
        .args = msg.data,
        .args_size = msg.size,
        .input = input,
        .input_size = size,
        .attempt = how.attempt != 0 ? how.attempt : 1,
        .limits = {.input = how.input != 0 ? how.input : (size_t)16 << 20,
                   .output = how.output != 0 ? how.output : (size_t)16 << 20,
                   .memory = how.memory != 0 ? how.memory : (size_t)64 << 20,
                   .timeout_ms = 60000},
        .stop = how.stop,
        .progress = how.progress,
    };
    sm_runner_run(runner, &in, &out);
    struct ran ran = {.code = out.code,
                      .error =
                          terminated(out.error_text, out.error_text ? strlen(out.error_text) : 0),
                      .result = terminated(out.result, out.result_size),
                      .body = terminated(out.body, out.body_size),
                      .body_size = out.body_size,
                      .content_type = out.content_type,
                      .again_ms = out.again_ms};
    ck_assert(out.code == 0 || (out.result == NULL && out.body == NULL && out.error_text != NULL));
    sm_run_out_free(&out);
    sm_runner_free(runner);
    sm_buf_free(&msg);
    return ran;
}

static inline void ran_free(struct ran *ran)
{
    free(ran->error);
    free(ran->result);
    free(ran->body);
}

static inline struct ran run_named(const char *name, struct how how, const char *args,
                                   const char *input, size_t size)
{
    const struct sm_type *type = sm_type_find(name, strlen(name));
    ck_assert_ptr_nonnull(type);
    return run_type(type, how, args, input, size);
}

/* Runs it and compares outcome and error text; `has` NULL: any. */
static inline void expect_failure(const char *name, struct how how, const char *args,
                                  const char *input, size_t size, int code, const char *has)
{
    struct ran ran = run_named(name, how, args, input, size);
    ck_assert_msg(ran.code == code, "%s %s: %s: %s, expected %s", name, args,
                  sm_error_name(ran.code), ran.error, sm_error_name(code));
    if (has != NULL)
        ck_assert_msg(strstr(ran.error, has) != NULL, "%s %s: \"%s\" lacks \"%s\"", name, args,
                      ran.error, has);
    ran_free(&ran);
}

#endif

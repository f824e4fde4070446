/*
 * What the fuzzers of row-wise handlers share: a run of a type, and what must hold of its counts.
 */
#ifndef SM_TESTS_FUZZ_ROWS_H
#define SM_TESTS_FUZZ_ROWS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/json.h"
#include "jobs/job.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void run_type(const char *type, const char *args, const char *input, size_t size,
                            struct sm_run_out *out)
{
    static struct sm_runner *runner;
    struct sm_buf msg;
    struct sm_err err;
    if (runner == NULL)
        runner = sm_runner_new();
    sm_buf_init(&msg, 0);
    SM_ASSERT(sm_json_to_msgpack(args, strlen(args), &msg, &err) == 0);
    struct sm_run_in in = {.type = sm_type_find(type, strlen(type)),
                           .args = msg.data,
                           .args_size = msg.size,
                           .input = input,
                           .input_size = size,
                           .attempt = 1,
                           .limits = {1 << 20, 1 << 22, 1 << 23, 1000}};
    sm_runner_run(runner, &in, out);
    sm_buf_free(&msg);
    SM_ASSERT(out->code == 0 || out->code == SM_E_BAD_INPUT || out->code == SM_E_TOO_LARGE);
}

static inline unsigned long long count_of(const struct sm_run_out *out, const char *key)
{
    /* the counts stand last, behind everything that came from the input */
    for (const char *at = out->result + out->result_size - strlen(key); at >= out->result; at--)
        if (memcmp(at, key, strlen(key)) == 0)
            return strtoull(at + strlen(key), NULL, 10);
    abort();
}

/* rows_in = rows_out + rows_bad; rows_out. */
static inline unsigned long long check_counts(const struct sm_run_out *out)
{
    unsigned long long rows_out = count_of(out, "\"rows_out\":");
    SM_ASSERT(count_of(out, "\"rows_in\":") == rows_out + count_of(out, "\"rows_bad\":"));
    return rows_out;
}

/* As many lines as rows. */
static inline void check_ndjson(const struct sm_run_out *out)
{
    unsigned long long lines = 0;
    for (size_t i = 0; i < out->body_size; i++)
        lines += out->body[i] == '\n';
    SM_ASSERT(lines == check_counts(out));
}

#endif

/*
 * One handler by itself, without servers: runs it over a file again and again on this thread and
 * prints the processor time of a run, as JSON.
 *
 *   bench_handler TYPE ARGS FILE [RUNS]      # RUNS 0: one run, and its result and body instead
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/json.h"
#include "jobs/job.h"

static double cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void read_file(const char *path, struct sm_buf *buf)
{
    char part[65536];
    size_t n;
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    while ((n = fread(part, 1, sizeof part, file)) > 0)
        sm_buf_add(buf, part, n);
    fclose(file);
}

static void run_once(struct sm_runner *runner, const struct sm_run_in *in, bool show)
{
    struct sm_run_out out;
    sm_runner_run(runner, in, &out);
    if (out.code != 0) {
        fprintf(stderr, "%s: %s\n", sm_error_name(out.code), out.error_text);
        exit(EXIT_FAILURE);
    }
    if (show)
        printf("%.*s\n%.*s", (int)out.result_size, out.result, (int)out.body_size, out.body);
    sm_run_out_free(&out);
}

int main(int argc, char **argv)
{
    struct sm_buf args, input;
    struct sm_err err;
    const struct sm_type *type = argc > 3 ? sm_type_find(argv[1], strlen(argv[1])) : NULL;
    long runs = argc > 4 ? atol(argv[4]) : 20000;
    sm_buf_init(&args, 0);
    sm_buf_init(&input, 0);
    if (type == NULL || sm_json_to_msgpack(argv[2], strlen(argv[2]), &args, &err) != 0) {
        fprintf(stderr, "usage: %s TYPE ARGS FILE [RUNS]\n", argv[0]);
        return 2;
    }
    read_file(argv[3], &input);
    struct sm_run_in in = {.type = type,
                           .args = args.data,
                           .args_size = args.size,
                           .input = input.data,
                           .input_size = input.size,
                           .attempt = 1,
                           .limits = {(size_t)1 << 30, (size_t)1 << 30, (size_t)1 << 30, 60000}};
    struct sm_runner *runner = sm_runner_new();
    if (runs == 0) {
        run_once(runner, &in, true);
    } else {
        for (long i = 0; i < runs / 10 + 1; i++) /* warm */
            run_once(runner, &in, false);
        double begin = cpu_us();
        for (long i = 0; i < runs; i++)
            run_once(runner, &in, false);
        double us = (cpu_us() - begin) / (double)runs;
        printf("{\"type\":\"%s\",\"bytes\":%zu,\"runs\":%ld,\"us\":%.2f,\"mb_per_s\":%.0f}\n",
               type->name, input.size, runs, us, (double)input.size / us);
    }
    sm_runner_free(runner);
    sm_buf_free(&args);
    sm_buf_free(&input);
    return 0;
}

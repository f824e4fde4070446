/*
 * The jobs' inputs: files named on the command line, taken in turn.
 */
#ifndef BENCH_INPUTS_H
#define BENCH_INPUTS_H

#include <stdio.h>
#include <stdlib.h>

#include "stampmill/producer.h"

enum { INPUTS_MOST = 64 };

struct inputs {
    void *bytes[INPUTS_MOST];
    size_t size[INPUTS_MOST];
    size_t n;
};

static inline void read_input(struct inputs *in, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || in->n == INPUTS_MOST || fseek(file, 0, SEEK_END) != 0) {
        fprintf(stderr, "%s: cannot be read, or is one too many\n", path);
        exit(1);
    }
    size_t size = (size_t)ftell(file);
    rewind(file);
    in->bytes[in->n] = malloc(size + 1);
    if (in->bytes[in->n] == NULL || fread(in->bytes[in->n], 1, size, file) != size)
        exit(1);
    in->size[in->n++] = size;
    fclose(file);
}

static inline void set_input(const struct inputs *in, size_t k, struct sm_job_spec *job)
{
    if (in->n > 0) {
        job->input = in->bytes[k % in->n];
        job->input_size = in->size[k % in->n];
    }
}

#endif

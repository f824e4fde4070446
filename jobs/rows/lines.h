/*
 * Which line and column a byte of the input stands in. Counted when somebody asks, from the last
 * place that was kept: only errors ask. LF, CRLF and CR each end a line. Thread: one at a time.
 */
#ifndef SM_JOBS_ROWS_LINES_H
#define SM_JOBS_ROWS_LINES_H

#include <stdbool.h>
#include <stddef.h>

struct sm_lines {
    const char *data;
    size_t size;
    size_t at, line;   /* line number `line`, from 1, holds byte `at` .. */
    size_t line_start; /* .. and begins at this one */
};

/* A place as people read it, all from 1; `column` counts characters. */
struct sm_place {
    size_t line, column, byte;
};

static inline void sm_lines_start(struct sm_lines *lines, const char *data, size_t size)
{
    *lines = (struct sm_lines){.data = data, .size = size, .line = 1};
}

/* The line that holds byte `at`, which is not before one kept earlier; `keep`: later ones will not
 * be before this one. */
size_t sm_lines_of(struct sm_lines *lines, size_t at, bool keep);
struct sm_place sm_lines_place(struct sm_lines *lines, size_t at, bool keep);

#endif

/*
 * The last words of a broken program. Written with one write(2) and without the log: the invariant
 * that broke may be the log's own, and the heap may be unusable. Thread: any.
 */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

_Noreturn void sm_assert_failed(const char *condition, const char *file, int line)
{
    char text[512];
    int n = snprintf(text, sizeof text, "stampmill: broken invariant: %s (%s:%d)\n", condition,
                     file, line);

    if (n > 0) {
        size_t size = (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;

        if (write(STDERR_FILENO, text, size) < 0)
            abort(); /* nobody to tell */
    }
    abort();
}

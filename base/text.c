/*
 * Near names: "did you mean". Optimal string alignment, because the commonest slips are one letter
 * wrong, missing, added, or two swapped. Names longer than 64 bytes are not compared. Thread: any.
 */
#include "base/text.h"

#include <string.h>

#define LONGEST 64

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t distance(const char *a, size_t m, const char *b, size_t n)
{
    size_t rows[3][LONGEST + 1]; /* the current one and the two above it */

    for (size_t j = 0; j <= n; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= m; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3];
        const size_t *higher = rows[(i + 1) % 3];

        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t change = above[j - 1] + (a[i - 1] != b[j - 1]);

            row[j] = least(change, least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], higher[j - 2] + 1);
        }
    }
    return rows[m % 3][n];
}

const char *sm_text_near(const char *word, size_t size, const char *const *names, size_t n)
{
    size_t most = size <= 4 ? 1 : 2;
    const char *nearest = NULL;

    if (size == 0 || size > LONGEST)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        size_t length = names[i] ? strlen(names[i]) : 0, off;

        if (length == 0 || length > LONGEST)
            continue;
        off = distance(word, size, names[i], length);
        if (off <= most && (!nearest || off < most)) {
            nearest = names[i];
            most = off;
        }
    }
    return nearest;
}

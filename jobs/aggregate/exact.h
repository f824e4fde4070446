/*
 * Exact sums of integers and decimals: a 128-bit integer and a power of ten, which is 38 digits. It
 * never rounds; what does not fit is said. Thread: any.
 */
#ifndef SM_JOBS_AGGREGATE_EXACT_H
#define SM_JOBS_AGGREGATE_EXACT_H

#include "jobs/rows/cell.h"

__extension__ typedef __int128 sm_int128;
__extension__ typedef unsigned __int128 sm_uint128;

struct sm_exact {
    sm_int128 v; /* the value is v / 10^scale */
    int scale;   /* of what was added the most digits behind the point */
};

/* Where the scale is 0; false as below. */
static inline bool sm_exact_add_int(struct sm_exact *sum, int64_t value)
{
    return !__builtin_add_overflow(sum->v, value, &sum->v);
}
/* Adds the canonical text of a decimal; false where it does not fit, and *sum is void. */
bool sm_exact_add(struct sm_exact *sum, struct sm_text_view decimal);
/* The sum as text, at most 64 bytes; `shortest`: without zeros at the end of its fraction. */
size_t sm_exact_text(const struct sm_exact *sum, bool shortest, char out[64]);
long double sm_exact_value(const struct sm_exact *sum);

#endif

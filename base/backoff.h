/*
 * How long to wait before trying again: doubling from `first_ms` to `most_ms`, each spread by plus
 * or minus 20 % so that a fleet does not return in step. Thread: any.
 */
#ifndef SM_BASE_BACKOFF_H
#define SM_BASE_BACKOFF_H

#include <stdint.h>

/* The wait after failure number `failures` (from 1). `random` is any 32 random bits. */
int64_t sm_backoff_ms(int64_t first_ms, int64_t most_ms, int failures, uint32_t random);

#endif

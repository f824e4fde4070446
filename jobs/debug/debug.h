/*
 * What the debug types share. Thread: the stamp that runs.
 */
#ifndef SM_DEBUG_H
#define SM_DEBUG_H

#include <stdint.h>

struct sm_run;

/* Waits in steps of at most 5 ms, so that a stop is seen soon. 0 or the stop's code. */
int sm_debug_wait(struct sm_run *run, int64_t ms);

#endif

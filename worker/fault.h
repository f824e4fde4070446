/*
 * Fatal signals: which slot was running on the stamp that took one is noted in the box, so that a
 * successor charges that job and suspects nobody else. Then the signal takes its course.
 */
#ifndef SM_WORKER_FAULT_H
#define SM_WORKER_FAULT_H

#include <stdint.h>

#include "worker/box.h"

#define SM_FAULT_NONE UINT32_MAX

/* Handles SEGV, BUS, FPE, ILL and ABRT from now on; `box` may be NULL. Thread: main, once. */
void sm_fault_watch(struct sm_box *box);
/* Gives the calling stamp a stack of its own for the handler, for its own may have run over. */
void sm_fault_thread(void);
/* The slot that the calling thread runs; SM_FAULT_NONE between runs. */
void sm_fault_running(uint32_t slot);

#endif

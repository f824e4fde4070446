/*
 * Suspects: jobs that were running, more than once, when their worker died without a known cause.
 * Each is run alone in its process, and as the only one of its queue, charged just before it starts
 * and pardoned when it ends: so only a job that was running alone is ever charged.
 */
#ifndef SM_WORKER_SUSPECT_H
#define SM_WORKER_SUSPECT_H

#include "worker/keeper.h"

#define SM_SUSPECT_TAKEN UINT32_MAX /* worker->suspect while intake puts one there */

/* When a suspect that cannot run now should be looked at again: 1 to 5 s from now, Redis's ms. */
int64_t sm_suspect_later_ms(struct sm_worker *w);
/* One step with the suspect in hand, if there is one: hush, charge, start, end of hush. Needs the
 * keeper's connection. */
void sm_keeper_suspect(struct sm_keeper *k, int64_t now_us);

#endif

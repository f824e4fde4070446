/*
 * The box file: what survives a daemon's death on its host.
 *
 * Each daemon holds a record lock (fcntl) on its own box in the runtime folder; whoever gets the
 * lock knows that the process is gone, and reads in the shared mapping which worker it was, which
 * queues it consumed and what state each slot was in. The kernel keeps the mapping's pages when the
 * process dies by whatever signal: no system call per job.
 *
 * Created under another name, locked, then renamed into place, so that a box without a lock is
 * always a dead one. Nothing else in this process may open its own box: closing any descriptor of a
 * file drops the process's record locks on it.
 *
 * Thread: sm_box_note any (one slot, one writer at a time); the rest main or keeper.
 */
#ifndef SM_WORKER_BOX_H
#define SM_WORKER_BOX_H

#include <stdint.h>

#include "queue/job.h"
#include "stampmill/error.h"

#define SM_BOX_QUEUES 16

struct sm_box;

/* What a box says of its daemon. */
struct sm_box_label {
    char worker[40];
    char home[40]; /* which Redis: a digest of its URL, so that a box is judged by its own kind */
    int queues_n;
    char queues[SM_BOX_QUEUES][SM_QUEUE_NAME_MAX + 1];
};

/* Makes and locks this daemon's box with room for `slots` slots; makes the folder (0700) where it
 * is missing. NULL and *err (SM_E_CONFIG) when it cannot. */
struct sm_box *sm_box_open(const char *dir, const struct sm_box_label *label, uint32_t slots,
                           struct sm_err *err);
/* Notes a slot's state. */
void sm_box_note(struct sm_box *box, uint32_t slot, int state, int queue, struct sm_entry_id entry);
/* Unmaps and closes; with `remove` the file goes too (after a drain that left nothing). */
void sm_box_close(struct sm_box *box, bool remove);

/* Calls `dead` for each box in `dir` whose process is gone, with the box locked against others;
 * when it answers 0 the file is removed, else left for the next round. Returns how many were found.
 */
int sm_box_each_dead(const char *dir, const struct sm_box *own,
                     int (*dead)(const struct sm_box_label *label, void *arg), void *arg);

#endif

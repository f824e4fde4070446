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

#include <stdbool.h>
#include <stdint.h>

#include "queue/job.h"
#include "stampmill/error.h"

#define SM_BOX_QUEUES 16

/* Slot states that mean something here; the others are states of work in hand. */
enum { SM_BOX_FREE = 0, SM_BOX_RUNNING = 3 };

struct sm_box;

/* What a box says of its daemon. */
struct sm_box_label {
    char worker[40];
    int queues_n;
    char queues[SM_BOX_QUEUES][SM_QUEUE_NAME_MAX + 1];
    char home[SM_BOX_QUEUES][SM_INCARNATION_TEXT]; /* which Redis, by the queue's incarnation */
};

/* What a dead daemon's box says of one entry it had in hand. */
struct sm_box_entry {
    int queue; /* index into the label's queues */
    struct sm_entry_id entry;
};

struct sm_box_report {
    struct sm_box_label label;
    struct sm_box_entry *running, *other; /* in hand when it died: being run; in any other state */
    size_t running_n, other_n;
    bool fatal;       /* a fatal signal was noted ... */
    bool has_faulted; /* ... on a stamp that ran `faulted` */
    struct sm_box_entry faulted;
    bool oom; /* the kernel has killed for memory in its cgroup since it last looked */
};

/* Makes and locks this daemon's box with room for `slots` slots; makes the folder (0700) where it
 * is missing. `oom_file` (may be NULL) is where its cgroup's kills are counted, see base/oom.h.
 * NULL and *err (SM_E_CONFIG) when it cannot. */
struct sm_box *sm_box_open(const char *dir, const struct sm_box_label *label, uint32_t slots,
                           const char *oom_file, struct sm_err *err);
/* Writes a slot's state where a successor can read it. */
void sm_box_note(struct sm_box *box, uint32_t slot, int state, int queue, struct sm_entry_id entry);
/* Notes a fatal signal and the slot of the stamp that took it (UINT32_MAX: it was no stamp). Safe
 * in a signal handler. */
void sm_box_note_fault(struct sm_box *box, int signal, uint32_t slot);
/* Looks how often the kernel has killed for memory by now. Thread: keeper. */
void sm_box_note_oom(struct sm_box *box);
/* Which Redis a queue is of, by its incarnation: so that a box is judged by its own kind. Thread:
 * keeper. */
void sm_box_note_home(struct sm_box *box, int queue, const char *incarnation);
/* The worker goes on under another identity. Thread: keeper. */
void sm_box_rename(struct sm_box *box, const char *worker);
/* Removes the file alone: threads may still note in the mapping until the process ends. */
void sm_box_remove(const struct sm_box *box);
/* Unmaps and unlocks; removes the file where `remove`. NULL is fine. */
void sm_box_close(struct sm_box *box, bool remove);

/* Calls `dead` for each box in `dir`, but for `own`, whose process is gone, while holding its lock;
 * removes the box when it answers 0. Returns how many dead ones there were. */
int sm_box_each_dead(const char *dir, const struct sm_box *own,
                     int (*dead)(const struct sm_box_report *report, void *arg), void *arg);

#endif

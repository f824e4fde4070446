/*
 * The daemon: a worker with its threads, started sink to source and drained source to sink.
 * Thread: main.
 */
#ifndef SM_WORKER_DAEMON_H
#define SM_WORKER_DAEMON_H

#include <pthread.h>

#include "worker/committer.h"
#include "worker/fetcher.h"
#include "worker/keeper.h"
#include "worker/mover.h"
#include "worker/prune.h"
#include "worker/status.h"
#include "worker/upkeep.h"

/* How the process ends. */
enum sm_exit {
    SM_EXIT_DRAINED = 0,
    SM_EXIT_USAGE = 64,
    SM_EXIT_UNREACHABLE = 69,
    SM_EXIT_INTERNAL = 70,
    SM_EXIT_HANDED_BACK = 75,
    SM_EXIT_CONFIG = 78,
};

struct sm_daemon {
    struct sm_worker w;
    struct sm_box *box;
    struct sm_box_label label;
    struct sm_fetcher fetcher;
    struct sm_committer committer;
    struct sm_keeper keeper;
    struct sm_mover_state mover;
    struct sm_upkeep_state upkeep;
    struct sm_prune_state prune;
    struct sm_stamp *stamps;
    struct sm_status *status;
    pthread_t fetcher_thread, committer_thread, keeper_thread, mover_thread, *stamp_threads;
    _Atomic int stamps_alive;
    _Atomic bool committer_ended, committer_stop, keeper_stop, mover_stop, mover_ended;
    bool taken_down; /* at the end of the drain: no thread is left, all is freed */
};

/* The exit code that belongs to an error. */
int sm_exit_of(int code);

/* Connects, takes over from dead daemons of this host, and starts all threads. 0, or a code when
 * the process must end; *err says why. */
int sm_daemon_start(struct sm_daemon *d, const struct sm_options *options, struct sm_err *err);
/* Stops fetching, hands back what is not started, finishes what runs within shutdown_timeout,
 * commits, settles, hands back what could not be finished, strikes itself off. `hurry` is asked now
 * and then: true cuts the waiting short. Returns the exit code; where not all was taken down a
 * handler still runs, or a server holds a thread, and the process must end by _exit. */
int sm_daemon_drain(struct sm_daemon *d, bool (*hurry)(void));

#endif

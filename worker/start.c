/*
 * Starting: sink to source, so that nothing arrives for which there is no one. PostgreSQL and Redis
 * must answer first (or are waited for with start.wait), and this worker must have beaten, audited
 * and taken over from the dead before the first fetch.
 */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/oom.h"
#include "base/thread.h"
#include "queue/redis.h"
#include "store/pg.h"
#include "worker/daemon.h"
#include "worker/fault.h"

#define START_WAIT_MS 3000

int sm_exit_of(int code)
{
    switch (sm_error_class(code)) {
    case SM_CLASS_NONE:
    case SM_CLASS_ENDED: /* asked to end before it began */
        return SM_EXIT_DRAINED;
    case SM_CLASS_SERVER:
        return SM_EXIT_UNREACHABLE;
    case SM_CLASS_SETUP:
    case SM_CLASS_JOB: /* unsupported: a server too old */
        return SM_EXIT_CONFIG;
    case SM_CLASS_CALL:
        return SM_EXIT_USAGE;
    default:
        return SM_EXIT_INTERNAL;
    }
}

static struct sm_queue *open_queue(void *arg)
{
    struct sm_daemon *d = arg;
    const struct sm_options *o = d->w.options;
    char name[40];
    sm_worker_name(&d->w, name);
    struct sm_redis_options redis = {.url = o->redis_url,
                                     .worker = name,
                                     .queues = o->queues,
                                     .queues_n = o->queues_n,
                                     .entry_limit = sm_options_entry_limit(o),
                                     .allow_eviction = o->allow_eviction};
    return sm_redis_queue_new(&redis);
}

static struct sm_store *open_store(void *arg)
{
    struct sm_daemon *d = arg;
    const struct sm_options *o = d->w.options;
    struct sm_pg_options pg = {
        .url = o->postgres_url, .application = "stampmilld", .allow_unsafe = o->allow_unsafe};
    return sm_pg_store_new(&pg);
}

static int open_mover(struct sm_daemon *d)
{
    const struct sm_options *o = d->w.options;
    struct sm_pg_options pg = {.url = o->postgres_url,
                               .application = "stampmilld outbox",
                               .allow_unsafe = o->allow_unsafe};
    return sm_mover_init(&d->mover, &d->w, sm_pg_outbox_new(&pg), sm_redis_relay_new(o->redis_url));
}

/* A random name, and which Redis it works for. */
static void make_label(struct sm_box_label *label, const struct sm_options *o)
{
    memset(label, 0, sizeof *label);
    sm_keeper_fresh_name(label->worker);
    label->queues_n = o->queues_n;
    for (int i = 0; i < o->queues_n; i++)
        strcpy(label->queues[i], o->queues[i]);
}

static int build(struct sm_daemon *d, const struct sm_options *o, struct sm_err *err)
{
    struct sm_seams seams = {&sm_clock_real, open_queue, open_store, d};
    char oom[256];
    make_label(&d->label, o);
    bool counts = sm_oom_file("", oom, sizeof oom);
    d->box = sm_box_open(o->runtime_dir, &d->label, SM_SLOTS, counts ? oom : NULL, err);
    if (d->box == NULL)
        return err->code;
    d->stamps = calloc((size_t)o->stamps, sizeof *d->stamps);
    d->stamp_threads = calloc((size_t)o->stamps, sizeof *d->stamp_threads);
    int rc = d->stamps == NULL || d->stamp_threads == NULL ? SM_E_NO_MEMORY : 0;
    if (rc == 0)
        rc = sm_worker_init(&d->w, o, &seams, d->label.worker, d->box);
    if (rc == 0)
        rc = sm_committer_init(&d->committer, &d->w);
    if (rc == 0)
        rc = sm_keeper_init(&d->keeper, &d->w, d->box, &d->label);
    if (rc == 0)
        rc = sm_fetcher_init(&d->fetcher, &d->w);
    if (rc == 0)
        rc = open_mover(d);
    for (int i = 0; rc == 0 && i < o->stamps; i++)
        rc = sm_stamp_init(&d->stamps[i], &d->w, i);
    return rc == 0 ? 0 : sm_err_set(err, rc, "no memory to start");
}

/* PostgreSQL, then Redis, on the committer's own connections. */
static int connect_both(struct sm_daemon *d, struct sm_err *err)
{
    struct sm_committer *c = &d->committer;
    struct sm_settler *s = &c->settler;
    if (!c->postgres.up) {
        int rc = c->store->ops->connect(c->store, START_WAIT_MS, err);
        if (rc != 0)
            return rc;
        sm_link_set_up(&c->postgres);
        atomic_store(&d->w.postgres_up, true);
    }
    if (!s->link.up) {
        int rc = s->q->ops->connect(s->q, START_WAIT_MS, err);
        if (rc != 0)
            return rc;
        sm_link_set_up(&s->link);
        atomic_store(&d->w.redis_up, true);
    }
    return 0;
}

/* Waits; true when the process is asked to end meanwhile (main has these signals blocked). */
static bool asked_to_end(int64_t us)
{
    sigset_t signals;
    struct timespec time = {us / 1000000, us % 1000000 * 1000};
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    return sigtimedwait(&signals, NULL, &time) > 0;
}

static int connect_patiently(struct sm_daemon *d, struct sm_err *err)
{
    struct sm_link link = {0};
    for (;;) {
        int rc = connect_both(d, err);
        bool waits = d->w.options->start_wait && sm_error_class(rc) == SM_CLASS_SERVER;
        if (link.failures == 0 && (rc == 0 || waits))
            sm_status_announce(d->status); /* not before: a refusal is one line and nothing else */
        if (!waits)
            return rc;
        int64_t now = sm_mono_us(d->w.clock);
        sm_link_set_down(&link, now);
        sm_log(SM_LOG_WARN, "waiting for a server", SM_S("text", err->text));
        if (asked_to_end(link.retry_us - now))
            return sm_err_set(err, SM_E_STOPPED, "asked to end while waiting for a server");
    }
}

/* The first beat, takeover and audit; without them the lease is not trusted and nothing is fetched.
 * The loops have not begun, and start.wait may have taken longer than a lease: that is no standing
 * still. Where the machine stood still meanwhile, for half a lease, one more beat is due. */
static int first_beat(struct sm_daemon *d, struct sm_err *err)
{
    int64_t until_us = sm_mono_us(d->w.clock) + START_WAIT_MS * 1000;
    while (!sm_worker_trusts_lease(&d->w)) {
        if (sm_mono_us(d->w.clock) >= until_us)
            return sm_err_set(err, SM_E_UNREACHABLE, "Redis: the first beat was not answered");
        for (int i = 0; i < SM_LOOPS; i++)
            sm_worker_turned(&d->w, (enum sm_loop)i);
        sm_keeper_turn(&d->keeper);
        poll(NULL, 0, 5);
    }
    return 0;
}

static void *fetcher_main(void *arg)
{
    struct sm_daemon *d = arg;
    int rounds = 0; /* after the drain began: what was asked for may still arrive */
    for (;;) {
        bool waits = false;
        sm_fetcher_turn(&d->fetcher, 200000);
        for (int i = 0; i < d->w.options->queues_n; i++)
            waits |= d->fetcher.queue[i].under_way;
        if (atomic_load(&d->w.draining) && (!waits || ++rounds > 10))
            return NULL;
    }
}

static void *stamp_main(void *arg)
{
    struct sm_stamp *stamp = arg;
    struct sm_daemon *d = stamp->w->seams.arg;
    sm_fault_thread();
    while (sm_stamp_turn(stamp, -1))
        ;
    atomic_fetch_sub(&d->stamps_alive, 1);
    return NULL;
}

static void *committer_main(void *arg)
{
    struct sm_daemon *d = arg;
    while (sm_committer_turn(&d->committer, 100000) && !atomic_load(&d->committer_stop))
        ;
    atomic_store(&d->committer_ended, true);
    return NULL;
}

static void *keeper_main(void *arg)
{
    struct sm_daemon *d = arg;
    while (!atomic_load(&d->keeper_stop)) {
        sm_keeper_turn(&d->keeper);
        poll(NULL, 0, 50);
    }
    return NULL;
}

static void *mover_main(void *arg)
{
    struct sm_daemon *d = arg;
    while (!atomic_load(&d->mover_stop)) {
        sm_mover_turn(&d->mover, 100000);
        sm_upkeep_turn(&d->upkeep, &d->w);
        sm_prune_turn(&d->prune, &d->w);
    }
    sm_prune_close(&d->prune);
    sm_mover_finish(&d->mover);
    atomic_store(&d->mover_ended, true);
    return NULL;
}

static int start_threads(struct sm_daemon *d)
{
    int n = d->w.options->stamps;
    int rc = sm_thread_start(&d->committer_thread, "committer", 1u << 20, committer_main, d);
    for (int i = 0; rc == 0 && i < n; i++) {
        rc = sm_thread_start(&d->stamp_threads[i], "stamp", 1u << 20, stamp_main, &d->stamps[i]);
        atomic_fetch_add(&d->stamps_alive, rc == 0);
    }
    if (rc == 0)
        rc = sm_thread_start(&d->keeper_thread, "keeper", 0, keeper_main, d);
    if (rc == 0)
        rc = sm_thread_start(&d->fetcher_thread, "fetcher", 0, fetcher_main, d);
    if (rc == 0)
        rc = sm_thread_start(&d->mover_thread, "mover", 1u << 20, mover_main, d);
    return rc;
}

int sm_daemon_start(struct sm_daemon *d, const struct sm_options *options, struct sm_err *err)
{
    int rc = sm_redis_url_check(options->redis_url, err);
    if (rc == 0)
        rc = build(d, options, err);
    if (rc == 0)
        rc = sm_status_start(&d->status, &d->w, err);
    if (rc == 0)
        rc = connect_patiently(d, err);
    if (rc == 0)
        rc = first_beat(d, err);
    if (rc == 0)
        sm_fault_watch(d->box);
    if (rc == 0 && start_threads(d) != 0)
        rc = sm_err_set(err, SM_E_INTERNAL, "cannot start threads");
    if (rc != 0) {
        sm_box_close(d->box, true); /* nothing was fetched */
        return rc;
    }
    sm_log(SM_LOG_INFO, "worker started", SM_S("worker", d->label.worker),
           SM_N("stamps", options->stamps), SM_N("queues", options->queues_n));
    return 0;
}

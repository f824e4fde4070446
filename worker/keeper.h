/*
 * The keeper: beats, judges who is dead, takes over from them, audits what Redis says is ours
 * against what is in hand, runs suspects alone, and watches over runs. Thread: its own.
 */
#ifndef SM_WORKER_KEEPER_H
#define SM_WORKER_KEEPER_H

#include "worker/worker.h"

/* An entry that Redis says is ours and that no slot holds. */
struct sm_lost {
    int queue;
    struct sm_entry_id entry;
    int64_t since_us; /* monotonic time of the audit that missed it first */
};

#define SM_LOST_US 2100000 /* past a read time-out: its reply is not on its way any more */

/* Another worker of a queue, as this one has seen it lately. */
struct sm_watched {
    int queue;
    char worker[40];
    int64_t seen_ms;  /* its score when it was last looked at */
    int64_t since_us; /* monotonic time since when that score stands still */
    bool present;     /* in the census just taken */
};

#define SM_PEERS_MOST 1000 /* of one queue */

struct sm_keeper {
    struct sm_worker *w;
    struct sm_stats *stats;
    struct sm_queue *q;
    struct sm_link link;
    struct sm_box *box; /* ours; NULL: no takeover */
    struct sm_box_label label;
    int64_t beat_us, census_us, audit_us, box_us,
        watch_us;       /* monotonic times of the next of each */
    int64_t watched_us; /* when the slots were last looked over */
    int64_t idle_us;    /* since when nothing is in hand; 0: something is, or has been tidied */
    int64_t silent_us;  /* since when a loop has not turned; 0 */
    int64_t asked_us;   /* when the last answered beat was sent */
    int64_t steady_us;  /* since when our own beats have had no gap */
    int64_t listen_us[SM_QUEUES_MAX]; /* monotonic time of asking next what others run */
    bool known[SM_QUEUES_MAX];        /* this identity has beaten in the queue */
    struct sm_lost *lost;             /* at the last audit */
    size_t lost_n;
    struct sm_watched *watched;
    size_t watched_n, watched_room;
    struct sm_peer *peers;
    struct sm_delivery *items;
    int64_t suspect_us; /* since when there is a suspect in hand; 0: there is none */
    uint32_t suspect_life;
    bool suspect_charged;
};

/* A fresh random worker name. */
void sm_keeper_fresh_name(char name[40]);
int sm_keeper_init(struct sm_keeper *k, struct sm_worker *w, struct sm_box *box,
                   const struct sm_box_label *label);
void sm_keeper_free(struct sm_keeper *k);
void sm_keeper_turn(struct sm_keeper *k);
/* Notes a failed call of the keeper's connection. */
void sm_keeper_failed(struct sm_keeper *k, const char *what, const struct sm_err *err);

/* ---- audit.c -- */
/* Compares the ids owned in Redis with the slots. False when Redis did not answer. */
bool sm_keeper_audit(struct sm_keeper *k);

/* This worker was given up: drops all in hand that has not been stored. */
void sm_keeper_give_up_all(struct sm_keeper *k);

/* True when our own beats have had no gap for that long, up to now: then another's silence is its
 * own. */
bool sm_keeper_is_steady(const struct sm_keeper *k, int64_t now, int64_t lease_us);

/* ---- judge.c -- */
/* Looks who else is there, and gives the entries of those whose score has stood still for their
 * lease to :free. */
void sm_keeper_judge(struct sm_keeper *k);

/* ---- takeover.c -- */
/* Gives the entries of dead daemons of this host to :free. */
void sm_keeper_take_over(struct sm_keeper *k);
/* Gives all of a worker's entries in one queue to :free. 0 when none is left; SM_E_CONFLICT when
 * its score is no longer `seen_ms`; or what failed. *moved: how many. */
int sm_keeper_empty(struct sm_keeper *k, int queue, const char *worker, int64_t seen_ms,
                    const struct sm_doubt *doubt, uint64_t *moved);
/* At the end of a drain: hands back what this worker still owns, added to *handed_back; true when
 * it owns nothing any more and is struck off. */
bool sm_keeper_leave(struct sm_keeper *k, uint64_t *handed_back);

/* ---- watch.c -- */
/* Looks over the slots: runs past their timeout and past their grace, jobs that were cancelled, and
 * what waits too long for a stamp. */
void sm_keeper_watch(struct sm_keeper *k, int64_t now_us);
/* The part that needs Redis. */
void sm_keeper_watch_queue(struct sm_keeper *k);

#endif

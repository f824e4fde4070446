/*
 * Several daemons for live tests, each with its own log, status server and runtime folder: those
 * that share a host's name find each other's box files, the others can only be watched through
 * Redis. And the faults that a test brings upon the servers below them.
 *
 * Waiting: AWAIT looks until a thing is so and fails the test at five times the bound, because
 * these machines lose their cores for a second now and then; what was measured is the test's to
 * print and to compare. Thread: the test's.
 */
#ifndef SM_TESTS_LIVE_FLEET_H
#define SM_TESTS_LIVE_FLEET_H

#include "tests/live/rig.h"

/* ---- time -- */

int64_t now_ms(void); /* monotonic */
/* Looks every 10 ms until `condition` holds; fails the test after 5 * `bound_ms`. */
#define AWAIT(bound_ms, condition)                                                                 \
    for (int64_t began_ms_ = now_ms(); !(condition); await_more(began_ms_, (bound_ms), #condition))
void await_more(int64_t began_ms, int64_t bound_ms, const char *condition);
void nap_ms(int ms);

/* ---- daemons -- */

struct mill {
    char name[16];
    char dir[120]; /* runtime.dir: the host's */
    char log[120];
    const char *flags[14];
    pid_t pid; /* 0: not running */
    int port;
    int deaths;     /* seen by mill_tend */
    int last_code;  /* of its last end: exit code, or minus the signal */
    long start_log; /* where the log of this start begins */
};

/* A daemon that is not started yet, with a lease of 1 s and two stamps unless the flags (up to a
 * NULL, kept by pointer) say otherwise. */
void mill_init(struct mill *m, const char *name, const char *host, ...) __attribute__((sentinel));
/* Starts it and waits until it serves; or does not wait. */
void mill_start(struct mill *m);
void mill_launch(struct mill *m);
/* Sends a signal. */
void mill_signal(struct mill *m, int number);
/* Sends a signal and waits for its end: the exit code, or minus the signal that ended it. */
int mill_end(struct mill *m, int number);
/* Waits for an end of its own within 5 * bound_ms. */
int mill_ended(struct mill *m, int64_t bound_ms);
/* What a supervisor does: starts it again when it has ended, and counts that. True when so. */
bool mill_tend(struct mill *m);
/* GETs a path: the HTTP code, 0 when it does not answer; the body until the next call. */
int mill_get(struct mill *m, const char *path, const char **body);
/* /readyz says yes. */
bool mill_ready(struct mill *m);
/* One value of /metrics by its name without "stampmill_"; -1 when there is none. */
double mill_metric(struct mill *m, const char *name);
/* These words stand in the log of this start. */
bool mill_said(struct mill *m, const char *words);
/* The identity it started with, until the next call. */
const char *mill_worker(struct mill *m);
/* The host of this daemon is lost with its disk: SIGKILL, and no box file is left. */
void mill_lose_host(struct mill *m);
/* Drains it with TERM: it must exit with 0 and leave the queue empty of owners. */
void mill_drain(struct mill *m);

/* ---- servers -- */

/* Kills with SIGKILL, or has PostgreSQL end at once (its immediate shutdown), and waits for the
 * end; starts again on the data. */
void redis_restart(void);
void redis_kill(void);
void postgres_kill(void);
void postgres_quit(void);
void postgres_start(void);
void redis_start(void);

/* ---- jobs and what became of them -- */

/* Enqueues n jobs of one kind into "default"; ids may be NULL. */
void put_jobs(const struct sm_job_spec *job, int n, struct sm_id *ids);
struct sm_id put_job(const char *type, const char *args);
/* One value of SQL as a number. */
#define sql_int(...) strtoll(sql(__VA_ARGS__), NULL, 10)
/* So many rows in a state. */
int rows_in(const char *state);
/* A column of a job's row as text; "" while there is no row. */
const char *row_text(const struct sm_id *id, const char *column);
/* Fails the test unless there are so many rows, all succeeded at the first attempt, and no failed
 * attempt is noted: nothing was charged. */
void check_uncharged(int rows);
/* Entries in the queue, and of those owned by workers. */
int queue_length(void);
int queue_in_flight(void);
/* Fails the test unless Redis holds nothing of any job. */
void check_redis_clean(void);

#endif

/*
 * A rig for live tests: one private Redis and PostgreSQL for a test program, emptied before each
 * test, and daemons as real processes. Everything runs under the least rights: daemons, producers
 * and inspectors as the users that the ACL lines of queue/PROTOCOL.md make, on PostgreSQL with the
 * roles stampmill_worker and stampmill_reader. Thread: the test's.
 */
#ifndef SM_TESTS_LIVE_RIG_H
#define SM_TESTS_LIVE_RIG_H

#include <sys/types.h>

#include "queue/inspect.h"
#include "stampmill/producer.h"
#include "store/read.h"
#include "tests/base/suite.h"
#include "tests/support/sql.h"
#include "tests/support/super.h"

/* Runs the suite's tests on one pair of servers; the exit code of main. */
int rig_run(const char *name, const struct suite_test *tests);

#define RIG_SUITE(name_, ...) rig_run((name_), (struct suite_test[]){__VA_ARGS__, {NULL, 0}})

#ifdef STAMPMILL_SANITIZED
#define RIG_SANITIZED 1
#else
#define RIG_SANITIZED 0
#endif

/* Starts again what was killed, on the same data, with the users; old clients are to be closed. */
void rig_restart(void);
/* Sent to the server's first process and, of PostgreSQL, to all its children. */
void rig_signal_redis(int number);
void rig_signal_postgres(int number);
void rig_signal_postgres_of(const struct servers *servers, int number);

/* ---- daemons -- */

/* Starts stampmilld with --debug-types, no status server, and what else is given (up to a NULL; a
 * later flag wins). It logs to rig_log. */
pid_t rig_daemon(const char *flag, ...);
/* The same with its own runtime folder and log, and flags up to a NULL. */
pid_t rig_spawn(const char *dir, const char *log, const char *const *flags);
/* Sends a signal and waits for the end: the exit code, or minus the signal that ended it. */
int rig_end(pid_t daemon, int signal);
/* Waits for an end of its own; fails the test after `seconds`. */
int rig_ended(pid_t daemon, int seconds);
/* What daemons wrote to stderr since rig_log_clear, until the next call; its end when it is long.
 */
const char *rig_log(void);
void rig_log_clear(void);
/* Waits until these words are in the log; fails the test after 20 s. */
void rig_log_wait(const char *words);
/* The folder of box files and log. */
const char *rig_runtime(void);
/* Resident memory of a process in bytes: now, and at most since its start. */
size_t rig_resident(pid_t pid);
size_t rig_resident_peak(pid_t pid);

/* ---- Redis -- */

/* One XADD as sm_producer, by field; "*" for the id lets Redis choose. */
struct sm_entry_id rig_xadd(const char *queue, const char *id, const struct sm_field *fields,
                            size_t n);
/* The same with texts, name and value in turn, up to a NULL, into queue "default". */
struct sm_entry_id rig_add(const char *name, ...) __attribute__((sentinel));
/* Connected clients; fail the test when they cannot be had. */
struct sm_client *rig_client(void);
struct sm_inspector *rig_inspector(void);
/* The queue "default". */
struct sm_queue_state rig_look(struct sm_inspector *in);
/* Waits until at most `most` entries are left; false after 60 s. */
bool rig_wait_length(struct sm_inspector *in, uint64_t most);
/* Ends the daemon and checks that it drained and left nothing in Redis. */
void rig_end_clean(pid_t daemon);

/* ---- PostgreSQL -- */

/* The worker's URL of a database; the password is PgSecret42, and asked for. */
const char *rig_worker_url(const char *database);
struct sm_reader *rig_reader(void);
/* The id of an entry that brought none, as SQL derives it. */
struct sm_id rig_derived_id(const char *queue, struct sm_entry_id entry);
/* Fails the test, with an error's text, unless there are so many rows, all succeeded. */
void rig_all_succeeded(int n);
/* Waits for a job's row; fails the test after 60 s. The caller frees it. */
void rig_row(struct sm_reader *reader, const struct sm_id *id, int what, struct sm_job_row *row);

#endif

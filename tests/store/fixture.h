/*
 * What the live tests of store/ share: one private PostgreSQL per program with the schema, rows to
 * commit, and a second connection that looks. Thread: the test's.
 */
#ifndef SM_TESTS_STORE_FIXTURE_H
#define SM_TESTS_STORE_FIXTURE_H

#include <check.h>
#include <libpq-fe.h>

#include "store/pg.h"
#include "store/schema.h"
#include "tests/support/servers.h"
#include "tests/support/sql.h"

extern struct servers servers;

/* Starts the server, migrates, and makes the login `wally` with a worker's rights. */
void fixture_start(void);
void fixture_stop(void);

/* Statements of all sessions, refused ones too, since the last call (by the server's log). */
int statements(void);

/* A connected store of this user ("" the superuser); one of a worker's rights. */
struct sm_store *store_as(const char *user);
struct sm_store *worker_store(void);

struct sm_row make_row(enum sm_state state, int life);
/* The n-th failed attempt of this job in its first life. */
struct sm_attempt make_attempt(struct sm_id id, int n);
/* By id, as a batch has them. */
void sort_rows(const struct sm_row **rows, size_t n);
void sort_attempts(struct sm_attempt *attempts, size_t n);
/* "succeeded 1": state and life of the job's row; "" when it has none. */
const char *state_of(const struct sm_row *row);

/* Commits these rows and waits; the store's code. ck_: it must be 0. */
void ck_commit(struct sm_store *store, const struct sm_row *rows, size_t n,
               enum sm_verdict *verdicts);
int commit(struct sm_store *store, const struct sm_row *rows, size_t n, enum sm_verdict *verdicts,
           struct sm_err *err);
int commit_all(struct sm_store *store, const struct sm_batch *batch, enum sm_verdict *verdicts,
               struct sm_commit_result *result, struct sm_err *err);
/* As a committer does: connects and begins again until it is done; how often that was. */
int commit_stubbornly(struct sm_store *store, const struct sm_batch *batch,
                      enum sm_verdict *verdicts, struct sm_commit_result *result);

/* Runs these tests as one program with the fixture, `each` (or NULL) before every one; main's
 * answer. */
int run_tests(const char *name, void (*start)(void), void (*each)(void), const TTest *const *tests,
              size_t n);

#endif

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

/* Starts the server and migrates. */
void fixture_start(void);
void fixture_stop(void);

/* A connected store of this user ("" the superuser). */
struct sm_store *store_as(const char *user);
struct sm_row make_row(enum sm_state state, int life);

/* Commits these rows and waits; the store's code. */
int commit(struct sm_store *store, const struct sm_row *rows, size_t n, enum sm_verdict *verdicts,
           struct sm_err *err);
int commit_all(struct sm_store *store, const struct sm_batch *batch, enum sm_verdict *verdicts,
               struct sm_commit_result *result, struct sm_err *err);

#endif

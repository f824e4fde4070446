/*
 * One connection to PostgreSQL, with deadlines: libpq non-blocking, every wait by poll(2). Private
 * to store/. Thread: a connection belongs to one thread.
 */
#ifndef SM_STORE_CONN_H
#define SM_STORE_CONN_H

#include <libpq-fe.h>
#include <stdint.h>

#include "stampmill/error.h"
#include "store/pg.h"

#define SM_PG_CALL_US 10000000 /* longest of a small statement */

/* Connects within wait_ms. NULL and *err: SM_E_UNREACHABLE, _AUTH, _CONFIG, _READ_ONLY, _SCHEMA
 * (server too old). No password is in a message. */
PGconn *sm_pg_connect(const struct sm_pg_options *options, int wait_ms, struct sm_err *err);
/* Refuses settings that lose committed rows, unless allowed. */
int sm_pg_check_safe(PGconn *pg, const struct sm_pg_options *options, struct sm_err *err);
/* Which settings that are off would lose committed rows: "fsync, full_page_writes", or "". */
int sm_pg_unsafe(PGconn *pg, char names[80], struct sm_err *err);
/* Refuses a schema that this build does not fit. */
int sm_pg_check_schema(PGconn *pg, struct sm_err *err);

/* Waits until the statement that was sent has its last result, at most until `until_us`
 * (monotonic): 1 not yet, 0 with *result (the caller clears it), or SM_E_UNREACHABLE. */
int sm_pg_wait(PGconn *pg, int64_t until_us, PGresult **result, struct sm_err *err);
/* Sends a statement with text parameters and waits at most SM_PG_CALL_US. 0 and *result, or a code.
 */
int sm_pg_exec(PGconn *pg, const char *sql, int n, const char *const *values, PGresult **result,
               struct sm_err *err);
/* The code of a failed result, with a message of SQLSTATE and text. */
int sm_pg_failed(const PGresult *result, struct sm_err *err);

#endif

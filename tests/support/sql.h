/*
 * The superuser's SQL on the private PostgreSQL of a test program. Thread: the test's; each process
 * of the suite connects for itself.
 */
#ifndef SM_TESTS_SUPPORT_SQL_H
#define SM_TESTS_SUPPORT_SQL_H

#include "tests/support/servers.h"

/* Which server `sql` speaks to; before the first call, and after the server was killed. */
void sql_on(const struct servers *servers);
/* One value of one statement; "" where there is none. Static memory, until the next call. */
const char *sql(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Puts a line in front of pg_hba.conf. */
void sql_hba(const char *first_line);

#endif

/*
 * What PostgreSQL's error codes mean for us. Codes, not words: a server's messages come in its own
 * language. Private to store/. Thread: any.
 */
#ifndef SM_STORE_SQLSTATE_H
#define SM_STORE_SQLSTATE_H

#include <stdbool.h>

/* The SM_E_* code of a SQLSTATE; SM_E_SERVER for those that say nothing more. */
int sm_sqlstate_code(const char *sqlstate);

/* Caused by the row that was sent, and again by the same row: data, constraints, limits, what a
 * trigger raises. Never a unique violation: that leads to the upsert. */
bool sm_sqlstate_is_refusal(const char *sqlstate);

/* The same statement may well succeed at once: deadlock, serialization failure. */
bool sm_sqlstate_is_passing(const char *sqlstate);

/* Its session is over, whatever else it was. */
bool sm_sqlstate_ends_session(const char *sqlstate);

/* The last SQLSTATE in libpq's verbose text of a failed connection, NULL when no server answered;
 * points into `text` at its five characters. Of several hosts the last one's answer counts. */
const char *sm_sqlstate_find(const char *text);

#endif

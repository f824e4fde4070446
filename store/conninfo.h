/*
 * The connection string before libpq acts on it. Private to store/. Thread: any.
 */
#ifndef SM_STORE_CONNINFO_H
#define SM_STORE_CONNINFO_H

#include <stdbool.h>

#include "stampmill/error.h"

/* SM_E_CONFIG for a URL or conninfo (NULL: the environment) that libpq cannot read or would
 * misread; no part of it is quoted. *several: it names more hosts than one. */
int sm_conninfo_check(const char *url, bool *several, struct sm_err *err);

#endif

/*
 * The schema and its migrations: numbered SQL files under store/migrations/, compiled in, forward
 * only. Thread: the caller's.
 */
#ifndef SM_STORE_SCHEMA_H
#define SM_STORE_SCHEMA_H

#include "stampmill/error.h"
#include "store/pg.h"

/* What this build needs. */
int sm_schema_wanted(void);

struct sm_schema_state {
    int version; /* 0: no schema yet */
    int wanted;
    char database[64], user[64];
    char server[32]; /* "15.18" */
    char unsafe[80]; /* settings that are off and would lose committed rows; "": none */
    bool can_migrate, can_work;
};

/* What is there. SM_E_UNREACHABLE, SM_E_AUTH. */
int sm_schema_read(const struct sm_pg_options *options, struct sm_schema_state *state,
                   struct sm_err *err);
/* Applies what is missing, each migration in its own transaction, under an advisory lock so that
 * two at once do no harm; `report` is called after each. SM_E_SCHEMA when the database is newer
 * than this build, SM_E_PERMISSION when the user may not. */
int sm_schema_migrate(const struct sm_pg_options *options,
                      void (*report)(int version, const char *name, void *arg), void *arg,
                      struct sm_err *err);

#endif

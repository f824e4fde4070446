/*
 * The store on PostgreSQL (libpq). Thread: each store belongs to one thread; sm_pg_store_new may be
 * called from any.
 */
#ifndef SM_STORE_PG_H
#define SM_STORE_PG_H

#include "store/store.h"

struct sm_pg_options {
    const char *url;         /* conninfo or URL; NULL: the PG* environment */
    const char *application; /* application_name, as pg_stat_activity shows it */
    bool allow_unsafe;       /* accept fsync=off and the like */
};

/* Not connected yet; NULL only without memory. The texts of the options must outlive the store. */
struct sm_store *sm_pg_store_new(const struct sm_pg_options *options);

#endif

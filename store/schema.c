/*
 * Migrations: the numbered files of store/migrations/, each applied in its own transaction under
 * one advisory lock, so that two who migrate at once do no harm.
 */
#include "store/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/conn.h"

#define CONNECT_MS 5000
#define LOCK "7309453117" /* any number of our own */

static const struct {
    const char *name, *sql; /* "0001_roles" */
} migrations[] = {
#include "migrations.inc"
};

int sm_schema_wanted(void)
{
    return (int)(sizeof migrations / sizeof *migrations);
}

static int run(PGconn *pg, const char *sql, struct sm_err *err)
{
    PGresult *result;
    int rc = sm_pg_exec(pg, sql, 0, NULL, &result, err);
    if (rc == 0)
        PQclear(result);
    return rc;
}

/* The version that is there; 0 when there is no schema. */
static int read_version(PGconn *pg, int *version, struct sm_err *err)
{
    PGresult *result;
    *version = 0;
    int rc = sm_pg_exec(pg, "SELECT to_regclass('stampmill.migrations') IS NOT NULL", 0, NULL,
                        &result, err);
    if (rc != 0)
        return rc;
    bool there = strcmp(PQgetvalue(result, 0, 0), "t") == 0;
    PQclear(result);
    if (!there)
        return 0;
    rc = sm_pg_exec(pg, "SELECT coalesce(max(version), 0) FROM stampmill.migrations", 0, NULL,
                    &result, err);
    if (rc != 0)
        return rc;
    *version = atoi(PQgetvalue(result, 0, 0));
    PQclear(result);
    return 0;
}

int sm_schema_read(const struct sm_pg_options *options, struct sm_schema_state *state,
                   struct sm_err *err)
{
    PGresult *result;
    memset(state, 0, sizeof *state);
    state->wanted = sm_schema_wanted();
    PGconn *pg = sm_pg_connect(options, CONNECT_MS, err);
    if (pg == NULL)
        return err->code;
    int rc = read_version(pg, &state->version, err);
    if (rc == 0)
        rc = sm_pg_exec(
            pg,
            "SELECT current_database(), current_user, current_setting('server_version'), "
            "has_database_privilege(current_database(), 'CREATE'), "
            "coalesce(has_table_privilege(to_regclass('stampmill.results')::oid, 'INSERT'), false)",
            0, NULL, &result, err);
    if (rc == 0) {
        snprintf(state->database, sizeof state->database, "%s", PQgetvalue(result, 0, 0));
        snprintf(state->user, sizeof state->user, "%s", PQgetvalue(result, 0, 1));
        snprintf(state->server, sizeof state->server, "%.*s",
                 (int)strcspn(PQgetvalue(result, 0, 2), " "), PQgetvalue(result, 0, 2));
        state->can_migrate = *PQgetvalue(result, 0, 3) == 't';
        state->can_work = *PQgetvalue(result, 0, 4) == 't';
        PQclear(result);
    }
    if (rc == 0)
        rc = sm_pg_unsafe(pg, state->unsafe, err);
    PQfinish(pg);
    return rc;
}

static int apply(PGconn *pg, int number, struct sm_err *err)
{
    char note[200];
    snprintf(note, sizeof note,
             "INSERT INTO stampmill.migrations (version, name) VALUES (%d, '%s')", number,
             migrations[number - 1].name);
    int rc = run(pg, "BEGIN", err);
    if (rc == 0)
        rc = run(pg, migrations[number - 1].sql, err);
    if (rc == 0)
        rc = run(pg, note, err);
    if (rc == 0)
        return run(pg, "COMMIT", err);
    struct sm_err ignored;
    run(pg, "ROLLBACK", &ignored);
    return sm_err_wrap(err, "migration %s", migrations[number - 1].name);
}

static int migrate(PGconn *pg, void (*report)(int version, const char *name, void *arg), void *arg,
                   struct sm_err *err)
{
    int version = 0, rc = run(pg, "SELECT pg_advisory_lock(" LOCK ")", err);
    if (rc == 0)
        rc = run(pg,
                 "CREATE SCHEMA IF NOT EXISTS stampmill; CREATE TABLE IF NOT EXISTS "
                 "stampmill.migrations ("
                 "version integer PRIMARY KEY, name text NOT NULL, "
                 "applied_at timestamptz NOT NULL DEFAULT now())",
                 err);
    if (rc == 0)
        rc = read_version(pg, &version, err);
    if (rc == 0 && version > sm_schema_wanted())
        rc = sm_err_set(
            err, SM_E_SCHEMA,
            "the database schema is version %d, newer than the %d this build knows: upgrade "
            "Stampmill",
            version, sm_schema_wanted());
    while (rc == 0 && version < sm_schema_wanted()) {
        rc = apply(pg, ++version, err);
        if (rc == 0 && report != NULL)
            report(version, migrations[version - 1].name, arg);
    }
    return rc;
}

int sm_schema_migrate(const struct sm_pg_options *options,
                      void (*report)(int version, const char *name, void *arg), void *arg,
                      struct sm_err *err)
{
    PGconn *pg = sm_pg_connect(options, CONNECT_MS, err);
    if (pg == NULL)
        return err->code;
    int rc = migrate(pg, report, arg, err);
    PQfinish(pg); /* drops the lock too */
    return rc;
}

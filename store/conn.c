/*
 * Connecting, waiting, classifying. libpq has no deadline of its own: a stopped server on a Unix
 * socket would block for ever. So everything is sent non-blocking and waited for here.
 */
#include "store/conn.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/conninfo.h"
#include "store/schema.h"
#include "store/sqlstate.h"

#define PING_S                                                                                     \
    "2" /* bounds the ping alone: our own waits end sooner or later by their deadlines             \
         */

static int64_t now_us(void)
{
    return sm_mono_us(&sm_clock_real);
}

/* ---- waiting -- */

/* Waits for the socket; false when the time is over. */
static bool wait_socket(PGconn *pg, short events, int64_t until_us)
{
    struct pollfd p = {.fd = PQsocket(pg), .events = events};
    int64_t left = until_us - now_us();
    return poll(&p, 1, left <= 0 ? 0 : (int)((left + 999) / 1000)) > 0;
}

/* ---- failures -- */

/* The line of a message that holds its SQLSTATE, else its first; without its end. */
static void telling_line(const char *text, const char *state, char *line, size_t room)
{
    while (state != NULL && state > text && state[-1] != '\n')
        state--;
    if (state != NULL)
        text = state;
    snprintf(line, room, "%.*s", (int)strcspn(text, "\n"), text);
}

/* No connection: what the server answered, or that none did. */
static int refuse(PGconn *pg, struct sm_err *err)
{
    char line[300];
    const char *text = PQerrorMessage(pg), *state = sm_sqlstate_find(text);
    int code = state != NULL ? sm_sqlstate_code(state) : SM_E_UNREACHABLE;
    if (state == NULL && PQconnectionNeedsPassword(pg))
        code = SM_E_AUTH;
    telling_line(text, state, line, sizeof line);
    return sm_err_set(err, code, "PostgreSQL: %s", line[0] == '\0' ? "no connection" : line);
}

/* A session that was there is over. */
static int lost(const PGconn *pg, const char *state, struct sm_err *err)
{
    char line[300];
    if (state != NULL)
        return sm_err_set(err, SM_E_UNREACHABLE, "PostgreSQL: connection lost (%.5s)", state);
    telling_line(PQerrorMessage(pg), NULL, line, sizeof line);
    return sm_err_set(err, SM_E_UNREACHABLE, "PostgreSQL: connection lost%s%s",
                      line[0] == '\0' ? "" : ": ", line);
}

/* Failed without waiting for anything: settings that libpq cannot use, or a host that is not found
 * or refuses at once. Only libpq's ping tells them apart. Its words about settings quote parts of
 * them, the password perhaps, and are not passed on. */
static int refuse_start(PGconn *pg, const char *const *keys, const char *const *values,
                        struct sm_err *err)
{
    if (PQpingParams(keys, values, 1) != PQPING_NO_ATTEMPT)
        return refuse(pg, err);
    return sm_err_set(err, SM_E_CONFIG,
                      "PostgreSQL: cannot use the settings of postgres.url; write "
                      "postgresql://user@host/database, with %%xx for special characters");
}

/* ---- connecting -- */

static int await_connection(PGconn *pg, int64_t until_us, struct sm_err *err)
{
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;
    while (status != PGRES_POLLING_OK) {
        short events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT;
        if (status == PGRES_POLLING_FAILED)
            return refuse(pg, err);
        if (!wait_socket(pg, events, until_us) && now_us() >= until_us)
            return sm_err_set(err, SM_E_TIMEOUT, "PostgreSQL: did not answer in time");
        status = PQconnectPoll(pg);
    }
    return 0;
}

static void no_notice(void *arg, const char *text)
{
    (void)arg, (void)text;
}

static int check_server(PGconn *pg, struct sm_err *err)
{
    const char *standby = PQparameterStatus(pg, "in_hot_standby");
    if (PQserverVersion(pg) < 140000)
        return sm_err_set(err, SM_E_SCHEMA, "PostgreSQL %s is too old: 14 or later is needed",
                          PQparameterStatus(pg, "server_version"));
    if (standby != NULL && strcmp(standby, "on") == 0)
        return sm_err_set(err, SM_E_READ_ONLY,
                          "PostgreSQL: this server is a standby, it takes no writes");
    const char *read_only = PQparameterStatus(pg, "default_transaction_read_only");
    if (read_only != NULL && strcmp(read_only, "on") == 0)
        return sm_err_set(err, SM_E_READ_ONLY, "PostgreSQL: this database is read-only");
    return 0;
}

static int finish_connecting(PGconn *pg, int wait_ms, struct sm_err *err)
{
    PQsetErrorVerbosity(pg, PQERRORS_VERBOSE); /* with the SQLSTATE */
    PQsetNoticeProcessor(pg, no_notice, NULL);
    int rc = await_connection(pg, now_us() + wait_ms * INT64_C(1000), err);
    if (rc == 0)
        rc = check_server(pg, err);
    if (rc != 0)
        return rc;
    PQsetnonblocking(pg, 1);
    return 0;
}

PGconn *sm_pg_connect(const struct sm_pg_options *options, int wait_ms, struct sm_err *err)
{
    bool several;
    int rc = sm_conninfo_check(options->url, &several, err);
    if (rc != 0)
        return NULL;
    /* What stands before dbname is a default that the URL may overrule. Of several hosts the one
     * that takes writes is ours. */
    const char *const keys[] = {
        "fallback_application_name", "client_encoding",
        "connect_timeout",           several ? "target_session_attrs" : "dbname",
        several ? "dbname" : NULL,   NULL};
    const char *const values[] = {
        options->application,          "UTF8", PING_S, several ? "read-write" : options->url,
        several ? options->url : NULL, NULL};
    PGconn *pg = PQconnectStartParams(keys, values, 1);
    if (pg == NULL)
        rc = sm_err_set(err, SM_E_NO_MEMORY, "no memory");
    else if (PQstatus(pg) == CONNECTION_BAD)
        rc = refuse_start(pg, keys, values, err);
    else
        rc = finish_connecting(pg, wait_ms, err);
    if (rc == 0)
        return pg;
    PQfinish(pg);
    return NULL;
}

/* ---- statements -- */

int sm_pg_wait(PGconn *pg, int64_t until_us, PGresult **result, struct sm_err *err)
{
    PGresult *last = NULL, *next;
    int unsent = PQflush(pg);
    *result = NULL;
    while (unsent > 0 || PQisBusy(pg)) {
        short events = (short)(POLLIN | (unsent > 0 ? POLLOUT : 0));
        if (unsent < 0)
            return lost(pg, NULL, err);
        if (!wait_socket(pg, events, until_us) && now_us() >= until_us)
            return 1;
        if (!PQconsumeInput(pg))
            return lost(pg, NULL, err);
        unsent = PQflush(pg);
    }
    while ((next = PQgetResult(pg)) != NULL) {
        PQclear(last);
        last = next;
    }
    const char *state = PQresultErrorField(last, PG_DIAG_SQLSTATE);
    if (last == NULL || PQstatus(pg) != CONNECTION_OK ||
        (state != NULL && sm_sqlstate_ends_session(state))) {
        int rc = lost(pg, state, err);
        PQclear(last);
        return rc;
    }
    *result = last;
    return 0;
}

int sm_pg_failed(const PGresult *result, struct sm_err *err)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *constraint = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);
    if (state == NULL)
        return sm_err_set(err, SM_E_SERVER, "PostgreSQL: failed without a SQLSTATE");
    if (sm_sqlstate_is_refusal(state)) /* such a text may quote the data */
        text = "refuses the data";
    return sm_err_set(
        err, sm_sqlstate_code(state), "PostgreSQL: %s (%s%s%s)", text == NULL ? "failed" : text,
        state, constraint == NULL ? "" : ", constraint ", constraint == NULL ? "" : constraint);
}

int sm_pg_exec(PGconn *pg, const char *sql, int n, const char *const *values, PGresult **result,
               struct sm_err *err)
{
    int sent =
        n == 0 ? PQsendQuery(pg, sql) : PQsendQueryParams(pg, sql, n, NULL, values, NULL, NULL, 0);
    if (!sent)
        return lost(pg, NULL, err);
    int rc = sm_pg_wait(pg, now_us() + SM_PG_CALL_US, result, err);
    if (rc == 1)
        return sm_err_set(err, SM_E_TIMEOUT, "PostgreSQL: did not answer in time");
    if (rc != 0)
        return rc;
    ExecStatusType status = PQresultStatus(*result);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
        return 0;
    rc = sm_pg_failed(*result, err);
    PQclear(*result);
    *result = NULL;
    return rc;
}

int sm_pg_unsafe(PGconn *pg, char names[80], struct sm_err *err)
{
    PGresult *result;
    int rc = sm_pg_exec(pg,
                        "SELECT string_agg(name, ', ') FROM pg_settings WHERE setting = 'off' AND "
                        "name IN ('fsync', 'synchronous_commit', 'full_page_writes')",
                        0, NULL, &result, err);
    if (rc != 0)
        return rc;
    snprintf(names, 80, "%s", PQgetvalue(result, 0, 0));
    PQclear(result);
    return 0;
}

int sm_pg_check_safe(PGconn *pg, const struct sm_pg_options *options, struct sm_err *err)
{
    char names[80];
    if (options->allow_unsafe)
        return 0;
    int rc = sm_pg_unsafe(pg, names, err);
    if (rc == 0 && names[0] != '\0')
        rc = sm_err_set(
            err, SM_E_UNSAFE,
            "PostgreSQL would lose committed results: %s is off; turn it on, or start with "
            "--allow-unsafe",
            names);
    return rc;
}

int sm_pg_check_schema(PGconn *pg, struct sm_err *err)
{
    PGresult *result;
    int version = 0, wanted = sm_schema_wanted();
    int rc = sm_pg_exec(pg, "SELECT max(version) FROM stampmill.migrations", 0, NULL, &result, err);
    if (rc == 0) {
        version = atoi(PQgetvalue(result, 0, 0));
        PQclear(result);
    } else if (rc == SM_E_PERMISSION) {
        return sm_err_set(
            err, rc,
            "this user may not use the schema stampmill: GRANT stampmill_worker TO it "
            "(to read alone: stampmill_reader)");
    } else if (rc != SM_E_SCHEMA) { /* no such table: version 0 */
        return rc;
    }
    if (version < wanted)
        return sm_err_set(
            err, SM_E_SCHEMA,
            "the database schema is version %d, this build needs %d: run `stampmill db migrate`",
            version, wanted);
    if (version > wanted)
        return sm_err_set(
            err, SM_E_SCHEMA,
            "the database schema is version %d, newer than the %d this build knows: upgrade "
            "Stampmill",
            version, wanted);
    return 0;
}

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
#include "store/schema.h"

static int64_t now_us(void)
{
    return sm_mono_us(&sm_clock_real);
}

/* ---- the connection string -- */

/* A password with '@' or '/' unescaped is read by libpq as part of the host or port, and would be
 * quoted. */
static bool looks_torn(const PQconninfoOption *options)
{
    for (; options->keyword != NULL; options++) {
        const char *value = options->val == NULL ? "" : options->val;
        if (strcmp(options->keyword, "host") == 0 && strchr(value, '@') != NULL)
            return true;
        if (strcmp(options->keyword, "port") == 0 && value[strspn(value, "0123456789,")] != '\0')
            return true;
    }
    return false;
}

/* What libpq cannot read it quotes, passwords and all: so it is tried here first, and never quoted.
 */
static int check_url(const char *url, struct sm_err *err)
{
    if (url == NULL || (strchr(url, '=') == NULL && strstr(url, "://") == NULL))
        return 0; /* the environment's, or a bare database name */
    PQconninfoOption *options = PQconninfoParse(url, NULL);
    if (options == NULL)
        return sm_err_set(err, SM_E_CONFIG,
                          "PostgreSQL: the URL or connection string cannot be read");
    bool torn = looks_torn(options);
    PQconninfoFree(options);
    if (torn)
        return sm_err_set(err, SM_E_CONFIG,
                          "PostgreSQL: host or port of the URL cannot be read; in a password write "
                          "'@' as %%40, ':' as %%3A and '/' as %%2F");
    return 0;
}

/* ---- waiting -- */

/* Waits for the socket; false when the time is over. */
static bool wait_socket(PGconn *pg, short events, int64_t until_us)
{
    struct pollfd p = {.fd = PQsocket(pg), .events = events};
    int64_t left = until_us - now_us();
    return poll(&p, 1, left <= 0 ? 0 : (int)((left + 999) / 1000)) > 0;
}

/* The first line of a message, without its end. */
static void first_line(const char *text, char *line, size_t room)
{
    snprintf(line, room, "%.*s", (int)strcspn(text, "\n"), text);
}

static int refuse(PGconn *pg, struct sm_err *err)
{
    static const struct {
        const char *words;
        int code;
    } known[] = {{"password", SM_E_AUTH},        {"authentication", SM_E_AUTH},
                 {"role \"", SM_E_AUTH},         {"pg_hba.conf", SM_E_AUTH},
                 {"database \"", SM_E_CONFIG},   {"invalid", SM_E_CONFIG},
                 {"missing \"=\"", SM_E_CONFIG}, {"read-only", SM_E_READ_ONLY}};
    char line[300];
    int code = SM_E_UNREACHABLE;
    first_line(PQerrorMessage(pg), line, sizeof line);
    for (size_t i = 0; i < sizeof known / sizeof *known && code == SM_E_UNREACHABLE; i++)
        if (strstr(line, known[i].words) != NULL && strstr(line, "No such file") == NULL)
            code = known[i].code;
    if (strstr(line, "starting up") != NULL || strstr(line, "shutting down") != NULL)
        code = SM_E_UNREACHABLE;
    return sm_err_set(err, code, "PostgreSQL: %s", line[0] == '\0' ? "no connection" : line);
}

/* Not even begun: libpq could not use its settings, or found no server at once. Its words about
 * settings quote parts of them, the password perhaps, and are not passed on. */
static int refuse_url(PGconn *pg, struct sm_err *err)
{
    const char *text = PQerrorMessage(pg);
    if (strstr(text, "connection to server") != NULL || strstr(text, "host name") != NULL)
        return refuse(pg, err);
    return sm_err_set(
        err, SM_E_CONFIG,
        "PostgreSQL: cannot read postgres.url; write postgresql://user@host/database, with "
        "%%xx for special characters");
}

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

PGconn *sm_pg_connect(const struct sm_pg_options *options, int wait_ms, struct sm_err *err)
{
    const char *const keys[] = {"fallback_application_name", "client_encoding", "dbname", NULL};
    const char *const values[] = {options->application, "UTF8", options->url, NULL};
    int rc = check_url(options->url, err);
    if (rc != 0)
        return NULL;
    PGconn *pg = PQconnectStartParams(keys, values, 1);
    if (pg == NULL)
        rc = sm_err_set(err, SM_E_NO_MEMORY, "no memory");
    else if (PQstatus(pg) == CONNECTION_BAD)
        rc = refuse_url(pg, err);
    else
        rc = await_connection(pg, now_us() + wait_ms * 1000, err);
    if (rc == 0)
        rc = check_server(pg, err);
    if (rc != 0) {
        PQfinish(pg);
        return NULL;
    }
    PQsetnonblocking(pg, 1);
    PQsetNoticeProcessor(pg, no_notice, NULL);
    return pg;
}

int sm_pg_wait(PGconn *pg, int64_t until_us, PGresult **result, struct sm_err *err)
{
    PGresult *last = NULL, *next;
    int unsent = PQflush(pg);
    *result = NULL;
    while (unsent > 0 || PQisBusy(pg)) {
        short events = (short)(POLLIN | (unsent > 0 ? POLLOUT : 0));
        if (unsent < 0)
            return refuse(pg, err);
        if (!wait_socket(pg, events, until_us) && now_us() >= until_us)
            return 1;
        if (!PQconsumeInput(pg)) {
            refuse(pg, err);
            return err->code = SM_E_UNREACHABLE;
        }
        unsent = PQflush(pg);
    }
    while ((next = PQgetResult(pg)) != NULL) {
        PQclear(last);
        last = next;
    }
    if (last == NULL || PQstatus(pg) != CONNECTION_OK) {
        PQclear(last);
        return sm_err_set(err, SM_E_UNREACHABLE, "PostgreSQL: connection lost");
    }
    *result = last;
    return 0;
}

int sm_pg_failed(const PGresult *result, struct sm_err *err)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    int code = SM_E_SERVER;
    if (state == NULL)
        state = "?";
    if (strncmp(state, "53", 2) == 0)
        code = SM_E_FULL;
    else if (strcmp(state, "25006") == 0)
        code = SM_E_READ_ONLY;
    else if (strcmp(state, "42501") == 0)
        code = SM_E_PERMISSION;
    return sm_err_set(err, code, "PostgreSQL: %s (%s)", text == NULL ? "failed" : text, state);
}

int sm_pg_exec(PGconn *pg, const char *sql, int n, const char *const *values, PGresult **result,
               struct sm_err *err)
{
    int sent =
        n == 0 ? PQsendQuery(pg, sql) : PQsendQueryParams(pg, sql, n, NULL, values, NULL, NULL, 0);
    if (!sent)
        return refuse(pg, err);
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

int sm_pg_check_safe(PGconn *pg, const struct sm_pg_options *options, struct sm_err *err)
{
    PGresult *result;
    if (options->allow_unsafe)
        return 0;
    int rc = sm_pg_exec(pg,
                        "SELECT string_agg(name, ', ') FROM pg_settings WHERE setting = 'off' AND "
                        "name IN ('fsync', 'synchronous_commit', 'full_page_writes')",
                        0, NULL, &result, err);
    if (rc != 0)
        return rc;
    if (!PQgetisnull(result, 0, 0))
        rc = sm_err_set(
            err, SM_E_UNSAFE,
            "PostgreSQL would lose committed results: %s is off; turn it on, or start with "
            "--allow-unsafe",
            PQgetvalue(result, 0, 0));
    PQclear(result);
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
    } else if (rc != SM_E_SERVER) {
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

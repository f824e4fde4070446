/* The superuser's SQL; see sql.h. */
#include "tests/support/sql.h"

#include <check.h>
#include <libpq-fe.h>
#include <stdarg.h>
#include <stdio.h>

static const struct servers *on;
static PGconn *looker;

void sql_on(const struct servers *servers)
{
    on = servers;
    PQfinish(looker);
    looker = NULL;
}

static void look(void)
{
    PQfinish(looker);
    looker = PQconnectdb(on->database_url);
    ck_assert_msg(PQstatus(looker) == CONNECTION_OK, "%s", PQerrorMessage(looker));
}

const char *sql(const char *format, ...)
{
    static char value[4096];
    char text[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (looker == NULL || PQstatus(looker) != CONNECTION_OK)
        look();
    PGresult *r = PQexec(looker, text);
    ExecStatusType status = PQresultStatus(r);
    ck_assert_msg(status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK, "%s: %s", text,
                  PQerrorMessage(looker));
    snprintf(value, sizeof value, "%s", PQntuples(r) > 0 ? PQgetvalue(r, 0, 0) : "");
    PQclear(r);
    return value;
}

void sql_hba(const char *first_line)
{
    char path[200], rest[16384];
    snprintf(path, sizeof path, "%s/pg/pg_hba.conf", on->dir);
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    size_t n = fread(rest, 1, sizeof rest - 1, file);
    fclose(file);
    rest[n] = '\0';
    file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fprintf(file, "%s\n%s", first_line, rest);
    fclose(file);
    sql("SELECT pg_reload_conf()");
}

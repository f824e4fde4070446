/*
 * SQLSTATE to SM_E_*: one table, the first row whose prefix fits. Appendix A of PostgreSQL's manual
 * names them.
 */
#include "store/sqlstate.h"

#include <stddef.h>
#include <string.h>

#include "stampmill/error.h"

static bool has_prefix(const char *sqlstate, const char *prefix)
{
    return strncmp(sqlstate, prefix, strlen(prefix)) == 0;
}

int sm_sqlstate_code(const char *sqlstate)
{
    static const struct {
        const char *prefix;
        int code;
    } table[] = {
        {"08", SM_E_UNREACHABLE},    /* connection lost */
        {"25006", SM_E_READ_ONLY},   /* read-only: a standby, or set so */
        {"28", SM_E_AUTH},           /* user, password, pg_hba.conf */
        {"3D000", SM_E_CONFIG},      /* no such database */
        {"3F000", SM_E_SCHEMA},      /* no such schema .. */
        {"42501", SM_E_PERMISSION},  /* lacks a right */
        {"42P01", SM_E_SCHEMA},      /* .. table .. */
        {"42703", SM_E_SCHEMA},      /* .. column .. */
        {"42704", SM_E_SCHEMA},      /* .. type .. */
        {"42883", SM_E_SCHEMA},      /* .. function */
        {"53100", SM_E_FULL},        /* disk full */
        {"53300", SM_E_UNREACHABLE}, /* too many connections: they come and go */
        {"57014", SM_E_TIMEOUT},     /* cancelled: the operator's statement_timeout */
        {"57P", SM_E_UNREACHABLE},   /* shutting down, crashed, starting up, idle too long */
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (has_prefix(sqlstate, table[i].prefix))
            return table[i].code;
    return SM_E_SERVER;
}

bool sm_sqlstate_is_refusal(const char *sqlstate)
{
    static const char *const classes[] = {"22", "23", "44", "54", "P0"};
    if (has_prefix(sqlstate, "23505"))
        return false;
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (has_prefix(sqlstate, classes[i]))
            return true;
    return false;
}

bool sm_sqlstate_is_passing(const char *sqlstate)
{
    return has_prefix(sqlstate, "40001") || has_prefix(sqlstate, "40P01");
}

bool sm_sqlstate_ends_session(const char *sqlstate)
{
    return has_prefix(sqlstate, "57P") || has_prefix(sqlstate, "08");
}

/* "28P01: " */
static bool is_state(const char *text)
{
    static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    return strspn(text, letters) == 5 && text[5] == ':' && text[6] == ' ';
}

/* Verbose is "<severity>:  <SQLSTATE>: <text>"; only the severity and the text are translated. */
const char *sm_sqlstate_find(const char *text)
{
    const char *found = NULL;
    for (const char *at = strstr(text, ":  "); at != NULL; at = strstr(at + 1, ":  "))
        if (is_state(at + 3))
            found = at + 3;
    return found;
}

/*
 * What libpq cannot read it quotes, passwords and all: so it is tried here first, and never quoted.
 * A password with '@', '/' or ':' unescaped is read as part of the host, port or database name;
 * then it would be quoted as such.
 */
#include "store/conninfo.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

static const char *value_of(const PQconninfoOption *options, const char *keyword)
{
    for (; options->keyword != NULL; options++)
        if (strcmp(options->keyword, keyword) == 0)
            return options->val == NULL ? "" : options->val;
    return "";
}

/* "5432", "5432,5433", "5432,,": an empty one is the default. */
static bool ports_fit(const char *ports)
{
    for (const char *at = ports;; at++) {
        size_t digits = strspn(at, "0123456789");
        long port = strtol(at, NULL, 10);
        if (digits > 5 || (digits > 0 && (port < 1 || port > 65535)))
            return false;
        at += digits;
        if (*at != ',')
            return *at == '\0';
    }
}

/* An '@' behind the host part of a URL: the password ended too early. */
static bool at_in_path(const char *url)
{
    const char *scheme = strstr(url, "://");
    if (scheme == NULL)
        return false;
    const char *path = scheme + 3 + strcspn(scheme + 3, "/?");
    return memchr(path, '@', strcspn(path, "?")) != NULL;
}

int sm_conninfo_check(const char *url, bool *several, struct sm_err *err)
{
    bool bare = url == NULL || (strchr(url, '=') == NULL && strstr(url, "://") == NULL);
    PQconninfoOption *options = bare ? PQconndefaults() : PQconninfoParse(url, NULL);
    if (options == NULL)
        return sm_err_set(err, SM_E_CONFIG,
                          "PostgreSQL: the URL or connection string cannot be read");
    const char *host = value_of(options, "host");
    bool torn = strchr(host, '@') != NULL || !ports_fit(value_of(options, "port")) ||
                (!bare && at_in_path(url));
    *several = strchr(host, ',') != NULL || strchr(value_of(options, "hostaddr"), ',') != NULL;
    PQconninfoFree(options);
    if (torn)
        return sm_err_set(err, SM_E_CONFIG,
                          "PostgreSQL: host or port of the URL cannot be read; in a password write "
                          "'@' as %%40, ':' as %%3A and '/' as %%2F");
    return 0;
}

/* Redis URLs: redis://[user:password@]host[:port][/db], unix://[user:password@]/path[?db=n], or
 * a socket's path. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "queue/redis.h"
#include "queue/redis_conn.h"

/* Copies `size` bytes with %xx resolved; false when it does not fit. */
static bool unescape(const char *from, size_t size, char *to, size_t room)
{
    size_t n = 0;
    for (size_t i = 0; i < size; i++) {
        char c = from[i];
        if (c == '%' && i + 2 < size) {
            char hex[3] = {from[i + 1], from[i + 2], '\0'}, *end;
            long byte = strtol(hex, &end, 16);
            if (*end == '\0')
                c = (char)byte, i += 2;
        }
        if (n + 1 >= room)
            return false;
        to[n++] = c;
    }
    to[n] = '\0';
    return true;
}

static bool parse_number(const char *text, size_t size, int most, int *value)
{
    int64_t n;
    if (!sm_text_parse_int(text, size, &n) || n < 0 || n > most)
        return false;
    *value = (int)n;
    return true;
}

static bool parse_login(const char *text, size_t size, struct sm_redis_url *parts)
{
    const char *colon = memchr(text, ':', size);
    size_t user = colon == NULL ? size : (size_t)(colon - text);
    if (!unescape(text, user, parts->user, sizeof parts->user))
        return false;
    return colon == NULL ||
           unescape(colon + 1, size - user - 1, parts->password, sizeof parts->password);
}

static bool parse_host(const char *text, size_t size, struct sm_redis_url *parts)
{
    const char *host = text, *colon = NULL;
    size_t n = size;
    if (size > 0 && text[0] == '[') { /* [::1]:6379 */
        const char *close = memchr(text, ']', size);
        if (close == NULL)
            return false;
        host = text + 1;
        n = (size_t)(close - host);
        if (close + 1 < text + size)
            colon = close[1] == ':' ? close + 1 : NULL;
    } else if ((colon = memchr(text, ':', size)) != NULL) {
        n = (size_t)(colon - text);
    }
    if (colon != NULL &&
        !parse_number(colon + 1, (size_t)(text + size - colon - 1), 65535, &parts->port))
        return false;
    return unescape(host, n, parts->host, sizeof parts->host) && parts->host[0] != '\0';
}

static bool parse_tcp(const char *rest, struct sm_redis_url *parts)
{
    const char *slash = strchr(rest, '/');
    size_t n = slash == NULL ? strcspn(rest, "?") : (size_t)(slash - rest);
    const char *at = memrchr(rest, '@', n);
    if (at != NULL && !parse_login(rest, (size_t)(at - rest), parts))
        return false;
    const char *host = at == NULL ? rest : at + 1;
    if (slash != NULL && slash[1] != '\0' &&
        !parse_number(slash + 1, strlen(slash + 1), 1000, &parts->db))
        return false;
    return parse_host(host, n - (size_t)(host - rest), parts);
}

static bool parse_unix(const char *path, struct sm_redis_url *parts)
{
    const char *slash = strchr(path, '/');
    if (slash == NULL)
        return false;
    if (slash > path && (slash[-1] != '@' || !parse_login(path, (size_t)(slash - 1 - path), parts)))
        return false;
    const char *query = strchr(slash, '?');
    size_t n = query == NULL ? strlen(slash) : (size_t)(query - slash);
    parts->is_unix = true;
    if (query != NULL && (strncmp(query, "?db=", 4) != 0 ||
                          !parse_number(query + 4, strlen(query + 4), 1000, &parts->db)))
        return false;
    return n < 108 && unescape(slash, n, parts->host, sizeof parts->host);
}

int sm_redis_url_parse(const char *url, struct sm_redis_url *parts, struct sm_err *err)
{
    char masked[200];
    bool fine = false;
    memset(parts, 0, sizeof *parts);
    parts->port = 6379;
    sm_text_mask_url(url, masked, sizeof masked);
    if (strncmp(url, "rediss://", 9) == 0)
        return sm_err_set(
            err, SM_E_CONFIG,
            "redis.url: %s asks for TLS, which this build does not speak; reach Redis by a "
            "local TLS tunnel (stunnel) and give redis:// to that",
            masked);
    if (strncmp(url, "redis://", 8) == 0)
        fine = parse_tcp(url + 8, parts);
    else if (strncmp(url, "unix://", 7) == 0)
        fine = parse_unix(url + 7, parts);
    else if (url[0] == '/')
        fine = parse_unix(url, parts);
    if (fine)
        return 0;
    return sm_err_set(
        err, SM_E_CONFIG,
        "redis.url: cannot read \"%s\"; write redis://[user:password@]host[:port][/db] or "
        "unix:///path",
        masked);
}

int sm_redis_url_check(const char *url, struct sm_err *err)
{
    struct sm_redis_url parts;
    return sm_redis_url_parse(url, &parts, err);
}

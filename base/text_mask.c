/*
 * Secrets in URLs and connection strings. It errs towards hiding too much: a host that is printed
 * as
 * "***" is a nuisance, a password in a log is an incident. Secret are: in "scheme://user:pw@host"
 * what stands between the first colon and the last '@', also where the password holds '/', '?' or
 * '@' unescaped; with redis:// a lone word before '@', which some clients take for the password;
 * and the value of every key that ends in "password". Thread: any.
 */
#include <string.h>
#include <strings.h>

#include "base/text.h"

struct span {
    size_t from, to;
};

/* "host:5432/db?options=a@b" has a colon and an '@', but no user. */
static bool is_host_and_port(const char *rest)
{
    size_t authority = strcspn(rest, "/?#");
    const char *colon = memchr(rest, ':', authority);
    size_t digits;

    if (!colon || colon == rest || memchr(rest, '@', authority))
        return false;
    digits = strspn(colon + 1, "0123456789");
    return colon + 1 + digits == rest + authority;
}

static bool user_secret(const char *url, struct span *span)
{
    const char *scheme_end = strstr(url, "://"), *rest, *at, *colon;

    if (!scheme_end)
        return false;
    rest = scheme_end + 3;
    at = strrchr(rest, '@');
    if (!at || is_host_and_port(rest))
        return false;
    colon = memchr(rest, ':', (size_t)(at - rest));
    if (!colon && strncasecmp(url, "redis", 5) != 0)
        return false;
    if (!colon && memchr(rest, '/', (size_t)(at - rest)))
        return false; /* the '@' stands in the path */
    span->from = (size_t)(colon ? colon + 1 - url : rest - url);
    span->to = (size_t)(at - url);
    return span->to > span->from;
}

/* Where the value at `value` ends: at its quote, or at the next separator. */
static size_t value_end(const char *url, size_t value, bool in_url)
{
    bool quoted = url[value] == '\'';
    size_t at = value + (quoted ? 1 : 0);

    for (; url[at]; at++) {
        if (url[at] == '\\' && url[at + 1])
            at++;
        else if (quoted && url[at] == '\'')
            return at + 1;
        else if (!quoted && strchr(in_url ? "&#" : " \t\r\n", url[at]))
            return at;
    }
    return at;
}

/* The next "password=value" from `start` on. */
static bool key_secret(const char *url, size_t start, struct span *span)
{
    const char *found = strcasestr(url + start, "password");

    while (found) {
        const char *value = found + strlen("password");

        value += strspn(value, " ");
        if (*value == '=') {
            value++;
            value += strspn(value, " ");
            span->from = (size_t)(value - url);
            span->to = value_end(url, span->from, strstr(url, "://") != NULL);
            return true;
        }
        found = strcasestr(found + 1, "password");
    }
    return false;
}

/* The first secret that ends behind `start`. */
static bool next_secret(const char *url, size_t start, struct span *span)
{
    struct span key;
    bool user = user_secret(url, span) && span->to > start;

    if (!key_secret(url, start, &key))
        return user;
    if (!user || key.from < span->from)
        *span = key;
    if (span->from < start)
        span->from = start;
    return true;
}

void sm_text_mask_url(const char *url, char *out, size_t room)
{
    size_t at = 0, used = 0;
    struct span span;

    if (room == 0)
        return;
    while (url[at] && used + 1 < room) {
        size_t next = next_secret(url, at, &span) ? span.from : strlen(url);

        while (at < next && used + 1 < room)
            out[used++] = url[at++];
        if (!url[at])
            break;
        for (const char *star = "***"; *star && used + 1 < room; star++)
            out[used++] = *star;
        at = span.to;
    }
    out[used] = '\0';
}

void sm_text_blot_url(char *url)
{
    struct span span;

    for (size_t at = 0; url[at] && next_secret(url, at, &span); at = span.to) {
        memset(url + span.from, '*', span.to - span.from);
        if (span.to <= at)
            break;
    }
}

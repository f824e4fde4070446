/* The superuser's hand on Redis; see super.h. */
#include "tests/support/super.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue/redis_conn.h"

struct servers rig_servers;
static struct sm_conn super;

/* A server that was restarted has closed it: nothing is asked now, so anything to read is that. */
static void drop_if_closed(void)
{
    struct pollfd p = {.events = POLLIN};
    if (super.c == NULL)
        return;
    p.fd = super.c->fd;
    if (poll(&p, 1, 0) > 0)
        sm_conn_close(&super);
}

static redisReply *call(char *words)
{
    const char *argv[64];
    size_t sizes[64];
    int n = 0;
    redisReply *reply = NULL;
    struct sm_err err;
    for (char *at = strtok(words, " "); at != NULL && n < 64; at = strtok(NULL, " ")) {
        argv[n] = at;
        sizes[n++] = strlen(at);
    }
    drop_if_closed();
    if (super.c == NULL) {
        struct sm_redis_url url;
        super.timeout_ms = 5000;
        ck_assert_int_eq(sm_redis_url_parse(rig_servers.redis_url, &url, &err), 0);
        ck_assert_int_eq(sm_conn_open(&super, &url, 5000, &err), 0);
    }
    int rc = sm_conn_call(&super, n, argv, sizes, &reply, &err);
    ck_assert_msg(rc == 0, "%s: %s", argv[0], err.text);
    return reply;
}

static redisReply *callv(const char *format, va_list args)
{
    char *words;
    ck_assert_int_ge(vasprintf(&words, format, args), 0);
    redisReply *reply = call(words);
    free(words);
    return reply;
}

int64_t rig_int(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    redisReply *reply = callv(format, args);
    va_end(args);
    int64_t value = reply->type == REDIS_REPLY_ARRAY ? (int64_t)reply->elements : reply->integer;
    freeReplyObject(reply);
    return value;
}

const char *rig_text(const char *format, ...)
{
    static char text[8192];
    va_list args;
    va_start(args, format);
    redisReply *reply = callv(format, args);
    va_end(args);
    snprintf(text, sizeof text, "%s", reply->str == NULL ? "" : reply->str);
    freeReplyObject(reply);
    return text;
}

const char *rig_second(const char *format, ...)
{
    static char text[64];
    va_list args;
    va_start(args, format);
    redisReply *reply = callv(format, args);
    va_end(args);
    text[0] = '\0';
    if (reply->elements == 1)
        snprintf(text, sizeof text, "%s", reply->element[0]->element[1]->str);
    freeReplyObject(reply);
    return text;
}

void rig_forget_super(void)
{
    sm_conn_close(&super);
}

const char *rig_first(const char *format, ...)
{
    static char text[256];
    va_list args;
    va_start(args, format);
    redisReply *reply = callv(format, args);
    va_end(args);
    snprintf(text, sizeof text, "%s",
             reply->elements == 0             ? ""
             : reply->element[0]->str == NULL ? "list"
                                              : reply->element[0]->str);
    freeReplyObject(reply);
    return text;
}

void rig_make_users(void)
{
    char path[1024], line[2048];
    int made = 0;
    snprintf(path, sizeof path, "%s/queue/PROTOCOL.md", getenv("STAMPMILL_SOURCE"));
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "ACL SETUSER sm_", 15) == 0) {
            freeReplyObject(call(line));
            made++;
        }
    }
    fclose(file);
    ck_assert_int_eq(made, 3);
}

const char *rig_url(const char *user)
{
    static char url[700];
    snprintf(url, sizeof url, "unix://sm_%s:%s@%s", user, user,
             rig_servers.redis_url + strlen("unix://"));
    return url;
}

/*
 * The connection. hiredis formats, parses and holds the buffers; connecting, reading and every wait
 * are here, because its own blocking calls have no deadline, retry EINTR for ever and put no bound
 * on what a reply may cost. Coded to the subset of hiredis 0.14 that later versions keep.
 */
#include "queue/redis_conn.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define READ_ROOM 65536

void sm_conn_close(struct sm_conn *conn)
{
    struct linger now = {1, 0}; /* what is still on its way must not arrive later */
    if (conn->c == NULL)
        return;
    setsockopt(conn->c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    redisFree(conn->c);
    conn->c = NULL;
    conn->budget = 0;
}

static int broken(struct sm_conn *conn, int code, struct sm_err *err, const char *text)
{
    sm_err_set(err, code, "Redis: %s", text); /* first: `text` may be the context's own */
    sm_conn_close(conn);
    return code;
}

static int64_t now_us(void)
{
    return sm_mono_us(&sm_clock_real);
}

/* 1 when the descriptor is ready, 0 when the time is over. */
static int wait_fd(int fd, short events, int64_t until_us)
{
    struct pollfd p = {.fd = fd, .events = events};
    for (;;) {
        int64_t left = until_us - now_us();
        int rc = poll(&p, 1, left <= 0 ? 0 : (int)((left + 999) / 1000));
        if (rc > 0)
            return 1;
        if (rc == 0 || errno != EINTR)
            return 0;
    }
}

/* Error replies by their first word. */
static int classify(const char *text)
{
    static const struct {
        const char *word;
        int code;
    } words[] = {{"OOM", SM_E_FULL},
                 {"MISCONF", SM_E_FULL},
                 {"READONLY", SM_E_READ_ONLY},
                 {"NOGROUP", SM_E_NO_GROUP},
                 {"NOAUTH", SM_E_AUTH},
                 {"WRONGPASS", SM_E_AUTH},
                 {"NOPERM", SM_E_PERMISSION},
                 {"LOADING", SM_E_UNREACHABLE},
                 {"MASTERDOWN", SM_E_UNREACHABLE},
                 {"UNBLOCKED", SM_E_NO_GROUP}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strncmp(text, words[i].word, strlen(words[i].word)) == 0)
            return words[i].code;
    return SM_E_SERVER;
}

static int tune(int fd, bool is_unix)
{
    int on = 1, idle = 30, dead = 10000;
    int flags = fcntl(fd, F_GETFD);
    if (flags < 0 || fcntl(fd, F_SETFD, flags | FD_CLOEXEC) != 0)
        return -1;
    if (is_unix)
        return 0;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead, sizeof dead);
    return 0;
}

static int connect_socket(struct sm_conn *conn, const struct sm_redis_url *url, int64_t until_us,
                          struct sm_err *err)
{
    int why = 0;
    socklen_t size = sizeof why;
    conn->c = url->is_unix ? redisConnectUnixNonBlock(url->host)
                           : redisConnectNonBlock(url->host, url->port);
    if (conn->c == NULL)
        return sm_err_set(err, SM_E_NO_MEMORY, "Redis: no memory");
    if (conn->c->err != 0 || tune(conn->c->fd, url->is_unix) != 0) {
        sm_err_set(err, SM_E_UNREACHABLE, "Redis at %s: %s", url->host, conn->c->errstr);
        sm_conn_close(conn);
        return SM_E_UNREACHABLE;
    }
    if (!wait_fd(conn->c->fd, POLLOUT, until_us))
        why = ETIMEDOUT;
    else
        getsockopt(conn->c->fd, SOL_SOCKET, SO_ERROR, &why, &size);
    if (why == 0)
        return 0;
    sm_err_set(err, SM_E_UNREACHABLE, "Redis at %s: %s", url->host, strerror(why));
    sm_conn_close(conn);
    return SM_E_UNREACHABLE;
}

int sm_conn_append(struct sm_conn *conn, int argc, const char **argv, const size_t *sizes,
                   struct sm_err *err)
{
    if (conn->c == NULL)
        return sm_err_set(err, SM_E_UNREACHABLE, "Redis: not connected");
    if (redisAppendCommandArgv(conn->c, argc, argv, sizes) != REDIS_OK)
        return broken(conn, SM_E_NO_MEMORY, err, "no memory for a command");
    return 0;
}

int sm_conn_append_raw(struct sm_conn *conn, const char *resp, size_t size, struct sm_err *err)
{
    if (conn->c == NULL)
        return sm_err_set(err, SM_E_UNREACHABLE, "Redis: not connected");
    if (redisAppendFormattedCommand(conn->c, resp, size) != REDIS_OK)
        return broken(conn, SM_E_NO_MEMORY, err, "no memory for a command");
    return 0;
}

int sm_conn_flush(struct sm_conn *conn, struct sm_err *err)
{
    int64_t until = now_us() + conn->timeout_ms * 1000;
    int done = 0;
    if (conn->c == NULL)
        return sm_err_set(err, SM_E_UNREACHABLE, "Redis: not connected");
    while (!done) {
        if (redisBufferWrite(conn->c, &done) != REDIS_OK)
            return broken(conn, SM_E_UNREACHABLE, err, conn->c->errstr);
        if (!done && !wait_fd(conn->c->fd, POLLOUT, until))
            return broken(conn, SM_E_TIMEOUT, err, "did not take a command in time");
    }
    return 0;
}

/* Reads what has come. */
static int feed(struct sm_conn *conn, struct sm_err *err)
{
    char data[READ_ROOM];
    ssize_t n = recv(conn->c->fd, data, sizeof data, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n < 0)
        return broken(conn, SM_E_UNREACHABLE, err, strerror(errno));
    if (n == 0)
        return broken(conn, SM_E_UNREACHABLE, err, "closed the connection");
    conn->received += (size_t)n;
    if (conn->budget > 0 && conn->received > conn->budget)
        return broken(conn, SM_E_OVER_BUDGET, err,
                      "the reply is larger than the memory left for it");
    if (redisReaderFeed(conn->c->reader, data, (size_t)n) != REDIS_OK)
        return broken(conn, SM_E_NO_MEMORY, err, "no memory for a reply");
    return 0;
}

static int judge(struct sm_conn *conn, redisReply **reply, struct sm_err *err)
{
    if ((*reply)->type != REDIS_REPLY_ERROR)
        return 0;
    int code = classify((*reply)->str);
    sm_err_set(err, code, "Redis: %s", (*reply)->str);
    freeReplyObject(*reply);
    *reply = NULL;
    if (code == SM_E_UNREACHABLE || code == SM_E_AUTH)
        sm_conn_close(conn);
    return code;
}

int sm_conn_reply(struct sm_conn *conn, int64_t wait_us, redisReply **reply, struct sm_err *err)
{
    int64_t until = now_us() + wait_us;
    *reply = NULL;
    if (conn->c == NULL)
        return sm_err_set(err, SM_E_UNREACHABLE, "Redis: not connected");
    for (;;) {
        void *object = NULL;
        if (redisReaderGetReply(conn->c->reader, &object) != REDIS_OK)
            return broken(conn, SM_E_UNREACHABLE, err, conn->c->reader->errstr);
        if (object != NULL) {
            *reply = object;
            return judge(conn, reply, err);
        }
        if (!wait_fd(conn->c->fd, POLLIN, until))
            return 1;
        int rc = feed(conn, err);
        if (rc != 0)
            return rc;
    }
}

int sm_conn_call(struct sm_conn *conn, int argc, const char **argv, const size_t *sizes,
                 redisReply **reply, struct sm_err *err)
{
    int rc = sm_conn_append(conn, argc, argv, sizes, err);
    if (rc == 0)
        rc = sm_conn_flush(conn, err);
    if (rc == 0)
        rc = sm_conn_reply(conn, conn->timeout_ms * 1000, reply, err);
    return rc == 1 ? broken(conn, SM_E_TIMEOUT, err, "did not answer in time") : rc;
}

void sm_args_add(struct sm_args *args, const char *text)
{
    args->arg[args->n] = text;
    args->size[args->n++] = strlen(text);
}

int sm_conn_call_args(struct sm_conn *conn, const struct sm_args *args, redisReply **reply,
                      struct sm_err *err)
{
    return sm_conn_call(conn, args->n, (const char **)args->arg, args->size, reply, err);
}

static int simple(struct sm_conn *conn, struct sm_err *err, const char *a, const char *b,
                  const char *c)
{
    struct sm_args args = {.n = 0};
    redisReply *reply;
    sm_args_add(&args, a);
    sm_args_add(&args, b);
    if (c != NULL)
        sm_args_add(&args, c);
    int rc = sm_conn_call_args(conn, &args, &reply, err);
    if (rc == 0)
        freeReplyObject(reply);
    return rc;
}

static int login(struct sm_conn *conn, const struct sm_redis_url *url, struct sm_err *err)
{
    char db[12];
    int rc = 0;
    if (url->password[0] != '\0' && url->user[0] != '\0')
        rc = simple(conn, err, "AUTH", url->user, url->password);
    else if (url->password[0] != '\0')
        rc = simple(conn, err, "AUTH", url->password, NULL);
    if (rc != 0)
        return rc;
    snprintf(db, sizeof db, "%d", url->db);
    return url->db == 0 ? 0 : simple(conn, err, "SELECT", db, NULL);
}

/* The value of a line "name:value" of INFO; false when it is missing. */
static bool info_line(const char *info, const char *name, char *value, size_t room)
{
    const char *at = strstr(info, name);
    if (at == NULL)
        return false;
    at += strlen(name);
    size_t n = strcspn(at, "\r\n");
    snprintf(value, room, "%.*s", (int)n, at);
    return true;
}

int sm_conn_identify(struct sm_conn *conn, struct sm_err *err)
{
    struct sm_args args = {.n = 0};
    redisReply *reply;
    char version[32] = "0", mode[32] = "";
    sm_args_add(&args, "INFO");
    sm_args_add(&args, "server");
    int rc = sm_conn_call_args(conn, &args, &reply, err);
    if (rc != 0)
        return rc;
    info_line(reply->str, "run_id:", conn->run_id, sizeof conn->run_id);
    info_line(reply->str, "redis_version:", version, sizeof version);
    info_line(reply->str, "redis_mode:", mode, sizeof mode);
    freeReplyObject(reply);
    if (version[0] < '7' && version[1] == '.')
        rc = sm_err_set(err, SM_E_UNSUPPORTED, "Redis %s is too old: 7.0 or later is needed",
                        version);
    else if (strcmp(mode, "cluster") == 0)
        rc = sm_err_set(err, SM_E_UNSUPPORTED,
                        "a Redis Cluster is not supported yet; use a single server");
    if (rc != 0)
        sm_conn_close(conn);
    return rc;
}

int sm_conn_open(struct sm_conn *conn, const struct sm_redis_url *url, int wait_ms,
                 struct sm_err *err)
{
    sm_conn_close(conn);
    conn->run_id[0] = '\0';
    int rc = connect_socket(conn, url, now_us() + wait_ms * 1000, err);
    if (rc == 0)
        rc = login(conn, url, err);
    if (rc != 0)
        sm_conn_close(conn);
    return rc;
}

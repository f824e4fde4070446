/*
 * The connection. hiredis connects and parses; sending, receiving and every wait are here, because
 * its own blocking calls have no deadline, retry EINTR for ever, raise SIGPIPE and put no bound on
 * what a reply may cost. Coded to the subset of hiredis 0.14 that later versions keep.
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

#define READ_ROOM 16384
#define OUT_KEEP (256u << 10)

void sm_conn_close(struct sm_conn *conn)
{
    struct linger now = {1, 0}; /* what is still on its way must not arrive later */
    sm_buf_free(&conn->out);
    if (conn->c == NULL)
        return;
    setsockopt(conn->c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    redisFree(conn->c);
    conn->c = NULL;
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

/* "*3" or "$12" and the end of the line: on the road of every id, so not printf. */
static void put_head(struct sm_buf *out, char type, size_t n)
{
    char text[24], *at = text + sizeof text;
    *--at = '\n';
    *--at = '\r';
    do
        *--at = (char)('0' + n % 10);
    while ((n /= 10) != 0);
    *--at = type;
    sm_buf_add(out, at, (size_t)(text + sizeof text - at));
}

int sm_conn_append(struct sm_conn *conn, int argc, const char **argv, const size_t *sizes,
                   struct sm_err *err)
{
    if (conn->c == NULL)
        return sm_err_set(err, SM_E_UNREACHABLE, "Redis: not connected");
    put_head(&conn->out, '*', (size_t)argc);
    for (int i = 0; i < argc; i++) {
        put_head(&conn->out, '$', sizes[i]);
        sm_buf_add(&conn->out, argv[i], sizes[i]);
        sm_buf_add(&conn->out, "\r\n", 2);
    }
    return conn->out.full ? broken(conn, SM_E_NO_MEMORY, err, "no memory for a command") : 0;
}

int sm_conn_flush(struct sm_conn *conn, struct sm_err *err)
{
    int64_t until = now_us() + conn->timeout_ms * 1000;
    if (conn->c == NULL)
        return sm_err_set(err, SM_E_UNREACHABLE, "Redis: not connected");
    for (size_t at = 0; at < conn->out.size;) {
        ssize_t n = send(conn->c->fd, conn->out.data + at, conn->out.size - at,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0)
            at += (size_t)n;
        else if (n < 0 && errno != EAGAIN && errno != EINTR)
            return broken(conn, SM_E_UNREACHABLE, err, strerror(errno));
        else if (!wait_fd(conn->c->fd, POLLOUT, until))
            return broken(conn, SM_E_TIMEOUT, err, "did not take a command in time");
    }
    sm_buf_clear(&conn->out);
    if (conn->out.room > OUT_KEEP)
        sm_buf_free(&conn->out);
    return 0;
}

int sm_conn_receive(struct sm_conn *conn, int64_t wait_us, char *data, size_t room, size_t *n,
                    struct sm_err *err)
{
    int64_t until = now_us() + wait_us;
    if (conn->c == NULL)
        return sm_err_set(err, SM_E_UNREACHABLE, "Redis: not connected");
    for (;;) {
        ssize_t got = recv(conn->c->fd, data, room, MSG_DONTWAIT);
        *n = got > 0 ? (size_t)got : 0;
        if (got > 0)
            return 0;
        if (got == 0)
            return broken(conn, SM_E_UNREACHABLE, err, "closed the connection");
        if (errno != EAGAIN && errno != EINTR)
            return broken(conn, SM_E_UNREACHABLE, err, strerror(errno));
        if (!wait_fd(conn->c->fd, POLLIN, until))
            return 1;
    }
}

int sm_conn_unread(struct sm_conn *conn, const char *data, size_t n, struct sm_err *err)
{
    if (redisReaderFeed(conn->c->reader, data, n) != REDIS_OK)
        return broken(conn, SM_E_NO_MEMORY, err, "no memory for a reply");
    return 0;
}

int sm_conn_refused(struct sm_conn *conn, const char *text, struct sm_err *err)
{
    int code = classify(text);
    sm_err_set(err, code, "Redis: %s", text);
    if (code == SM_E_UNREACHABLE || code == SM_E_AUTH)
        sm_conn_close(conn);
    return code;
}

static int judge(struct sm_conn *conn, redisReply **reply, struct sm_err *err)
{
    if ((*reply)->type != REDIS_REPLY_ERROR)
        return 0;
    int code = sm_conn_refused(conn, (*reply)->str, err);
    freeReplyObject(*reply);
    *reply = NULL;
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
        char data[READ_ROOM];
        size_t n;
        if (redisReaderGetReply(conn->c->reader, &object) != REDIS_OK)
            return broken(conn, SM_E_UNREACHABLE, err, conn->c->reader->errstr);
        if (object != NULL) {
            *reply = object;
            return judge(conn, reply, err);
        }
        int rc = sm_conn_receive(conn, until - now_us(), data, sizeof data, &n, err);
        if (rc != 0)
            return rc;
        if ((rc = sm_conn_unread(conn, data, n, err)) != 0)
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

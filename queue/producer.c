/*
 * libstampmill: a connection, and jobs sent over it, pipelined in chunks.
 *
 * What was sent without an answer may or may not be enqueued, and is said to be so: sending it
 * again is the caller's decision, because only the caller can keep the id. The one silent repair is
 * before anything is sent: a connection that the server has closed meanwhile is made anew.
 *
 * Writes go by send(2) with MSG_NOSIGNAL: a library must not count on the program ignoring SIGPIPE.
 */
#include "stampmill/producer.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "queue/producer_spec.h"
#include "queue/redis_conn.h"

#define WAIT_MS 5000
#define CHUNK_JOBS 512
#define CHUNK_BYTES (1u << 20)
#define KEEP_BYTES (4u << 20)

struct sm_client {
    struct sm_conn conn;
    struct sm_redis_url url;
    struct sm_buf out;
};

const char *sm_version(void)
{
    return STAMPMILL_VERSION;
}

static const char *default_url(void)
{
    static const char *const names[] = {"STAMPMILL_REDIS_URL", "REDIS_URL"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *url = getenv(names[i]);
        if (url != NULL && url[0] != '\0')
            return url;
    }
    return "redis://127.0.0.1:6379";
}

struct sm_client *sm_client_open(const char *url, struct sm_err *err)
{
    struct sm_client *client = calloc(1, sizeof *client);
    if (client == NULL) {
        sm_err_set(err, SM_E_NO_MEMORY, "no memory for a client");
        return NULL;
    }
    sm_buf_init(&client->out, 0);
    client->conn.timeout_ms = WAIT_MS;
    if (sm_redis_url_parse(url == NULL ? default_url() : url, &client->url, err) != 0 ||
        sm_conn_open(&client->conn, &client->url, WAIT_MS, err) != 0) {
        sm_client_close(client);
        return NULL;
    }
    return client;
}

void sm_client_close(struct sm_client *client)
{
    if (client == NULL)
        return;
    sm_conn_close(&client->conn);
    sm_buf_free(&client->out);
    explicit_bzero(&client->url, sizeof client->url); /* it holds the password */
    free(client);
}

/* Connects where there is no connection, or where the server has closed it: nothing is asked now,
 * so anything to read can only be that. */
static int ready(struct sm_client *client, struct sm_err *err)
{
    if (client->conn.c != NULL) {
        struct pollfd p = {.fd = client->conn.c->fd, .events = POLLIN};
        if (poll(&p, 1, 0) == 0)
            return 0;
    }
    return sm_conn_open(&client->conn, &client->url, WAIT_MS, err);
}

static int lost(struct sm_client *client, int code, const char *why, struct sm_err *err)
{
    sm_conn_close(&client->conn);
    return sm_err_set(err, code, "Redis: %s; the job may or may not be enqueued", why);
}

static int send_all(struct sm_client *client, struct sm_err *err)
{
    const char *at = client->out.data, *end = at + client->out.size;
    int fd = client->conn.c->fd;
    while (at < end) {
        ssize_t n = send(fd, at, (size_t)(end - at), MSG_NOSIGNAL);
        if (n > 0) {
            at += n;
            continue;
        }
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return lost(client, SM_E_UNREACHABLE, strerror(errno), err);
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        if (poll(&p, 1, WAIT_MS) == 0)
            return lost(client, SM_E_TIMEOUT, "took nothing in time", err);
    }
    return 0;
}

/* One answer: 0, or what Redis or the connection said. */
static int read_answer(struct sm_client *client, struct sm_err *err)
{
    redisReply *reply = NULL;
    int rc = sm_conn_reply(&client->conn, (int64_t)WAIT_MS * 1000, &reply, err);
    if (reply != NULL)
        freeReplyObject(reply);
    return rc == 1 ? lost(client, SM_E_TIMEOUT, "did not answer in time", err) : rc;
}

/* Reads one answer a job. *taken: how many from the front were accepted. The first refusal is the
 * one told; the answers behind it are read all the same, or they would be taken for the next
 * call's. */
static int read_answers(struct sm_client *client, size_t n, size_t *taken, struct sm_err *err)
{
    int first = 0;
    for (size_t i = 0; i < n && client->conn.c != NULL; i++) {
        int rc = read_answer(client, first == 0 ? err : NULL);
        *taken += first == 0 && rc == 0;
        if (first == 0)
            first = rc;
    }
    return first;
}

/* Encodes jobs until the chunk is full. *n: how many; 0 or what is wrong with the next. */
static int fill(struct sm_client *client, const struct sm_job_spec *jobs, const struct sm_id *ids,
                size_t left, size_t *n, struct sm_err *err)
{
    int rc = 0;
    sm_buf_clear(&client->out);
    for (*n = 0; *n < left && *n < CHUNK_JOBS && client->out.size < CHUNK_BYTES; ++*n)
        if ((rc = sm_spec_append(&jobs[*n], &ids[*n], &client->out, err)) != 0)
            return rc;
    return rc;
}

/* Sends what was encoded; adds to *taken. */
static int send_chunk(struct sm_client *client, size_t n, size_t *taken, struct sm_err *err)
{
    int rc = n == 0 ? 0 : ready(client, err);
    if (rc == 0)
        rc = send_all(client, err);
    if (rc == 0)
        rc = read_answers(client, n, taken, err);
    if (client->out.room > KEEP_BYTES)
        sm_buf_free(&client->out);
    return rc;
}

static int enqueue_all(struct sm_client *client, const struct sm_job_spec *jobs, size_t n,
                       const struct sm_id *ids, size_t *enqueued, struct sm_err *err)
{
    while (*enqueued < n) {
        struct sm_err wrong;
        size_t at = *enqueued, chunk;
        int spec = fill(client, jobs + at, ids + at, n - at, &chunk, &wrong);
        int rc = send_chunk(client, chunk, enqueued, err);
        if (rc != 0)
            return rc;
        if (spec != 0) /* those before it are in */
            return sm_err_set(err, spec, "%s", wrong.text);
    }
    return 0;
}

int sm_enqueue_many(struct sm_client *client, const struct sm_job_spec *jobs, size_t n,
                    struct sm_id *ids, size_t *enqueued, struct sm_err *err)
{
    size_t count = 0;
    struct sm_id *made = ids == NULL ? calloc(n + 1, sizeof *made) : ids;
    if (enqueued == NULL)
        enqueued = &count;
    *enqueued = 0;
    if (made == NULL)
        return sm_err_set(err, SM_E_NO_MEMORY, "no memory for ids");
    for (size_t i = 0; i < n; i++)
        made[i] = jobs[i].id == NULL ? sm_id_new() : *jobs[i].id;
    int rc = enqueue_all(client, jobs, n, made, enqueued, err);
    if (ids == NULL)
        free(made);
    return rc;
}

int sm_enqueue(struct sm_client *client, const struct sm_job_spec *job, struct sm_id *id,
               struct sm_err *err)
{
    struct sm_id made;
    return sm_enqueue_many(client, job, 1, id == NULL ? &made : id, NULL, err);
}

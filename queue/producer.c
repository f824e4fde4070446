/*
 * libstampmill: a connection, and jobs sent over it, pipelined in chunks.
 *
 * What was sent without an answer may or may not be enqueued, and is said to be so: sending it
 * again is the caller's decision, because only the caller can keep the id. The one silent repair is
 * before anything is sent: a connection that the server has closed meanwhile is made anew.
 */
#include "stampmill/producer.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "queue/producer_spec.h"
#include "queue/redis_conn.h"

#define WAIT_MS 5000
#define CHUNK_JOBS 512
#define CHUNK_BYTES (1u << 20)

struct sm_client {
    struct sm_conn conn;
    struct sm_redis_url url;
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

/* So that a password that is missing, or a server that is loading, is said now. */
static int greet(struct sm_conn *conn, struct sm_err *err)
{
    struct sm_args args = {.n = 0};
    redisReply *reply;
    sm_args_add(&args, "PING");
    int rc = sm_conn_call_args(conn, &args, &reply, err);
    if (rc == 0)
        freeReplyObject(reply);
    return rc;
}

struct sm_client *sm_client_open(const char *url, struct sm_err *err)
{
    struct sm_client *client = calloc(1, sizeof *client);
    if (client == NULL) {
        sm_err_set(err, SM_E_NO_MEMORY, "no memory for a client");
        return NULL;
    }
    client->conn.timeout_ms = WAIT_MS;
    if (sm_redis_url_parse(url == NULL ? default_url() : url, &client->url, err) != 0 ||
        sm_conn_open(&client->conn, &client->url, WAIT_MS, err) != 0 ||
        greet(&client->conn, err) != 0) {
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

/* One answer: 0, or what Redis or the connection said. */
static int read_answer(struct sm_client *client, struct sm_err *err)
{
    redisReply *reply = NULL;
    int rc = sm_conn_reply(&client->conn, (int64_t)WAIT_MS * 1000, &reply, err);
    if (reply != NULL)
        freeReplyObject(reply);
    if (rc != 1)
        return rc;
    sm_conn_close(&client->conn);
    return sm_err_set(err, SM_E_TIMEOUT, "Redis: did not answer in time");
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
    struct sm_buf *out = &client->conn.out;
    for (*n = 0; *n < left && *n < CHUNK_JOBS && out->size < CHUNK_BYTES; ++*n)
        if ((rc = sm_spec_append(&jobs[*n], &ids[*n], out, err)) != 0)
            return rc;
    return rc;
}

static int unsure(struct sm_client *client, int rc, struct sm_err *err)
{
    if (err == NULL || client->conn.c != NULL)
        return rc;
    return sm_err_set(err, rc, "%s; the job may or may not be enqueued", err->text);
}

/* Sends a chunk of jobs and reads the answers. */
static int send_chunk(struct sm_client *client, const struct sm_job_spec *jobs,
                      const struct sm_id *ids, size_t left, size_t *taken, struct sm_err *err)
{
    struct sm_err wrong;
    size_t n;
    int rc = ready(client, err);
    if (rc != 0)
        return rc;
    int spec = fill(client, jobs, ids, left, &n, &wrong);
    rc = sm_conn_flush(&client->conn, err);
    if (rc == 0)
        rc = read_answers(client, n, taken, err);
    if (rc != 0)
        return unsure(client, rc, err);
    return spec == 0 ? 0 : sm_err_set(err, spec, "%s", wrong.text); /* those before it are in */
}

int sm_enqueue_many(struct sm_client *client, const struct sm_job_spec *jobs, size_t n,
                    struct sm_id *ids, size_t *enqueued, struct sm_err *err)
{
    size_t count = 0;
    int rc = 0;
    struct sm_id *made = ids == NULL ? calloc(n + 1, sizeof *made) : ids;
    if (enqueued == NULL)
        enqueued = &count;
    *enqueued = 0;
    if (made == NULL)
        return sm_err_set(err, SM_E_NO_MEMORY, "no memory for ids");
    for (size_t i = 0; i < n; i++)
        made[i] = jobs[i].id == NULL ? sm_id_new() : *jobs[i].id;
    while (rc == 0 && *enqueued < n)
        rc = send_chunk(client, jobs + *enqueued, made + *enqueued, n - *enqueued, enqueued, err);
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

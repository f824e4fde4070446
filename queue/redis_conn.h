/*
 * One connection to Redis, with deadlines: hiredis for the protocol, poll(2) for the waiting. After
 * any failure the connection is closed, because a late reply would be taken for the next command's.
 * Thread: a connection belongs to one thread. Private to queue/.
 */
#ifndef SM_QUEUE_REDIS_CONN_H
#define SM_QUEUE_REDIS_CONN_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "stampmill/error.h"

/* A URL taken apart. */
struct sm_redis_url {
    bool is_unix;
    char host[256]; /* or the socket's path */
    int port, db;
    char user[128], password[256];
};

/* 0 or SM_E_CONFIG; the message holds no password. */
int sm_redis_url_parse(const char *url, struct sm_redis_url *parts, struct sm_err *err);

struct sm_conn {
    redisContext *c;   /* NULL: closed */
    struct sm_buf out; /* commands that are not sent yet */
    char run_id[48];
    int timeout_ms; /* of a call */
};

/* Connects, logs in, selects the database. Waits at most `wait_ms`. 0, a SERVER code or SM_E_AUTH.
 */
int sm_conn_open(struct sm_conn *conn, const struct sm_redis_url *url, int wait_ms,
                 struct sm_err *err);
/* Reads INFO server: which run this is, and SM_E_UNSUPPORTED (closed) for one that is too old or a
 * cluster. Apart from opening, because a producer has no right to INFO and needs none. */
int sm_conn_identify(struct sm_conn *conn, struct sm_err *err);
void sm_conn_close(struct sm_conn *conn);

struct sm_args { /* a command under construction; the bytes are the caller's */
    const char *arg[16];
    size_t size[16];
    int n;
};
void sm_args_add(struct sm_args *args, const char *text);

/* Queues a command; nothing is sent yet. */
int sm_conn_append(struct sm_conn *conn, int argc, const char **argv, const size_t *sizes,
                   struct sm_err *err);
/* Sends all that is queued. A write never raises SIGPIPE. */
int sm_conn_flush(struct sm_conn *conn, struct sm_err *err);
/* The next reply, waiting at most `wait_us`: 1 not yet, 0 with *reply (the caller frees it), or a
 * failure (closed). An error reply is a failure too; SM_E_FULL, _READ_ONLY, _NO_GROUP, _PERMISSION
 * and SM_E_SERVER for a script's or command's own error leave the connection open. */
int sm_conn_reply(struct sm_conn *conn, int64_t wait_us, redisReply **reply, struct sm_err *err);
/* Bytes as they come, for a reader of one's own: waits at most `wait_us`; 1 none yet, 0 with *n of
 * them, or a failure (closed). */
int sm_conn_receive(struct sm_conn *conn, int64_t wait_us, char *data, size_t room, size_t *n,
                    struct sm_err *err);
/* Bytes that came by sm_conn_receive and are the beginning of the next sm_conn_reply. */
int sm_conn_unread(struct sm_conn *conn, const char *data, size_t n, struct sm_err *err);
/* The code of an error reply's text, set in *err; closes the connection where it is of no more use.
 */
int sm_conn_refused(struct sm_conn *conn, const char *text, struct sm_err *err);
/* Append, flush, reply within timeout_ms. */
int sm_conn_call(struct sm_conn *conn, int argc, const char **argv, const size_t *sizes,
                 redisReply **reply, struct sm_err *err);
int sm_conn_call_args(struct sm_conn *conn, const struct sm_args *args, redisReply **reply,
                      struct sm_err *err);

/* ---- redis_script.c -- */

/* Calls a script of queue/scripts/ by its digest, sending its text where Redis does not know it
 * (any more). `keys` of the argc words are keys. */
int sm_script_call(struct sm_conn *conn, const char *name, int keys, int argc, const char **argv,
                   const size_t *sizes, redisReply **reply, struct sm_err *err);

#endif

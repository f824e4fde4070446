/*
 * The bare pipeline, the reference of latency: a paced XADD, a blocking read, one insert, settle;
 * no job system in it. One thread sends on the schedule, another takes one entry at a time. It
 * writes the columns that a succeeded debug.noop fills, and "NUMBER US" to LOG when the insert has
 * come back committed. Prints how late the last XADD was answered. No code of Stampmill is in it.
 *
 *   pipe REDIS_SOCKET CONNINFO BEGAN_US RATE JOBS LOG
 */
#include <hiredis/hiredis.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "schedule.h"

#define STREAM "sm:{default}:jobs"
#define GROUP "mill"

static const char *redis_socket;
static struct schedule schedule;

static _Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "pipe: %s: %s\n", what, why);
    exit(1);
}

static redisContext *redis(void)
{
    redisContext *c = redisConnectUnix(redis_socket);
    if (c == NULL || c->err)
        die("Redis", c == NULL ? "no memory" : c->errstr);
    return c;
}

static redisReply *checked(redisContext *c, redisReply *r)
{
    if (r == NULL || r->type == REDIS_REPLY_ERROR)
        die("Redis", r == NULL ? c->errstr : r->str);
    return r;
}

static void *send_all(void *arg)
{
    redisContext *c = redis();
    char args[201];
    (void)arg;
    snprintf(args, sizeof args, "{\"pad\":\"%0190d\"}", 0);
    for (size_t n = 0; n < schedule.jobs; n++) {
        unsigned char id[ID_BYTES];
        id_of(&schedule, n, id);
        sleep_until(due_us(&schedule, n));
        freeReplyObject(checked(c, redisCommand(c, "XADD %s * id %b type debug.noop args %s",
                                                STREAM, id, (size_t)ID_BYTES, args)));
    }
    printf("%lld\n", (long long)(now_us() - due_us(&schedule, schedule.jobs - 1)));
    redisFree(c);
    return NULL;
}

static const char insert_sql[] =
    "INSERT INTO stampmill.results (id, enqueued_at, started_at, finished_at, cpu_us, life,"
    " attempt, state, queue, type, worker) VALUES ($1::uuid, now(), now(), now(), 3, 1, 1,"
    " 'succeeded', 'default', 'debug.noop', 'w0123456789abcdef')";

static void insert(PGconn *pg, const char *id)
{
    const int size = ID_BYTES, binary = 1;
    PGresult *r = PQexecPrepared(pg, "insert", 1, &id, &size, &binary, 1);
    if (PQresultStatus(r) != PGRES_COMMAND_OK)
        die("insert", PQerrorMessage(pg));
    PQclear(r);
}

static void settle(redisContext *c, const char *entry)
{
    redisAppendCommand(c, "XDEL %s %s", STREAM, entry);
    redisAppendCommand(c, "XACK %s %s %s", STREAM, GROUP, entry);
    for (int i = 0; i < 2; i++) {
        void *reply;
        if (redisGetReply(c, &reply) != REDIS_OK)
            die("settle", c->errstr);
        freeReplyObject(reply);
    }
}

static void take_all(redisContext *c, PGconn *pg, FILE *log)
{
    for (size_t done = 0; done < schedule.jobs;) {
        redisReply *r = checked(c, redisCommand(c,
                                                "XREADGROUP GROUP %s pipe COUNT 1 BLOCK 2000"
                                                " STREAMS %s >",
                                                GROUP, STREAM));
        if (r->type == REDIS_REPLY_ARRAY) {
            const redisReply *entry = r->element[0]->element[1]->element[0];
            const char *id = entry->element[1]->element[1]->str;
            insert(pg, id);
            int64_t committed = now_us();
            settle(c, entry->element[0]->str);
            fprintf(log, "%llu %lld\n", (unsigned long long)number_in((const unsigned char *)id),
                    (long long)committed);
            done++;
        }
        freeReplyObject(r);
    }
}

int main(int argc, char **argv)
{
    pthread_t sender;
    if (argc != 7)
        die("usage", "pipe REDIS_SOCKET CONNINFO BEGAN_US RATE JOBS LOG");
    redis_socket = argv[1];
    schedule = schedule_of(argv + 3);
    PGconn *pg = PQconnectdb(argv[2]);
    FILE *log = fopen(argv[6], "w");
    redisContext *c = redis();
    if (PQstatus(pg) != CONNECTION_OK || log == NULL)
        die("start", PQerrorMessage(pg));
    PQclear(PQprepare(pg, "insert", insert_sql, 0, NULL));
    freeReplyObject(redisCommand(c, "XGROUP CREATE %s %s 0 MKSTREAM", STREAM, GROUP));
    if (pthread_create(&sender, NULL, send_all, NULL) != 0)
        die("thread", "cannot start");
    take_all(c, pg, log);
    pthread_join(sender, NULL);
    fclose(log);
    PQfinish(pg);
    redisFree(c);
    return 0;
}

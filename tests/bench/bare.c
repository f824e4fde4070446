/*
 * The bare reference: the road with nothing on it. One thread reads 1,024 entries at a time, two
 * insert them and settle; nothing is decoded, nothing is run. It writes the columns that a
 * succeeded debug.noop fills, into the table made by the same migrations, by a plain insert from
 * binary arrays. What it reaches is what Redis and PostgreSQL allow on this machine; Stampmill is
 * held against it. No code of Stampmill is in it.
 *
 *   bare REDIS_SOCKET CONNINFO JOBS
 */
#include <arpa/inet.h>
#include <endian.h>
#include <hiredis/hiredis.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STREAM "sm:{default}:jobs"
#define GROUP "mill"

enum { BATCH = 1024, WRITERS = 2, DEPTH = 4, COLUMNS = 9, ID_TEXT = 44 };

struct batch {
    size_t n;
    char entry[BATCH][ID_TEXT];
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    struct batch *full[DEPTH];
    int n;
    bool over;
} road = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, {NULL}, 0, false};

static const char *redis_socket, *conninfo;

static _Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "bare: %s: %s\n", what, why);
    exit(1);
}

static int64_t clock_us(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static redisContext *redis(void)
{
    redisContext *c = redisConnectUnix(redis_socket);
    if (c == NULL || c->err)
        die("Redis", c == NULL ? "no memory" : c->errstr);
    return c;
}

/* ---- reading -- */

static void put(struct batch *batch)
{
    pthread_mutex_lock(&road.lock);
    while (road.n == DEPTH)
        pthread_cond_wait(&road.moved, &road.lock);
    if (batch != NULL)
        road.full[road.n++] = batch;
    else
        road.over = true;
    pthread_cond_broadcast(&road.moved);
    pthread_mutex_unlock(&road.lock);
}

static struct batch *take(void)
{
    struct batch *batch = NULL;
    pthread_mutex_lock(&road.lock);
    while (road.n == 0 && !road.over)
        pthread_cond_wait(&road.moved, &road.lock);
    if (road.n > 0) {
        batch = road.full[0];
        memmove(road.full, road.full + 1, (size_t)--road.n * sizeof *road.full);
    }
    pthread_cond_broadcast(&road.moved);
    pthread_mutex_unlock(&road.lock);
    return batch;
}

static struct batch *keep_ids(const redisReply *entries)
{
    struct batch *batch = malloc(sizeof *batch);
    if (batch == NULL)
        die("batch", "no memory");
    batch->n = entries->elements;
    for (size_t i = 0; i < batch->n; i++)
        snprintf(batch->entry[i], ID_TEXT, "%s", entries->element[i]->element[0]->str);
    return batch;
}

static void read_all(size_t jobs)
{
    redisContext *c = redis();
    freeReplyObject(redisCommand(c, "XGROUP CREATE %s %s 0", STREAM, GROUP));
    for (size_t seen = 0; seen < jobs;) {
        redisReply *r =
            redisCommand(c, "XREADGROUP GROUP %s bare COUNT %d STREAMS %s >", GROUP, BATCH, STREAM);
        if (r == NULL || r->type != REDIS_REPLY_ARRAY)
            die("XREADGROUP", r == NULL ? c->errstr : "the stream holds fewer jobs than asked for");
        struct batch *batch = keep_ids(r->element[0]->element[1]);
        freeReplyObject(r);
        seen += batch->n;
        put(batch);
    }
    put(NULL);
    redisFree(c);
}

/* ---- writing -- */

struct params {
    char *bytes;
    char *at;
    const char *values[COLUMNS + 1];
    int lengths[COLUMNS + 1], formats[COLUMNS + 1], n;
};

static void put32(struct params *p, uint32_t value)
{
    value = htonl(value);
    memcpy(p->at, &value, 4);
    p->at += 4;
}

static void put64(struct params *p, int64_t value)
{
    uint64_t big = htobe64((uint64_t)value);
    put32(p, 8);
    memcpy(p->at, &big, 8);
    p->at += 8;
}

static void put_text(struct params *p, const char *text, size_t size)
{
    put32(p, (uint32_t)size);
    memcpy(p->at, text, size);
    p->at += size;
}

static void begin_array(struct params *p, uint32_t type, size_t n)
{
    p->values[p->n] = p->at;
    p->formats[p->n] = 1;
    put32(p, 1);
    put32(p, 0);
    put32(p, type);
    put32(p, (uint32_t)n);
    put32(p, 1);
}

static void end_array(struct params *p)
{
    p->lengths[p->n] = (int)(p->at - p->values[p->n]);
    p->n++;
}

/* Layout version 7 out of the entry's id, so that ids sort by time as real ones do. */
static void put_id(struct params *p, const char *entry)
{
    char *end;
    uint64_t ms = strtoull(entry, &end, 10), seq = strtoull(end + 1, NULL, 10);
    unsigned char id[16] = {0};
    for (int i = 0; i < 6; i++)
        id[i] = (unsigned char)(ms >> (40 - 8 * i));
    id[6] = 0x70;
    id[8] = 0x80;
    for (int i = 0; i < 6; i++)
        id[10 + i] = (unsigned char)(seq >> (40 - 8 * i));
    put_text(p, (const char *)id, 16);
}

#define COLUMN(type, put_one)                                                                      \
    begin_array(p, (type), b->n);                                                                  \
    for (size_t i = 0; i < b->n; i++)                                                              \
        put_one;                                                                                   \
    end_array(p)

static void put_scalar(struct params *p, const void *value, int size)
{
    p->values[p->n] = value;
    p->lengths[p->n] = size;
    p->formats[p->n++] = 1;
}

/* What is the same in all rows is sent once. */
static void encode(struct params *p, const struct batch *b)
{
    static const unsigned char one[4] = {0, 0, 0, 1};
    int64_t now = clock_us(CLOCK_REALTIME) - INT64_C(946684800000000);
    p->at = p->bytes;
    p->n = 0;
    COLUMN(2950, put_id(p, b->entry[i]));
    COLUMN(1184, put64(p, now - 1000));
    COLUMN(1184, put64(p, now - 10));
    COLUMN(1184, put64(p, now));
    COLUMN(20, put64(p, 3));
    put_scalar(p, &one, sizeof one);
    put_scalar(p, &one, sizeof one);
    put_scalar(p, "default", 7);
    put_scalar(p, "debug.noop", 10);
    put_scalar(p, "w0123456789abcdef", 17);
}

static const char insert_sql[] =
    "INSERT INTO stampmill.results (id, enqueued_at, started_at, finished_at, cpu_us, life,"
    " attempt, state, queue, type, worker) SELECT a, b, c, d, e, $6::int4, $7::int4, 'succeeded',"
    " $8::text, $9::text, $10::text FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[],"
    " $4::timestamptz[], $5::int8[]) AS t(a, b, c, d, e)";

static void insert(PGconn *pg, const struct params *p)
{
    PGresult *r = PQexecPrepared(pg, "insert", p->n, p->values, p->lengths, p->formats, 1);
    if (PQresultStatus(r) != PGRES_COMMAND_OK)
        die("insert", PQerrorMessage(pg));
    PQclear(r);
}

static void append(redisContext *c, const char *verb, bool group, const struct batch *b)
{
    const char *argv[BATCH + 3] = {verb, STREAM, GROUP};
    int argc = group ? 3 : 2;
    for (size_t i = 0; i < b->n; i++)
        argv[argc++] = b->entry[i];
    redisAppendCommandArgv(c, argc, argv, NULL);
}

static void settle(redisContext *c, const struct batch *b)
{
    append(c, "XDEL", false, b);
    append(c, "XACK", true, b);
    for (int i = 0; i < 2; i++) {
        void *reply;
        if (redisGetReply(c, &reply) != REDIS_OK)
            die("settle", c->errstr);
        freeReplyObject(reply);
    }
}

static void *write_all(void *arg)
{
    struct params p = {.bytes = malloc(BATCH * 256)};
    redisContext *c = redis();
    PGconn *pg = PQconnectdb(conninfo);
    struct batch *b;
    (void)arg;
    if (p.bytes == NULL || PQstatus(pg) != CONNECTION_OK)
        die("PostgreSQL", PQerrorMessage(pg));
    PQclear(PQprepare(pg, "insert", insert_sql, 0, NULL));
    while ((b = take()) != NULL) {
        encode(&p, b);
        insert(pg, &p);
        settle(c, b);
        free(b);
    }
    PQfinish(pg);
    redisFree(c);
    free(p.bytes);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t writers[WRITERS];
    if (argc != 4)
        die("usage", "bare REDIS_SOCKET CONNINFO JOBS");
    redis_socket = argv[1];
    conninfo = argv[2];
    size_t jobs = strtoull(argv[3], NULL, 10);
    int64_t began = clock_us(CLOCK_MONOTONIC);
    for (int i = 0; i < WRITERS; i++)
        if (pthread_create(&writers[i], NULL, write_all, NULL) != 0)
            die("thread", "cannot start");
    read_all(jobs);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(writers[i], NULL);
    double seconds = (double)(clock_us(CLOCK_MONOTONIC) - began) / 1e6;
    printf("{\"jobs\": %zu, \"seconds\": %.3f, \"jobs_per_s\": %.0f}\n", jobs, seconds,
           (double)jobs / seconds);
    return 0;
}

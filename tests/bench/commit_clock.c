/*
 * The committer's clock, taken from outside the daemon: loaded before libpq (LD_PRELOAD), it notes
 * when a statement that carries ids (a binary uuid[]) has come back committed, and appends
 * "NUMBER US" for each id to the file named by COMMIT_CLOCK. PostgreSQL says that it is ready for
 * the next statement only after the commit is on disk; libpq then gives NULL for the next result.
 * Thread: any; a connection belongs to one.
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "schedule.h"

enum { CONNECTIONS = 32, IDS = 4096, HEADER = 20, ELEMENT = 4 + ID_BYTES, UUID_TYPE = 2950 };

struct sent {
    const PGconn *pg;
    bool good;
    size_t n;
    uint64_t numbers[IDS];
};

static struct sent all[CONNECTIONS];
static FILE *out;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void open_out(void)
{
    const char *path = getenv("COMMIT_CLOCK");
    out = path == NULL ? NULL : fopen(path, "w");
}

static struct sent *of(const PGconn *pg)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct sent *found = NULL;
    pthread_once(&once, open_out);
    pthread_mutex_lock(&lock);
    for (int i = 0; i < CONNECTIONS && found == NULL; i++) {
        if (all[i].pg == NULL)
            all[i].pg = pg;
        if (all[i].pg == pg)
            found = &all[i];
    }
    pthread_mutex_unlock(&lock);
    if (found == NULL)
        abort();
    return found;
}

static uint32_t word_at(const char *bytes, int index)
{
    uint32_t word;
    memcpy(&word, bytes + 4 * index, 4);
    return ntohl(word);
}

static bool holds_ids(const char *value, int size, int format)
{
    return value != NULL && format == 1 && size >= HEADER && word_at(value, 0) == 1 &&
           word_at(value, 2) == UUID_TYPE &&
           (size_t)size == HEADER + (size_t)word_at(value, 3) * ELEMENT;
}

static void note_sent(const PGconn *pg, int params, const char *const *values, const int *sizes,
                      const int *formats)
{
    struct sent *sent = of(pg);
    sent->n = 0;
    sent->good = false;
    for (int p = 0; p < params && formats != NULL && sizes != NULL && sent->n == 0; p++) {
        if (!holds_ids(values[p], sizes[p], formats[p]))
            continue;
        size_t n = word_at(values[p], 3);
        for (size_t i = 0; i < n && i < IDS; i++)
            sent->numbers[sent->n++] =
                number_in((const unsigned char *)values[p] + HEADER + i * ELEMENT + 4);
    }
}

static void note_committed(struct sent *sent)
{
    int64_t now = now_us();
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < sent->n && out != NULL; i++)
        fprintf(out, "%llu %lld\n", (unsigned long long)sent->numbers[i], (long long)now);
    pthread_mutex_unlock(&lock);
    sent->n = 0;
}

/* ---- in libpq's place -- */

int PQsendQueryPrepared(PGconn *pg, const char *name, int n, const char *const *values,
                        const int *sizes, const int *formats, int binary)
{
    int (*next)(PGconn *, const char *, int, const char *const *, const int *, const int *, int);
    *(void **)&next = dlsym(RTLD_NEXT, "PQsendQueryPrepared");
    note_sent(pg, n, values, sizes, formats);
    return next(pg, name, n, values, sizes, formats, binary);
}

int PQsendQueryParams(PGconn *pg, const char *text, int n, const Oid *types,
                      const char *const *values, const int *sizes, const int *formats, int binary)
{
    int (*next)(PGconn *, const char *, int, const Oid *, const char *const *, const int *,
                const int *, int);
    *(void **)&next = dlsym(RTLD_NEXT, "PQsendQueryParams");
    note_sent(pg, n, values, sizes, formats);
    return next(pg, text, n, types, values, sizes, formats, binary);
}

PGresult *PQgetResult(PGconn *pg)
{
    PGresult *(*next)(PGconn *);
    *(void **)&next = dlsym(RTLD_NEXT, "PQgetResult");
    PGresult *result = next(pg);
    struct sent *sent = of(pg);
    if (result == NULL && sent->good)
        note_committed(sent);
    sent->good = result != NULL && (PQresultStatus(result) == PGRES_COMMAND_OK ||
                                    PQresultStatus(result) == PGRES_TUPLES_OK);
    return result;
}

__attribute__((destructor)) static void close_out(void)
{
    if (out != NULL)
        fclose(out);
}

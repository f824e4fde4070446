/*
 * The check of the committer's clock: a connection of its own asks for one job in so many, from the
 * moment it is due until its row is there to be read. Prints "NUMBER SEEN_US" for each. It asks for
 * one at a time; what became due meanwhile is skipped.
 *
 *   witness CONNINFO BEGAN_US RATE JOBS EVERY
 */
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdio.h>

#include "schedule.h"

enum { ASK_EVERY_US = 200, LATE_US = 1000, GIVE_UP_US = 10000000 };

static _Noreturn void die(const char *why)
{
    fprintf(stderr, "witness: %s\n", why);
    exit(1);
}

static bool is_there(PGconn *pg, const unsigned char id[ID_BYTES])
{
    const char *value = (const char *)id;
    const int size = ID_BYTES, binary = 1;
    PGresult *r = PQexecPrepared(pg, "ask", 1, &value, &size, &binary, 1);
    if (PQresultStatus(r) != PGRES_TUPLES_OK)
        die(PQerrorMessage(pg));
    bool found = PQntuples(r) > 0;
    PQclear(r);
    return found;
}

static void await(PGconn *pg, const struct schedule *s, size_t n)
{
    unsigned char id[ID_BYTES];
    id_of(s, n, id);
    int64_t due = due_us(s, n);
    if (now_us() > due + LATE_US)
        return;
    sleep_until(due);
    while (!is_there(pg, id)) {
        if (now_us() > due + GIVE_UP_US)
            return;
        sleep_until(now_us() + ASK_EVERY_US);
    }
    printf("%zu %lld\n", n, (long long)now_us());
}

int main(int argc, char **argv)
{
    if (argc != 6)
        die("usage: witness CONNINFO BEGAN_US RATE JOBS EVERY");
    struct schedule s = schedule_of(argv + 2);
    size_t every = strtoull(argv[5], NULL, 10);
    PGconn *pg = PQconnectdb(argv[1]);
    if (PQstatus(pg) != CONNECTION_OK)
        die(PQerrorMessage(pg));
    PQclear(PQprepare(pg, "ask", "SELECT 1 FROM stampmill.results WHERE id = $1::uuid", 0, NULL));
    for (size_t n = every / 2; n < s.jobs; n += every)
        await(pg, &s, n);
    PQfinish(pg);
    return 0;
}

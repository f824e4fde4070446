/*
 * Private servers of a test program: started by ops/private-servers in a fresh folder, stopped at
 * the end, and by themselves should the test be killed. Thread: the test's.
 */
#ifndef SM_TESTS_SUPPORT_SERVERS_H
#define SM_TESTS_SUPPORT_SERVERS_H

#include <stdbool.h>

struct servers {
    char words[300]; /* what it was started with */
    char dir[128];
    char redis_url[200];    /* "" when not started */
    char database_url[300]; /* of the superuser; "" when not started */
    int redis_pid, pg_pid;  /* 0 when not started */
    int owner; /* the process with whose end they stop: the suite, not the test it forked */
};

/* Starts what is asked for; `options` are further words for the script, or NULL. Aborts the test
 * program when it cannot: without servers nothing is proven. */
void servers_start(struct servers *servers, bool redis, bool postgres, const char *options);
/* Starts again what was killed, on the same data, and looks up the process ids anew. */
void servers_restart(struct servers *servers);
void servers_stop(struct servers *servers);

#endif

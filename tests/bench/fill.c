/*
 * Enqueues debug.noop jobs with 200 bytes of arguments, as any producer in C would.
 *
 *   fill REDIS_URL JOBS
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stampmill/producer.h"

enum { CHUNK = 5000 };

int main(int argc, char **argv)
{
    static struct sm_job_spec jobs[CHUNK];
    char args[201];
    struct sm_err err = {0};
    if (argc != 3) {
        fprintf(stderr, "usage: fill REDIS_URL JOBS\n");
        return 2;
    }
    snprintf(args, sizeof args, "{\"pad\":\"%0190d\"}", 0);
    for (int i = 0; i < CHUNK; i++)
        jobs[i] = (struct sm_job_spec){.type = "debug.noop", .args_json = args};
    struct sm_client *client = sm_client_open(argv[1], &err);
    for (size_t left = strtoull(argv[2], NULL, 10); client != NULL && left > 0;) {
        size_t n = left < CHUNK ? left : CHUNK;
        if (sm_enqueue_many(client, jobs, n, NULL, NULL, &err) != 0)
            break;
        left -= n;
    }
    sm_client_close(client);
    if (err.code != 0)
        fprintf(stderr, "fill: %s\n", err.text);
    return err.code == 0 ? 0 : 1;
}

/*
 * Enqueues jobs as fast as it can, as any producer in C would.
 *
 *   fill REDIS_URL JOBS TYPE ARGS [INPUT_FILE ..]
 */
#include <stdio.h>
#include <stdlib.h>

#include "inputs.h"

enum { CHUNK = 5000, CHUNK_BYTES = 8 << 20 };

int main(int argc, char **argv)
{
    static struct sm_job_spec jobs[CHUNK];
    struct inputs inputs = {.n = 0};
    struct sm_err err = {0};
    size_t most = CHUNK;
    if (argc < 5) {
        fprintf(stderr, "usage: fill REDIS_URL JOBS TYPE ARGS [INPUT_FILE ..]\n");
        return 2;
    }
    for (int i = 5; i < argc; i++) {
        read_input(&inputs, argv[i]);
        size_t fit = CHUNK_BYTES / (inputs.size[i - 5] + 1) + 1;
        most = fit < most ? fit : most;
    }
    struct sm_client *client = sm_client_open(argv[1], &err);
    size_t all = strtoull(argv[2], NULL, 10);
    for (size_t done = 0; client != NULL && done < all;) {
        size_t n = all - done < most ? all - done : most;
        for (size_t i = 0; i < n; i++) {
            jobs[i] = (struct sm_job_spec){.type = argv[3], .args_json = argv[4]};
            set_input(&inputs, done + i, &jobs[i]);
        }
        if (sm_enqueue_many(client, jobs, n, NULL, NULL, &err) != 0)
            break;
        done += n;
    }
    sm_client_close(client);
    if (err.code != 0)
        fprintf(stderr, "fill: %s\n", err.text);
    return err.code == 0 ? 0 : 1;
}

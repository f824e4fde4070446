/*
 * Enqueues jobs on a schedule, as an open loop: what is due is sent, however late; nothing waits
 * for an earlier job. Prints how late the last job was acknowledged.
 *
 *   pace REDIS_URL BEGAN_US RATE JOBS TYPE ARGS [INPUT_FILE ..]
 */
#include <stdio.h>
#include <string.h>

#include "inputs.h"
#include "schedule.h"

enum { MOST = 1024 };

/* Job `from` is due; how many are, at most MOST. */
static size_t due_by_now(const struct schedule *s, size_t from)
{
    int64_t now = now_us();
    size_t n = 1;
    while (n < MOST && from + n < s->jobs && due_us(s, from + n) <= now)
        n++;
    return n;
}

static int send_all(struct sm_client *client, const struct schedule *s, char **words,
                    const struct inputs *inputs, struct sm_err *err)
{
    static struct sm_job_spec jobs[MOST];
    static struct sm_id ids[MOST];
    for (size_t done = 0; done < s->jobs;) {
        sleep_until(due_us(s, done));
        size_t n = due_by_now(s, done);
        for (size_t i = 0; i < n; i++) {
            id_of(s, done + i, ids[i].b);
            jobs[i] = (struct sm_job_spec){.type = words[0], .args_json = words[1], .id = &ids[i]};
            set_input(inputs, done + i, &jobs[i]);
        }
        if (sm_enqueue_many(client, jobs, n, NULL, NULL, err) != 0)
            return -1;
        done += n;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct inputs inputs = {.n = 0};
    struct sm_err err = {0};
    if (argc < 7) {
        fprintf(stderr, "usage: pace REDIS_URL BEGAN_US RATE JOBS TYPE ARGS [INPUT_FILE ..]\n");
        return 2;
    }
    for (int i = 7; i < argc; i++)
        read_input(&inputs, argv[i]);
    struct schedule schedule = schedule_of(argv + 2);
    struct sm_client *client = sm_client_open(argv[1], &err);
    if (client == NULL || send_all(client, &schedule, argv + 5, &inputs, &err) != 0) {
        fprintf(stderr, "pace: %s\n", err.text);
        return 1;
    }
    printf("%lld\n", (long long)(now_us() - due_us(&schedule, schedule.jobs - 1)));
    sm_client_close(client);
    return 0;
}

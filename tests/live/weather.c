/* Outages under load; see weather.h. */
#include "tests/live/weather.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB ((size_t)1 << 20)
/* What README.md says of the memory to plan for, with worker.memory = 64 MiB, two stamps and the
 * default job.result; these jobs take nothing worth counting while they run. */
#define MEMORY_MOST ((64 + 2 * 16 + 4 * 16 + 24) * MIB)

enum {
    LOAD = RIG_SANITIZED ? 3000 : 30000,
    SLEEPERS = 300,
    LARGE = RIG_SANITIZED ? 200 : 2500,
    LARGE_BYTES = 65536,
    TRIES_MOST = 200
};

int64_t long_outage_ms(void)
{
    const char *seconds = getenv("STAMPMILL_OUTAGE_SECONDS");
    return seconds == NULL ? 8000 : strtoll(seconds, NULL, 10) * 1000;
}

bool mill_says(struct mill *m, const char *words)
{
    const char *body;
    return mill_get(m, "/readyz", &body) == 503 && strstr(body, words) != NULL;
}

/* ---- load -- */

static void put_sleepers(int n)
{
    put_jobs(&(struct sm_job_spec){.type = "debug.sleep", .args_json = "{\"ms\":20}"}, n, NULL);
}

static void put_large(void)
{
    static char input[LARGE_BYTES];
    for (int i = 0; i < LARGE; i += 100)
        put_jobs(
            &(struct sm_job_spec){.type = "debug.echo", .input = input, .input_size = sizeof input},
            100, NULL);
}

/* Jobs that take a while, so that some always run, and as many small ones as fill every slot. With
 * `shrinks` there is more to do than two daemons of two stamps do in that time. The queue is paused
 * meanwhile: all is still to do. How many. */
static int put_load(const struct outage *outage)
{
    rig_text("HSET sm:{default}:meta paused 1");
    nap_ms(LEASE_MS); /* they hear of it with their next beat */
    int sleepers = SLEEPERS + (outage->shrinks ? (int)(outage->ms * 4 / 20) : 0);
    put_sleepers(sleepers / 2);
    if (outage->large)
        put_large();
    put_jobs(&(struct sm_job_spec){.type = "debug.noop"}, LOAD, NULL);
    put_sleepers(sleepers - sleepers / 2);
    rig_text("HDEL sm:{default}:meta paused");
    return sleepers + LOAD + (outage->large ? LARGE : 0);
}

/* ---- what is looked at -- */

void check_innocent(struct mill *m)
{
    ck_assert(mill_metric(m, "identities_taken_total") == 0);
    ck_assert(mill_metric(m, "jobs_reclaimed_total") == 0);
    ck_assert(mill_metric(m, "jobs_charged_total") == 0);
    ck_assert(!mill_said(m, "loop stands still"));
    size_t peak = rig_resident_peak(m->pid);
    printf("  %s: resident at most %zu MiB, bound %zu MiB\n", m->name, peak / MIB,
           MEMORY_MOST / MIB);
    if (!RIG_SANITIZED)
        ck_assert_uint_lt(peak, MEMORY_MOST);
}

static bool both_said(struct mill *a, struct mill *b, const char *words, bool said[2])
{
    said[0] = said[0] || mill_says(a, words);
    said[1] = said[1] || mill_says(b, words);
    return said[0] && said[1];
}

/* How long until each has said so once. */
static int64_t until_said(struct mill *a, struct mill *b, const char *words)
{
    int64_t began = now_ms();
    bool said[2] = {false, false};
    AWAIT(2000, both_said(a, b, words, said));
    return now_ms() - began;
}

/* The times between tries to connect to PostgreSQL that failed; how many. */
static size_t gaps_between_tries(const struct mill *m, int64_t gaps[TRIES_MOST])
{
    char line[1000];
    int h, min, s, ms;
    size_t n = 0;
    int64_t last = -1;
    FILE *log = fopen(m->log, "r");
    ck_assert_ptr_nonnull(log);
    while (fgets(line, sizeof line, log) != NULL && n < TRIES_MOST)
        if (strstr(line, "\"event\":\"PostgreSQL connection failed\"") != NULL &&
            sscanf(line, "{\"time\":\"%*d-%*d-%*dT%d:%d:%d.%dZ", &h, &min, &s, &ms) == 4) {
            int64_t at = ((h * 60 + min) * INT64_C(60) + s) * 1000 + ms;
            if (last >= 0 && at >= last) /* not over midnight */
                gaps[n++] = at - last;
            last = at;
        }
    fclose(log);
    return n;
}

/* 50 ms doubling to 2 s, plus or minus 20 %: never sooner, and in the end about every 2 s. */
static void check_backs_off(const struct mill *m, int64_t gaps[TRIES_MOST], size_t *n)
{
    int64_t shortest = INT64_MAX;
    *n = gaps_between_tries(m, gaps);
    printf("  %s: ms between tries:", m->name);
    for (size_t i = 0; i < *n; i++) {
        int64_t wait = i < 6 ? 50 << i : 2000;
        printf(" %lld", (long long)gaps[i]);
        ck_assert_int_ge(gaps[i], wait * 8 / 10 - 2);
        if (i >= 6 && gaps[i] < shortest)
            shortest = gaps[i];
    }
    printf("\n");
    ck_assert_uint_gt(*n, 6);
    ck_assert_int_le(shortest, 2000 * 12 / 10 + 500);
}

static void check_back_off(const struct mill *a, const struct mill *b)
{
    static int64_t gaps_a[TRIES_MOST], gaps_b[TRIES_MOST];
    size_t n_a, n_b;
    check_backs_off(a, gaps_a, &n_a);
    check_backs_off(b, gaps_b, &n_b);
    ck_assert_msg(n_a != n_b || memcmp(gaps_a, gaps_b, n_a * sizeof *gaps_a) != 0,
                  "both return in step");
}

/* ---- the whole -- */

void weather_start(struct mill *m, const char *name, const char *host, const char *flag)
{
    mill_init(m, name, host, "--worker.memory=64MiB", flag, NULL);
    mill_start(m);
}

/* Until the outage's time is over; both stay alive. */
static void sit_it_out(struct mill *a, struct mill *b, int64_t until)
{
    while (now_ms() < until) {
        ck_assert_int_eq(mill_get(a, "/livez", NULL), 200);
        ck_assert_int_eq(mill_get(b, "/livez", NULL), 200);
        nap_ms(200);
    }
}

void weather(const struct outage *outage)
{
    struct mill a, b;
    weather_start(&a, "a", "host1", NULL);
    weather_start(&b, "b", "host2", NULL);
    int jobs = put_load(outage);
    AWAIT(3000, rows_in("succeeded") > 20);
    int waiting = queue_length();
    outage->begin();
    int64_t began = now_ms(), said = outage->says ? until_said(&a, &b, outage->says) : 0;
    int before = outage->shrinks ? queue_length() : 0;
    sit_it_out(&a, &b, began + outage->ms);
    int after = outage->shrinks ? queue_length() : 0;
    outage->end();
    int64_t back = now_ms();
    AWAIT(2000, mill_ready(&a) && mill_ready(&b));
    int64_t ready = now_ms() - back;
    AWAIT(RIG_SANITIZED ? 15000 : 8000, queue_length() == 0);
    printf("%s for %lld ms with %d jobs to do: told after %lld ms, ready again after %lld ms, all "
           "done after %lld ms\n",
           outage->name, (long long)(back - began), waiting, (long long)said, (long long)ready,
           (long long)(now_ms() - back));
    if (outage->shrinks) {
        printf("  backlog %d, then %d\n", before, after);
        ck_assert_int_lt(after, before);
    }
    check_uncharged(jobs);
    check_innocent(&a);
    check_innocent(&b);
    if (outage->backs_off)
        check_back_off(&a, &b);
    mill_drain(&a);
    mill_drain(&b);
    check_redis_clean();
}

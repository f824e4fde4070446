/*
 * The memory bound on a real daemon: many small jobs mixed, without warning, with inputs of almost
 * the largest size, whose results are as large; and small inputs whose results are large. Every job
 * succeeds, and resident memory stays within what the settings say.
 */
#include <stdio.h>
#include <string.h>

#include "tests/live/rig.h"

#define MIB ((size_t)1 << 20)
#define LARGE (15 * MIB)
#define FIRST_N 600 /* small ones alone, for fetches to grow by */
#define SMALL_N 200
#define LARGE_N (RIG_SANITIZED ? 5 : 16)
#define STAMPS 2
#define FLAGS "--worker.memory=64MiB", "--worker.stamps=2"

/* What the daemon may hold: jobs and results; the result of each run that was let through before
 * them; the row that is being committed as arrays and as libpq's copy, buffers that double while
 * they grow; and what the process takes when idle (below 12 MiB) with the allocator's slack. */
static const size_t bound = 64 * MIB + STAMPS * 16 * MIB + 2 * 32 * MIB + 24 * MIB;

static void check_memory(pid_t daemon)
{
    size_t peak = rig_resident_peak(daemon);
    printf("resident at most %zu MiB, bound %zu MiB, now %zu MiB\n", peak / MIB, bound / MIB,
           rig_resident(daemon) / MIB);
    if (!RIG_SANITIZED)
        ck_assert_uint_lt(peak, bound);
}

/* A fetch grown by small jobs asks for more than there is memory for and loses its connection with
 * everything that was delivered; the audit takes that in. Seconds from the one to the other. */
static void check_recovery(void)
{
    const char *line = strstr(rig_log(), "fetch failed"), *time;
    ck_assert_msg(line != NULL, "no fetch was over its budget");
    for (time = line; strncmp(time, "{\"time\":\"", 9) != 0; time--)
        ;
    double seconds = atof(sql("SELECT extract(epoch FROM min(started_at) - timestamptz '%.24s') "
                              "FROM stampmill.results WHERE type = 'debug.echo'",
                              time + 9));
    printf("a lost fetch is taken in after %.1f s\n", seconds);
    if (!RIG_SANITIZED)
        ck_assert(seconds > 0 && seconds < 10);
}

/* Bytes that differ from job to job and from page to page; they compress well, so that PostgreSQL
 * has little to write. */
static void fill(char *bytes, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i += 4096)
        memset(bytes + i, (int)(seed + i / 4096), n - i < 4096 ? n - i : 4096);
}

static void enqueue(struct sm_id *large, char *bytes)
{
    struct sm_client *client = rig_client();
    struct sm_err err;
    struct sm_job_spec small = {.type = "debug.noop"};
    for (int i = 0; i < FIRST_N; i++)
        ck_assert_int_eq(sm_enqueue(client, &small, NULL, &err), 0);
    for (int i = 0, l = 0; i < SMALL_N; i++) {
        ck_assert_int_eq(sm_enqueue(client, &small, NULL, &err), 0);
        if (l * SMALL_N >= (i + 1) * LARGE_N)
            continue;
        fill(bytes, LARGE, (unsigned)l);
        struct sm_job_spec job = {.type = "debug.echo", .input = bytes, .input_size = LARGE};
        int rc = sm_enqueue(client, &job, &large[l++], &err);
        ck_assert_msg(rc == 0, "%s", err.text);
    }
    sm_client_close(client);
}

static void check_body(struct sm_reader *reader, const struct sm_id *id, char *bytes, unsigned seed)
{
    struct sm_job_row row;
    rig_row(reader, id, SM_READ_BODY, &row);
    fill(bytes, LARGE, seed);
    ck_assert_str_eq(row.state, "succeeded");
    ck_assert_uint_eq(row.body_size, LARGE);
    ck_assert(memcmp(row.body, bytes, LARGE) == 0);
    sm_job_row_free(&row);
}

START_TEST(large_inputs_without_warning_stay_within_the_bound)
{
    struct sm_id large[LARGE_N + 1];
    char *bytes = malloc(LARGE);
    struct sm_inspector *in = rig_inspector();
    rig_text("CONFIG SET appendonly no"); /* 600 MB that no test reads back */
    enqueue(large, bytes);
    pid_t daemon = rig_daemon(FLAGS, NULL);
    ck_assert(rig_wait_length(in, 0));
    check_memory(daemon);
    check_recovery();
    struct sm_reader *reader = rig_reader();
    for (unsigned i = 0; i < LARGE_N; i += 7)
        check_body(reader, &large[i], bytes, i);
    rig_end_clean(daemon);
    rig_all_succeeded(FIRST_N + SMALL_N + LARGE_N);
    sm_reader_close(reader);
    sm_inspector_close(in);
    free(bytes);
}
END_TEST

/* A CSV of 62 KB whose rows as JSON are 8 MB: its one column has a name of 250 bytes. */
START_TEST(small_inputs_with_large_results_stay_within_the_bound)
{
    enum { JOBS = RIG_SANITIZED ? 5 : 60, ROWS = 31000 };
    char csv[251 + 2 * ROWS];
    struct sm_client *client = rig_client();
    struct sm_inspector *in = rig_inspector();
    struct sm_err err;
    memset(csv, 'n', 250);
    csv[250] = '\n';
    for (size_t i = 251; i < sizeof csv; i += 2)
        memcpy(csv + i, "1\n", 2);
    struct sm_job_spec job = {.type = "parse.csv",
                              .args_json = "{\"output\":\"ndjson\"}",
                              .input = csv,
                              .input_size = sizeof csv};
    for (int i = 0; i < JOBS; i++)
        ck_assert_int_eq(sm_enqueue(client, &job, NULL, &err), 0);
    pid_t daemon = rig_daemon(FLAGS, NULL);
    ck_assert(rig_wait_length(in, 0));
    check_memory(daemon);
    rig_end_clean(daemon);
    rig_all_succeeded(JOBS);
    sm_client_close(client);
    sm_inspector_close(in);
}
END_TEST

int main(void)
{
    return RIG_SUITE("live_memory", {large_inputs_without_warning_stay_within_the_bound, 0},
                     {small_inputs_with_large_results_stay_within_the_bound, 0});
}

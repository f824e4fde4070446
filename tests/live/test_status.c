/*
 * The status server of a real daemon: /livez answers whatever Redis and PostgreSQL do, /readyz says
 * the truth soon and recovers by itself, /metrics is Prometheus text that adds up.
 * And the upkeep of a database that shows there.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/live/prometheus.h"
#include "tests/live/rig.h"

/* Longest until /readyz has noticed. A server that is stopped answers nothing: its read time-out of
 * 2 s and a beat's distance of 1 s must pass first. */
#define GONE_MS (RIG_SANITIZED ? 6000 : 2000)
#define SILENT_MS (RIG_SANITIZED ? 10000 : 5000)

static int port;
static char body[1 << 16];

static pid_t start(void)
{
    pid_t daemon = rig_daemon("--http.listen=127.0.0.1:0", "--worker.stamps=2", NULL);
    rig_log_wait("worker started");
    const char *at = strstr(rig_log(), "\"port\":");
    ck_assert_ptr_nonnull(at);
    port = atoi(at + 7);
    return daemon;
}

/* GET; the code, and what it says in `body`. */
static int get(const char *path)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char request[200];
    size_t n = 0;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    int size = snprintf(request, sizeof request,
                        "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
    ck_assert_int_eq(write(fd, request, (size_t)size), size);
    for (ssize_t got; (got = read(fd, body + n, sizeof body - 1 - n)) > 0;)
        n += (size_t)got;
    close(fd);
    body[n] = '\0';
    int code = 0;
    ck_assert_int_eq(sscanf(body, "HTTP/1.1 %d", &code), 1);
    char *text = strstr(body, "\r\n\r\n");
    ck_assert_ptr_nonnull(text);
    memmove(body, text + 4, strlen(text + 4) + 1);
    return code;
}

static int64_t now_ms(void)
{
    return sm_mono_us(&sm_clock_real) / 1000;
}

/* Waits until /readyz answers `code` with these words; fails the test after `most_ms`. */
static void await_readiness(int code, const char *words, int64_t most_ms)
{
    int64_t began = now_ms();
    while (get("/readyz") != code || strstr(body, words) == NULL) {
        ck_assert_msg(now_ms() - began < most_ms, "%d \"%s\" not within %d ms, but: %s", code,
                      words, (int)most_ms, body);
        poll(NULL, 0, 10);
    }
    printf("%d \"%s\" after %d ms\n", code, words, (int)(now_ms() - began));
}

/* The server process that the daemon's connection speaks to; the postmaster is no part of it. */
static pid_t backend(void)
{
    return atoi(sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'stampmilld'"));
}

/* ---- alive and ready -- */

START_TEST(livez_answers_at_once_while_redis_and_postgres_stand_still)
{
    pid_t daemon = start();
    pid_t session = backend();
    kill(session, SIGSTOP);
    kill(rig_servers.redis_pid, SIGSTOP);
    int64_t until = now_ms() + 2500, slowest = 0;
    while (now_ms() < until) {
        int64_t began = now_ms();
        ck_assert_int_eq(get("/livez"), 200);
        slowest = now_ms() - began > slowest ? now_ms() - began : slowest;
        poll(NULL, 0, 10);
    }
    kill(session, SIGCONT);
    kill(rig_servers.redis_pid, SIGCONT);
    printf("/livez took at most %d ms\n", (int)slowest);
    ck_assert_int_lt(slowest, RIG_SANITIZED ? 2000 : 500);
    await_readiness(200, "\"ready\":true", SILENT_MS);
    rig_end_clean(daemon);
}
END_TEST

START_TEST(a_redis_that_is_killed_or_stands_still_is_told_and_comes_back)
{
    pid_t daemon = start();
    await_readiness(200, "\"reasons\":[]", GONE_MS);
    kill(rig_servers.redis_pid, SIGSTOP);
    await_readiness(503, "Redis: the server did not answer in time", SILENT_MS);
    kill(rig_servers.redis_pid, SIGCONT);
    await_readiness(200, "\"reasons\":[]", SILENT_MS);
    kill(rig_servers.redis_pid, SIGKILL);
    await_readiness(503, "Redis: no connection to the server", GONE_MS);
    rig_restart();
    await_readiness(200, "\"reasons\":[]", SILENT_MS);
    rig_end_clean(daemon);
}
END_TEST

START_TEST(a_postgres_that_is_killed_or_stands_still_is_told_and_comes_back)
{
    pid_t daemon = start();
    await_readiness(200, "\"reasons\":[]", GONE_MS);
    kill(rig_servers.pg_pid, SIGQUIT);
    await_readiness(503, "PostgreSQL: no connection to the server", GONE_MS);
    rig_restart();
    await_readiness(200, "\"reasons\":[]", SILENT_MS);
    pid_t session = backend();
    kill(rig_servers.pg_pid, SIGSTOP);
    kill(session, SIGSTOP);
    await_readiness(503, "PostgreSQL: the server did not answer in time", SILENT_MS);
    kill(session, SIGCONT);
    kill(rig_servers.pg_pid, SIGCONT);
    await_readiness(200, "\"reasons\":[]", SILENT_MS);
    rig_end_clean(daemon);
}
END_TEST

START_TEST(draining_is_told)
{
    pid_t daemon = start();
    rig_add("type", "debug.sleep", "args", "{\"ms\":1000}", NULL);
    while (get("/metrics") != 200 || prometheus_value(body, "stampmill_stamps_running") < 1)
        ;
    kill(daemon, SIGTERM);
    await_readiness(503, "draining", GONE_MS);
    ck_assert_int_eq(get("/livez"), 200);
    ck_assert_int_eq(rig_ended(daemon, 20), 0);
}
END_TEST

/* ---- metrics -- */

static void expect_value(const char *sample, double value)
{
    double got = prometheus_value(body, sample);
    ck_assert_msg(got == value, "%s is %g instead of %g", sample, got, value);
}

static double all_slots(void)
{
    static const char *const states[] = {"free", "leased", "ready",  "running",
                                         "done", "stored", "settled"};
    double sum = 0;
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        char sample[60];
        snprintf(sample, sizeof sample, "stampmill_slots{state=\"%s\"}", states[i]);
        sum += prometheus_value(body, sample);
    }
    return sum;
}

START_TEST(metrics_are_prometheus_text_and_add_up)
{
    struct sm_inspector *in = rig_inspector();
    pid_t daemon = start();
    ck_assert_int_eq(get("/metrics"), 200);
    prometheus_check(body);
    for (int i = 0; i < 12; i++)
        rig_add("type", "debug.noop", NULL);
    for (int i = 0; i < 3; i++)
        rig_add("type", "debug.none", NULL);
    for (int i = 0; i < 2; i++)
        rig_add("type", "debug.fail", "args", "{\"how\":\"permanent\"}", NULL);
    rig_add("type", "debug.burn", "args", "{\"ms\":30}", NULL);
    rig_add("type", "debug.noop", "in_ms", "300", NULL);
    ck_assert(rig_wait_length(in, 0));
    while (get("/metrics") != 200 || prometheus_value(body, "stampmill_jobs_settled_total") < 19)
        ;
    prometheus_check(body);
    expect_value("stampmill_jobs_leased_total", 19 + 1); /* the parked one twice */
    expect_value("stampmill_jobs_parked_total", 1);
    expect_value("stampmill_jobs_refused_total", 3);
    expect_value("stampmill_jobs_started_total", 16);
    expect_value("stampmill_jobs_succeeded_total", 14);
    expect_value("stampmill_jobs_dead_total", 5);
    expect_value("stampmill_jobs_settled_total", 19);
    expect_value("stampmill_job_run_seconds_count", 16);
    expect_value("stampmill_job_wait_seconds_count", 16);
    expect_value("stampmill_commit_seconds_count",
                 prometheus_value(body, "stampmill_commit_batches_total"));
    expect_value("stampmill_redis_errors_total", 0);
    expect_value("stampmill_postgres_errors_total", 0);
    ck_assert(prometheus_value(body, "stampmill_job_cpu_seconds_total") >= 0.03);
    expect_value("stampmill_held_bytes", 0);
    expect_value("stampmill_slots{state=\"free\"}", all_slots());
    expect_value("stampmill_stamps", 2);
    expect_value("stampmill_redis_up", 1);
    expect_value("stampmill_postgres_up", 1);
    sm_inspector_close(in);
    rig_end_clean(daemon);
}
END_TEST

START_TEST(a_daemon_prunes_what_is_old_and_counts_what_is_not_in_redis)
{
    sql("SELECT count(stampmill.enqueue('default', 'debug.noop', run_at => now() + interval '1 "
        "day')) FROM generate_series(1, 3)");
    sql("INSERT INTO stampmill.results (id, enqueued_at, finished_at, cpu_us, life, attempt, "
        "state, queue, type, worker) SELECT gen_random_uuid(), now(), now() - interval '8 days', "
        "0, 1, 1, CASE WHEN n > 2500 THEN 'dead' ELSE 'succeeded' END::stampmill.job_state, 'q', "
        "'t', 'w' FROM generate_series(1, 2600) AS n");
    pid_t daemon = start();
    int64_t until = now_ms() + 60000;
    while (get("/metrics") != 200 ||
           prometheus_value(body, "stampmill_results_pruned_total") < 2500)
        ck_assert_int_lt(now_ms(), until);
    prometheus_check(body);
    expect_value("stampmill_outbox_later_jobs", 3);
    expect_value("stampmill_outbox_due_jobs", 0);
    ck_assert_str_eq(sql("SELECT count(*) FROM stampmill.results"), "100");
    rig_end_clean(daemon);
}
END_TEST

START_TEST(other_paths_are_404)
{
    pid_t daemon = start();
    ck_assert_int_eq(get("/"), 404);
    ck_assert_ptr_nonnull(strstr(body, "/readyz"));
    rig_end_clean(daemon);
}
END_TEST

int main(void)
{
    return RIG_SUITE("live_status", {livez_answers_at_once_while_redis_and_postgres_stand_still, 0},
                     {a_redis_that_is_killed_or_stands_still_is_told_and_comes_back, 0},
                     {a_postgres_that_is_killed_or_stands_still_is_told_and_comes_back, 0},
                     {draining_is_told, 0}, {metrics_are_prometheus_text_and_add_up, 0},
                     {a_daemon_prunes_what_is_old_and_counts_what_is_not_in_redis, 0},
                     {other_paths_are_404, 0});
}

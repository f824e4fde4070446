/*
 * The command line on a private Redis and PostgreSQL with a real daemon. One fixture for all tests;
 * they use queues of their own, and the daemon serves `default` alone.
 */
#include "tests/cli/run.h"

#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/servers.h"

static struct servers servers;
static pid_t daemon_pid;
static char folder[] = "/tmp/sm-cli-XXXXXX"; /* readable for the servers' user */
static char daemon_log[64];

#define CLI "redis-cli -s \"${STAMPMILL_REDIS_URL#unix://}\" "
#define SQL "psql -XAtq \"$STAMPMILL_DATABASE_URL\" -c "

/* PostgreSQL asks `locked` for a password and nobody else. */
static void write_hba(char *option, size_t room)
{
    char path[80];
    snprintf(path, sizeof path, "%s/hba", folder);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs("local all locked scram-sha-256\nlocal all all trust\n", file);
    ck_assert_int_eq(fclose(file) | chmod(path, 0644), 0);
    snprintf(option, room, "--pg-conf \"hba_file='%s'\"", path);
}

static void start_servers(void)
{
    char option[120];
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chmod(folder, 0755), 0);
    write_hba(option, sizeof option);
    servers_start(&servers, true, true, option);
    setenv("STAMPMILL_REDIS_URL", servers.redis_url, 1);
    setenv("STAMPMILL_DATABASE_URL", servers.database_url, 1);
    expect(SQL "\"CREATE ROLE locked LOGIN PASSWORD 'right'; CREATE ROLE nobody LOGIN\"", 0, "");
    expect(CLI "ACL SETUSER locked on '>right' '~*' +@all", 0, "OK");
    expect(CLI "ACL SETUSER narrow on nopass resetkeys '~sm:{*}:jobs' -@all +xadd +ping", 0, "OK");
}

/* Ready when it has run a first job. */
static void start_daemon(void)
{
    char program[] = "stampmilld", debug[] = "--debug-types", http[] = "--http.listen=off";
    char level[] = "--log.level=warn", runtime[100];
    char *argv[] = {program, debug, http, level, runtime, NULL};
    snprintf(runtime, sizeof runtime, "--runtime.dir=%s/run", folder);
    snprintf(daemon_log, sizeof daemon_log, "%s/log", folder);
    daemon_pid = run_background(daemon_log, argv);
    expect("stampmill job add debug.noop --wait --timeout 30s 2>&1", 0, "succeeded");
}

static void set_up(void)
{
    start_servers();
    expect("stampmill db status 2>&1", 1, "stampmill db migrate");
    expect("stampmill doctor", 1, "run stampmill db migrate");
    expect("stampmill job show 01930000-0000-7000-8000-000000000000 2>&1", 1,
           "stampmill db migrate");
    expect("stampmill job add debug.noop --wait 2>&1", 1, "stampmill db migrate");
    expect("stampmill queue ls", 0, "[]"); /* nothing was sent */
    expect("stampmill db migrate", 0, "0001_roles");
    start_daemon();
}

static void tear_down(void)
{
    char command[100];
    int code = end_background(daemon_pid, daemon_log);
    servers_stop(&servers);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    expect(command, 0, "");
    ck_assert_msg(code == 0, "the daemon ended with %d", code);
}

START_TEST(the_database_can_be_migrated_twice_and_doctor_is_content)
{
    expect("stampmill db migrate 2>&1", 0, "nothing to do");
    expect("stampmill db status", 0, "\"can_work\":true");
    expect("stampmill doctor", 0, "noeviction");
}
END_TEST

START_TEST(add_prints_the_bare_id_and_wait_shows_the_row)
{
    struct said *said =
        expect("id=$(printf abc | stampmill job add transform.digest -i - -t k=v) && "
               "stampmill job wait $id --timeout 30s && stampmill job result $id",
               0, "\"state\":\"succeeded\"");
    ck_assert_ptr_nonnull(
        strstr(said->out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    ck_assert_ptr_nonnull(strstr(said->out, "\"k\": \"v\""));
    expect("stampmill job add debug.noop | grep -Exc '[0-9a-f-]{36}'", 0, "1");
}
END_TEST

START_TEST(a_body_comes_back_byte_for_byte)
{
    expect("id=$(seq 9999 | stampmill job add encode.compress --args '{\"format\":\"gzip\"}' -i - "
           "--wait "
           "--timeout 30s 2>/dev/null) && "
           "test \"$(stampmill job result $id | gzip -dc | cksum)\" = \"$(seq 9999 | cksum)\"",
           0, "");
}
END_TEST

START_TEST(a_failed_job_is_5_and_shows_why_and_with_what)
{
    expect("stampmill job add debug.fail --args '{\"how\":\"permanent\",\"message\":\"broken on "
           "purpose\"}' "
           "--wait --timeout 30s 2>&1",
           5, "broken on purpose");
    expect("id=$(stampmill job add debug.fail --args '{\"how\":\"permanent\"}'); stampmill job "
           "wait $id --timeout 30s; "
           "stampmill job show $id",
           0, "\"args\":{\"how\":\"permanent\"}");
    expect(
        "id=$(stampmill job add debug.fail --args '{\"how\":\"permanent\"}' --wait --timeout 30s "
        "2>/dev/null); "
        "stampmill job result $id 2>&1",
        5, "the job is dead");
}
END_TEST

START_TEST(a_job_nobody_serves_is_shown_waiting_and_is_6_at_the_timeout)
{
    expect("id=$(stampmill job add debug.noop -q idle) && stampmill job show $id", 0,
           "\"state\":\"waiting\"");
    expect(
        "id=$(stampmill job add debug.noop -q idle) && stampmill job wait $id --timeout 50ms 2>&1",
        6, "has not ended");
    expect("id=$(stampmill job add debug.noop -q idle) && stampmill job result $id 2>&1", 6,
           "has not ended");
    expect("stampmill queue ls -o table", 0, "idle");
    expect("stampmill job show 01930000-0000-7000-8000-000000000000 2>&1", 4, "neither");
}
END_TEST

START_TEST(a_raw_xadd_is_found_by_its_entry_id)
{
    expect(CLI "XADD 'sm:{raw}:jobs' 7-1 type "
               "debug.noop args '{\"a\":1}' && stampmill queue ls",
           0, "\"queue\":\"raw\"");
    expect("e=$(" CLI "XADD 'sm:{default}:jobs' '*' type "
           "debug.echo args '{\"a\":1}') && stampmill job wait default/$e --timeout 30s",
           0, "succeeded");
}
END_TEST

#define SQL "psql -XAtq \"$STAMPMILL_DATABASE_URL\" -c "

START_TEST(a_durable_job_runs_and_is_shown_while_it_waits_in_the_outbox)
{
    expect("id=$(" SQL
           "\"SELECT stampmill.enqueue('default', 'debug.echo', '{\\\"a\\\": 1}')\") && "
           "stampmill job wait $id --timeout 30s",
           0, "\"result\":{\"a\": 1}");
    expect("id=$(" SQL "\"SELECT stampmill.enqueue('default', 'debug.echo', run_at => now() + "
           "interval '1 day')\") && stampmill job show $id && stampmill job retry $id 2>&1",
           3, "\"state\":\"outbox\"");
}
END_TEST

START_TEST(a_dead_job_is_found_retried_and_shows_the_errors_of_both_lives)
{
    struct said *said = expect(
        "id=$(stampmill job add debug.fail -a '{\"how\":\"permanent\",\"message\":\"first "
        "error\"}'); "
        "stampmill job wait $id >/dev/null; stampmill job ls --state dead --type debug.fail -n 1; "
        "stampmill job retry $id "
        "--args '{\"how\":\"permanent\",\"message\":\"second error\"}'; stampmill job wait $id "
        "--timeout 30s >/dev/null; stampmill job show $id; echo; echo id=$id",
        0, "\"life\":2");
    ck_assert_ptr_nonnull(strstr(said->out, "\"error_text\":\"second error\""));
    ck_assert_ptr_nonnull(strstr(said->out, "{\"life\":1,\"attempt\":1,\"error_code\":\"failed\","
                                            "\"error_text\":\"first error\""));
    ck_assert_ptr_nonnull(strstr(said->out, "{\"life\":2,\"attempt\":1,\"error_code\":\"failed\","
                                            "\"error_text\":\"second error\""));
    char line[200];
    snprintf(
        line, sizeof line,
        "%s; stampmill job retry $id -a '{\"how\":\"permanent\",\"on_attempts\":[]}' -o table; "
        "stampmill job wait $id --timeout 30s",
        strstr(said->out, "id="));
    line[strcspn(line, "\n")] = ' ';
    expect(line, 0, "\"state\":\"succeeded\"");
}
END_TEST

START_TEST(what_cannot_be_retried_is_3_or_4_or_2_and_says_why)
{
    expect("id=$(stampmill job add debug.noop); stampmill job wait $id --timeout 30s >/dev/null; "
           "stampmill job retry $id 2>&1",
           3, "has succeeded, and a result never changes");
    expect("stampmill job retry 01930000-0000-7000-8000-000000000000 2>&1", 4,
           "no job by this id has ended");
    expect("id=$(stampmill job add debug.fail -a '{\"how\":\"permanent\"}'); stampmill job wait "
           "$id >/dev/null; "
           "stampmill job retry $id -a '{\"hwo\":1}' 2>&1",
           2, "did you mean \"how\"?");
    expect(
        "id=$(" SQL "'SELECT gen_random_uuid()'); " SQL
        "\"INSERT INTO stampmill.results (id, enqueued_at, finished_at, cpu_us, life, attempt, "
        "state, queue, type, worker, envelope) VALUES ('$id', now(), now(), 0, 1, 1, 'dead', "
        "'q', 't', 'w', '\\x82ab785f696e7075745f63757401a17601')\"; stampmill job retry $id 2>&1",
        3, "over 1 MiB");
    expect("stampmill job ls --state succeeded 2>&1", 2, "expected dead, cancelled or waiting");
    expect("stampmill job ls --limit 0 2>&1", 2, "--limit");
}
END_TEST

START_TEST(a_job_that_waits_is_cancelled_and_one_that_has_ended_is_3)
{
    expect("id=$(stampmill job add debug.noop -q idle) && stampmill job cancel $id", 0,
           "\"found\":true");
    expect("id=$(" SQL "\"SELECT stampmill.enqueue('default', 'debug.echo', run_at => now() + "
           "interval '1 day')\") && stampmill job cancel $id && stampmill job wait $id",
           5, "\"state\":\"cancelled\"");
    expect(
        "id=$(stampmill job add debug.sleep --args '{\"ms\":60000}') && until stampmill job show "
        "$id | grep -q in_flight; do sleep 0.05; done && stampmill job cancel $id && stampmill job "
        "wait $id --timeout 30s",
        5, "\"state\":\"cancelled\"");
    expect(
        "e=$(" CLI "XADD 'sm:{default}:jobs' '*' type debug.noop in_ms "
        "3600000) && until stampmill job show default/$e | grep -q later; do sleep 0.05; done && "
        "id=$(stampmill job show default/$e | sed 's/.*\"id\":\"\\([^\"]*\\).*/\\1/') && "
        "stampmill job cancel default/$e && stampmill job wait $id --timeout 30s",
        5, "\"state\":\"cancelled\"");
    expect("id=$(stampmill job add debug.noop --wait 2>/dev/null) && stampmill job cancel $id 2>&1",
           3, "has ended: succeeded");
    expect("stampmill job cancel 01930000-0000-7000-8000-000000000000 2>&1", 4, "neither");
}
END_TEST

START_TEST(a_purge_asks_first_counts_and_ends_what_waits)
{
    expect("for i in 1 2 3; do stampmill job add debug.noop -q doomed; done >&2; " SQL
           "\"SELECT count(stampmill.enqueue('doomed', 'debug.noop', run_at => now() + interval '1 "
           "day')) FROM generate_series(1, 2)\"",
           0, "2");
    expect("stampmill queue purge doomed </dev/null 2>&1", 3, "ends about 5 jobs");
    expect("stampmill queue purge doomed </dev/null 2>&1", 3, "say --yes");
    expect("echo y | stampmill queue purge doomed 2>&1", 3, "say --yes"); /* no terminal */
    expect("echo n | script -qec 'stampmill queue purge doomed' /dev/null", 3,
           "nothing was changed");
    expect("stampmill queue purge doomed --dry-run", 0,
           "\"dry_run\":true,\"durable\":2,\"plain\":3,\"running\":0");
    expect("echo y | script -qec 'stampmill queue purge doomed' /dev/null", 0, "Go on?");
    expect("stampmill queue ls | grep -o '\"doomed\",\"waiting\":0'", 0, "doomed");
    expect(
        "stampmill job ls -q doomed --state cancelled | grep -o cancelled.by\\\\\\|purged.with | "
        "sort | uniq -c",
        0, "2 purged with");
    expect("stampmill queue purge doomed --yes", 0, "\"durable\":0,\"plain\":0");
    expect("stampmill queue purge domed --yes 2>&1", 4, "no queue domed");
    expect("stampmill queue purge 'a b' --yes 2>&1", 2, "no name of a queue");
    expect("stampmill queue purge 2>&1", 2, "QUEUE is missing");
}
END_TEST

START_TEST(old_results_are_pruned_by_hand_when_that_is_confirmed)
{
    expect(SQL "\"INSERT INTO stampmill.results (id, enqueued_at, finished_at, cpu_us, life, "
               "attempt, state, queue, type, worker) SELECT gen_random_uuid(), now(), now() - "
               "interval '6 days', 0, 1, 1, 'succeeded', 'aged', 't', 'w' FROM generate_series(1, "
               "1500)\"",
           0, "");
    expect("stampmill db prune --dry-run", 0, "\"results\":0,");
    expect("stampmill db prune --older 5d --dry-run", 0, "\"results\":1500,");
    expect("stampmill db prune --older 5d </dev/null 2>&1", 3, "deletes 1500 results");
    expect("stampmill db prune --older 5m --yes 2>&1", 2, "at least 1h");
    expect("stampmill db prune --older 5d --yes", 0, "\"results\":1500,\"partitions\":0");
    expect(SQL "\"SELECT count(*) FROM stampmill.results WHERE queue = 'aged'\"", 0, "0");
}
END_TEST

START_TEST(an_interrupted_wait_is_130)
{
    /* timeout sends the signal; by then the wait has surely begun or is about to: both are 130 */
    expect("id=$(stampmill job add debug.noop -q idle); timeout --foreground --preserve-status -s "
           "INT 0.5 "
           "stampmill job wait $id --timeout 30s",
           130, "");
}
END_TEST

START_TEST(an_entry_that_is_gone_is_4_for_every_verb)
{
    /* settled under an id of its own: nothing leads from the entry to the row */
    expect(
        "e=$(" CLI "XADD 'sm:{default}:jobs' '*' id 01930000-0000-7000-8000-00000000000a type "
        "debug.noop) && stampmill job wait 01930000-0000-7000-8000-00000000000a --timeout 30s && "
        "while [ $(" CLI "XLEN 'sm:{default}:jobs') != 0 ]; do :; done; "
        "stampmill job wait default/$e 2>&1",
        4, "found by that");
    expect("stampmill job wait default/1-1 2>&1", 4, "neither");
    expect("stampmill job show default/1-1 2>&1", 4, "neither");
    expect("stampmill job result default/1-1 2>&1", 4, "neither");
    expect("stampmill job wait nowhere/1-1 2>&1", 4, "in queue nowhere");
}
END_TEST

START_TEST(a_wrong_password_or_a_missing_right_is_77)
{
    const char *const redis = "unix://%s:%s@%s/redis.sock";
    char url[300], line[700];
    snprintf(url, sizeof url, redis, "locked", "wr0ng", servers.dir);
    snprintf(line, sizeof line, "stampmill queue ls --redis.url '%s' 2>&1", url);
    ck_assert_ptr_null(strstr(expect(line, 77, "check user and password")->out, "wr0ng"));
    snprintf(line, sizeof line, "stampmill job add debug.noop --redis.url '%s' 2>&1", url);
    expect(line, 77, "STAMPMILL_REDIS_URL");
    snprintf(url, sizeof url, redis, "narrow", "any", servers.dir);
    snprintf(line, sizeof line, "stampmill queue ls --redis.url '%s' 2>&1", url);
    expect(line, 77, "PROTOCOL.md");
    snprintf(line, sizeof line, "stampmill job add debug.noop -q other --redis.url '%s' 2>&1", url);
    expect(line, 0, "-");
    snprintf(line, sizeof line,
             "stampmill db status --postgres.url "
             "'postgresql://locked:wr0ng@/stampmill?host=%s&port=5432' 2>&1",
             servers.dir);
    ck_assert_ptr_null(strstr(expect(line, 77, "check user and password")->out, "wr0ng"));
    snprintf(line, sizeof line,
             "stampmill job show 01930000-0000-7000-8000-000000000000 --postgres.url "
             "'postgresql://nobody@/stampmill?host=%s&port=5432' 2>&1",
             servers.dir);
    expect(line, 77, "stampmill_reader");
}
END_TEST

START_TEST(a_full_redis_is_3)
{
    expect(CLI
           "CONFIG SET maxmemory 1 >&2; stampmill job add debug.noop -q full 2>&1; code=$?; " CLI
           "CONFIG SET maxmemory 0 >&2; exit $code",
           3, "Redis");
    expect("stampmill queue ls | grep -c full", 1, "0");
}
END_TEST

START_TEST(doctor_fails_on_what_would_lose_jobs_or_results)
{
    expect(CLI
           "CONFIG SET maxmemory-policy allkeys-lru >&2; stampmill doctor -o table; code=$?; " CLI
           "CONFIG SET maxmemory-policy noeviction >&2; exit $code",
           1, "set maxmemory-policy noeviction");
    expect("stampmill doctor", 0, "noeviction");
    expect(SQL "\"ALTER DATABASE stampmill SET synchronous_commit = off\" && stampmill doctor; "
               "code=$?; " SQL "\"ALTER DATABASE stampmill RESET synchronous_commit\"; exit $code",
           1, "synchronous_commit is off");
    expect("stampmill doctor", 0, "full_page_writes are on");
    expect("stampmill doctor", 0, "0 durable jobs are due and not in Redis");
    expect("stampmill doctor --redis.url unix:///nonexistent", 69,
           "\"postgres\",\"status\":\"ok\"");
}
END_TEST

START_TEST(bad_words_are_refused_by_a_server_as_well)
{
    expect("stampmill job add debug.noop --queue 'a b' 2>&1", 2, "queue");
    expect("stampmill job add debug.noop --queue '' 2>&1", 2, "queue");
    expect("stampmill job show '' 2>&1", 2, "queue/entry-id");
    expect("stampmill job show default/12 2>&1", 2, "queue/entry-id");
    expect("stampmill job wait $(stampmill job add debug.noop -q idle) --timeout soon 2>&1", 2,
           "500ms, 10s or 5m");
}
END_TEST

/* script(1) gives the command a terminal. */
START_TEST(a_terminal_gets_a_table_and_a_pipe_json)
{
    expect("stampmill job add debug.noop -q idle", 0, "-");
    expect("script -qec 'stampmill queue ls' /dev/null", 0, "in_flight");
    ck_assert_ptr_null(strstr(run_shell("script -qec 'stampmill queue ls' /dev/null")->out, "{"));
    expect("script -qec 'stampmill queue ls -o json' /dev/null", 0, "[{\"queue\":");
    expect("stampmill queue ls", 0, "[{\"queue\":");
    expect("stampmill queue ls -o table", 0, "queue ");
    /* the bare id wherever it goes; asked for, JSON */
    expect("script -qec 'stampmill job add debug.noop -q idle' /dev/null | tr -d '\\r' | "
           "grep -Exc '[0-9a-f-]{36}'",
           0, "1");
    expect("stampmill job add debug.noop -q idle -o json", 0, "\"queue\":\"idle\"");
    expect("stampmill job add debug.noop --wait --timeout 30s -o json", 0,
           "\"state\":\"succeeded\"");
}
END_TEST

START_TEST(output_that_cannot_be_written_is_1)
{
    expect("stampmill queue ls 2>&1 >/dev/full", 1, "No space left on device");
    expect("stampmill doctor -o table 2>&1 >/dev/full", 1, "No space left on device");
    expect("stampmill doctor 2>&1 >&-", 1, "Bad file descriptor");
    expect("id=$(seq 99999 | stampmill job add encode.compress -i - --wait --timeout 30s 2>&-) && "
           "stampmill job result $id 2>&1 >/dev/full",
           1, "No space left on device");
    expect("id=$(printf x | stampmill job add transform.digest -i - --wait --timeout 30s 2>&-) && "
           "stampmill job result $id 2>&1 >&-",
           1, "Bad file descriptor");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {the_database_can_be_migrated_twice_and_doctor_is_content,
                                  add_prints_the_bare_id_and_wait_shows_the_row,
                                  a_body_comes_back_byte_for_byte,
                                  a_failed_job_is_5_and_shows_why_and_with_what,
                                  a_job_nobody_serves_is_shown_waiting_and_is_6_at_the_timeout,
                                  a_raw_xadd_is_found_by_its_entry_id,
                                  a_durable_job_runs_and_is_shown_while_it_waits_in_the_outbox,
                                  a_dead_job_is_found_retried_and_shows_the_errors_of_both_lives,
                                  what_cannot_be_retried_is_3_or_4_or_2_and_says_why,
                                  a_job_that_waits_is_cancelled_and_one_that_has_ended_is_3,
                                  a_purge_asks_first_counts_and_ends_what_waits,
                                  old_results_are_pruned_by_hand_when_that_is_confirmed,
                                  an_interrupted_wait_is_130,
                                  an_entry_that_is_gone_is_4_for_every_verb,
                                  a_wrong_password_or_a_missing_right_is_77,
                                  a_full_redis_is_3,
                                  doctor_fails_on_what_would_lose_jobs_or_results,
                                  bad_words_are_refused_by_a_server_as_well,
                                  a_terminal_gets_a_table_and_a_pipe_json,
                                  output_that_cannot_be_written_is_1};
    return run_suite("cli_live", tests, sizeof tests / sizeof *tests, set_up, tear_down);
}

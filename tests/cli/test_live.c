/*
 * The command line on a private Redis and PostgreSQL with a real daemon. One fixture for all tests;
 * they use queues of their own, and the daemon serves `default` alone.
 */
#include "tests/cli/run.h"

#include <signal.h>
#include <unistd.h>

static char servers[512];
static pid_t daemon_pid;

/* Takes the KEY=VALUE lines of ops/private-servers into the environment. */
static void start_servers(void)
{
    char line[1024], command[1024];
    snprintf(command, sizeof command, "'%s/ops/private-servers' start --until-exit %d",
             getenv("STAMPMILL_SOURCE"), (int)getpid());
    FILE *pipe = popen(command, "r");
    ck_assert_ptr_nonnull(pipe);
    while (fgets(line, sizeof line, pipe) != NULL) {
        char *equals = strchr(line, '=');
        line[strcspn(line, "\n")] = '\0';
        if (equals == NULL)
            continue;
        *equals = '\0';
        setenv(line, equals + 1, 1);
    }
    ck_assert_int_eq(pclose(pipe), 0);
    snprintf(servers, sizeof servers, "%s", getenv("STAMPMILL_SERVERS"));
}

static void start_daemon(void)
{
    char path[1024], runtime[1024];
    snprintf(path, sizeof path, "%s/stampmilld", getenv("STAMPMILL_BIN"));
    snprintf(runtime, sizeof runtime, "%s/cli", servers);
    daemon_pid = fork();
    ck_assert_int_ge(daemon_pid, 0);
    if (daemon_pid == 0) {
        execl(path, path, "--debug-types", "--http.listen", "off", "--runtime.dir", runtime,
              "--log.level", "warn", (char *)NULL);
        _exit(127);
    }
}

static void set_up(void)
{
    start_servers();
    expect("@ db status 2>&1", 1, "stampmill db migrate");
    expect("@ doctor", 1, "run stampmill db migrate");
    expect("@ db migrate", 0, "0001_roles");
    start_daemon();
}

static void tear_down(void)
{
    char command[1024];
    int status = 0;
    kill(daemon_pid, SIGTERM);
    ck_assert_int_eq(waitpid(daemon_pid, &status, 0), daemon_pid);
    snprintf(command, sizeof command, "'%s/ops/private-servers' stop '%s'",
             getenv("STAMPMILL_SOURCE"), servers);
    ck_assert_int_eq(system(command), 0);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the daemon ended with %d",
                  status);
}

START_TEST(the_database_can_be_migrated_twice_and_doctor_is_content)
{
    expect("@ db migrate 2>&1", 0, "nothing to do");
    expect("@ db status", 0, "\"can_work\":true");
    expect("@ doctor", 0, "noeviction");
}
END_TEST

START_TEST(add_prints_the_bare_id_and_wait_shows_the_row)
{
    struct said *said = expect("id=$(printf abc | @ job add transform.digest -i - -t k=v) && "
                               "@ job wait $id --timeout 30s && @ job result $id",
                               0, "\"state\":\"succeeded\"");
    ck_assert_ptr_nonnull(
        strstr(said->out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    ck_assert_ptr_nonnull(strstr(said->out, "\"k\": \"v\""));
    expect("@ job add debug.noop | grep -Exc '[0-9a-f-]{36}'", 0, "1");
}
END_TEST

START_TEST(a_body_comes_back_byte_for_byte)
{
    expect("id=$(seq 9999 | @ job add encode.compress --args '{\"format\":\"gzip\"}' -i - --wait "
           "--timeout 30s 2>/dev/null) && "
           "test \"$(@ job result $id | gzip -dc | cksum)\" = \"$(seq 9999 | cksum)\"",
           0, "");
}
END_TEST

START_TEST(a_failed_job_is_5_and_shows_why_and_with_what)
{
    expect(
        "@ job add debug.fail --args '{\"how\":\"permanent\",\"message\":\"broken on purpose\"}' "
        "--wait --timeout 30s 2>&1",
        5, "broken on purpose");
    expect(
        "id=$(@ job add debug.fail --args '{\"how\":\"permanent\"}'); @ job wait $id; @ job show "
        "$id",
        0, "\"args\":{\"how\":\"permanent\"}");
    expect("id=$(@ job add debug.fail --args '{\"how\":\"permanent\"}' --wait 2>/dev/null); "
           "@ job result $id 2>&1",
           5, "the job is dead");
}
END_TEST

START_TEST(a_job_nobody_serves_is_shown_waiting_and_is_6_at_the_timeout)
{
    expect("id=$(@ job add debug.noop -q idle) && @ job show $id", 0, "\"state\":\"waiting\"");
    expect("id=$(@ job add debug.noop -q idle) && @ job wait $id --timeout 50ms 2>&1", 6,
           "has not ended");
    expect("id=$(@ job add debug.noop -q idle) && @ job result $id 2>&1", 6, "has not ended");
    expect("@ queue ls -o table", 0, "idle");
    expect("@ job show 01930000-0000-7000-8000-000000000000 2>&1", 4, "neither");
}
END_TEST

START_TEST(a_raw_xadd_is_found_by_its_entry_id)
{
    expect("redis-cli -s \"${STAMPMILL_REDIS_URL#unix://}\" XADD 'sm:{raw}:jobs' 7-1 type "
           "debug.noop args '{\"a\":1}' && @ queue ls",
           0, "\"queue\":\"raw\"");
    expect("e=$(redis-cli -s \"${STAMPMILL_REDIS_URL#unix://}\" XADD 'sm:{default}:jobs' '*' type "
           "debug.echo args '{\"a\":1}') && @ job wait default/$e --timeout 30s",
           0, "succeeded");
}
END_TEST

START_TEST(an_interrupted_wait_is_130)
{
    /* timeout sends the signal; by then the wait has surely begun or is about to: both are 130 */
    expect(
        "id=$(@ job add debug.noop -q idle); timeout --preserve-status -s INT 0.5 @ job wait $id",
        130, "");
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
                                  an_interrupted_wait_is_130};
    return run_suite("cli_live", tests, sizeof tests / sizeof *tests, set_up, tear_down);
}

/*
 * Starting: what is refused, with which exit code (design, section 9) and in which one line;
 * waiting for servers where that is asked for; and no password where others can read it.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/live/rig.h"

enum { USAGE = 64, UNREACHABLE = 69, CONFIG = 78 };

static const char *flag(const char *name, const char *value)
{
    static char texts[4][900];
    static int next;
    char *text = texts[next++ % 4];
    snprintf(text, sizeof texts[0], "--%s=%s", name, value);
    return text;
}

static const char *wrong_redis(const char *login)
{
    static char url[700];
    snprintf(url, sizeof url, "unix://%s@%s", login, rig_servers.redis_url + strlen("unix://"));
    return url;
}

static const char *wrong_postgres(const char *login)
{
    static char url[400];
    snprintf(url, sizeof url, "postgresql://%s@/stampmill?host=%s", login, rig_servers.dir);
    return url;
}

static void no_secret(const char *text)
{
    static const char *const secrets[] = {"Secret42", "Wrong42"};
    for (size_t i = 0; i < 2; i++)
        ck_assert_msg(strstr(text, secrets[i]) == NULL, "a password: %s", text);
}

/* A daemon with these flags ends by itself with this code and says one line with these words. */
static void refused(int code, const char *words, const char *a, const char *b)
{
    rig_log_clear();
    pid_t daemon = rig_daemon("--http.listen=127.0.0.1:0", a == NULL ? b : a, b, NULL);
    int got = rig_ended(daemon, 20);
    const char *log = rig_log(), *end = strchr(log, '\n');
    ck_assert_msg(got == code, "exit %d instead of %d: %s", got, code, log);
    ck_assert_msg(strncmp(log, "stampmilld: ", 12) == 0 && end != NULL && end[1] == '\0',
                  "not one line: %s", log);
    ck_assert_msg(strstr(log, words) != NULL, "no \"%s\" in: %s", words, log);
    no_secret(log);
}

/* The same settings are fine with `a` added. */
static void accepted(const char *a)
{
    rig_log_clear();
    pid_t daemon = rig_daemon(a, NULL);
    rig_log_wait("worker started");
    rig_end_clean(daemon);
}

/* ---- servers -- */

START_TEST(a_server_that_is_absent_is_69)
{
    refused(UNREACHABLE, "Redis at /nowhere/redis.sock: ", "--redis.url=unix:///nowhere/redis.sock",
            NULL);
    refused(UNREACHABLE, "Redis at 127.0.0.1: Connection refused",
            "--redis.url=redis://127.0.0.1:1", NULL);
    refused(UNREACHABLE, "PostgreSQL: ", "--postgres.url=postgresql:///stampmill?host=/nowhere",
            NULL);
}
END_TEST

START_TEST(a_wrong_password_is_78)
{
    refused(CONFIG, "Redis: ", flag("redis.url", wrong_redis("sm_worker:RedisWrong42")), NULL);
    refused(CONFIG, "Redis: ", flag("redis.url", wrong_redis("nobody:RedisWrong42")), NULL);
    refused(CONFIG, "live_worker", flag("postgres.url", wrong_postgres("live_worker:PgWrong42")),
            NULL);
    refused(CONFIG, "live_worker", flag("postgres.url", wrong_postgres("live_worker:PgWrong42")),
            "--start.wait"); /* waiting would not help */
}
END_TEST

START_TEST(a_missing_right_is_78)
{
    refused(CONFIG, "Redis: ", flag("redis.url", rig_url("producer")), NULL);
    sql("CREATE ROLE live_stranger LOGIN");
    refused(CONFIG, "GRANT stampmill_worker", flag("postgres.url", wrong_postgres("live_stranger")),
            NULL);
}
END_TEST

START_TEST(a_schema_that_does_not_fit_is_78)
{
    sql("CREATE DATABASE bare");
    refused(CONFIG, "stampmill db migrate", flag("postgres.url", rig_worker_url("bare")), NULL);
    sql("INSERT INTO stampmill.migrations (version, name) VALUES (999, 'future')");
    refused(CONFIG, "version 999, newer than", NULL, NULL);
    sql("DELETE FROM stampmill.migrations WHERE version = 999");
    sql("CREATE TABLE kept AS SELECT * FROM stampmill.migrations");
    sql("DELETE FROM stampmill.migrations WHERE version > 1");
    refused(CONFIG, "the database schema is version 1, this build needs", NULL, NULL);
    sql("INSERT INTO stampmill.migrations SELECT * FROM kept WHERE version > 1");
    accepted(NULL);
}
END_TEST

START_TEST(servers_that_lose_data_are_78_unless_allowed)
{
    rig_text("CONFIG SET maxmemory-policy allkeys-lru");
    refused(CONFIG, "noeviction", NULL, NULL);
    accepted("--allow-eviction");
    rig_text("CONFIG SET maxmemory-policy noeviction");
    sql("ALTER SYSTEM SET fsync = off");
    sql("SELECT pg_reload_conf()");
    while (strcmp(sql("SHOW fsync"), "off") != 0)
        ;
    refused(CONFIG, "fsync is off", NULL, NULL);
    accepted("--allow-unsafe");
    sql("ALTER SYSTEM RESET fsync");
    sql("SELECT pg_reload_conf()");
}
END_TEST

/* ---- settings -- */

START_TEST(a_bad_setting_is_64_or_78_and_says_what_is_expected)
{
    refused(USAGE, "--worker.stamps: expected a whole number", "--worker.stamps=many", NULL);
    refused(USAGE, "from 32MiB", "--worker.memory=1MiB", NULL);
    refused(USAGE, "did you mean --worker.stamps?", "--worker.stamp=1", NULL);
    refused(USAGE, "unexpected word", "jobs", NULL);
    refused(CONFIG, "worker.queues: \"{q}\"", "--worker.queues={q}", NULL);
    refused(CONFIG, "log.level: \"loud\"", "--log.level=loud", NULL);
    refused(CONFIG, "http.listen: \"nowhere\"", "--http.listen=nowhere", NULL);
    refused(CONFIG, "redis.url", "--redis.url=rediss://me:RedisWrong42@host", NULL);
    refused(CONFIG, "redis.url", "--redis.url=http://me:RedisWrong42@host", NULL);
    refused(CONFIG, "of the URL cannot be read",
            "--postgres.url=postgresql://me:PgWrong42@host:port/x", NULL);
    setenv("STAMPMILL_WORKER_STAMPS", "many", 1);
    refused(CONFIG, "STAMPMILL_WORKER_STAMPS: expected a whole number", NULL, NULL);
    unsetenv("STAMPMILL_WORKER_STAMPS");
}
END_TEST

START_TEST(an_address_in_use_is_78)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof to;
    char listen_flag[60];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&to, sizeof to), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&to, &size), 0);
    snprintf(listen_flag, sizeof listen_flag, "--http.listen=127.0.0.1:%d", ntohs(to.sin_port));
    refused(CONFIG, "Address already in use", listen_flag, NULL);
    close(fd);
}
END_TEST

START_TEST(a_runtime_folder_that_cannot_be_used_is_78)
{
    refused(CONFIG, "/dev/null/boxes", "--runtime.dir=/dev/null/boxes", NULL);
    refused(CONFIG, "/proc/boxes", "--runtime.dir=/proc/boxes", NULL);
}
END_TEST

/* ---- waiting -- */

/* Redis first, with its users: a worker asks it once PostgreSQL is there, and a refused password is
 * no server to wait for. */
static void servers_come_up(void)
{
    char command[600];
    snprintf(command, sizeof command, "%s/ops/private-servers start --redis-only %s >/dev/null",
             getenv("STAMPMILL_SOURCE"), rig_servers.dir);
    ck_assert_int_eq(system(command), 0);
    rig_forget_super();
    rig_make_users();
    rig_restart();
}

START_TEST(start_wait_waits_longer_than_a_lease_and_then_works)
{
    struct sm_job_row row;
    kill(rig_servers.redis_pid, SIGKILL);
    kill(rig_servers.pg_pid, SIGQUIT);
    pid_t daemon = rig_daemon("--start.wait", RIG_SANITIZED ? "--lease=5s" : "--lease=2s", NULL);
    rig_log_wait("waiting for a server");
    poll(NULL, 0, RIG_SANITIZED ? 5500 : 2500);
    servers_come_up();
    rig_log_wait("worker started");
    struct sm_reader *reader = rig_reader();
    struct sm_id id = rig_derived_id("default", rig_add("type", "debug.noop", NULL));
    rig_row(reader, &id, 0, &row);
    ck_assert_str_eq(row.state, "succeeded");
    sm_job_row_free(&row);
    sm_reader_close(reader);
    rig_end_clean(daemon);
}
END_TEST

START_TEST(a_signal_ends_the_waiting)
{
    pid_t daemon = rig_daemon("--start.wait", "--redis.url=unix:///nowhere/redis.sock", NULL);
    rig_log_wait("waiting for a server");
    ck_assert_int_eq(rig_end(daemon, SIGTERM), 0);
}
END_TEST

/* ---- passwords -- */

static void check_command_line(pid_t daemon)
{
    char path[64], words[4096];
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)daemon);
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, words, sizeof words - 1);
    close(fd);
    ck_assert_int_gt(n, 100);
    for (ssize_t i = 0; i < n; i++)
        words[i] = words[i] == '\0' ? ' ' : words[i];
    words[n] = '\0';
    ck_assert_ptr_nonnull(strstr(words, "--redis.url="));
    no_secret(words);
}

static void check_print_config(const char *redis)
{
    char command[1800], said[8192];
    snprintf(command, sizeof command,
             "%s/stampmilld --print-config '%s' '--postgres.url=%s' 2>&1; STAMPMILL_REDIS_URL='%s' "
             "STAMPMILL_DATABASE_URL='%s' %s/stampmilld --print-config 2>&1",
             getenv("STAMPMILL_BIN"), redis, rig_worker_url("stampmill"), redis + 12,
             "host=/nowhere user=me password=PgSecret42", getenv("STAMPMILL_BIN"));
    FILE *out = popen(command, "r");
    said[fread(said, 1, sizeof said - 1, out)] = '\0';
    ck_assert_int_eq(pclose(out), 0);
    ck_assert_ptr_nonnull(strstr(said, "redis.url = unix://"));
    ck_assert_ptr_nonnull(strstr(said, "STAMPMILL_DATABASE_URL"));
    no_secret(said);
}

START_TEST(passwords_stand_in_no_log_no_ps_and_no_printed_setting)
{
    const char *redis = flag("redis.url", wrong_redis("sm_worker:RedisSecret42"));
    rig_text("ACL SETUSER sm_worker >RedisSecret42");
    check_print_config(redis);
    pid_t daemon = rig_daemon(redis, "--log.level=debug", NULL);
    rig_log_wait("worker started");
    check_command_line(daemon);
    kill(rig_servers.redis_pid, SIGKILL);
    kill(rig_servers.pg_pid, SIGQUIT);
    rig_log_wait("Redis connection failed");
    rig_restart(); /* the worker's second password is not known any more */
    rig_log_wait("\"auth\"");
    rig_add("type", "debug.fail", "args", "{\"how\":\"permanent\"}", NULL);
    rig_text("ACL SETUSER sm_worker >RedisSecret42");
    rig_end_clean(daemon);
    no_secret(rig_log());
    rig_text("ACL SETUSER sm_worker <RedisSecret42");
}
END_TEST

int main(void)
{
    return RIG_SUITE("live_start", {a_server_that_is_absent_is_69, 0}, {a_wrong_password_is_78, 0},
                     {a_missing_right_is_78, 0}, {a_schema_that_does_not_fit_is_78, 0},
                     {servers_that_lose_data_are_78_unless_allowed, 0},
                     {a_bad_setting_is_64_or_78_and_says_what_is_expected, 0},
                     {an_address_in_use_is_78, 0}, {a_runtime_folder_that_cannot_be_used_is_78, 0},
                     {start_wait_waits_longer_than_a_lease_and_then_works, 0},
                     {a_signal_ends_the_waiting, 0},
                     {passwords_stand_in_no_log_no_ps_and_no_printed_setting, 0});
}

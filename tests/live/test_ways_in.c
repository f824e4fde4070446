/*
 * The ways in: plain redis-cli, Python's stock client with flat fields and with an envelope,
 * libstampmill. Each job arrives in PostgreSQL under its id, the derived ones as SQL derives them.
 */
#include <stdio.h>
#include <string.h>

#include "tests/live/rig.h"

static struct sm_reader *reader;

/* Runs a program and calls `line` with each line that it prints. */
static void each_line(const char *command, void (*line)(const char *text))
{
    char text[200];
    FILE *out = popen(command, "r");
    ck_assert_ptr_nonnull(out);
    while (fgets(text, sizeof text, out) != NULL) {
        text[strcspn(text, "\n")] = '\0';
        line(text);
    }
    ck_assert_int_eq(pclose(out), 0);
}

static void check(const struct sm_id *id, const char *way)
{
    struct sm_job_row row;
    char result[80];
    snprintf(result, sizeof result, "{\"way\": \"%s\"}", way);
    rig_row(reader, id, SM_READ_BODY, &row);
    ck_assert_str_eq(row.state, "succeeded");
    ck_assert_str_eq(row.result, result);
    ck_assert_uint_eq(row.body_size, 7);
    ck_assert(memcmp(row.body, "\0\xffhello", 7) == 0);
    sm_job_row_free(&row);
}

/* The id of a line: a job's id, or an entry's from which one is derived. */
static struct sm_id id_of(const char *text)
{
    struct sm_entry_id entry;
    struct sm_id id;
    if (sm_id_parse(text, strlen(text), &id))
        return id;
    ck_assert_msg(sm_entry_id_parse(text, strlen(text), &entry), "%s", text);
    return rig_derived_id("default", entry);
}

static void from_redis_cli(const char *text)
{
    struct sm_id id = id_of(text);
    check(&id, "redis-cli");
}

static int python_lines;

static void from_python(const char *text)
{
    struct sm_id id = id_of(text);
    check(&id, python_lines++ < 2 ? "python, flat" : "python, envelope");
}

START_TEST(a_plain_xadd_of_redis_cli)
{
    char command[400];
    pid_t daemon = rig_daemon(NULL, NULL);
    rig_log_wait("worker started");
    reader = rig_reader();
    snprintf(
        command, sizeof command,
        "printf '\\0\\377hello' | redis-cli -s %s/redis.sock --user sm_producer --pass producer "
        "--no-auth-warning -x XADD 'sm:{default}:jobs' '*' type debug.echo "
        "args '{\"way\":\"redis-cli\"}' input",
        rig_servers.dir);
    each_line(command, from_redis_cli);
    sm_reader_close(reader);
    rig_end_clean(daemon);
}
END_TEST

/* Debian's packages are seen by Debian's python alone. */
START_TEST(pythons_stock_client_flat_and_enveloped)
{
    char command[700];
    pid_t daemon = rig_daemon(NULL, NULL);
    rig_log_wait("worker started");
    reader = rig_reader();
    snprintf(command, sizeof command,
             "/usr/bin/python3 %s/tests/live/stock_client.py %s/redis.sock sm_producer producer",
             getenv("STAMPMILL_SOURCE"), rig_servers.dir);
    each_line(command, from_python);
    ck_assert_int_eq(python_lines, 3);
    sm_reader_close(reader);
    rig_end_clean(daemon);
}
END_TEST

START_TEST(libstampmill_and_ids_of_ones_own)
{
    struct sm_err err;
    struct sm_client *client = rig_client();
    struct sm_id made, own = sm_id_new();
    struct sm_job_spec job = {.type = "debug.echo",
                              .args_json = "{\"way\":\"libstampmill\"}",
                              .input = "\0\xffhello",
                              .input_size = 7};
    pid_t daemon = rig_daemon(NULL, NULL);
    rig_log_wait("worker started");
    reader = rig_reader();
    ck_assert_int_eq(sm_enqueue(client, &job, &made, &err), 0);
    job.id = &own;
    for (int i = 0; i < 3; i++) /* sent again under one id: one result */
        ck_assert_int_eq(sm_enqueue(client, &job, NULL, &err), 0);
    check(&made, "libstampmill");
    check(&own, "libstampmill");
    sm_client_close(client);
    rig_end_clean(daemon);
    rig_all_succeeded(2);
    sm_reader_close(reader);
}
END_TEST

int main(void)
{
    return RIG_SUITE("live_ways_in", {a_plain_xadd_of_redis_cli, 0},
                     {pythons_stock_client_flat_and_enveloped, 0},
                     {libstampmill_and_ids_of_ones_own, 0});
}

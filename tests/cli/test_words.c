/*
 * The command line without any server: help, typos, what is refused before anything is sent, and
 * the exit codes of servers that are not there.
 */
#include "tests/cli/run.h"

#define NO_REDIS "--redis.url unix:///nonexistent/redis.sock "
#define NO_POSTGRES "--postgres.url 'postgresql:///x?host=/nonexistent' "

START_TEST(every_level_has_help)
{
    expect("@ --help", 0, "job add TYPE");
    expect("@ job --help", 0, "job result ID");
    expect("@ job add --help", 0, "parse.csv");
    expect("@ job add parse.csv --help", 0, "delimiter");
    expect("@ doctor --help", 0, "--redis.url");
    expect("@ --version", 0, "stampmill ");
    expect("@ 2>&1", 2, "Usage:");
}
END_TEST

START_TEST(typos_are_answered_with_what_was_meant)
{
    expect("@ jbo add x 2>&1", 2, "did you mean \"job\"?");
    expect("@ job ad x 2>&1", 2, "did you mean \"job add\"?");
    expect("@ job add debug.noop --qeue x 2>&1", 2, "did you mean --queue?");
    expect("@ job add parse.cvs 2>&1", 2, "did you mean \"parse.csv\"?");
    expect("@ job add transform.digest --args '{\"algoritms\":[\"sha256\"]}' 2>&1", 2,
           "did you mean \"algorithms\"?");
}
END_TEST

START_TEST(wrong_use_is_refused_before_anything_is_sent)
{
    expect("@ job 2>&1", 2, "a verb is missing");
    expect("@ job add " NO_REDIS "2>&1", 2, "TYPE is missing");
    expect("@ job add debug.noop more " NO_REDIS "2>&1", 2, "one word too many");
    expect("@ job add debug.noop --args '{\"a\":' " NO_REDIS "2>&1", 2, "--args");
    expect("@ job add debug.noop --args '[]' " NO_REDIS "2>&1", 2, "map");
    expect("@ job add debug.noop --id 12 " NO_REDIS "2>&1", 2, "expected a UUID");
    expect("@ job add debug.noop --tag x " NO_REDIS "2>&1", 2, "key=value");
    expect("@ job add debug.noop --queue 2>&1", 2, "needs a value");
    expect("@ job add transform.digest --input /nonexistent " NO_REDIS "2>&1", 2, "No such file");
    expect("@ job add debug.noop --timeout 5s " NO_REDIS "2>&1", 2, "--wait");
    expect("@ job show xx " NO_REDIS "2>&1", 2, "queue/entry-id");
    expect("@ queue ls -o xml " NO_REDIS "2>&1", 2, "table or json");
}
END_TEST

START_TEST(an_input_over_the_limit_is_refused)
{
    expect("head -c 16777217 /dev/zero | @ job add transform.digest --input - " NO_REDIS "2>&1", 2,
           "16777216");
}
END_TEST

START_TEST(a_server_that_is_away_is_69_and_says_what_to_set)
{
    expect("@ job add debug.noop " NO_REDIS "2>&1", 69, "STAMPMILL_REDIS_URL");
    expect("@ queue ls " NO_REDIS "2>&1", 69, "STAMPMILL_REDIS_URL");
    expect("@ db status " NO_POSTGRES "2>&1", 69, "STAMPMILL_DATABASE_URL");
    expect("@ doctor " NO_REDIS NO_POSTGRES "2>&1", 69, "failed");
}
END_TEST

START_TEST(a_password_stands_in_no_message)
{
    struct said *said = expect("@ db status --postgres.url "
                               "'postgresql://u:s3cr3t@/x?host=/nonexistent' 2>&1",
                               69, "PostgreSQL");
    ck_assert_ptr_null(strstr(said->out, "s3cr3t"));
    said = expect("@ queue ls --redis.url redis://u:s3cr3t@127.0.0.1:1 2>&1", 69, "Redis");
    ck_assert_ptr_null(strstr(said->out, "s3cr3t"));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {every_level_has_help,
                                  typos_are_answered_with_what_was_meant,
                                  wrong_use_is_refused_before_anything_is_sent,
                                  an_input_over_the_limit_is_refused,
                                  a_server_that_is_away_is_69_and_says_what_to_set,
                                  a_password_stands_in_no_message};
    return run_suite("cli_words", tests, sizeof tests / sizeof *tests, NULL, NULL);
}

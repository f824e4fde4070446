/*
 * The command line without any server: help, typos, what is refused before anything is sent, and
 * the exit codes of servers that are not there.
 */
#include "tests/cli/run.h"

#define NO_REDIS "--redis.url unix:///nonexistent/redis.sock "
#define NO_POSTGRES "--postgres.url 'postgresql:///x?host=/nonexistent' "

START_TEST(every_level_has_help)
{
    expect("stampmill --help", 0, "job add TYPE");
    expect("stampmill job --help", 0, "job result ID");
    expect("stampmill job add --help", 0, "parse.csv");
    expect("stampmill job add parse.csv --help", 0, "delimiter");
    expect("stampmill doctor --help", 0, "--redis.url");
    expect("stampmill --version", 0, "stampmill ");
    expect("stampmill version", 0, "stampmill ");
    expect("stampmill 2>&1", 2, "Usage:");
    expect("stampmill help", 0, "job add TYPE");
    expect("stampmill help job", 0, "job result ID");
    expect("stampmill help job add parse.csv", 0, "Usage: stampmill job add parse.csv");
    expect("stampmill job wait --help", 0, "queue/entry-id");
}
END_TEST

START_TEST(typos_are_answered_with_what_was_meant)
{
    expect("stampmill jbo add x 2>&1", 2, "did you mean \"job\"?");
    expect("stampmill help jbo 2>&1", 2, "did you mean \"job\"?");
    expect("stampmill -o json queue ls 2>&1", 2, "flags stand behind the command");
    expect("stampmill job ad x 2>&1", 2, "did you mean \"job add\"?");
    expect("stampmill job add debug.noop --qeue x 2>&1", 2, "did you mean --queue?");
    expect("stampmill job add debug.noop -zw 2>&1", 2, "unknown flag -z;");
    expect("stampmill job add debug.noop --wait=5s 2>&1", 2, "--wait: takes no value");
    expect("stampmill job add parse.cvs 2>&1", 2, "did you mean \"parse.csv\"?");
    expect("stampmill job add transform.digest --args '{\"algoritms\":[\"sha256\"]}' 2>&1", 2,
           "did you mean \"algorithms\"?");
}
END_TEST

START_TEST(wrong_use_is_refused_before_anything_is_sent)
{
    expect("stampmill job 2>&1", 2, "a verb is missing");
    expect("stampmill job add " NO_REDIS "2>&1", 2, "TYPE is missing");
    expect("stampmill job add debug.noop more " NO_REDIS "2>&1", 2, "one word too many");
    expect("stampmill job add debug.noop --args '{\"a\":' " NO_REDIS "2>&1", 2, "--args");
    expect("stampmill job add debug.noop --args '[]' " NO_REDIS "2>&1", 2, "map");
    expect("stampmill job add debug.noop --id 12 " NO_REDIS "2>&1", 2, "expected a UUID");
    expect("stampmill job add debug.noop --tag x " NO_REDIS "2>&1", 2, "key=value");
    expect("stampmill job add debug.noop --queue 2>&1", 2, "needs a value");
    expect("stampmill job add transform.digest --input /nonexistent " NO_REDIS "2>&1", 2,
           "No such file");
    expect("stampmill job add debug.noop --timeout 5s " NO_REDIS "2>&1", 2, "--wait");
    expect("stampmill job show xx " NO_REDIS "2>&1", 2, "queue/entry-id");
    expect("stampmill queue ls -o xml " NO_REDIS "2>&1", 2, "table or json");
}
END_TEST

START_TEST(arguments_are_held_against_the_schema_before_anything_is_sent)
{
    expect("stampmill job add parse.csv --args '{\"header\": tru' " NO_REDIS "2>&1", 2, "line 1");
    expect("stampmill job add parse.csv --args '{\"header\": \"yes\"}' " NO_REDIS "2>&1", 2,
           "args.header: expected true or false");
    expect("stampmill job add parse.csv --args '{\"columns\": [{\"nam\": \"x\"}]}' " NO_REDIS
           "2>&1",
           2, "args.columns[0].nam: unknown key; did you mean \"name\"?");
    expect("stampmill job add debug.fail " NO_REDIS "2>&1", 2, "how");
    expect("stampmill job add transform.digest --input /nonexistent " NO_REDIS "2>&1", 2,
           "/nonexistent: No such file");
    expect("stampmill job add transform.digest --input / " NO_REDIS "2>&1", 2, "Is a directory");
    expect("stampmill job add transform.digest --input - <&- " NO_REDIS "2>&1", 2,
           "Bad file descriptor");
    expect("stampmill job add debug.noop --id 00000000-0000-0000-0000-000000000000 " NO_REDIS
           "2>&1",
           2, "expected a UUID");
}
END_TEST

START_TEST(words_behind_two_hyphens_are_no_flags)
{
    expect("stampmill job add " NO_REDIS "-- --help 2>&1", 2, "unknown type \"--help\"");
    expect("stampmill job show " NO_REDIS "-- -x 2>&1", 2, "\"-x\" is no job");
    expect("stampmill job add " NO_REDIS "-- debug.noop 2>&1", 69, "Redis");
    expect("stampmill doctor -- more 2>&1", 2, "one word too many");
}
END_TEST

START_TEST(output_that_goes_nowhere_is_an_error_or_the_end)
{
    struct said *said;
    expect("stampmill --help 2>&1 >/dev/full", 1, "No space left on device");
    expect("stampmill job --help 2>&1 >/dev/full", 1, "No space left on device");
    expect("stampmill job add parse.csv --help 2>&1 >/dev/full", 1, "No space left on device");
    expect("stampmill --version 2>&1 >/dev/full", 1, "No space left on device");
    expect("stampmill --version 2>&1 >&-", 1, "Bad file descriptor");
    /* a pipe whose reader has surely gone: silently, as SIGPIPE ends any program */
    said = expect("f=$(mktemp -u) && mkfifo $f && { head -c 1 $f >/dev/null & exec 3>$f; echo >&3; "
                  "wait; rm $f; stampmill --help >&3; echo $?; }",
                  0, "141");
    ck_assert_str_eq(said->err, "");
}
END_TEST

START_TEST(an_input_over_the_limit_is_refused)
{
    expect("head -c 16777217 /dev/zero | stampmill job add transform.digest --input - " NO_REDIS
           "2>&1",
           2, "16777216");
}
END_TEST

START_TEST(a_server_that_is_away_is_69_and_says_what_to_set)
{
    expect("stampmill job add debug.noop " NO_REDIS "2>&1", 69, "STAMPMILL_REDIS_URL");
    expect("stampmill queue ls " NO_REDIS "2>&1", 69, "STAMPMILL_REDIS_URL");
    expect("stampmill db status " NO_POSTGRES "2>&1", 69, "STAMPMILL_DATABASE_URL");
    expect("stampmill doctor " NO_REDIS NO_POSTGRES "2>&1", 69, "failed");
}
END_TEST

START_TEST(a_password_stands_in_no_message)
{
    struct said *said = expect("stampmill db status --postgres.url "
                               "'postgresql://u:s3cr3t@/x?host=/nonexistent' 2>&1",
                               69, "PostgreSQL");
    ck_assert_ptr_null(strstr(said->out, "s3cr3t"));
    said = expect("stampmill queue ls --redis.url redis://u:s3cr3t@127.0.0.1:1 2>&1", 69, "Redis");
    ck_assert_ptr_null(strstr(said->out, "s3cr3t"));
    expect("stampmill db status --postgres.url mysql://x 2>&1", 2, "STAMPMILL_DATABASE_URL");
    expect("stampmill queue ls --redis.url foo 2>&1", 2, "redis://[user:password@]host");
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {every_level_has_help,
                                  typos_are_answered_with_what_was_meant,
                                  wrong_use_is_refused_before_anything_is_sent,
                                  arguments_are_held_against_the_schema_before_anything_is_sent,
                                  words_behind_two_hyphens_are_no_flags,
                                  output_that_goes_nowhere_is_an_error_or_the_end,
                                  an_input_over_the_limit_is_refused,
                                  a_server_that_is_away_is_69_and_says_what_to_set,
                                  a_password_stands_in_no_message};
    return run_suite("cli_words", tests, sizeof tests / sizeof *tests, NULL, NULL);
}

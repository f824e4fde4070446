/* The log, read through a pipe in place of stderr. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "tests/base/suite.h"

static int from_log, real_stderr;

static void catch_stderr(void)
{
    int ends[2];

    ck_assert_int_eq(pipe2(ends, O_NONBLOCK), 0);
    real_stderr = dup(STDERR_FILENO);
    ck_assert_int_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    close(ends[1]);
    from_log = ends[0];
}

/* What was written since the last call; "" when nothing. */
static const char *written(void)
{
    static char text[20000];
    ssize_t n = read(from_log, text, sizeof text - 1);

    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void done(void)
{
    dup2(real_stderr, STDERR_FILENO);
}

START_TEST(a_json_line_holds_time_level_event_and_fields)
{
    json_t *line;
    const char *when;

    catch_stderr();
    sm_log_setup(SM_LOG_INFO, SM_LOG_JSON);
    sm_log(SM_LOG_WARN, "worker started", SM_N("stamps", 2), SM_S("queue", "a\"b\n\xff"));
    line = json_loads(written(), 0, NULL);
    done();
    ck_assert_ptr_nonnull(line);
    ck_assert_str_eq(json_string_value(json_object_get(line, "level")), "warn");
    ck_assert_str_eq(json_string_value(json_object_get(line, "event")), "worker started");
    ck_assert_int_eq(json_integer_value(json_object_get(line, "stamps")), 2);
    ck_assert_str_eq(json_string_value(json_object_get(line, "queue")), "a\"b\n?");
    when = json_string_value(json_object_get(line, "time"));
    ck_assert_uint_eq(strlen(when), strlen("2026-11-24T12:00:01.123Z"));
    ck_assert_int_eq(when[10], 'T');
    ck_assert_int_eq(when[19], '.');
    ck_assert_int_eq(when[23], 'Z');
    json_decref(line);
}
END_TEST

START_TEST(a_text_line_reads_like_a_sentence)
{
    const char *text;

    catch_stderr();
    sm_log_setup(SM_LOG_INFO, SM_LOG_TEXT);
    sm_log(SM_LOG_INFO, "started", SM_N("n", -5), SM_S("a", "plain"), SM_S("b", "two words"),
           SM_S("c", ""));
    text = written();
    done();
    ck_assert_str_eq(text + strlen("12:00:01.123"),
                     " INFO  started n=-5 a=plain b=\"two words\" c=\"\"\n");
}
END_TEST

START_TEST(a_logfmt_line_names_everything)
{
    const char *text;

    catch_stderr();
    sm_log_setup(SM_LOG_INFO, SM_LOG_LOGFMT);
    sm_log(SM_LOG_ERROR, "a b");
    text = written();
    done();
    ck_assert_int_eq(strncmp(text, "time=2", 6), 0);
    ck_assert_str_eq(strchr(text, ' '), " level=error event=\"a b\"\n");
}
END_TEST

START_TEST(below_the_level_nothing_is_written)
{
    catch_stderr();
    sm_log_setup(SM_LOG_WARN, SM_LOG_TEXT);
    sm_log(SM_LOG_INFO, "quiet");
    ck_assert_str_eq(written(), "");
    sm_log(SM_LOG_WARN, "loud");
    ck_assert_str_ne(written(), "");
    done();
}
END_TEST

START_TEST(without_a_terminal_auto_means_json)
{
    const char *text;

    catch_stderr();
    sm_log(SM_LOG_INFO, "x");
    text = written();
    done();
    ck_assert_int_eq(text[0], '{');
}
END_TEST

START_TEST(a_long_value_is_cut_and_errno_is_left_alone)
{
    static char value[10000];
    const char *text;

    memset(value, 'v', sizeof value - 1);
    catch_stderr();
    sm_log_setup(SM_LOG_INFO, SM_LOG_JSON);
    errno = 4711;
    sm_log(SM_LOG_INFO, "x", SM_S("v", value));
    ck_assert_int_eq(errno, 4711);
    text = written();
    done();
    ck_assert_uint_lt(strlen(text), 2300);
    ck_assert_str_eq(text + strlen(text) - 4, "v\"}\n");
}
END_TEST

int main(void)
{
    return RUN_SUITE("log", {a_json_line_holds_time_level_event_and_fields, 0},
                     {a_text_line_reads_like_a_sentence, 0}, {a_logfmt_line_names_everything, 0},
                     {below_the_level_nothing_is_written, 0},
                     {without_a_terminal_auto_means_json, 0},
                     {a_long_value_is_cut_and_errno_is_left_alone, 0});
}

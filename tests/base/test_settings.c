/* The settings engine, on a table of its own. */
#include <string.h>

#include "base/settings.h"
#include "tests/base/suite.h"

enum { URL, QUEUES, STAMPS, MEMORY, LEASE, DEBUG_TYPES, ROWS };

static const struct sm_setting rows[ROWS] = {
    {"redis.url", SM_SET_URL, "redis://127.0.0.1", 0, 0, "REDIS_URL,OTHER_URL", "where Redis is"},
    {"worker.queues", SM_SET_TEXT, NULL, 0, 0, NULL, "queues to serve"},
    {"worker.stamps", SM_SET_INT, "0", 0, 1024, NULL, "threads; 0: as many as processors"},
    {"worker.memory", SM_SET_SIZE, "512MiB", 1 << 20, INT64_C(1) << 40, NULL, "bytes in flight"},
    {"lease", SM_SET_DURATION, "5s", 500, 600000, NULL, "until a silent worker counts as dead"},
    {"debug-types", SM_SET_FLAG, "false", 0, 0, NULL, "run debug.* jobs"},
};

static struct sm_setting_value values[ROWS];
static struct sm_err err;
static const char *env[8]; /* name, value, ... */
static char words[16][80];
static char *argv[17];
static int argc;

static char *fake_getenv(const char *name)
{
    for (int i = 0; env[i]; i += 2) {
        if (strcmp(env[i], name) == 0)
            return (char *)(uintptr_t)env[i + 1];
    }
    return NULL;
}

/* Reads a command line given as words between blanks. */
static int read_line(const char *line)
{
    char copy[400], *rest = copy, *word;

    (void)snprintf(copy, sizeof copy, "%s", line);
    argc = 0;
    while ((word = strsep(&rest, " ")) != NULL) {
        if (*word) {
            (void)snprintf(words[argc], sizeof words[argc], "%s", word);
            argv[argc] = words[argc];
            argc++;
        }
    }
    sm_settings_free(ROWS, values);
    err = (struct sm_err){0};
    return sm_settings_read(rows, ROWS, values, &argc, argv, fake_getenv, &err);
}

START_TEST(without_sources_the_fallbacks_stand)
{
    ck_assert_int_eq(read_line(""), 0);
    ck_assert_str_eq(values[URL].text, "redis://127.0.0.1");
    ck_assert_ptr_null(values[QUEUES].text);
    ck_assert_int_eq(values[STAMPS].number, 0);
    ck_assert_int_eq(values[MEMORY].number, 512 << 20);
    ck_assert_int_eq(values[LEASE].number, 5000);
    ck_assert_int_eq(values[DEBUG_TYPES].number, 0);
    ck_assert_int_eq(values[LEASE].origin, SM_FROM_FALLBACK);
}
END_TEST

START_TEST(a_flag_beats_a_variable_and_a_variable_the_fallback)
{
    env[0] = "STAMPMILL_WORKER_STAMPS";
    env[1] = "3";
    env[2] = "STAMPMILL_LEASE";
    env[3] = "2s";
    ck_assert_int_eq(read_line("--worker.stamps=4"), 0);
    ck_assert_int_eq(values[STAMPS].number, 4);
    ck_assert_int_eq(values[STAMPS].origin, SM_FROM_FLAG);
    ck_assert_ptr_null(values[STAMPS].env);
    ck_assert_int_eq(values[LEASE].number, 2000);
    ck_assert_int_eq(values[LEASE].origin, SM_FROM_ENV);
    ck_assert_str_eq(values[LEASE].env, "STAMPMILL_LEASE");
}
END_TEST

START_TEST(our_own_variable_comes_before_others_and_empty_is_unset)
{
    env[0] = "OTHER_URL";
    env[1] = "redis://other";
    env[2] = "REDIS_URL";
    env[3] = "";
    ck_assert_int_eq(read_line(""), 0);
    ck_assert_str_eq(values[URL].text, "redis://other");
    ck_assert_str_eq(values[URL].env, "OTHER_URL");
    env[2] = "STAMPMILL_REDIS_URL";
    env[3] = "redis://ours";
    ck_assert_int_eq(read_line(""), 0);
    ck_assert_str_eq(values[URL].text, "redis://ours");
}
END_TEST

START_TEST(both_spellings_of_a_flag_are_read_and_words_are_left)
{
    ck_assert_int_eq(read_line("job --worker.queues a,b add --lease=1s --debug-types x -q --help"),
                     0);
    ck_assert_str_eq(values[QUEUES].text, "a,b");
    ck_assert_int_eq(values[LEASE].number, 1000);
    ck_assert_int_eq(values[DEBUG_TYPES].number, 1);
    ck_assert_int_eq(argc, 5);
    ck_assert_str_eq(argv[0], "job");
    ck_assert_str_eq(argv[1], "add");
    ck_assert_str_eq(argv[2], "x");
    ck_assert_str_eq(argv[3], "-q");
    ck_assert_str_eq(argv[4], "--help");
    ck_assert_int_eq(read_line("--debug-types=off --worker.queues="), 0);
    ck_assert_int_eq(values[DEBUG_TYPES].number, 0);
    ck_assert_str_eq(values[QUEUES].text, "");
}
END_TEST

START_TEST(two_hyphens_end_the_flags)
{
    ck_assert_int_eq(read_line("a -- --lease=1s"), 0);
    ck_assert_int_eq(values[LEASE].number, 5000);
    ck_assert_int_eq(argc, 3);
    ck_assert_str_eq(argv[1], "--");
    ck_assert_str_eq(argv[2], "--lease=1s");
}
END_TEST

START_TEST(an_unknown_flag_is_refused_with_the_nearest)
{
    ck_assert_int_eq(read_line("--worker.stamp=4"), SM_E_USAGE);
    ck_assert_str_eq(err.text, "unknown flag --worker.stamp; did you mean --worker.stamps?");
    ck_assert_int_eq(read_line("--hepl"), SM_E_USAGE);
    ck_assert_ptr_nonnull(strstr(err.text, "--help?"));
    ck_assert_int_eq(read_line("--redis.addr=redis://:hush@h"), SM_E_USAGE);
    ck_assert_ptr_null(strstr(err.text, "hush"));
}
END_TEST

START_TEST(a_bad_value_names_its_source_and_what_was_expected)
{
    ck_assert_int_eq(read_line("--worker.stamps=many"), SM_E_USAGE);
    ck_assert_str_eq(err.text,
                     "--worker.stamps: expected a whole number from 0 to 1024, got \"many\"");
    ck_assert_int_eq(read_line("--worker.stamps=1025"), SM_E_USAGE);
    ck_assert_int_eq(read_line("--lease"), SM_E_USAGE);
    ck_assert_str_eq(err.text, "--lease: needs a value");
    ck_assert_int_eq(read_line("--debug-types=perhaps"), SM_E_USAGE);
    ck_assert_str_eq(err.text, "--debug-types: expected true or false, got \"perhaps\"");
    env[0] = "STAMPMILL_WORKER_MEMORY";
    env[1] = "1k";
    ck_assert_int_eq(read_line(""), SM_E_CONFIG);
    ck_assert_str_eq(err.text,
                     "STAMPMILL_WORKER_MEMORY: expected a size such as 64MiB from 1MiB to "
                     "1TiB, got \"1k\"");
}
END_TEST

START_TEST(passwords_are_printed_nowhere_and_blotted_in_argv)
{
    char *text;
    size_t size;
    FILE *out;

    ck_assert_int_eq(read_line("--redis.url redis://u:hush@h --worker.stamps 2"), 0);
    ck_assert_str_eq(values[URL].text, "redis://u:hush@h");
    ck_assert_str_eq(words[1], "redis://u:****@h");
    out = open_memstream(&text, &size);
    ck_assert_ptr_nonnull(out);
    sm_settings_print(rows, ROWS, values, out);
    fclose(out);
    ck_assert_ptr_null(strstr(text, "hush"));
    ck_assert_ptr_nonnull(strstr(text, "redis.url = redis://u:***@h  # --redis.url\n"));
    ck_assert_ptr_nonnull(strstr(text, "lease = 5s  # default\n"));
    free(text);
}
END_TEST

START_TEST(the_help_holds_every_row)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    ck_assert_ptr_nonnull(out);
    sm_settings_help(rows, ROWS, out);
    fclose(out);
    for (int i = 0; i < ROWS; i++) {
        ck_assert_ptr_nonnull(strstr(text, rows[i].name));
        ck_assert_ptr_nonnull(strstr(text, rows[i].help));
    }
    ck_assert_ptr_nonnull(strstr(text, "STAMPMILL_REDIS_URL, REDIS_URL, OTHER_URL\n"));
    ck_assert_ptr_nonnull(strstr(text, "STAMPMILL_DEBUG_TYPES"));
    free(text);
}
END_TEST

int main(void)
{
    return RUN_SUITE(
        "settings", {without_sources_the_fallbacks_stand, 0},
        {a_flag_beats_a_variable_and_a_variable_the_fallback, 0},
        {our_own_variable_comes_before_others_and_empty_is_unset, 0},
        {both_spellings_of_a_flag_are_read_and_words_are_left, 0}, {two_hyphens_end_the_flags, 0},
        {an_unknown_flag_is_refused_with_the_nearest, 0},
        {a_bad_value_names_its_source_and_what_was_expected, 0},
        {passwords_are_printed_nowhere_and_blotted_in_argv, 0}, {the_help_holds_every_row, 0});
}

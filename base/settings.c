/*
 * Reading settings. Sources are read from the weakest to the strongest, each over the last:
 * fallback, environment, flag. Every message names where the value came from, because the one who
 * reads it has to find it; the value of a URL is never in a message. Files come with the operators'
 * issue as one more source between fallback and environment. Thread: main.
 */
#include "base/settings.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/settings_env.h"
#include "base/text.h"

#define ROWS_MOST 256

static bool parse_flag(const char *text, int64_t *number)
{
    static const char *const yes[] = {"true", "yes", "on", "1"};
    static const char *const no[] = {"false", "no", "off", "0"};

    for (size_t i = 0; i < 4; i++) {
        if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
            *number = strcmp(text, yes[i]) == 0;
            return true;
        }
    }
    return false;
}

static bool parse(enum sm_setting_kind kind, const char *text, int64_t *number)
{
    switch (kind) {
    case SM_SET_INT:
        return sm_text_parse_int(text, strlen(text), number);
    case SM_SET_SIZE:
        return sm_text_parse_size(text, number);
    case SM_SET_DURATION:
        return sm_text_parse_duration(text, number);
    case SM_SET_FLAG:
        return parse_flag(text, number);
    default:
        *number = 0;
        return true;
    }
}

static bool in_bounds(const struct sm_setting *row, int64_t number)
{
    if (row->kind != SM_SET_INT && row->kind != SM_SET_SIZE && row->kind != SM_SET_DURATION)
        return true;
    return (row->min == 0 && row->max == 0) || (number >= row->min && number <= row->max);
}

static void format_bound(enum sm_setting_kind kind, int64_t number, char out[32])
{
    if (kind == SM_SET_SIZE)
        sm_text_format_size(number, out);
    else if (kind == SM_SET_DURATION)
        sm_text_format_duration(number, out);
    else
        (void)snprintf(out, 32, "%" PRId64, number);
}

static int refuse(const struct sm_setting *row, const char *text, int code, const char *source,
                  struct sm_err *err)
{
    static const char *const wanted[] = {
        [SM_SET_INT] = "a whole number",
        [SM_SET_SIZE] = "a size such as 64MiB",
        [SM_SET_DURATION] = "a duration such as 250ms, 5s or 1h",
        [SM_SET_FLAG] = "true or false",
    };
    char low[32], high[32];

    if (row->kind == SM_SET_FLAG || (row->min == 0 && row->max == 0))
        return sm_err_set(err, code, "%s: expected %s, got \"%.64s\"", source, wanted[row->kind],
                          text);
    format_bound(row->kind, row->min, low);
    format_bound(row->kind, row->max, high);
    return sm_err_set(err, code, "%s: expected %s from %s to %s, got \"%.64s\"", source,
                      wanted[row->kind], low, high, text);
}

/* Sets one value. `source` is what a message calls it; `env` is kept when it is a variable. */
static int set(const struct sm_setting *row, struct sm_setting_value *value, const char *text,
               enum sm_setting_origin origin, const char *source, struct sm_err *err)
{
    int code = origin == SM_FROM_ENV ? SM_E_CONFIG : SM_E_USAGE;
    char *copy, *env = NULL;
    int64_t number;

    if (!parse(row->kind, text, &number) || !in_bounds(row, number))
        return refuse(row, text, code, source, err);
    copy = strdup(text);
    if (origin == SM_FROM_ENV)
        env = strdup(source);
    if (!copy || (origin == SM_FROM_ENV && !env)) {
        free(copy);
        free(env);
        return sm_err_set(err, SM_E_NO_MEMORY, "no memory for the settings");
    }
    free(value->text);
    free(value->env);
    *value = (struct sm_setting_value){copy, number, origin, env};
    return 0;
}

/* The first variable of the row that is set and not empty, its name in `name`. */
static const char *find_env(const struct sm_setting *row, char *(*getenv_)(const char *),
                            char name[SM_SETTING_ENV])
{
    const char *more = row->also_env ? row->also_env : "";
    const char *text;
    size_t n;

    sm_setting_env(row, name);
    for (;;) {
        text = getenv_(name);
        if (text && *text)
            return text;
        n = strcspn(more, ",");
        if (n == 0)
            return NULL;
        SM_ASSERT(n < SM_SETTING_ENV);
        memcpy(name, more, n);
        name[n] = '\0';
        more += n + (more[n] == ',');
    }
}

static int read_weak(const struct sm_setting *row, struct sm_setting_value *value,
                     char *(*getenv_)(const char *), struct sm_err *err)
{
    char name[SM_SETTING_ENV];
    const char *text;

    if (row->fallback) {
        int rc = set(row, value, row->fallback, SM_FROM_FALLBACK, row->name, err);

        SM_ASSERT(rc == 0 || rc == SM_E_NO_MEMORY); /* the table breaks its own bounds */
        if (rc < 0)
            return rc;
    }
    text = find_env(row, getenv_, name);
    return text ? set(row, value, text, SM_FROM_ENV, name, err) : 0;
}

static int unknown(const struct sm_setting *rows, size_t n, const char *word, size_t size,
                   struct sm_err *err)
{
    const char *names[ROWS_MOST + 2];
    const char *near;

    for (size_t i = 0; i < n; i++)
        names[i] = rows[i].name;
    names[n] = "help";
    names[n + 1] = "version";
    near = sm_text_near(word, size, names, n + 2);
    if (near)
        return sm_err_set(err, SM_E_USAGE, "unknown flag --%.*s; did you mean --%s?", (int)size,
                          word, near);
    return sm_err_set(err, SM_E_USAGE, "unknown flag --%.*s; --help lists what there is", (int)size,
                      word);
}

static size_t find_row(const struct sm_setting *rows, size_t n, const char *word, size_t size)
{
    size_t i = 0;

    while (i < n && (strlen(rows[i].name) != size || memcmp(rows[i].name, word, size) != 0))
        i++;
    return i;
}

struct words {
    int at, count;
    char **argv;
};

/* Reads the flag at words->at and, where its value is the next word, that one too. */
static int read_flag(const struct sm_setting *rows, size_t n, struct sm_setting_value *values,
                     struct words *words, struct sm_err *err)
{
    char *word = words->argv[words->at++] + 2;
    size_t size = strcspn(word, "=");
    size_t i = find_row(rows, n, word, size);
    char source[SM_SETTING_ENV];
    char *text = word[size] ? word + size + 1 : NULL;
    int rc;

    if (i == n)
        return unknown(rows, n, word, size, err);
    (void)snprintf(source, sizeof source, "--%s", rows[i].name);
    if (!text && rows[i].kind == SM_SET_FLAG)
        return set(&rows[i], &values[i], "true", SM_FROM_FLAG, source, err);
    if (!text && words->at == words->count)
        return sm_err_set(err, SM_E_USAGE, "%s: needs a value", source);
    if (!text)
        text = words->argv[words->at++];
    rc = set(&rows[i], &values[i], text, SM_FROM_FLAG, source, err);
    if (rows[i].kind == SM_SET_URL)
        sm_text_blot_url(text);
    return rc;
}

static bool is_flag(const char *word)
{
    return strncmp(word, "--", 2) == 0 && strcmp(word, "--help") != 0 &&
           strcmp(word, "--version") != 0;
}

static int read_flags(const struct sm_setting *rows, size_t n, struct sm_setting_value *values,
                      int *argc, char **argv, struct sm_err *err)
{
    struct words words = {0, *argc, argv};
    int kept = 0, rc;

    while (words.at < words.count && strcmp(argv[words.at], "--") != 0) {
        if (!is_flag(argv[words.at])) {
            argv[kept++] = argv[words.at++];
            continue;
        }
        rc = read_flag(rows, n, values, &words, err);
        if (rc < 0)
            return rc;
    }
    while (words.at < words.count)
        argv[kept++] = argv[words.at++];
    *argc = kept;
    return 0;
}

int sm_settings_read(const struct sm_setting *rows, size_t n, struct sm_setting_value *values,
                     int *argc, char **argv, char *(*getenv_)(const char *), struct sm_err *err)
{
    SM_ASSERT(n <= ROWS_MOST);
    for (size_t i = 0; i < n; i++) {
        int rc = read_weak(&rows[i], &values[i], getenv_, err);

        if (rc < 0)
            return rc;
    }
    return read_flags(rows, n, values, argc, argv, err);
}

void sm_settings_free(size_t n, struct sm_setting_value *values)
{
    for (size_t i = 0; i < n; i++) {
        free(values[i].text);
        free(values[i].env);
        values[i] = (struct sm_setting_value){0};
    }
}

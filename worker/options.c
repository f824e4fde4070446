/*
 * Options: the settings table turned into what the daemon's parts read.
 *
 * The table (settings.def) carries name, kind, bounds, default, environment and help; here are only
 * the checks that the table cannot express: queue names, levels, the default folder.
 */
#include "worker/options.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cpus.h"
#include "queue/job.h"

static const struct sm_setting rows[] = {
#define SM_SETTING(symbol, name, kind, fallback, min, max, env, help)                              \
    {name, kind, fallback, min, max, env, help},
#include "worker/settings.def"
#undef SM_SETTING
};

enum {
#define SM_SETTING(symbol, name, kind, fallback, min, max, env, help) SET_##symbol,
#include "worker/settings.def"
#undef SM_SETTING
    SETTINGS_N
};

static struct sm_setting_value values[SETTINGS_N];

static int64_t number(int which)
{
    return values[which].number;
}

static int read_queues(struct sm_options *options, struct sm_err *err)
{
    const char *text = values[SET_QUEUES].text;
    if (strlen(text) >= sizeof options->queue_text)
        return sm_err_set(err, SM_E_CONFIG, "worker.queues: too long");
    strcpy(options->queue_text, text);
    char *rest = options->queue_text, *name;
    while ((name = strsep(&rest, ",")) != NULL) {
        if (!sm_queue_name_valid(name, strlen(name)))
            return sm_err_set(
                err, SM_E_CONFIG,
                "worker.queues: \"%s\" is no queue name: 1 to 64 of A-Z a-z 0-9 . _ -, "
                "the first a letter or digit",
                name);
        for (int i = 0; i < options->queues_n; i++)
            if (strcmp(options->queues[i], name) == 0)
                return sm_err_set(err, SM_E_CONFIG, "worker.queues: \"%s\" stands twice", name);
        if (options->queues_n == SM_QUEUES_MAX)
            return sm_err_set(err, SM_E_CONFIG, "worker.queues: more than %d", SM_QUEUES_MAX);
        options->queues[options->queues_n++] = name;
    }
    return 0;
}

/* The index of `word` in "a|b|c", or -1. */
static int choice(const char *word, const char *choices)
{
    size_t size = strlen(word);
    for (int i = 0; *choices != '\0'; i++) {
        size_t n = strcspn(choices, "|");
        if (n == size && strncmp(word, choices, n) == 0)
            return i;
        choices += n + (choices[n] == '|');
    }
    return -1;
}

static int read_log(struct sm_options *options, struct sm_err *err)
{
    int level = choice(values[SET_LOG_LEVEL].text, "debug|info|warn|error");
    int format = choice(values[SET_LOG_FORMAT].text, "auto|text|json|logfmt");
    if (level < 0)
        return sm_err_set(err, SM_E_CONFIG, "log.level: \"%s\" is none of debug, info, warn, error",
                          values[SET_LOG_LEVEL].text);
    if (format < 0)
        return sm_err_set(err, SM_E_CONFIG,
                          "log.format: \"%s\" is none of auto, text, json, logfmt",
                          values[SET_LOG_FORMAT].text);
    options->log_level = (enum sm_log_level)level;
    options->log_format = (enum sm_log_format)format;
    return 0;
}

static int read_runtime_dir(struct sm_options *options, struct sm_err *err)
{
    const char *given = values[SET_RUNTIME_DIR].text, *xdg = getenv("XDG_RUNTIME_DIR");
    int n;
    if (given != NULL)
        n = snprintf(options->runtime_dir, sizeof options->runtime_dir, "%s", given);
    else if (geteuid() == 0)
        n = snprintf(options->runtime_dir, sizeof options->runtime_dir, "/run/stampmill");
    else if (xdg != NULL && *xdg != '\0')
        n = snprintf(options->runtime_dir, sizeof options->runtime_dir, "%s/stampmill", xdg);
    else
        n = snprintf(options->runtime_dir, sizeof options->runtime_dir, "/tmp/stampmill-%u",
                     (unsigned)geteuid());
    if ((size_t)n >= sizeof options->runtime_dir)
        return sm_err_set(err, SM_E_CONFIG, "runtime.dir: longer than %zu bytes",
                          sizeof options->runtime_dir - 1);
    return 0;
}

static void read_plain(struct sm_options *options)
{
    options->redis_url = values[SET_REDIS_URL].text;
    options->postgres_url = values[SET_POSTGRES_URL].text;
    options->http_listen = values[SET_HTTP_LISTEN].text;
    options->stamps = number(SET_STAMPS) > 0 ? (int)number(SET_STAMPS) : sm_cpus();
    options->memory = (size_t)number(SET_MEMORY);
    options->lease_ms = number(SET_LEASE);
    options->shutdown_ms = number(SET_SHUTDOWN_TIMEOUT);
    options->grace_ms = number(SET_JOB_GRACE);
    options->max_attempts = (int)number(SET_MAX_ATTEMPTS);
    options->backoff_ms = number(SET_BACKOFF);
    options->backoff_max_ms = number(SET_BACKOFF_MAX);
    options->limits.input = (size_t)number(SET_JOB_INPUT);
    options->limits.output = (size_t)number(SET_JOB_RESULT);
    options->limits.memory = (size_t)number(SET_JOB_MEMORY);
    options->limits.timeout_ms = number(SET_JOB_TIMEOUT);
    options->keep.results_ms = number(SET_RESULTS_KEEP);
    options->keep.dead_ms = number(SET_DEAD_KEEP);
    options->start_wait = number(SET_START_WAIT) != 0;
    options->allow_eviction = number(SET_ALLOW_EVICTION) != 0;
    options->allow_unsafe = number(SET_ALLOW_UNSAFE) != 0;
    options->debug_types = number(SET_DEBUG_TYPES) != 0;
}

size_t sm_options_entry_limit(const struct sm_options *options)
{
    return options->limits.input + (2u << 20); /* 1 MiB of arguments, tags and names */
}

int sm_options_read(struct sm_options *options, int argc, char **argv, struct sm_err *err)
{
    memset(options, 0, sizeof *options);
    int rc = sm_settings_read(rows, SETTINGS_N, values, &argc, argv, getenv, err);
    if (rc != 0)
        return rc;
    if (argc > 0)
        return sm_err_set(err, SM_E_USAGE, "unexpected word \"%s\"; see stampmilld --help",
                          argv[0]);
    read_plain(options);
    if (options->memory < sm_options_entry_limit(options))
        return sm_err_set(
            err, SM_E_CONFIG,
            "worker.memory: less than one input of job.input and its arguments (%zu bytes)",
            sm_options_entry_limit(options));
    if ((rc = read_queues(options, err)) != 0 || (rc = read_log(options, err)) != 0)
        return rc;
    return read_runtime_dir(options, err);
}

void sm_options_help(FILE *out)
{
    sm_settings_help(rows, SETTINGS_N, out);
}

void sm_options_print(FILE *out)
{
    sm_settings_print(rows, SETTINGS_N, values, out);
}

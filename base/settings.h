/*
 * Settings: one table of rows, read from flag over environment over fallback. (Files and reload
 * come with the operators' issue: they are a further source in the same table.) The program names
 * its rows in a .def file and gets from it parser, help and printed form; this file is the engine
 * and knows no row. Thread: main, before any other starts; the values are read-only after.
 */
#ifndef SM_BASE_SETTINGS_H
#define SM_BASE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "stampmill/error.h"

enum sm_setting_kind {
    SM_SET_TEXT,
    SM_SET_URL, /* TEXT whose password is masked wherever it is shown */
    SM_SET_INT,
    SM_SET_SIZE,     /* bytes, int64 */
    SM_SET_DURATION, /* ms, int64 */
    SM_SET_FLAG,     /* true or false; the bare flag is true */
};

struct sm_setting {
    const char *name; /* "worker.stamps": the flag is --worker.stamps */
    enum sm_setting_kind kind;
    const char *fallback; /* as text; NULL: unset (TEXT reads as NULL) */
    int64_t min, max;     /* INT, SIZE, DURATION; both 0: no bound */
    const char *also_env; /* further variables behind STAMPMILL_WORKER_STAMPS, "A,B"; or NULL */
    const char *help;     /* one line */
};

enum sm_setting_origin { SM_FROM_FALLBACK, SM_FROM_ENV, SM_FROM_FLAG };

struct sm_setting_value {
    char *text; /* as given; owned; NULL: unset */
    int64_t number;
    enum sm_setting_origin origin;
    char *env; /* which variable, when from the environment; owned */
};

/* Reads `n` rows into values[n] (zeroed by the caller). `argv` is the command line after the
 * program's name; words that are not settings are left to the caller: argv is compacted to them and
 * *argc updated. `--name value`, `--name=value`; "--" ends (it and what follows stay as they are).
 * Left to the caller too are --help, --version and flags of one hyphen. Any other unknown flag is
 * SM_E_USAGE with "did you mean"; a bad value names its source: SM_E_USAGE for a flag, SM_E_CONFIG
 * for a variable. An empty variable counts as unset. Passwords in URL flags are blotted out in
 * argv, so that `ps` does not show them. `getenv_` is getenv or a test's own. */
int sm_settings_read(const struct sm_setting *rows, size_t n, struct sm_setting_value *values,
                     int *argc, char **argv, char *(*getenv_)(const char *), struct sm_err *err);
void sm_settings_free(size_t n, struct sm_setting_value *values);
/* The help, a row each: flag, kind, default, environment, text. */
void sm_settings_help(const struct sm_setting *rows, size_t n, FILE *out);
/* "name = value  # origin", secrets masked. */
void sm_settings_print(const struct sm_setting *rows, size_t n,
                       const struct sm_setting_value *values, FILE *out);

#endif

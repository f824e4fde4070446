/*
 * Single values of a job's arguments: texts, numbers, choices; and the messages that say what was
 * expected. args.c does lists and maps around them. Thread: any.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "jobs/args_scalar.h"

/* `got` as a message quotes it: texts in part, others by their kind. */
int sm_args_mistyped(const struct sm_args_path *path, const char *expected,
                     const struct sm_msg_value *got, struct sm_err *err)
{
    const char *p = got->p;
    if (got->kind == SM_MSG_STR && sm_text_valid(p, got->size) == got->size)
        return sm_err_set(
            err, SM_E_BAD_ARGS, "%s: expected %s, got the text \"%.*s\"%s", path->text, expected,
            (int)sm_text_cut(p, got->size < 40 ? got->size : 40), p, got->size > 40 ? ".." : "");
    if (got->kind == SM_MSG_INT)
        return sm_err_set(err, SM_E_BAD_ARGS, "%s: expected %s, got %" PRId64, path->text, expected,
                          got->as.i);
    return sm_err_set(err, SM_E_BAD_ARGS, "%s: expected %s, got %s", path->text, expected,
                      sm_msg_kind_name(got->kind));
}

static bool bounded(const struct sm_arg *arg)
{
    return arg->min != 0 || arg->max != 0;
}

int sm_args_check_bounds(const struct sm_arg *arg, int64_t n, const char *what,
                         const struct sm_args_path *path, struct sm_err *err)
{
    if (!bounded(arg) || (n >= arg->min && n <= arg->max))
        return 0;
    if (arg->min == arg->max)
        return sm_err_set(err, SM_E_BAD_ARGS, "%s: %" PRId64 "%s, expected exactly %" PRId64,
                          path->text, n, what, arg->min);
    if (arg->max == INT64_MAX)
        return sm_err_set(err, SM_E_BAD_ARGS, "%s: %" PRId64 "%s, expected at least %" PRId64,
                          path->text, n, what, arg->min);
    return sm_err_set(err, SM_E_BAD_ARGS, "%s: %" PRId64 "%s, expected %" PRId64 " to %" PRId64,
                      path->text, n, what, arg->min, arg->max);
}

int sm_args_no_room(const struct sm_args_path *path, struct sm_err *err)
{
    return sm_err_set(err, SM_E_TOO_LARGE,
                      "%s: the arguments do not fit into the job's memory limit", path->text);
}

static int read_text(const struct sm_msg_value *got, struct sm_arena *arena,
                     struct sm_args_path *path, struct sm_value *value, struct sm_err *err)
{
    if (got->kind != SM_MSG_STR)
        return sm_args_mistyped(path, "a text", got, err);
    size_t valid = sm_text_valid(got->p, got->size);
    if (valid != got->size)
        return sm_err_set(err, SM_E_BAD_ARGS, "%s: %s at byte %zu", path->text,
                          got->p[valid] == '\0' ? "NUL in a text" : "invalid UTF-8", valid + 1);
    value->as.text.p = sm_arena_copy(arena, got->p, got->size);
    value->as.text.n = got->size;
    return value->as.text.p == NULL ? sm_args_no_room(path, err) : 0;
}

static int read_scalar(const struct sm_msg_value *got, struct sm_arena *arena,
                       struct sm_args_path *path, struct sm_value *value, struct sm_err *err)
{
    char text[40];
    int n = 0;
    if (got->kind == SM_MSG_STR)
        return read_text(got, arena, path, value, err);
    if (got->kind == SM_MSG_INT)
        n = snprintf(text, sizeof text, "%" PRId64, got->as.i);
    else if (got->kind == SM_MSG_UINT)
        n = snprintf(text, sizeof text, "%" PRIu64, got->as.u);
    else if (got->kind == SM_MSG_BOOL)
        n = snprintf(text, sizeof text, "%s", got->as.b ? "true" : "false");
    else if (got->kind == SM_MSG_FLOAT && isfinite(got->as.f))
        for (int digits = 15; digits <= 17 && (n == 0 || strtod(text, NULL) != got->as.f); digits++)
            n = snprintf(text, sizeof text, "%.*g", digits, got->as.f); /* the locale is "C" */
    else
        return sm_args_mistyped(path, "a text, a number or a bool", got, err);
    value->as.text.p = sm_arena_copy(arena, text, (size_t)n);
    value->as.text.n = (size_t)n;
    return value->as.text.p == NULL ? sm_args_no_room(path, err) : 0;
}

static int read_number(const struct sm_arg *arg, const struct sm_msg_value *got,
                       struct sm_args_path *path, struct sm_value *value, struct sm_err *err)
{
    if (got->kind == SM_MSG_UINT && arg->kind == SM_ARG_INT)
        return sm_err_set(err, SM_E_BAD_ARGS, "%s: %" PRIu64 " is past the largest integer taken",
                          path->text, got->as.u);
    if (arg->kind == SM_ARG_INT) {
        if (got->kind != SM_MSG_INT)
            return sm_args_mistyped(path, "an integer", got, err);
        value->as.i = got->as.i;
        return sm_args_check_bounds(arg, got->as.i, "", path, err);
    }
    if (got->kind == SM_MSG_INT)
        value->as.f = (double)got->as.i;
    else if (got->kind == SM_MSG_UINT)
        value->as.f = (double)got->as.u;
    else if (got->kind == SM_MSG_FLOAT && isfinite(got->as.f))
        value->as.f = got->as.f;
    else
        return sm_args_mistyped(path, "a finite number", got, err);
    if (bounded(arg) && (value->as.f < (double)arg->min || value->as.f > (double)arg->max))
        return sm_err_set(err, SM_E_BAD_ARGS, "%s: %g, expected %" PRId64 " to %" PRId64,
                          path->text, value->as.f, arg->min, arg->max);
    return 0;
}

/* ---- choices ------------------------------------------------------------------------------- */

/* The index of `word` among "a|b|c", or -1. */
static int choice_index(const char *choices, const char *word, size_t size)
{
    int index = 0;
    for (const char *at = choices;; index++) {
        size_t n = strcspn(at, "|");
        if (n == size && memcmp(at, word, n) == 0)
            return index;
        if (at[n] == '\0')
            return -1;
        at += n + 1;
    }
}

static const char *near_choice(const char *choices, const char *word, size_t size, char copy[400])
{
    const char *names[64];
    size_t n = 0;
    snprintf(copy, 400, "%s", choices);
    char *rest = NULL;
    for (char *at = strtok_r(copy, "|", &rest); at != NULL && n < 64;
         at = strtok_r(NULL, "|", &rest))
        names[n++] = at;
    return sm_text_near(word, size, names, n);
}

int sm_args_read_choice(const struct sm_arg *arg, const struct sm_msg_value *got,
                        const struct sm_args_path *path, int *index, struct sm_err *err)
{
    if (got->kind != SM_MSG_STR || sm_text_valid(got->p, got->size) != got->size) {
        char expected[440];
        snprintf(expected, sizeof expected, "one of %s", arg->choices);
        return sm_args_mistyped(path, expected, got, err);
    }
    *index = choice_index(arg->choices, got->p, got->size);
    if (*index >= 0)
        return 0;
    char copy[400];
    const char *near = near_choice(arg->choices, got->p, got->size, copy);
    return sm_err_set(err, SM_E_BAD_ARGS, "%s: \"%.*s\" is none of %s%s%s%s", path->text,
                      (int)sm_text_cut(got->p, got->size < 40 ? got->size : 40), got->p,
                      arg->choices, near != NULL ? "; did you mean \"" : "",
                      near != NULL ? near : "", near != NULL ? "\"?" : "");
}

int sm_args_read_scalar(const struct sm_arg *arg, const struct sm_msg_value *got,
                        struct sm_arena *arena, struct sm_args_path *path, struct sm_value *value,
                        struct sm_err *err)
{
    int code = 0, index = 0;
    switch (arg->kind) {
    case SM_ARG_BOOL:
        value->as.b = got->as.b;
        return got->kind == SM_MSG_BOOL ? 0 : sm_args_mistyped(path, "true or false", got, err);
    case SM_ARG_TEXT:
        code = read_text(got, arena, path, value, err);
        return code != 0 ? code
                         : sm_args_check_bounds(arg, (int64_t)got->size, " bytes", path, err);
    case SM_ARG_SCALAR:
        code = read_scalar(got, arena, path, value, err);
        return code != 0
                   ? code
                   : sm_args_check_bounds(arg, (int64_t)value->as.text.n, " bytes", path, err);
    case SM_ARG_CHOICE:
        code = sm_args_read_choice(arg, got, path, &index, err);
        value->as.i = index;
        return code;
    default:
        return read_number(arg, got, path, value, err);
    }
}

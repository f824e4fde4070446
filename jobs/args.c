/*
 * Reads a job's arguments: msgpack in, values by schema row out, and a message with the path for
 * the first thing that does not fit. Everything a user can mistype is named with what was expected
 * and, where one is near, what was probably meant.
 *
 * Lengths were checked against the bytes (sm_msg_check) before anything here believes them; memory
 * comes from the arena and so counts against the run's limit. Thread: any.
 */
#include "jobs/args.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/msg.h"
#include "base/text.h"
#include "jobs/job.h"

size_t sm_schema_rows(const struct sm_arg *schema)
{
    size_t n = 0;
    while (schema[n].name != NULL)
        n++;
    return n;
}

static size_t path_add(struct sm_args_path *path, const char *format, const char *name, size_t size,
                       size_t index)
{
    size_t before = path->size;
    size_t room = sizeof path->text - before;
    int n = format[0] == '[' ? snprintf(path->text + before, room, format, index)
                             : snprintf(path->text + before, room, format, (int)size, name);
    path->size = n < 0 ? before : before + ((size_t)n < room ? (size_t)n : room - 1);
    return before;
}

static size_t path_key(struct sm_args_path *path, const char *name, size_t size)
{
    return path_add(path, ".%.*s", name, sm_text_cut(name, size < 64 ? size : 64), 0);
}

static size_t path_index(struct sm_args_path *path, size_t index)
{
    return path_add(path, "[%zu]", NULL, 0, index);
}

static void path_back(struct sm_args_path *path, size_t size)
{
    path->size = size;
    path->text[size] = '\0';
}

/* `got` as a message quotes it: texts in part, others by their kind. */
static int mistyped(const struct sm_args_path *path, const char *expected,
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

static int check_bounds(const struct sm_arg *arg, int64_t n, const char *what,
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

static int no_room(const struct sm_args_path *path, struct sm_err *err)
{
    return sm_err_set(err, SM_E_TOO_LARGE,
                      "%s: the arguments do not fit into the job's memory limit", path->text);
}

static int read_text(const struct sm_msg_value *got, struct sm_arena *arena,
                     struct sm_args_path *path, struct sm_value *value, struct sm_err *err)
{
    if (got->kind != SM_MSG_STR)
        return mistyped(path, "a text", got, err);
    size_t valid = sm_text_valid(got->p, got->size);
    if (valid != got->size)
        return sm_err_set(err, SM_E_BAD_ARGS, "%s: %s at byte %zu", path->text,
                          got->p[valid] == '\0' ? "NUL in a text" : "invalid UTF-8", valid + 1);
    value->as.text.p = sm_arena_copy(arena, got->p, got->size);
    value->as.text.n = got->size;
    return value->as.text.p == NULL ? no_room(path, err) : 0;
}

static int read_number(const struct sm_arg *arg, const struct sm_msg_value *got,
                       struct sm_args_path *path, struct sm_value *value, struct sm_err *err)
{
    if (got->kind == SM_MSG_UINT && arg->kind == SM_ARG_INT)
        return sm_err_set(err, SM_E_BAD_ARGS, "%s: %" PRIu64 " is past the largest integer taken",
                          path->text, got->as.u);
    if (arg->kind == SM_ARG_INT) {
        if (got->kind != SM_MSG_INT)
            return mistyped(path, "an integer", got, err);
        value->as.i = got->as.i;
        return check_bounds(arg, got->as.i, "", path, err);
    }
    if (got->kind == SM_MSG_INT)
        value->as.f = (double)got->as.i;
    else if (got->kind == SM_MSG_UINT)
        value->as.f = (double)got->as.u;
    else if (got->kind == SM_MSG_FLOAT && isfinite(got->as.f))
        value->as.f = got->as.f;
    else
        return mistyped(path, "a finite number", got, err);
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

static int read_choice(const struct sm_arg *arg, const struct sm_msg_value *got,
                       const struct sm_args_path *path, int *index, struct sm_err *err)
{
    if (got->kind != SM_MSG_STR || sm_text_valid(got->p, got->size) != got->size) {
        char expected[440];
        snprintf(expected, sizeof expected, "one of %s", arg->choices);
        return mistyped(path, expected, got, err);
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

static int read_choices(const struct sm_arg *arg, const struct sm_msg_value *got,
                        struct sm_msg *msg, struct sm_args_path *path, struct sm_value *value,
                        struct sm_err *err)
{
    uint64_t set = 0;
    for (size_t i = 0; i < got->size; i++) {
        struct sm_msg_value item;
        int index = 0;
        size_t before = path_index(path, i);
        if (!sm_msg_next(msg, &item))
            return sm_err_set(err, SM_E_BAD_ARGS, "%s: broken msgpack", path->text);
        int code = read_choice(arg, &item, path, &index, err);
        if (code != 0)
            return code;
        if ((set >> index & 1) != 0)
            return sm_err_set(err, SM_E_BAD_ARGS, "%s: \"%.*s\" is given twice", path->text,
                              (int)item.size, item.p);
        set |= (uint64_t)1 << index;
        path_back(path, before);
    }
    value->as.i = (int64_t)set;
    return check_bounds(arg, (int64_t)got->size, " of them", path, err);
}

/* ---- lists and maps ------------------------------------------------------------------------ */

static int read_map(const struct sm_arg *schema, const struct sm_msg_value *map, struct sm_msg *msg,
                    struct sm_arena *arena, struct sm_args_path *path, struct sm_value *values,
                    struct sm_err *err);

/* The row that a list's elements are checked against. */
static struct sm_arg element_row(const struct sm_arg *arg)
{
    struct sm_arg row = {.name = arg->name, .kind = SM_ARG_TEXT};
    if (arg->kind == SM_ARG_INTS)
        row = (struct sm_arg){
            .name = arg->name, .kind = SM_ARG_INT, .min = arg->min, .max = arg->max};
    return row;
}

static int read_elements(const struct sm_arg *arg, size_t n, struct sm_msg *msg,
                         struct sm_arena *arena, struct sm_args_path *path, struct sm_value *v,
                         struct sm_err *err)
{
    const struct sm_arg row = element_row(arg);
    size_t rows = arg->kind == SM_ARG_MAPS ? sm_schema_rows(arg->fields) : 1;
    for (size_t i = 0; i < n; i++) {
        size_t before = path_index(path, i);
        int code = 0;
        struct sm_msg_value map = {0};
        if (arg->kind != SM_ARG_MAPS)
            code = sm_args_read_one(&row, msg, arena, path, &v[i], err);
        else if (!sm_msg_next(msg, &map) || map.kind != SM_MSG_MAP)
            code = mistyped(path, "a map", &map, err);
        else
            code = read_map(arg->fields, &map, msg, arena, path, &v[i * rows], err);
        if (code != 0)
            return code;
        path_back(path, before);
    }
    return 0;
}

static int read_list(const struct sm_arg *arg, const struct sm_msg_value *got, struct sm_msg *msg,
                     struct sm_arena *arena, struct sm_args_path *path, struct sm_value *value,
                     struct sm_err *err)
{
    size_t rows = arg->kind == SM_ARG_MAPS ? sm_schema_rows(arg->fields) : 1;
    struct sm_arg count = *arg;
    if (arg->kind == SM_ARG_INTS) {
        count.min = 0;
        count.max = SM_ARGS_INTS;
    }
    int code = check_bounds(&count, (int64_t)got->size, " of them", path, err);
    if (code != 0)
        return code;
    struct sm_value *v = sm_arena_alloc(arena, got->size * rows * sizeof *v);
    if (v == NULL)
        return no_room(path, err);
    value->as.list.v = v;
    value->as.list.n = got->size;
    return read_elements(arg, got->size, msg, arena, path, v, err);
}

int sm_args_read_one(const struct sm_arg *arg, struct sm_msg *msg, struct sm_arena *arena,
                     struct sm_args_path *path, struct sm_value *value, struct sm_err *err)
{
    struct sm_msg_value got;
    if (!sm_msg_next(msg, &got))
        return sm_err_set(err, SM_E_BAD_ARGS, "%s: broken msgpack", path->text);
    bool list = arg->kind >= SM_ARG_CHOICES;
    if (list && got.kind != SM_MSG_LIST)
        return mistyped(path, "a list", &got, err);
    *value = (struct sm_value){.set = true};
    int code = 0, index = 0;
    switch (arg->kind) {
    case SM_ARG_INT:
    case SM_ARG_FLOAT:
        return read_number(arg, &got, path, value, err);
    case SM_ARG_BOOL:
        value->as.b = got.as.b;
        return got.kind == SM_MSG_BOOL ? 0 : mistyped(path, "true or false", &got, err);
    case SM_ARG_TEXT:
        code = read_text(&got, arena, path, value, err);
        return code != 0 ? code : check_bounds(arg, (int64_t)got.size, " bytes", path, err);
    case SM_ARG_CHOICE:
        code = read_choice(arg, &got, path, &index, err);
        value->as.i = index;
        return code;
    case SM_ARG_CHOICES:
        return read_choices(arg, &got, msg, path, value, err);
    case SM_ARG_TEXTS:
    case SM_ARG_INTS:
    case SM_ARG_MAPS:
        return read_list(arg, &got, msg, arena, path, value, err);
    }
    return 0;
}

static int unknown_key(const struct sm_arg *schema, const struct sm_msg_value *key,
                       struct sm_args_path *path, struct sm_err *err)
{
    const char *names[SM_ARGS_KEYS];
    size_t n = sm_schema_rows(schema);
    if (sm_text_valid(key->p, key->size) != key->size)
        return sm_err_set(err, SM_E_BAD_ARGS, "%s: a key with invalid UTF-8 or NUL", path->text);
    for (size_t i = 0; i < n; i++)
        names[i] = schema[i].name;
    const char *near = sm_text_near(key->p, key->size, names, n);
    path_key(path, key->p, key->size);
    return sm_err_set(err, SM_E_BAD_ARGS, "%s: unknown key%s%s%s", path->text,
                      near != NULL ? "; did you mean \"" : "", near != NULL ? near : "",
                      near != NULL ? "\"?" : "");
}

static size_t find_row(const struct sm_arg *schema, size_t rows, const struct sm_msg_value *key)
{
    for (size_t i = 0; i < rows; i++)
        if (strncmp(schema[i].name, key->p, key->size) == 0 && schema[i].name[key->size] == '\0')
            return i;
    return rows;
}

/* What is absent: its fallback, or an error where it is required. */
static int fill_in(const struct sm_arg *schema, size_t rows, uint64_t given,
                   struct sm_args_path *path, struct sm_value *values, struct sm_err *err)
{
    const struct sm_value *fallbacks = sm_schema_fallbacks(schema);
    for (size_t i = 0; i < rows; i++) {
        if ((given >> i & 1) != 0)
            continue;
        if (schema[i].required)
            return sm_err_set(err, SM_E_BAD_ARGS, "%s.%s: missing; %s", path->text, schema[i].name,
                              schema[i].help);
        values[i] = fallbacks[i];
    }
    return 0;
}

static int read_map(const struct sm_arg *schema, const struct sm_msg_value *map, struct sm_msg *msg,
                    struct sm_arena *arena, struct sm_args_path *path, struct sm_value *values,
                    struct sm_err *err)
{
    size_t rows = sm_schema_rows(schema);
    uint64_t given = 0;
    for (size_t n = 0; n < map->size; n++) {
        struct sm_msg_value key;
        if (!sm_msg_next(msg, &key) || key.kind != SM_MSG_STR)
            return sm_err_set(err, SM_E_BAD_ARGS, "%s: a key that is no text", path->text);
        size_t i = find_row(schema, rows, &key);
        if (i == rows)
            return unknown_key(schema, &key, path, err);
        size_t before = path_key(path, key.p, key.size);
        if ((given >> i & 1) != 0)
            return sm_err_set(err, SM_E_BAD_ARGS, "%s: given twice", path->text);
        given |= (uint64_t)1 << i;
        int code = sm_args_read_one(&schema[i], msg, arena, path, &values[i], err);
        if (code != 0)
            return code;
        path_back(path, before);
    }
    return fill_in(schema, rows, given, path, values, err);
}

int sm_args_read(const struct sm_type *type, const void *args, size_t size, struct sm_arena *arena,
                 const struct sm_value **values, struct sm_err *err)
{
    static const unsigned char empty_map[] = {0x80};
    struct sm_args_path path = {.text = "args", .size = 4};
    struct sm_msg_value map = {0};
    struct sm_msg msg = {args, (const unsigned char *)args + size};
    *values = NULL;
    if (size == 0)
        msg = (struct sm_msg){empty_map, empty_map + sizeof empty_map};
    if (!sm_msg_check(msg.at, (size_t)(msg.end - msg.at), SM_ARGS_DEPTH))
        return sm_err_set(err, SM_E_BAD_ARGS,
                          "args: broken msgpack, a key that is no text, or nested deeper than %d",
                          SM_ARGS_DEPTH);
    if (!sm_msg_next(&msg, &map) || map.kind != SM_MSG_MAP)
        return mistyped(&path, "a map", &map, err);
    if (type->open_args)
        return 0;
    struct sm_value *v = sm_arena_alloc(arena, (sm_schema_rows(type->schema) + 1) * sizeof *v);
    if (v == NULL)
        return no_room(&path, err);
    *values = v;
    return read_map(type->schema, &map, &msg, arena, &path, v, err);
}

int sm_args_check(const struct sm_type *type, const void *args, size_t size, struct sm_err *err)
{
    struct sm_arena arena;
    const struct sm_value *values;
    sm_arena_init(&arena, (size_t)512 << 20);
    int code = sm_args_read(type, args, size, &arena, &values, err);
    sm_arena_free(&arena);
    return code;
}

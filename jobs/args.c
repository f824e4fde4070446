/*
 * Reads a job's arguments: msgpack in, values by schema row out, and a message with the path for
 * the first thing that does not fit. Everything a user can mistype is named with what was expected
 * and, where one is near, what was probably meant.
 *
 * Lengths were checked against the bytes (sm_msg_check) before anything here believes them; memory
 * comes from the arena and so counts against the run's limit. Thread: any.
 */
#include "jobs/args.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "jobs/args_scalar.h"
#include "jobs/job.h"

size_t sm_schema_rows(const struct sm_arg *schema)
{
    size_t n = 0;
    while (schema[n].name != NULL)
        n++;
    return n;
}

static void path_add(struct sm_args_path *path, const char *text, size_t size)
{
    size_t room = sizeof path->text - 1 - path->size;
    size = size < room ? size : room;
    memcpy(path->text + path->size, text, size);
    path->size += size;
    path->text[path->size] = '\0';
}

/* Each value passes here, so there is no printf in it. */
static size_t path_key(struct sm_args_path *path, const char *name, size_t size)
{
    size_t before = path->size;
    path_add(path, ".", 1);
    path_add(path, name, sm_text_cut(name, size < 64 ? size : 64));
    return before;
}

static size_t path_index(struct sm_args_path *path, size_t index)
{
    char text[24], *p = text + sizeof text;
    size_t before = path->size;
    *--p = ']';
    do
        *--p = (char)('0' + index % 10);
    while ((index /= 10) != 0);
    *--p = '[';
    path_add(path, p, (size_t)(text + sizeof text - p));
    return before;
}

static void path_back(struct sm_args_path *path, size_t size)
{
    path->size = size;
    path->text[size] = '\0';
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
        int code = sm_args_read_choice(arg, &item, path, &index, err);
        if (code != 0)
            return code;
        if ((set >> index & 1) != 0)
            return sm_err_set(err, SM_E_BAD_ARGS, "%s: \"%.*s\" is given twice", path->text,
                              (int)item.size, item.p);
        set |= (uint64_t)1 << index;
        path_back(path, before);
    }
    value->as.i = (int64_t)set;
    return sm_args_check_bounds(arg, (int64_t)got->size, " of them", path, err);
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
            code = sm_args_mistyped(path, "a map", &map, err);
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
    int code = sm_args_check_bounds(&count, (int64_t)got->size, " of them", path, err);
    if (code != 0)
        return code;
    struct sm_value *v = sm_arena_alloc(arena, got->size * rows * sizeof *v);
    if (v == NULL)
        return sm_args_no_room(path, err);
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
        return sm_args_mistyped(path, "a list", &got, err);
    *value = (struct sm_value){.set = true};
    if (!list)
        return sm_args_read_scalar(arg, &got, arena, path, value, err);
    if (arg->kind == SM_ARG_CHOICES)
        return read_choices(arg, &got, msg, path, value, err);
    return read_list(arg, &got, msg, arena, path, value, err);
}

/* "a, b, c", as far as there is room. */
static void list_names(const char *const *names, size_t n, char *text, size_t room)
{
    size_t at = 0;
    snprintf(text, room, "none");
    for (size_t i = 0; i < n && at < room; i++)
        at += (size_t)snprintf(text + at, room - at, "%s%s", i == 0 ? "" : ", ", names[i]);
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
    char known[256];
    path_key(path, key->p, key->size);
    if (near != NULL)
        return sm_err_set(err, SM_E_BAD_ARGS, "%s: unknown key; did you mean \"%s\"?", path->text,
                          near);
    list_names(names, n, known, sizeof known);
    return sm_err_set(err, SM_E_BAD_ARGS, "%s: unknown key; known are: %s", path->text, known);
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
    *values = NULL;
    if (size == 0) {
        args = empty_map;
        size = sizeof empty_map;
    }
    struct sm_msg msg = {args, (const unsigned char *)args + size};
    if (!sm_msg_check(args, size, SM_ARGS_DEPTH))
        return sm_err_set(err, SM_E_BAD_ARGS,
                          "args: broken msgpack, a key that is no text, or nested deeper than %d",
                          SM_ARGS_DEPTH);
    if (!sm_msg_next(&msg, &map) || map.kind != SM_MSG_MAP)
        return sm_args_mistyped(&path, "a map", &map, err);
    if (type->open_args)
        return 0;
    struct sm_value *v = sm_arena_alloc(arena, (sm_schema_rows(type->schema) + 1) * sizeof *v);
    if (v == NULL)
        return sm_args_no_room(&path, err);
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

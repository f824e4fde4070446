/*
 * From JSON text to msgpack. jansson parses: it refuses duplicate keys, bad UTF-8, U+0000 and
 * integers past 64 bits, and knows line and column. Nesting is measured before, because jansson
 * recurses, and so do we over its tree (at most SM_JSON_DEPTH levels). For small texts: a tree is
 * built. Thread: any.
 */
#include <jansson.h>
#include <msgpack.h>
#include <string.h>

#include "base/json.h"
#include "base/msgpack_out.h"

/* The offset of the first bracket that opens a level too many; `size` when none does. */
static size_t too_deep(const char *text, size_t size)
{
    int depth = 0;
    bool in_text = false;

    for (size_t at = 0; at < size; at++) {
        char c = text[at];

        if (in_text && c == '\\')
            at++;
        else if (c == '"')
            in_text = !in_text;
        else if (!in_text && (c == '[' || c == '{') && ++depth > SM_JSON_DEPTH)
            return at;
        else if (!in_text && (c == ']' || c == '}'))
            depth--;
    }
    return size;
}

static int refuse_deep(const char *text, size_t at, struct sm_err *err)
{
    int line = 1, column = 1;

    for (size_t i = 0; i < at; i++) {
        column++;
        if (text[i] == '\n') {
            line++;
            column = 1;
        }
    }
    return sm_err_set(err, SM_E_USAGE, "line %d, column %d: nested deeper than %d levels", line,
                      column, SM_JSON_DEPTH);
}

static int refuse(const json_error_t *error, struct sm_err *err)
{
    if (json_error_code(error) == json_error_out_of_memory)
        return sm_err_set(err, SM_E_NO_MEMORY, "no memory to parse JSON");
    if (json_error_code(error) == json_error_null_character ||
        json_error_code(error) == json_error_null_byte_in_key)
        return sm_err_set(err, SM_E_USAGE, "line %d, column %d: text must not hold U+0000",
                          error->line, error->column);
    return sm_err_set(err, SM_E_USAGE, "line %d, column %d: %s", error->line, error->column,
                      error->text);
}

static void pack(msgpack_packer *out, const json_t *value);

static void pack_text(msgpack_packer *out, const char *text, size_t size)
{
    (void)msgpack_pack_str(out, size); /* failures stick in the buffer */
    (void)msgpack_pack_str_body(out, text, size);
}

static void pack_map(msgpack_packer *out, json_t *map)
{
    (void)msgpack_pack_map(out, json_object_size(map));
    for (void *at = json_object_iter(map); at; at = json_object_iter_next(map, at)) {
        const char *key = json_object_iter_key(at);

        pack_text(out, key, strlen(key));
        pack(out, json_object_iter_value(at));
    }
}

static void pack(msgpack_packer *out, const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        pack_map(out, (json_t *)(uintptr_t)value); /* iterating takes no const, changes nothing */
        break;
    case JSON_ARRAY:
        (void)msgpack_pack_array(out, json_array_size(value));
        for (size_t i = 0; i < json_array_size(value); i++)
            pack(out, json_array_get(value, i));
        break;
    case JSON_STRING:
        pack_text(out, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        (void)msgpack_pack_int64(out, json_integer_value(value));
        break;
    case JSON_REAL:
        (void)msgpack_pack_double(out, json_real_value(value));
        break;
    case JSON_TRUE:
        (void)msgpack_pack_true(out);
        break;
    case JSON_FALSE:
        (void)msgpack_pack_false(out);
        break;
    case JSON_NULL:
        (void)msgpack_pack_nil(out);
        break;
    }
}

int sm_json_to_msgpack(const char *text, size_t size, struct sm_buf *out, struct sm_err *err)
{
    size_t deep = too_deep(text, size), before = out->size;
    json_error_t error;
    msgpack_packer packer;
    json_t *tree;

    if (deep < size)
        return refuse_deep(text, deep, err);
    tree = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!tree)
        return refuse(&error, err);
    msgpack_packer_init(&packer, out, sm_buf_msgpack_write);
    pack(&packer, tree);
    json_decref(tree);
    if (!out->full)
        return 0;
    out->size = before;
    out->full = false;
    return sm_err_set(err, SM_E_TOO_LARGE, "larger than %zu bytes as msgpack", out->limit);
}

/*
 * JSON: a streaming writer into a buffer, and the way between JSON text and msgpack for what is
 * small (arguments, tags, results on a terminal), which jansson parses. Thread: one at a time.
 */
#ifndef SM_BASE_JSON_H
#define SM_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "stampmill/error.h"

#define SM_JSON_DEPTH 64 /* deepest nesting that sm_json_to_msgpack reads */

/* Commas and colons come by themselves. Two sticky flags: the buffer's `full`, and `bad_text`. */
struct sm_json {
    struct sm_buf *out;
    int depth;
    bool comma;    /* a value stands before this place */
    bool bad_text; /* text with invalid UTF-8 or U+0000 came; a valid "" was written in its place */
};

void sm_json_init(struct sm_json *json, struct sm_buf *out);
void sm_json_put_open(struct sm_json *json, char bracket);  /* '{' or '[' */
void sm_json_put_close(struct sm_json *json, char bracket); /* '}' or ']' */
void sm_json_put_key(struct sm_json *json, const char *key, size_t size);
void sm_json_put_text(struct sm_json *json, const char *text, size_t size);
void sm_json_put_int(struct sm_json *json, int64_t value);
void sm_json_put_uint(struct sm_json *json, uint64_t value);
void sm_json_put_double(struct sm_json *json,
                        double value); /* shortest that reads back; not finite: null */
void sm_json_put_bool(struct sm_json *json, bool value);
void sm_json_put_null(struct sm_json *json);
void sm_json_put_raw(struct sm_json *json, const char *text, size_t size);

/* Appends the msgpack form of a JSON text. Refuses (SM_E_USAGE, message with line and column) bad
 * JSON, duplicate keys, U+0000, integers outside int64, nesting past SM_JSON_DEPTH, bytes after the
 * value; SM_E_TOO_LARGE past the limit of `out`. Leaves `out` as it was when it fails. */
int sm_json_to_msgpack(const char *text, size_t size, struct sm_buf *out, struct sm_err *err);

/* Appends the JSON form of one checked msgpack value (sm_msg_check passed: asserted). `bin` becomes
 * base64 text, ext null. Text that JSON or jsonb cannot carry sets json->bad_text. */
void sm_json_put_msgpack(struct sm_json *json, const void *data, size_t size);

#endif

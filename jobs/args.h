/*
 * Arguments from msgpack into values by a type's schema, each failure with its path. Thread: any.
 */
#ifndef SM_JOBS_ARGS_H
#define SM_JOBS_ARGS_H

#include "base/arena.h"
#include "stampmill/handler.h"

#define SM_ARGS_DEPTH 64 /* deepest nesting that is taken */
#define SM_ARGS_KEYS 64  /* most rows of one schema */
#define SM_ARGS_INTS 1024

/* Fills *values, allocated in the arena, one per row of the schema (NULL with open_args, which
 * takes any well-formed map). Texts are copied, NUL-terminated. 0, SM_E_BAD_ARGS, or SM_E_TOO_LARGE
 * where the arena refuses. Size 0 stands for an empty map. */
int sm_args_read(const struct sm_type *type, const void *args, size_t size, struct sm_arena *arena,
                 const struct sm_value **values, struct sm_err *err);

/* Rows of a schema, without its end. */
size_t sm_schema_rows(const struct sm_arg *schema);

/* What stands for each absent argument: one value per row, parsed once per process from the rows'
 * JSON. A fallback that does not fit its own row is a broken program: asserted. */
const struct sm_value *sm_schema_fallbacks(const struct sm_arg *schema);

/* One value against one row; `path` names it in messages. Used for given values and for fallbacks.
 */
struct sm_msg;
struct sm_args_path;
int sm_args_read_one(const struct sm_arg *arg, struct sm_msg *msg, struct sm_arena *arena,
                     struct sm_args_path *path, struct sm_value *value, struct sm_err *err);

/* Where in the arguments one is: "args.columns[2].type". Cut where it would not fit. */
struct sm_args_path {
    char text[160];
    size_t size;
};

#endif

/*
 * The values that stand for absent arguments. They are written as JSON in the schema's rows,
 * because help and documentation show them, and are parsed once per process: a run copies them, and
 * their texts and lists are shared by all runs, read-only.
 *
 * A list of parsed schemas that only grows, at most one entry for each schema of the program (two
 * threads that meet at a new schema may add it twice: harmless). Thread: any, without a lock.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/json.h"
#include "base/msg.h"
#include "jobs/args.h"

struct parsed {
    const struct sm_arg *schema;
    struct sm_value *values;
    struct parsed *next;
    struct sm_arena arena;
};

static _Atomic(struct parsed *) all;

static void parse_one(struct parsed *p, size_t i)
{
    const struct sm_arg *arg = &p->schema[i];
    struct sm_buf buf;
    struct sm_err err;
    sm_buf_init(&buf, 0);
    SM_ASSERT(sm_json_to_msgpack(arg->fallback, strlen(arg->fallback), &buf, &err) == 0);
    struct sm_msg msg = {(const unsigned char *)buf.data,
                         (const unsigned char *)buf.data + buf.size};
    struct sm_args_path path = {.size = 0};
    SM_ASSERT(sm_args_read_one(arg, &msg, &p->arena, &path, &p->values[i], &err) == 0);
    sm_buf_free(&buf);
}

static struct parsed *parse(const struct sm_arg *schema)
{
    size_t rows = sm_schema_rows(schema);
    struct parsed *p = calloc(1, sizeof *p);
    SM_ASSERT(p != NULL && rows <= SM_ARGS_KEYS);
    p->schema = schema;
    p->values = calloc(rows + 1, sizeof *p->values);
    SM_ASSERT(p->values != NULL);
    sm_arena_init(&p->arena, SIZE_MAX / 2);
    for (size_t i = 0; i < rows; i++)
        if (schema[i].fallback != NULL)
            parse_one(p, i);
    return p;
}

const struct sm_value *sm_schema_fallbacks(const struct sm_arg *schema)
{
    struct parsed *first = atomic_load_explicit(&all, memory_order_acquire);
    for (struct parsed *p = first; p != NULL; p = p->next)
        if (p->schema == schema)
            return p->values;
    struct parsed *made = parse(schema);
    made->next = first;
    while (!atomic_compare_exchange_weak_explicit(&all, &made->next, made, memory_order_acq_rel,
                                                  memory_order_acquire))
        continue;
    return made->values;
}

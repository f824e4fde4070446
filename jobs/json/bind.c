/* See bind.h. */
#include "jobs/json/bind.h"

#include <string.h>
#include <xxhash.h>

static size_t *new_table(struct sm_run *run, size_t n)
{
    size_t *table = sm_run_alloc(run, n * sizeof *table);
    for (size_t i = 0; table != NULL && i < n; i++)
        table[i] = SM_JSON_NONE;
    return table;
}

/* Column i begins alike with `*head`, or is the first that does. */
static void join(struct sm_json_bind *bind, size_t *head, size_t i)
{
    if (*head == SM_JSON_NONE)
        *head = i;
    bind->ways[i].head = *head;
}

static struct sm_json_token *value_of(struct sm_json_bind *bind, size_t head)
{
    return head != SM_JSON_NONE ? &bind->ways[head].value : &bind->unused;
}

/* ---- lists --------------------------------------------------------------------------------- */

static int bind_indexes(struct sm_run *run, const struct sm_columns *columns,
                        struct sm_json_bind *bind)
{
    for (size_t i = 0; i < columns->n; i++)
        if (columns->v[i].index >= bind->mask)
            bind->mask = columns->v[i].index + 1;
    bind->table = new_table(run, bind->mask);
    if (bind->table == NULL)
        return SM_E_TOO_LARGE;
    for (size_t i = 0; i < columns->n; i++) {
        bind->ways[i] = (struct sm_json_way){.rest = {"", 0}};
        join(bind, &bind->table[columns->v[i].index], i);
    }
    return 0;
}

struct sm_json_token *sm_json_bind_index(struct sm_json_bind *bind, size_t index)
{
    return value_of(bind, index < bind->mask ? bind->table[index] : SM_JSON_NONE);
}

/* ---- maps ---------------------------------------------------------------------------------- */

static bool same(struct sm_text_view a, struct sm_text_view b)
{
    return a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

/* The place of the table that has this key, or is free for it. */
static size_t *place(const struct sm_json_bind *bind, struct sm_text_view key)
{
    size_t at = (size_t)XXH3_64bits(key.p, key.n) & bind->mask;
    while (bind->table[at] != SM_JSON_NONE && !same(bind->ways[bind->table[at]].key, key))
        at = (at + 1) & bind->mask;
    return &bind->table[at];
}

struct sm_json_token *sm_json_bind_key(struct sm_json_bind *bind, struct sm_text_view key)
{
    return value_of(bind, *place(bind, key));
}

static int find_way(struct sm_run *run, const struct sm_column *column, size_t i,
                    struct sm_json_way *way)
{
    *way = (struct sm_json_way){.key = column->from, .rest = {"", 0}};
    if (column->from.n == 0 || column->from.p[0] != '/')
        return 0;
    if (!sm_json_pointer_valid(column->from))
        return sm_fail(run, SM_E_BAD_ARGS,
                       "args.columns[%zu]: \"%.*s\" is no JSON Pointer: '~' stands in it only as "
                       "~0 or ~1",
                       i, (int)column->from.n, column->from.p);
    char *step = sm_run_alloc(run, column->from.n);
    if (step == NULL)
        return SM_E_TOO_LARGE;
    way->key = (struct sm_text_view){step, sm_json_pointer_step(column->from, step, &way->rest)};
    return 0;
}

static int bind_keys(struct sm_run *run, const struct sm_columns *columns,
                     struct sm_json_bind *bind)
{
    size_t room = 16;
    while (room < 2 * columns->n)
        room *= 2;
    bind->mask = room - 1;
    bind->table = new_table(run, room);
    if (bind->table == NULL)
        return SM_E_TOO_LARGE;
    for (size_t i = 0; i < columns->n; i++) {
        int code = find_way(run, &columns->v[i], i, &bind->ways[i]);
        if (code != 0)
            return code;
        join(bind, place(bind, bind->ways[i].key), i);
    }
    return 0;
}

int sm_json_bind(struct sm_run *run, const struct sm_columns *columns, struct sm_json_bind *bind)
{
    *bind = (struct sm_json_bind){.by_index = columns->v[0].by_index};
    bind->ways = sm_run_alloc(run, columns->n * sizeof *bind->ways);
    if (bind->ways == NULL)
        return SM_E_TOO_LARGE;
    for (size_t i = 1; i < columns->n; i++)
        if (columns->v[i].by_index != bind->by_index)
            return sm_fail(run, SM_E_BAD_ARGS,
                           "args.columns[%zu]: rows are lists, whose columns have an index, or "
                           "maps, whose columns have none: not both",
                           i);
    return bind->by_index ? bind_indexes(run, columns, bind) : bind_keys(run, columns, bind);
}

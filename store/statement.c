/*
 * Texts of statements. The upsert carries the rule of the design: `succeeded` never changes; below
 * it the greater (life, state) stands; and what it overwrites it overwrites wholly: a column that
 * was left out is NULL in `excluded`.
 */
#include "store/statement.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"

static const char *const type_of[] = {
    [SM_KIND_UUID] = "uuid", [SM_KIND_TIME] = "timestamptz", [SM_KIND_INT8] = "int8",
    [SM_KIND_INT4] = "int4", [SM_KIND_STATE] = "int4",       [SM_KIND_CSTR] = "text",
    [SM_KIND_TEXT] = "text", [SM_KIND_JSONB] = "jsonb",      [SM_KIND_BYTEA] = "bytea",
};

void sm_shape_name(const struct sm_shape *shape, char name[SM_STATEMENT_NAME])
{
    snprintf(name, SM_STATEMENT_NAME, "%c_%s_%s", "iup"[shape->verb], shape -> rows,
             shape -> attempts);
}

/* ", a, b": those columns that are not left out. */
static void put_names(struct sm_buf *out, const struct sm_table *table, const char *forms)
{
    for (size_t c = 0; c < table->n; c++)
        if (forms[c] != SM_FORM_OMIT)
            sm_buf_printf(out, ", %s", table->columns[c].name);
}

/* ", c0, $3::int4": what is selected for them. A state is cast once: as a parameter, or out of a
 * constant array by its number. */
static void put_values(struct sm_buf *out, const struct sm_table *table, const char *forms,
                       int param)
{
    for (size_t c = 0; c < table->n; c++) {
        bool state = table->columns[c].kind == SM_KIND_STATE;
        if (forms[c] == SM_FORM_OMIT)
            continue;
        if (forms[c] == SM_FORM_ONE)
            sm_buf_printf(out, ", $%d::%s", param,
                          state ? "stampmill.job_state" : type_of[table->columns[c].kind]);
        else if (state)
            sm_buf_printf(out,
                          ", ('{waiting,dead,cancelled,succeeded}'::stampmill.job_state[])"
                          "[c%zu + 1]",
                          c);
        else
            sm_buf_printf(out, ", c%zu", c);
        param++;
    }
}

/* "unnest($2::uuid[], ..) AS t(c0, ..)"; returns the number after the last parameter. */
static int put_unnest(struct sm_buf *out, const struct sm_table *table, const char *forms,
                      int param)
{
    const char *comma = "";
    sm_buf_add_text(out, "unnest(");
    for (size_t c = 0; c < table->n; c++) {
        if (forms[c] == SM_FORM_EACH) {
            sm_buf_printf(out, "%s$%d::%s[]", comma, param, type_of[table->columns[c].kind]);
            comma = ", ";
        }
        param += forms[c] != SM_FORM_OMIT;
    }
    sm_buf_add_text(out, ") AS t(");
    comma = "";
    for (size_t c = 0; c < table->n; c++)
        if (forms[c] == SM_FORM_EACH) {
            sm_buf_printf(out, "%sc%zu", comma, c);
            comma = ", ";
        }
    sm_buf_add_char(out, ')');
    return param;
}

/* INSERT .. SELECT of all items; returns the number after the last parameter. */
static int put_insert(struct sm_buf *out, const struct sm_table *table, const char *forms,
                      int param)
{
    sm_buf_printf(out, "INSERT INTO %s AS r (worker", table->name);
    put_names(out, table, forms);
    sm_buf_add_text(out, ") SELECT $1::text");
    put_values(out, table, forms, param);
    sm_buf_add_text(out, " FROM ");
    return put_unnest(out, table, forms, param);
}

static void put_rule(struct sm_buf *out)
{
    const struct sm_table *table = &sm_results_table;
    sm_buf_add_text(out, " ON CONFLICT (id) DO UPDATE SET worker = excluded.worker");
    for (size_t c = 1; c < table->n; c++) /* all but the id */
        sm_buf_printf(out, ", %s = excluded.%s", table->columns[c].name, table->columns[c].name);
    sm_buf_add_text(out, " WHERE r.state <> 'succeeded' AND (excluded.state = 'succeeded' OR "
                         "(excluded.life, excluded.state) > (r.life, r.state)) RETURNING id");
}

void sm_shape_text(const struct sm_shape *shape, struct sm_buf *text)
{
    bool rows = shape->rows[0] != '\0', attempts = shape->attempts[0] != '\0';
    int param = 2 + (int)strlen(shape->rows);
    for (const char *form = shape->rows; *form != '\0'; form++)
        param -= *form == SM_FORM_OMIT;
    sm_buf_clear(text);
    if (shape->verb == SM_VERB_PROBE) {
        sm_buf_add_text(text, "SELECT count(*) FROM ");
        put_unnest(text, &sm_attempts_table, shape->attempts, param);
        sm_buf_add_text(text, " WHERE $1::text <> ''");
        return;
    }
    if (attempts) {
        sm_buf_add_text(text, rows ? "WITH failed AS (" : "");
        put_insert(text, &sm_attempts_table, shape->attempts, param);
        sm_buf_add_text(text, " ON CONFLICT DO NOTHING");
        sm_buf_add_text(text, rows ? ") " : "");
    }
    if (rows) {
        put_insert(text, &sm_results_table, shape->rows, 2);
        if (shape->verb == SM_VERB_UPSERT)
            put_rule(text);
    }
}

bool sm_prepared_has(const struct sm_prepared *prepared, const char *name)
{
    for (int i = 0; i < prepared->n; i++)
        if (strcmp(prepared->name[i], name) == 0)
            return true;
    return false;
}

void sm_prepared_add(struct sm_prepared *prepared, const char *name)
{
    SM_ASSERT(prepared->n < SM_PREPARED_MOST);
    strcpy(prepared->name[prepared->n++], name);
}

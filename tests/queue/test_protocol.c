/* queue/PROTOCOL.md against the tables of the code: a row that is missing or says another bound
 * fails. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue/job.h"
#include "tests/base/suite.h"

static char *page(void)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/queue/PROTOCOL.md", getenv("STAMPMILL_SOURCE"));
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    char *text = calloc(1, 1 << 20);
    ck_assert_uint_gt(fread(text, 1, (1 << 20) - 1, file), 0);
    fclose(file);
    return text;
}

START_TEST(every_field_stands_in_the_table_with_its_bounds)
{
    char *text = page(), row[512];
#define SM_FIELD(symbol, name, kind, min, max, fallback, help)                                     \
    snprintf(row, sizeof row, "\n| `%s` | %s | %lld | %lld | %s | %s |\n", name, #kind,            \
             (long long)(min), (long long)(max), *(fallback) ? (fallback) : "required", help);     \
    ck_assert_msg(strstr(text, row) != NULL, "missing or different: %s", row);
#include "queue/fields.def"
#undef SM_FIELD
    free(text);
}
END_TEST

START_TEST(every_vector_of_a_derived_id_is_what_the_code_derives)
{
    char *text = page();
    int seen = 0;
    for (char *line = text; line != NULL; line = strchr(line, '\n')) {
        char incarnation[40], queue[70], entry[50], expected[40], derived[SM_ID_TEXT];
        struct sm_entry_id id;
        line += *line == '\n';
        if (sscanf(line, "| `%32[0-9a-f]` | `%64[^`]` | `%42[0-9-]` | `%36[0-9a-f-]` |",
                   incarnation, queue, entry, expected) != 4)
            continue;
        ck_assert(sm_entry_id_parse(entry, strlen(entry), &id));
        struct sm_id job = sm_entry_job_id(incarnation, queue, id);
        sm_id_format(&job, derived);
        ck_assert_str_eq(derived, expected);
        seen++;
    }
    ck_assert_int_ge(seen, 5);
    free(text);
}
END_TEST

START_TEST(every_script_stands_in_the_table)
{
    char *text = page(), path[1024], row[300];
    snprintf(path, sizeof path, "%s/queue/scripts", getenv("STAMPMILL_SOURCE"));
    DIR *dir = opendir(path);
    int seen = 0;
    ck_assert_ptr_nonnull(dir);
    for (struct dirent *file; (file = readdir(dir)) != NULL;) {
        char *dot = strstr(file->d_name, ".lua");
        if (dot == NULL)
            continue;
        snprintf(row, sizeof row, "\n| `%.*s` |", (int)(dot - file->d_name), file->d_name);
        ck_assert_msg(strstr(text, row) != NULL, "no row for %s", file->d_name);
        seen++;
    }
    closedir(dir);
    ck_assert_int_gt(seen, 5);
    free(text);
}
END_TEST

int main(void)
{
    return RUN_SUITE("queue_protocol", {every_field_stands_in_the_table_with_its_bounds, 0},
                     {every_vector_of_a_derived_id_is_what_the_code_derives, 0},
                     {every_script_stands_in_the_table, 0});
}

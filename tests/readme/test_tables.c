/*
 * README.md against the tables of the code: every setting with its default, every command, every
 * type that is not for tests stands in the page, and the page names none that there is not. (The
 * columns of the result are held against the real view by tests/readme/run.)
 */
#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs/job.h"

struct setting {
    const char *name, *fallback;
};

static const struct setting settings[] = {
#define SM_SETTING(symbol, name, kind, fallback, min, max, env, help) {name, fallback},
#include "worker/settings.def"
#undef SM_SETTING
};

struct command {
    const char *noun, *verb;
};

static const struct command commands[] = {
#define CLI_COMMAND(noun, verb, ...) {noun, verb},
#include "ops/cli/commands.def"
#undef CLI_COMMAND
};

#define N(table) (sizeof(table) / sizeof *(table))

/* A section of the page, from its heading to the next; malloc'ed. */
static char *section(const char *heading)
{
    static char page[256 * 1024];
    char path[512];
    snprintf(path, sizeof path, "%s/README.md", getenv("STAMPMILL_SOURCE"));
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    page[fread(page, 1, sizeof page - 1, file)] = '\0';
    fclose(file);
    char *begin = strstr(page, heading);
    ck_assert_msg(begin != NULL, "README.md has no section \"%s\"", heading);
    char *end = strstr(begin + strlen(heading), "\n## ");
    return end == NULL ? strdup(begin) : strndup(begin, (size_t)(end - begin));
}

/* A table's row, cut into its first two cells, without the backticks. False for any other line. */
struct row {
    char first[256], second[256];
};

static void cut_cell(const char *from, const char *to, char *cell, size_t room)
{
    size_t n = 0;
    for (; from < to && n + 1 < room; from++)
        if (*from != '`')
            cell[n++] = *from;
    cell[n] = '\0';
}

static bool read_row(const char *line, struct row *row)
{
    const char *end = line + strcspn(line, "\n");
    if (strncmp(line, "| `", 3) != 0)
        return false;
    const char *bar = strstr(line + 2, " | ");
    const char *next = bar == NULL ? NULL : strstr(bar + 3, " |");
    ck_assert_msg(next != NULL && next < end, "a table's row without two cells: %.40s", line);
    cut_cell(line + 2, bar, row->first, sizeof row->first);
    cut_cell(bar + 3, next, row->second, sizeof row->second);
    return true;
}

/* The k-th of a cell's words, which ", " separates; false when there are not so many. */
static bool word_at(const char *cell, size_t k, char *word, size_t room)
{
    for (; k > 0; k--) {
        cell = strstr(cell, ", ");
        if (cell == NULL)
            return false;
        cell += 2;
    }
    const char *end = strstr(cell, ", ");
    snprintf(word, room, "%.*s", end == NULL ? (int)strlen(cell) : (int)(end - cell), cell);
    return true;
}

/* ---- settings -- */

/* One name of a row; several names may share one default. */
static void check_setting(const struct row *row, size_t k, const char *name, bool *seen)
{
    char fallback[128];
    for (size_t i = 0; i < N(settings); i++) {
        if (strcmp(settings[i].name, name) != 0)
            continue;
        seen[i] = true;
        if (!word_at(row->second, k, fallback, sizeof fallback))
            word_at(row->second, 0, fallback, sizeof fallback);
        if (settings[i].fallback != NULL)
            ck_assert_msg(strcmp(fallback, settings[i].fallback) == 0,
                          "README.md says that %s defaults to %s; it is %s", name, fallback,
                          settings[i].fallback);
        return;
    }
    ck_abort_msg("README.md explains a setting \"%s\" that there is not", name);
}

START_TEST(every_setting_is_explained_with_its_default)
{
    bool seen[N(settings)] = {false};
    char *text = section("\n## Settings\n"), name[64];
    struct row row;
    for (const char *line = text; line != NULL; line = strchr(line + 1, '\n'))
        if (read_row(line + 1, &row))
            for (size_t k = 0; word_at(row.first, k, name, sizeof name); k++)
                check_setting(&row, k, name, seen);
    free(text);
    for (size_t i = 0; i < N(settings); i++)
        ck_assert_msg(seen[i], "README.md does not explain the setting %s", settings[i].name);
}
END_TEST

/* ---- commands -- */

static bool line_names(const char *line, size_t size, const struct command *c)
{
    char text[256], noun[40], verb[40];
    snprintf(text, sizeof text, "%.*s ", (int)size, line);
    snprintf(noun, sizeof noun, "    stampmill %s ", c->noun);
    snprintf(verb, sizeof verb, " %s ", c->verb);
    return strncmp(text, noun, strlen(noun)) == 0 &&
           (c->verb[0] == '\0' || strstr(text + strlen(noun) - 1, verb) != NULL);
}

START_TEST(every_command_is_listed)
{
    char *text = section("\n## The command line\n");
    for (size_t i = 0; i < N(commands); i++) {
        bool found = false;
        for (const char *line = text; line != NULL && !found; line = strchr(line + 1, '\n'))
            found = line_names(line + 1, strcspn(line + 1, "\n"), &commands[i]);
        ck_assert_msg(found, "README.md does not list: stampmill %s %s", commands[i].noun,
                      commands[i].verb);
    }
    free(text);
}
END_TEST

/* ---- types -- */

START_TEST(every_type_is_listed)
{
    char *text = section("\n## The types\n");
    struct row row;
    for (size_t i = 0; sm_type_at(i) != NULL; i++) {
        char cell[80];
        snprintf(cell, sizeof cell, "\n| `%s` |", sm_type_at(i)->name);
        ck_assert_msg(sm_type_at(i)->debug || strstr(text, cell) != NULL,
                      "README.md does not list the type %s", sm_type_at(i)->name);
    }
    for (const char *line = text; line != NULL; line = strchr(line + 1, '\n'))
        ck_assert_msg(!read_row(line + 1, &row) || strcmp(row.first, "debug.*") == 0 ||
                          sm_type_find(row.first, strlen(row.first)) != NULL,
                      "README.md lists a type \"%s\" that there is not", row.first);
    free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("readme_tables");
    TCase *tcase = tcase_create("readme_tables");
    tcase_add_test(tcase, every_setting_is_explained_with_its_default);
    tcase_add_test(tcase, every_command_is_listed);
    tcase_add_test(tcase, every_type_is_listed);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/*
 * Settings for people: the help and the printed values, from the same table that is read. Passwords
 * in URLs are masked here and nowhere else printed. Thread: main.
 */
#include <string.h>

#include "base/check.h"
#include "base/settings.h"
#include "base/settings_env.h"
#include "base/text.h"

#define SHOWN 512

void sm_setting_env(const struct sm_setting *row, char name[SM_SETTING_ENV])
{
    int n = snprintf(name, SM_SETTING_ENV, "STAMPMILL_%s", row->name);

    SM_ASSERT(n > 0 && n < SM_SETTING_ENV);
    for (char *c = name; *c; c++) {
        if (*c >= 'a' && *c <= 'z')
            *c = (char)(*c - 'a' + 'A');
        else if (*c == '.' || *c == '-')
            *c = '_';
    }
}

static const char *kind_word(enum sm_setting_kind kind)
{
    static const char *const words[] = {
        [SM_SET_TEXT] = "=TEXT", [SM_SET_URL] = "=URL",           [SM_SET_INT] = "=N",
        [SM_SET_SIZE] = "=SIZE", [SM_SET_DURATION] = "=DURATION", [SM_SET_FLAG] = "",
    };

    return words[kind];
}

void sm_settings_help(const struct sm_setting *rows, size_t n, FILE *out)
{
    for (size_t i = 0; i < n; i++) {
        char env[SM_SETTING_ENV];

        sm_setting_env(&rows[i], env);
        (void)fprintf(out, "  --%s%s\n        %s", rows[i].name, kind_word(rows[i].kind),
                      rows[i].help);
        if (rows[i].fallback)
            (void)fprintf(out, " [%s]", rows[i].fallback);
        (void)fprintf(out, "\n        %s", env);
        for (const char *also = rows[i].also_env; also && *also;) {
            size_t size = strcspn(also, ",");

            (void)fprintf(out, ", %.*s", (int)size, also);
            also += size + (also[size] == ',');
        }
        (void)fputc('\n', out);
    }
}

static void print_origin(const struct sm_setting *row, const struct sm_setting_value *value,
                         FILE *out)
{
    if (value->origin == SM_FROM_ENV)
        (void)fprintf(out, "%s", value->env);
    else if (value->origin == SM_FROM_FLAG)
        (void)fprintf(out, "--%s", row->name);
    else
        (void)fprintf(out, "default");
}

void sm_settings_print(const struct sm_setting *rows, size_t n,
                       const struct sm_setting_value *values, FILE *out)
{
    for (size_t i = 0; i < n; i++) {
        char shown[SHOWN];

        if (values[i].text && rows[i].kind == SM_SET_URL)
            sm_text_mask_url(values[i].text, shown, sizeof shown);
        else
            (void)snprintf(shown, sizeof shown, "%s", values[i].text ? values[i].text : "");
        (void)fprintf(out, "%s = %s  # ", rows[i].name, shown);
        print_origin(&rows[i], &values[i], out);
        (void)fputc('\n', out);
    }
}

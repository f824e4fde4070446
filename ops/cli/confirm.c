/*
 * Asking before something is done that cannot be undone: on a terminal by a question, in a script
 * by --yes, and otherwise not at all.
 */
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "ops/cli/cli.h"

static bool said_yes(void)
{
    char answer[16];
    if (fgets(answer, sizeof answer, stdin) == NULL)
        return false;
    answer[strcspn(answer, "\n")] = '\0';
    return strcmp(answer, "y") == 0 || strcmp(answer, "yes") == 0;
}

int cli_confirm(const struct cli *cli, struct sm_err *err, const char *format, ...)
{
    char what[300];
    va_list values;
    if (cli->flag[FLAG_YES] != NULL)
        return 0;
    va_start(values, format);
    vsnprintf(what, sizeof what, format, values);
    va_end(values);
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return sm_err_set(err, SM_E_CONFLICT,
                          "%s: cannot be undone; say --yes, or --dry-run to count only", what);
    fprintf(stderr, "%s. This cannot be undone. Go on? [y/N] ", what);
    fflush(stderr);
    return said_yes() ? 0 : sm_err_set(err, SM_E_CONFLICT, "not confirmed: nothing was changed");
}

/*
 * stampmill, the command line: finds the command, reads its flags, runs it, and turns what went
 * wrong into one line on standard error and an exit code.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "ops/cli/cli.h"

/* Whoever started us reads 130 as "interrupted"; nothing here needs undoing. */
static void interrupted(int number)
{
    (void)number;
    _exit(EXIT_INTERRUPTED);
}

static int set_up_signals(struct sm_err *err)
{
    struct sigaction action = {.sa_handler = interrupted}, ignore = {.sa_handler = SIG_IGN};
    if (sigaction(SIGINT, &action, NULL) != 0 || sigaction(SIGPIPE, &ignore, NULL) != 0)
        return sm_err_set(err, SM_E_INTERNAL, "cannot set up signals");
    return 0;
}

static bool is_word(const char *word, const char *a, const char *b)
{
    return word != NULL && (strcmp(word, a) == 0 || strcmp(word, b) == 0);
}

/* `stampmill --help`, `stampmill job --help`, `stampmill --version`: no command is named. */
static bool answered_at_once(int argc, char **argv)
{
    const char *last = argc > 1 ? argv[argc - 1] : NULL;
    if (argc == 2 && is_word(argv[1], "--version", "version"))
        return puts("stampmill " STAMPMILL_VERSION) >= 0;
    if (argc == 2 && (is_word(argv[1], "--help", "-h") || is_word(argv[1], "help", "help"))) {
        cli_help(stdout, NULL);
        return true;
    }
    if (argc != 3 || !is_word(last, "--help", "-h"))
        return false;
    for (size_t i = 0; i < cli_commands_n; i++)
        if (strcmp(cli_commands[i].noun, argv[1]) == 0 && cli_commands[i].verb[0] != '\0') {
            cli_help(stdout, argv[1]);
            return true;
        }
    return false;
}

static int run(struct cli *cli, struct sm_err *err)
{
    if (cli->flag[FLAG_HELP] != NULL) {
        cli_help_command(stdout, cli);
        return EXIT_OK;
    }
    if (cli->flag[FLAG_VERSION] != NULL)
        return puts("stampmill " STAMPMILL_VERSION) < 0;
    return cli->command->run(cli, err);
}

int main(int argc, char **argv)
{
    struct cli cli = {0};
    struct sm_err err = {0};
    int used = 0;
    if (argc < 2) {
        cli_help(stderr, NULL);
        return EXIT_USAGE;
    }
    if (answered_at_once(argc, argv))
        return EXIT_OK;
    int rc = set_up_signals(&err);
    if (rc == 0)
        rc = cli_command_find(argc - 1, argv + 1, &cli.command, &used, &err);
    if (rc == 0)
        rc = cli_flags_read(&cli, argc - used, argv + used, &err);
    if (rc == 0)
        rc = run(&cli, &err);
    cli_free(&cli);
    if (rc >= 0)
        return rc;
    fprintf(stderr, "stampmill: %s\n", err.text);
    return cli_exit_of(rc);
}

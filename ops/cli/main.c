/*
 * stampmill, the command line: finds the command, reads its flags, runs it, and turns what went
 * wrong into one line on standard error and an exit code.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "ops/cli/cli.h"
#include "ops/cli/out.h"

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

/* Closed standard streams (`>&-`) are filled, the wrong way round so that using them fails: else a
 * socket would get their number, and the output would go to a server. */
static int fill_standard_streams(struct sm_err *err)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
            return sm_err_set(err, SM_E_INTERNAL, "cannot open /dev/null");
    return 0;
}

static bool is_word(const char *word, const char *a, const char *b)
{
    return word != NULL && (strcmp(word, a) == 0 || strcmp(word, b) == 0);
}

static int print_version(struct sm_err *err)
{
    puts("stampmill " STAMPMILL_VERSION);
    return out_bytes("", 0, err);
}

/* A noun that needs a verb. */
static bool is_noun(const char *word)
{
    for (size_t i = 0; i < cli_commands_n; i++)
        if (strcmp(cli_commands[i].noun, word) == 0 && cli_commands[i].verb[0] != '\0')
            return true;
    return false;
}

/* Help of all, or of a noun: no command is named. False when there is one to run. */
static bool general_help(int argc, char **argv)
{
    bool of_noun = argc == 3 && is_noun(argv[1]) && is_word(argv[2], "--help", "-h");
    if (!of_noun && !(argc == 2 && is_word(argv[1], "--help", "-h")))
        return false;
    cli_help(stdout, of_noun ? argv[1] : NULL);
    return true;
}

/* `stampmill help job add` means `stampmill job add --help`. */
static void turn_help_round(int argc, char **argv)
{
    static char help[] = "--help";
    if (argc < 2 || strcmp(argv[1], "help") != 0)
        return;
    memmove(argv + 1, argv + 2, (size_t)(argc - 2) * sizeof *argv);
    argv[argc - 1] = help;
}

static int run_command(struct cli *cli, int argc, char **argv, struct sm_err *err)
{
    int used = 0, rc = cli_command_find(argc - 1, argv + 1, &cli->command, &used, err);
    if (rc == 0)
        rc = cli_flags_read(cli, argc - used, argv + used, err);
    if (rc != 0)
        return rc;
    if (cli->flag[FLAG_VERSION] != NULL)
        return print_version(err);
    if (cli->flag[FLAG_HELP] == NULL)
        return cli->command->run(cli, err);
    cli_help_command(stdout, cli);
    return out_bytes("", 0, err);
}

static int run(struct cli *cli, int argc, char **argv, struct sm_err *err)
{
    int rc = fill_standard_streams(err);
    if (rc == 0)
        rc = set_up_signals(err);
    if (rc != 0)
        return rc;
    turn_help_round(argc, argv);
    if (argc == 2 && is_word(argv[1], "--version", "version"))
        return print_version(err);
    if (general_help(argc, argv))
        return out_bytes("", 0, err);
    return run_command(cli, argc, argv, err);
}

int main(int argc, char **argv)
{
    struct cli cli = {0};
    struct sm_err err = {0};
    if (argc < 2) {
        cli_help(stderr, NULL);
        return EXIT_USAGE;
    }
    int rc = run(&cli, argc, argv, &err);
    cli_free(&cli);
    if (rc >= 0)
        return rc;
    fprintf(stderr, "stampmill: %s\n", err.text);
    return cli_exit_of(rc);
}

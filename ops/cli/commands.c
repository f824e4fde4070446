/*
 * The command table and how a command is found in it. A noun or verb that is none is answered with
 * the one that was most likely meant.
 */
#include <string.h>

#include "base/text.h"
#include "ops/cli/cli.h"

const struct cli_command cli_commands[] = {
#define CLI_COMMAND(noun, verb, words, least, most, flags, function, help, more)                   \
    {noun, verb, words, least, most, (flags) | FLAGS_OF_ALL, function, help, more},
#include "ops/cli/commands.def"
#undef CLI_COMMAND
};
const size_t cli_commands_n = sizeof cli_commands / sizeof *cli_commands;

#define COMMANDS_N (sizeof cli_commands / sizeof *cli_commands)

static int no_noun(const char *word, struct sm_err *err)
{
    const char *names[COMMANDS_N];
    for (size_t i = 0; i < COMMANDS_N; i++)
        names[i] = cli_commands[i].noun;
    const char *near = sm_text_near(word, strlen(word), names, COMMANDS_N);
    if (word[0] == '-')
        return sm_err_set(err, SM_E_USAGE,
                          "%.64s: flags stand behind the command: stampmill queue ls -o json",
                          word);
    if (near != NULL)
        return sm_err_set(err, SM_E_USAGE, "unknown command \"%.64s\"; did you mean \"%s\"?", word,
                          near);
    return sm_err_set(err, SM_E_USAGE,
                      "unknown command \"%.64s\"; stampmill --help lists what there is", word);
}

static int no_verb(const char *noun, const char *word, struct sm_err *err)
{
    const char *names[COMMANDS_N];
    for (size_t i = 0; i < COMMANDS_N; i++)
        names[i] = strcmp(cli_commands[i].noun, noun) == 0 ? cli_commands[i].verb : NULL;
    if (word == NULL || word[0] == '-')
        return sm_err_set(err, SM_E_USAGE,
                          "%s: a verb is missing; stampmill %s --help lists what there is", noun,
                          noun);
    const char *near = sm_text_near(word, strlen(word), names, COMMANDS_N);
    if (near != NULL)
        return sm_err_set(err, SM_E_USAGE, "unknown command \"%s %.64s\"; did you mean \"%s %s\"?",
                          noun, word, noun, near);
    return sm_err_set(err, SM_E_USAGE,
                      "unknown command \"%s %.64s\"; stampmill %s --help lists what there is", noun,
                      word, noun);
}

int cli_command_find(int argc, char **argv, const struct cli_command **command, int *used,
                     struct sm_err *err)
{
    const char *noun = NULL, *word = argc > 1 ? argv[1] : NULL;
    for (size_t i = 0; i < COMMANDS_N; i++) {
        const struct cli_command *row = &cli_commands[i];
        if (strcmp(row->noun, argv[0]) != 0)
            continue;
        noun = row->noun;
        if (row->verb[0] == '\0' || (word != NULL && strcmp(row->verb, word) == 0)) {
            *command = row;
            *used = row->verb[0] == '\0' ? 1 : 2;
            return 0;
        }
    }
    return noun == NULL ? no_noun(argv[0], err) : no_verb(noun, word, err);
}

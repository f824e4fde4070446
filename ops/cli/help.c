/*
 * Help, made from the tables: commands.def, flags.def, and for `job add TYPE --help` the type's own
 * row, which is also what checks its arguments.
 */
#include <string.h>

#include "jobs/job.h"
#include "ops/cli/cli.h"

static void print_command(FILE *out, const struct cli_command *c)
{
    char left[64];
    snprintf(left, sizeof left, "%s%s%s%s%s", c->noun, c->verb[0] == '\0' ? "" : " ", c->verb,
             c->words[0] == '\0' ? "" : " ", c->words);
    fprintf(out, "  %-16s  %s\n", left, c->help);
}

static void print_flag(FILE *out, const struct cli_flag *flag)
{
    char left[48], letter[8] = "    ";
    if (flag->letter != 0)
        snprintf(letter, sizeof letter, "-%c, ", flag->letter);
    snprintf(left, sizeof left, "%s--%s%s%s", letter, flag->name, flag->value == NULL ? "" : " ",
             flag->value == NULL ? "" : flag->value);
    fprintf(out, "  %-24s  %s\n", left, flag->help);
}

static void print_flags(FILE *out, unsigned flags)
{
    for (int i = 0; i < FLAGS_N; i++)
        if ((flags & (1u << i)) != 0)
            print_flag(out, &cli_flags[i]);
}

#define ID_HELP                                                                                    \
    "\nAn ID is a job's id, or queue/entry-id as XADD returned it: default/1700000000000-0.\n"

void cli_help(FILE *out, const char *noun)
{
    if (noun == NULL)
        fputs("Puts jobs into Stampmill's queues, and shows what became of them.\n\n", out);
    fprintf(out, "Usage: stampmill %s%s [flags]\n\nCommands:\n", noun == NULL ? "" : noun,
            noun == NULL ? "COMMAND" : " VERB");
    for (size_t i = 0; i < cli_commands_n; i++)
        if (noun == NULL || strcmp(noun, cli_commands[i].noun) == 0)
            print_command(out, &cli_commands[i]);
    fputs("\nFlags of every command:\n", out);
    print_flags(out, FLAGS_OF_ALL);
    if (noun == NULL || strcmp(noun, "job") == 0)
        fputs(ID_HELP, out);
    fputs(
        "\nstampmill COMMAND --help says more; stampmill job add TYPE --help shows a type's "
        "arguments.\n\n"
        "Exit: 0 ok, 1 failed, 2 usage, 3 refused, 4 not found, 5 job failed, 6 still running at\n"
        "the timeout, 69 Redis or PostgreSQL unreachable, 77 no permission, 130 interrupted.\n",
        out);
}

static const char *kind_name(const struct sm_arg *arg)
{
    static const char *const names[] = {
        [SM_ARG_INT] = "integer",
        [SM_ARG_FLOAT] = "number",
        [SM_ARG_BOOL] = "bool",
        [SM_ARG_TEXT] = "text",
        [SM_ARG_CHOICE] = "one of",
        [SM_ARG_CHOICES] = "list of",
        [SM_ARG_TEXTS] = "list of text",
        [SM_ARG_INTS] = "list of integers",
        [SM_ARG_SCALAR] = "text, number or bool",
        [SM_ARG_MAPS] = "list of maps",
    };
    return names[arg->kind];
}

static void print_arg(FILE *out, const struct sm_arg *arg, int indent)
{
    fprintf(out, "%*s%-14s  %s%s%s%s%s%s%s\n%*s%s\n", indent, "", arg->name, kind_name(arg),
            arg->choices == NULL ? "" : " ", arg->choices == NULL ? "" : arg->choices,
            arg->required ? ", required" : "", arg->fallback == NULL ? "" : ", default ",
            arg->fallback == NULL ? "" : arg->fallback, arg->kind == SM_ARG_MAPS ? ":" : "",
            indent + 16, "", arg->help == NULL ? "" : arg->help);
    if (arg->kind == SM_ARG_MAPS)
        for (const struct sm_arg *a = arg->fields; a->name != NULL; a++)
            print_arg(out, a, indent + 4);
}

/* As printf takes it; examples hold neither quotes of the shell's nor percent signs. */
static void print_input(FILE *out, const char *input)
{
    if (input == NULL)
        return;
    fputs("printf '", out);
    for (; *input != '\0'; input++)
        *input == '\n' ? fputs("\\n", out) : fputc(*input, out);
    fputs("' | ", out);
}

static void print_type(FILE *out, const struct sm_type *type)
{
    fprintf(out, "\n%s: %s%s\n", type->name, type->summary,
            type->takes_input ? "" : " (takes no input)");
    if (type->open_args)
        fputs("  any map\n", out);
    for (const struct sm_arg *a = type->schema; a != NULL && a->name != NULL; a++)
        print_arg(out, a, 2);
    fprintf(out, "Result: %s\nExample: ", type->result_help);
    print_input(out, type->example_input);
    const char *input = type->example_input != NULL ? " --input -"
                        : type->takes_input         ? " --input FILE"
                                                    : "";
    fprintf(out, "stampmill job add %s%s --args '%s' --wait\n", type->name, input,
            type->example_args);
}

static void print_types(FILE *out)
{
    fputs("\nTypes:\n", out);
    for (size_t i = 0; sm_type_at(i) != NULL; i++)
        fprintf(out, "  %-20s  %s%s\n", sm_type_at(i)->name, sm_type_at(i)->summary,
                sm_type_at(i)->debug ? " (only with stampmilld --debug-types)" : "");
}

void cli_help_command(FILE *out, const struct cli *cli)
{
    const struct cli_command *c = cli->command;
    const struct sm_type *type =
        cli->words_n > 0 ? sm_type_find(cli->words[0], strlen(cli->words[0])) : NULL;
    const char *words = c->run == cli_job_add && type != NULL ? type->name : c->words;
    fprintf(out, "Usage: stampmill %s%s%s%s%s [flags]\n\n%s\n\n%s\n%s\nFlags:\n", c->noun,
            c->verb[0] == '\0' ? "" : " ", c->verb, words[0] == '\0' ? "" : " ", words, c->help,
            c->more, strcmp(c->words, "ID") == 0 ? ID_HELP : "");
    print_flags(out, c->flags);
    if (c->run != cli_job_add)
        return;
    if (type == NULL)
        print_types(out);
    else
        print_type(out, type);
}

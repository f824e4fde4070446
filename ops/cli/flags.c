/*
 * Reading the command line: getopt_long over the rows of flags.def that the command takes. What is
 * a setting as well (the two URLs) is passed on to base/settings.h, which knows the environment and
 * blots passwords out of argv.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/settings.h"
#include "base/text.h"
#include "ops/cli/cli.h"

#define LONG_BASE 256 /* above every letter */

const struct cli_flag cli_flags[FLAGS_N] = {
#define CLI_FLAG(symbol, name, letter, value, help) {name, letter, value, help},
#include "ops/cli/flags.def"
#undef CLI_FLAG
};

static const struct sm_setting settings[] = {
#define CLI_SETTING(symbol, name, kind, fallback, env, help)                                       \
    {name, kind, fallback, 0, 0, env, help},
#include "ops/cli/settings.def"
#undef CLI_SETTING
};

enum {
#define CLI_SETTING(symbol, name, kind, fallback, env, help) SET_##symbol,
#include "ops/cli/settings.def"
#undef CLI_SETTING
    SETTINGS_N
};

struct parser {
    struct option rows[FLAGS_N + 1];
    char letters[2 * FLAGS_N + 2];
};

static void make_parser(struct parser *parser, unsigned flags)
{
    size_t n = 0, letters = 0;
    memset(parser, 0, sizeof *parser);
    parser->letters[letters++] = ':'; /* tells a missing value from an unknown flag */
    for (int i = 0; i < FLAGS_N; i++) {
        bool value = cli_flags[i].value != NULL;
        if ((flags & (1u << i)) == 0)
            continue;
        parser->rows[n++] = (struct option){
            cli_flags[i].name, value ? required_argument : no_argument, NULL, LONG_BASE + i};
        if (cli_flags[i].letter == 0)
            continue;
        parser->letters[letters++] = (char)cli_flags[i].letter;
        if (value)
            parser->letters[letters++] = ':';
    }
}

/* getopt's answer as an index of cli_flags. */
static int flag_of(int answer)
{
    int i = 0;
    if (answer >= LONG_BASE)
        return answer - LONG_BASE;
    while (cli_flags[i].letter != answer)
        i++;
    return i;
}

/* getopt_long's '?': a word that begins with --, or one letter of a word like -xyz, which it names
 * in optopt alone. */
static int unknown(const struct cli *cli, const char *word, struct sm_err *err)
{
    const char *names[FLAGS_N], *near = NULL;
    const struct cli_command *c = cli->command;
    char letter[] = {'-', (char)optopt, '\0'};
    if (optopt >= LONG_BASE)
        return sm_err_set(err, SM_E_USAGE, "--%s: takes no value", cli_flags[flag_of(optopt)].name);
    if (optopt != 0)
        word = letter;
    size_t size = strcspn(word, "=");
    for (int i = 0; i < FLAGS_N; i++)
        names[i] = (c->flags & (1u << i)) != 0 ? cli_flags[i].name : NULL;
    if (strncmp(word, "--", 2) == 0)
        near = sm_text_near(word + 2, size - 2, names, FLAGS_N);
    if (near != NULL)
        return sm_err_set(err, SM_E_USAGE, "unknown flag %.*s; did you mean --%s?", (int)size, word,
                          near);
    return sm_err_set(err, SM_E_USAGE, "unknown flag %.*s; stampmill %s%s%s --help lists them",
                      (int)size, word, c->noun, c->verb[0] == '\0' ? "" : " ", c->verb);
}

static int add_tag(struct cli *cli, char *text, struct sm_err *err)
{
    char *equals = strchr(text, '=');
    if (equals == NULL || equals == text || equals[1] == '\0')
        return sm_err_set(err, SM_E_USAGE, "--tag: expected key=value, got \"%.64s\"", text);
    if (cli->tags_n == CLI_TAGS_MOST)
        return sm_err_set(err, SM_E_USAGE, "--tag: at most %d of them", CLI_TAGS_MOST);
    *equals = '\0';
    cli->tags[cli->tags_n++] = (struct sm_tag){text, equals + 1};
    return 0;
}

static int read_flags(struct cli *cli, int argc, char **argv, struct sm_err *err)
{
    static char given[] = "";
    struct parser parser;
    int answer, rc = 0;
    make_parser(&parser, cli->command->flags);
    opterr = 0;
    while (rc == 0 && (answer = getopt_long(argc, argv, parser.letters, parser.rows, NULL)) != -1) {
        if (answer == '?')
            return unknown(cli, argv[optind - 1], err);
        if (answer == ':')
            return sm_err_set(err, SM_E_USAGE, "%.64s: needs a value", argv[optind - 1]);
        int i = flag_of(answer);
        cli->flag[i] = cli_flags[i].value == NULL ? given : optarg;
        if (i == FLAG_TAG)
            rc = add_tag(cli, optarg, err);
    }
    cli->words = argv + optind;
    cli->words_n = argc - optind;
    return rc;
}

static int check_words(const struct cli *cli, struct sm_err *err)
{
    const struct cli_command *c = cli->command;
    const char *gap = c->verb[0] == '\0' ? "" : " ";
    if (cli->words_n < c->least)
        return sm_err_set(err, SM_E_USAGE,
                          "%s%s%s: %s is missing; stampmill %s%s%s --help says more", c->noun, gap,
                          c->verb, c->words, c->noun, gap, c->verb);
    if (cli->words_n > c->most)
        return sm_err_set(err, SM_E_USAGE, "%s%s%s: \"%.64s\" is one word too many", c->noun, gap,
                          c->verb, cli->words[c->most]);
    return 0;
}

static int read_format(struct cli *cli, struct sm_err *err)
{
    const char *format = cli->flag[FLAG_OUTPUT];
    cli->json = format != NULL ? strcmp(format, "json") == 0 : !isatty(STDOUT_FILENO);
    if (format == NULL || cli->json || strcmp(format, "table") == 0)
        return 0;
    return sm_err_set(err, SM_E_USAGE, "--output: expected table or json, got \"%.64s\"", format);
}

static int read_settings(struct cli *cli, struct sm_err *err)
{
    struct sm_setting_value values[SETTINGS_N] = {0};
    char redis[] = "--redis.url", postgres[] = "--postgres.url";
    char *words[4];
    int n = 0;
    if (cli->flag[FLAG_REDIS_URL] != NULL) {
        words[n++] = redis;
        words[n++] = cli->flag[FLAG_REDIS_URL];
    }
    if (cli->flag[FLAG_POSTGRES_URL] != NULL) {
        words[n++] = postgres;
        words[n++] = cli->flag[FLAG_POSTGRES_URL];
    }
    int rc = sm_settings_read(settings, SETTINGS_N, values, &n, words, getenv, err);
    cli->redis_url = values[SET_REDIS_URL].text; /* taken over */
    cli->postgres_url = values[SET_POSTGRES_URL].text;
    values[SET_REDIS_URL].text = values[SET_POSTGRES_URL].text = NULL;
    sm_settings_free(SETTINGS_N, values);
    return rc;
}

int cli_flags_read(struct cli *cli, int argc, char **argv, struct sm_err *err)
{
    int rc = read_flags(cli, argc, argv, err);
    if (rc != 0 || cli->flag[FLAG_HELP] != NULL || cli->flag[FLAG_VERSION] != NULL)
        return rc;
    rc = check_words(cli, err);
    if (rc == 0)
        rc = read_format(cli, err);
    return rc == 0 ? read_settings(cli, err) : rc;
}

static void free_url(char *url)
{
    if (url != NULL)
        explicit_bzero(url, strlen(url));
    free(url);
}

void cli_free(struct cli *cli)
{
    free_url(cli->redis_url);
    free_url(cli->postgres_url);
}

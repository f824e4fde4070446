/*
 * The command line: what its parts share. One call of the program is one struct cli, read by
 * flags.c from the tables flags.def and commands.def and handed to the command's function.
 * Thread: main, the only one.
 */
#ifndef SM_OPS_CLI_H
#define SM_OPS_CLI_H

#include <stdbool.h>
#include <stdio.h>

#include "queue/inspect.h"
#include "stampmill/error.h"
#include "stampmill/producer.h"
#include "store/read.h"

enum cli_flag_id {
#define CLI_FLAG(symbol, name, letter, value, help) FLAG_##symbol,
#include "ops/cli/flags.def"
#undef CLI_FLAG
    FLAGS_N
};

#define FLAG(symbol) (1u << FLAG_##symbol)
#define FLAGS_OF_ALL                                                                               \
    (FLAG(OUTPUT) | FLAG(REDIS_URL) | FLAG(POSTGRES_URL) | FLAG(HELP) | FLAG(VERSION))

struct cli_flag {
    const char *name;
    int letter;
    const char *value, *help;
};

/* The rows of flags.def, by enum cli_flag_id. */
extern const struct cli_flag cli_flags[FLAGS_N];

/* The exit codes (design, section 9). */
enum cli_exit {
    EXIT_OK = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_REFUSED = 3,
    EXIT_NOT_FOUND = 4,
    EXIT_JOB_FAILED = 5,
    EXIT_STILL_RUNNING = 6,
    EXIT_UNREACHABLE = 69,
    EXIT_PERMISSION = 77,
    EXIT_INTERRUPTED = 130,
};

#define CLI_TAGS_MOST 16

struct cli {
    const struct cli_command *command;
    char **words; /* behind noun and verb */
    int words_n;
    char *flag[FLAGS_N]; /* NULL: not given; "" for one that stands alone */
    struct sm_tag tags[CLI_TAGS_MOST];
    size_t tags_n;
    bool json;          /* how to print */
    char *redis_url;    /* from the settings; never NULL; may hold a password */
    char *postgres_url; /* NULL: the PG* environment */
};

struct cli_command {
    const char *noun, *verb, *words;
    int least, most;
    unsigned flags;
    /* Does it: an exit code, or a negative SM_E_* with its text in *err, which main prints. */
    int (*run)(struct cli *cli, struct sm_err *err);
    const char *help, *more;
};

/* ---- commands.c -- */

extern const struct cli_command cli_commands[];
extern const size_t cli_commands_n;

/* The command that argv names; how many words name it in *used. SM_E_USAGE with "did you mean". */
int cli_command_find(int argc, char **argv, const struct cli_command **command, int *used,
                     struct sm_err *err);

int cli_job_add(struct cli *cli, struct sm_err *err);
int cli_job_show(struct cli *cli, struct sm_err *err);
int cli_job_result(struct cli *cli, struct sm_err *err);
int cli_job_wait(struct cli *cli, struct sm_err *err);
int cli_job_retry(struct cli *cli, struct sm_err *err);
int cli_job_cancel(struct cli *cli, struct sm_err *err);
int cli_job_ls(struct cli *cli, struct sm_err *err);
int cli_queue_ls(struct cli *cli, struct sm_err *err);
int cli_queue_purge(struct cli *cli, struct sm_err *err);
int cli_db_migrate(struct cli *cli, struct sm_err *err);
int cli_db_status(struct cli *cli, struct sm_err *err);
int cli_db_prune(struct cli *cli, struct sm_err *err);
int cli_doctor(struct cli *cli, struct sm_err *err);

/* ---- flags.c -- */

/* Reads flags and words behind the command, and the settings. Passwords are blotted out of argv.
 * SM_E_USAGE, SM_E_CONFIG. */
int cli_flags_read(struct cli *cli, int argc, char **argv, struct sm_err *err);
void cli_free(struct cli *cli);

/* ---- help.c -- */

/* Help: for everything (noun NULL), for a noun, for a command; for `job add TYPE` the type's
 * arguments as well. */
void cli_help(FILE *out, const char *noun);
void cli_help_command(FILE *out, const struct cli *cli);

/* ---- servers.c -- */

/* Each opens a connection, or returns NULL with *err saying which server and what to do. */
struct sm_client *cli_open_client(const struct cli *cli, struct sm_err *err);
struct sm_inspector *cli_open_inspector(const struct cli *cli, struct sm_err *err);
struct sm_reader *cli_open_reader(const struct cli *cli, struct sm_err *err);
struct sm_pg_options cli_pg_options(const struct cli *cli);
/* Puts the server's name in front and what to do next behind; keeps and returns the code. */
int cli_explain(struct sm_err *err, const char *server);
/* The exit code of a negative SM_E_*. */
int cli_exit_of(int code);

/* A job as the user names it. */
struct cli_ref {
    struct sm_id id;
    bool has_entry; /* named as queue/entry-id */
    char queue[SM_QUEUE_NAME_MAX + 1];
    struct sm_entry_id entry;
};
/* Reads an id or queue/entry-id; asks Redis for the job id of the latter. SM_E_USAGE,
 * SM_E_NOT_FOUND, a SERVER code. */
int cli_ref_read(const struct cli *cli, const char *text, struct cli_ref *ref, struct sm_err *err);
/* SM_E_NOT_FOUND with a text for the user, for a job that is neither in Redis nor in PostgreSQL. */
int cli_ref_not_found(const struct cli_ref *ref, const char *text, struct sm_err *err);

/* ---- confirm.c -- */

/* Asks whether to do what the words say, unless --yes was given. 0, or SM_E_CONFLICT: no, or there
 * is no terminal to ask on. */
int cli_confirm(const struct cli *cli, struct sm_err *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- job_wait.c -- */

/* Polls until the job's row says that it has ended, or for at most timeout_ms (0: for ever). Fills
 * *row. 0, SM_E_TIMEOUT, a SERVER code. */
int cli_wait_row(struct sm_reader *reader, const struct sm_id *id, int64_t timeout_ms,
                 struct sm_job_row *row, struct sm_err *err);
/* --timeout in ms, 0 when not given. SM_E_USAGE. */
int cli_timeout(const struct cli *cli, int64_t *ms, struct sm_err *err);

/* ---- row.c -- */

/* Prints a row of stampmill.results, and the attempts that failed when they are given. 0 or
 * SM_E_IO.
 */
int cli_row_print_with(const struct cli *cli, const struct sm_job_row *row,
                       const struct sm_attempt_row *attempts, size_t n, struct sm_err *err);
int cli_row_print(const struct cli *cli, const struct sm_job_row *row, struct sm_err *err);
/* 0 for a succeeded row, EXIT_JOB_FAILED for one that ended otherwise. */
int cli_row_exit(const struct sm_job_row *row);
/* True when the state is one that ends a job. */
bool cli_row_ended(const struct sm_job_row *row);

#endif

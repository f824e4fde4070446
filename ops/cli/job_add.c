/*
 * `job add`: checks type and arguments against the schema that the worker uses, then sends. What a
 * worker would bury is refused here, where the one who can mend it is looking.
 *
 * The id goes to standard output at once and alone (with -o json: in a map), so that a script reads
 * it, and so that it is known when --wait is interrupted. How the job ended goes to standard error;
 * with -o json the row follows on standard output.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "jobs/job.h"
#include "ops/cli/cli.h"
#include "ops/cli/out.h"

enum {
    INPUT_MOST = 16777216, /* fields.def: a larger one the producer refuses */
    READ_STEP = 65536,
};

static int find_type(const char *name, const struct sm_type **type, struct sm_err *err)
{
    *type = sm_type_find(name, strlen(name));
    if (*type != NULL)
        return 0;
    const char *near = sm_type_near(name, strlen(name));
    if (near != NULL)
        return sm_err_set(err, SM_E_UNKNOWN_TYPE, "unknown type \"%.64s\"; did you mean \"%s\"?",
                          name, near);
    return sm_err_set(err, SM_E_UNKNOWN_TYPE,
                      "unknown type \"%.64s\"; stampmill job add --help lists them", name);
}

/* The arguments as checked msgpack. */
static int read_args(const struct cli *cli, const struct sm_type *type, struct sm_buf *args,
                     struct sm_err *err)
{
    const char *text = cli->flag[FLAG_ARGS] == NULL ? "{}" : cli->flag[FLAG_ARGS];
    int rc = sm_json_to_msgpack(text, strlen(text), args, err);
    if (rc != 0)
        return sm_err_wrap(err, "--args");
    return sm_args_check(type, args->data, args->size, err);
}

static int read_all(int fd, const char *name, struct sm_buf *input, struct sm_err *err)
{
    for (;;) {
        char *room = sm_buf_reserve(input, READ_STEP);
        if (room == NULL)
            return sm_err_set(err, SM_E_NO_MEMORY, "--input: no memory");
        ssize_t n = read(fd, room, READ_STEP);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sm_err_set(err, SM_E_USAGE, "--input %.200s: %s", name, strerror(errno));
        if (n == 0)
            return 0;
        sm_buf_commit(input, (size_t)n);
        if (input->size > INPUT_MOST)
            return sm_err_set(err, SM_E_USAGE,
                              "--input %.200s: larger than %d bytes, the most a job takes", name,
                              INPUT_MOST);
    }
}

static int read_input(const struct cli *cli, const struct sm_type *type, struct sm_buf *input,
                      struct sm_err *err)
{
    const char *name = cli->flag[FLAG_INPUT];
    if (name == NULL)
        return 0;
    if (!type->takes_input)
        return sm_err_set(err, SM_E_BAD_ARGS, "--input: %s takes no input", type->name);
    if (strcmp(name, "-") == 0)
        return read_all(STDIN_FILENO, name, input, err);
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return sm_err_set(err, SM_E_USAGE, "--input %.200s: %s", name, strerror(errno));
    int rc = read_all(fd, name, input, err);
    close(fd);
    return rc;
}

static int read_id(const struct cli *cli, struct sm_id *id, struct sm_err *err)
{
    static const struct sm_id nil;
    const char *text = cli->flag[FLAG_ID];
    *id = sm_id_new();
    if (text == NULL)
        return 0;
    if (!sm_id_parse(text, strlen(text), id) || memcmp(id, &nil, sizeof nil) == 0)
        return sm_err_set(err, SM_E_USAGE, "--id: expected a UUID but the nil one, got \"%.64s\"",
                          text);
    return 0;
}

static int send(const struct cli *cli, const struct sm_job_spec *job, struct sm_err *err)
{
    struct sm_client *client = cli_open_client(cli, err);
    if (client == NULL)
        return err->code;
    int rc = sm_enqueue(client, job, NULL, err);
    sm_client_close(client);
    return rc == 0 || rc == SM_E_USAGE ? rc : cli_explain(err, "Redis");
}

static int print_id(const struct cli *cli, const struct sm_job_spec *job, struct sm_err *err)
{
    char id[SM_ID_TEXT + 1]; /* and a line's end */
    struct cli_out out;
    sm_id_format(job->id, id);
    if (cli->flag[FLAG_OUTPUT] == NULL || !cli->json) {
        strcat(id, "\n");
        return out_bytes(id, strlen(id), err);
    }
    out_open(&out, true, false);
    out_record(&out);
    out_text(&out, "id", id);
    out_text(&out, "queue", job->queue == NULL ? "default" : job->queue);
    out_text(&out, "type", job->type);
    return out_close(&out, err);
}

/* One line on how it ended. */
static int tell_end(const struct cli *cli, const struct sm_job_row *row, struct sm_err *err)
{
    if (cli->flag[FLAG_OUTPUT] != NULL && cli->json)
        return cli_row_print(cli, row, err);
    if (row->error_code != NULL)
        fprintf(stderr, "%s: %s: %s\n", row->state, row->error_code,
                row->error_text == NULL ? "" : row->error_text);
    else
        fprintf(stderr, "%s: %.300s%s\n", row->state, row->result == NULL ? "" : row->result,
                row->body_size > 0 ? " (and a body: stampmill job result prints it)" : "");
    return 0;
}

static int wait_for(const struct cli *cli, struct sm_reader *reader, const struct sm_id *id,
                    int64_t timeout_ms, struct sm_err *err)
{
    struct sm_job_row row;
    int rc = cli_wait_row(reader, id, timeout_ms, &row, err);
    if (rc == SM_E_TIMEOUT) {
        fputs("stampmill: the job has not ended; stampmill job wait waits on\n", stderr);
        return EXIT_STILL_RUNNING;
    }
    if (rc != 0)
        return rc;
    rc = tell_end(cli, &row, err);
    if (rc == 0)
        rc = cli_row_exit(&row);
    sm_job_row_free(&row);
    return rc;
}

/* Sends, prints the id and, when asked, waits. PostgreSQL is reached first: a wait that cannot
 * begin should not leave a job behind. */
static int send_and_wait(const struct cli *cli, const struct sm_job_spec *job, struct sm_err *err)
{
    struct sm_reader *reader = NULL;
    int64_t timeout_ms;
    int rc = cli_timeout(cli, &timeout_ms, err);
    if (rc == 0 && timeout_ms > 0 && cli->flag[FLAG_WAIT] == NULL)
        rc = sm_err_set(err, SM_E_USAGE, "--timeout: stands without --wait");
    if (rc == 0 && cli->flag[FLAG_WAIT] != NULL && (reader = cli_open_reader(cli, err)) == NULL)
        rc = err->code;
    if (rc == 0)
        rc = send(cli, job, err);
    if (rc == 0)
        rc = print_id(cli, job, err);
    if (rc == 0 && reader != NULL)
        rc = wait_for(cli, reader, job->id, timeout_ms, err);
    sm_reader_close(reader);
    return rc;
}

int cli_job_add(struct cli *cli, struct sm_err *err)
{
    const struct sm_type *type = NULL;
    struct sm_buf args, input;
    struct sm_id id;
    sm_buf_init(&args, 0);
    sm_buf_init(&input, 0);
    int rc = find_type(cli->words[0], &type, err);
    if (rc == 0)
        rc = read_args(cli, type, &args, err);
    if (rc == 0)
        rc = read_id(cli, &id, err);
    if (rc == 0)
        rc = read_input(cli, type, &input, err);
    if (rc == 0) {
        struct sm_job_spec job = {.queue = cli->flag[FLAG_QUEUE],
                                  .type = type->name,
                                  .args = args.data,
                                  .args_size = args.size,
                                  .input = cli->flag[FLAG_INPUT] == NULL ? NULL
                                           : input.data == NULL          ? ""
                                                                         : input.data,
                                  .input_size = input.size,
                                  .id = &id,
                                  .tags = cli->tags,
                                  .tags_n = cli->tags_n};
        rc = send_and_wait(cli, &job, err);
    }
    sm_buf_free(&args);
    sm_buf_free(&input);
    return rc;
}

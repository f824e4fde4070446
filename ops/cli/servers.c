/*
 * Reaching Redis and PostgreSQL, and saying what to do when that fails: the one line that a person
 * reads names the server, what it said, and the next step.
 */
#include <string.h>

#include "ops/cli/cli.h"
#include "queue/redis.h"

int cli_exit_of(int code)
{
    switch (code) {
    case SM_E_USAGE:
    case SM_E_CONFIG:
    case SM_E_BAD_ARGS:
    case SM_E_UNKNOWN_TYPE:
        return EXIT_USAGE;
    case SM_E_CONFLICT:
    case SM_E_FULL:
    case SM_E_READ_ONLY:
    case SM_E_UNSAFE:
        return EXIT_REFUSED;
    case SM_E_NOT_FOUND:
        return EXIT_NOT_FOUND;
    case SM_E_UNREACHABLE:
    case SM_E_TIMEOUT:
        return EXIT_UNREACHABLE;
    case SM_E_AUTH:
    case SM_E_PERMISSION:
        return EXIT_PERMISSION;
    default:
        return EXIT_FAILED;
    }
}

/* What to do next; NULL when the message says it already. */
static const char *advice(int code, bool redis)
{
    switch (code) {
    case SM_E_CONFIG:
        return redis ? NULL : "it comes from --postgres.url or STAMPMILL_DATABASE_URL";
    case SM_E_UNREACHABLE:
        return redis ? "is it running? set --redis.url or STAMPMILL_REDIS_URL"
                     : "is it running? set --postgres.url or STAMPMILL_DATABASE_URL";
    case SM_E_AUTH:
        return redis ? "check user and password in STAMPMILL_REDIS_URL"
                     : "check user and password in STAMPMILL_DATABASE_URL";
    case SM_E_PERMISSION:
        return redis ? "queue/PROTOCOL.md lists the rights that are needed"
                     : "grant the user stampmill_reader, or stampmill_admin to change things";
    default:
        return NULL;
    }
}

int cli_explain(struct sm_err *err, const char *server)
{
    bool redis = strcmp(server, "Redis") == 0;
    const char *next = advice(err->code, redis);
    char said[sizeof err->text];
    strcpy(said, err->text);
    if (strncmp(said, server, strlen(server)) != 0)
        sm_err_wrap(err, "%s", server);
    if (next != NULL) {
        strcpy(said, err->text);
        return sm_err_set(err, err->code, "%.400s; %s", said, next);
    }
    return err->code;
}

struct sm_client *cli_open_client(const struct cli *cli, struct sm_err *err)
{
    struct sm_client *client = sm_client_open(cli->redis_url, err);
    if (client == NULL)
        cli_explain(err, "Redis");
    return client;
}

struct sm_inspector *cli_open_inspector(const struct cli *cli, struct sm_err *err)
{
    struct sm_inspector *in = sm_inspector_open(cli->redis_url, err);
    if (in == NULL)
        cli_explain(err, "Redis");
    return in;
}

struct sm_pg_options cli_pg_options(const struct cli *cli)
{
    /* A command reads rows or migrates: whether the server may lose them is the daemon's question,
     * and `doctor`'s. */
    return (struct sm_pg_options){
        .url = cli->postgres_url, .application = "stampmill", .allow_unsafe = true};
}

struct sm_reader *cli_open_reader(const struct cli *cli, struct sm_err *err)
{
    struct sm_pg_options options = cli_pg_options(cli);
    struct sm_reader *reader = sm_reader_open(&options, err);
    if (reader == NULL)
        cli_explain(err, "PostgreSQL");
    return reader;
}

/* queue/entry-id; false when it is not that. */
static bool read_entry(const char *text, struct cli_ref *ref)
{
    const char *slash = strrchr(text, '/');
    size_t n = slash == NULL ? 0 : (size_t)(slash - text);
    if (slash == NULL || n > SM_QUEUE_NAME_MAX || !sm_queue_name_valid(text, n))
        return false;
    memcpy(ref->queue, text, n);
    ref->queue[n] = '\0';
    return ref->has_entry = sm_entry_id_parse(slash + 1, strlen(slash + 1), &ref->entry);
}

int cli_ref_read(const struct cli *cli, const char *text, struct cli_ref *ref, struct sm_err *err)
{
    memset(ref, 0, sizeof *ref);
    if (sm_id_parse(text, strlen(text), &ref->id))
        return 0;
    if (!read_entry(text, ref))
        return sm_err_set(err, SM_E_USAGE,
                          "\"%.80s\" is no job: expected an id (a UUID) or queue/entry-id, such as "
                          "default/1700000000000-0",
                          text);
    struct sm_inspector *in = cli_open_inspector(cli, err);
    if (in == NULL)
        return err->code;
    int rc = sm_inspect_job_id(in, ref->queue, ref->entry, &ref->id, err);
    sm_inspector_close(in);
    if (rc == SM_E_NOT_FOUND)
        return rc;
    return rc == 0 ? 0 : cli_explain(err, "Redis");
}

int cli_ref_not_found(const struct cli_ref *ref, const char *text, struct sm_err *err)
{
    return sm_err_set(
        err, SM_E_NOT_FOUND,
        "%.80s: neither a result nor a waiting job; a result is kept for the retention "
        "time only%s",
        text, ref->has_entry ? ", and a job that was given an id of its own is found by that" : "");
}

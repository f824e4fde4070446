/*
 * `db prune`: what the daemons do each hour (store/upkeep.h), by hand: where no daemon runs, or for
 * another age.
 */
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "ops/cli/cli.h"
#include "ops/cli/out.h"
#include "store/upkeep.h"

#define CONNECT_MS 5000
#define COUNT_MS 600000
#define BUSY_MS 200
#define BUSY_MOST 50 /* times */
#define DAY_MS 86400000

struct pruning {
    struct sm_upkeep *upkeep;
    struct sm_keep keep;
    uint64_t rows, partitions;
};

static int read_keep(const struct cli *cli, struct sm_keep *keep, struct sm_err *err)
{
    const char *text = cli->flag[FLAG_OLDER];
    int64_t ms;
    *keep = (struct sm_keep){7ll * DAY_MS, 90ll * DAY_MS};
    if (text == NULL)
        return 0;
    if (!sm_text_parse_duration(text, &ms) || ms < DAY_MS / 24)
        return sm_err_set(err, SM_E_USAGE,
                          "--older: expected an age of at least 1h, such as 12h or 30d, got "
                          "\"%.40s\"",
                          text);
    *keep = (struct sm_keep){ms, ms};
    return 0;
}

static void show_progress(const struct pruning *p)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r%" PRIu64 " results ", p->rows);
}

static int prune(struct pruning *p, struct sm_err *err)
{
    struct sm_pruned pruned;
    int busy = 0;
    for (;;) {
        if (sm_upkeep_prune(p->upkeep, &p->keep, &pruned, err) != 0)
            return cli_explain(err, "PostgreSQL");
        if (pruned.busy && ++busy > BUSY_MOST)
            return sm_err_set(err, SM_E_CONFLICT,
                              "a daemon is pruning, or somebody holds a lock on stampmill.results: "
                              "try again later");
        if (pruned.busy)
            poll(NULL, 0, BUSY_MS);
        else if (pruned.what[0] == '\0')
            return 0;
        else
            busy = 0;
        if (pruned.partition || strcmp(pruned.what, "results") == 0)
            p->rows += pruned.rows;
        p->partitions += pruned.partition;
        show_progress(p);
    }
}

static int count_and_confirm(const struct cli *cli, struct pruning *p, struct sm_err *err)
{
    if (sm_upkeep_prunable(p->upkeep, &p->keep, COUNT_MS, &p->rows, err) != 0)
        return cli_explain(err, "PostgreSQL");
    if (cli->flag[FLAG_DRY_RUN] != NULL)
        return 0;
    int rc = cli_confirm(cli, err, "Pruning deletes %" PRIu64 " results", p->rows);
    p->rows = 0;
    return rc;
}

static int print_pruned(const struct cli *cli, const struct pruning *p, struct sm_err *err)
{
    struct cli_out out;
    out_open(&out, cli->json, false);
    out_record(&out);
    out_bool(&out, "dry_run", cli->flag[FLAG_DRY_RUN] != NULL);
    out_int(&out, "results", (int64_t)p->rows);
    out_int(&out, "partitions", (int64_t)p->partitions);
    return out_close(&out, err);
}

int cli_db_prune(struct cli *cli, struct sm_err *err)
{
    struct sm_pg_options options = cli_pg_options(cli);
    struct pruning p = {.rows = 0};
    if (read_keep(cli, &p.keep, err) != 0)
        return err->code;
    p.upkeep = sm_upkeep_open(&options, CONNECT_MS, err);
    if (p.upkeep == NULL)
        return cli_explain(err, "PostgreSQL");
    int rc = cli->flag[FLAG_YES] != NULL && cli->flag[FLAG_DRY_RUN] == NULL
                 ? 0
                 : count_and_confirm(cli, &p, err);
    if (rc == 0 && cli->flag[FLAG_DRY_RUN] == NULL)
        rc = prune(&p, err);
    sm_upkeep_close(p.upkeep);
    return rc == 0 ? print_pruned(cli, &p, err) : rc;
}

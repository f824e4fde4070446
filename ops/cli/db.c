/*
 * `db migrate` and `db status`. `db status` fails (1) when the schema is not this build's, so that
 * a deployment can ask before it starts daemons.
 */
#include "ops/cli/cli.h"
#include "ops/cli/out.h"
#include "store/schema.h"
#include "store/upkeep.h"

#define CONNECT_MS 5000

static void report(int version, const char *name, void *arg)
{
    (void)version; /* the name begins with it */
    out_record(arg);
    out_text(arg, "applied", name);
}

/* Run again, a migration still makes partitions ahead: where no daemon runs, nobody else does. */
static int partitions_ahead(const struct sm_pg_options *options, int *made, struct sm_err *err)
{
    struct sm_upkeep *upkeep = sm_upkeep_open(options, CONNECT_MS, err);
    int rc =
        upkeep == NULL ? err->code : sm_upkeep_make_partitions(upkeep, SM_UPKEEP_DAYS, made, err);
    sm_upkeep_close(upkeep);
    return rc;
}

int cli_db_migrate(struct cli *cli, struct sm_err *err)
{
    struct sm_pg_options options = cli_pg_options(cli);
    struct sm_err printing;
    struct cli_out out;
    int printed = 0, made = 0;
    out_open(&out, cli->json, true);
    int rc = sm_schema_migrate(&options, report, &out, err);
    if (rc == 0)
        rc = partitions_ahead(&options, &made, err);
    if (rc != 0 && out.records == 0)
        out_drop(&out);
    else /* what was applied stays, whatever came after */
        printed = out_close(&out, &printing);
    if (rc != 0)
        return cli_explain(err, "PostgreSQL");
    if (out.records == 0 && made == 0)
        fprintf(stderr, "the schema is at version %d: nothing to do\n", sm_schema_wanted());
    else if (out.records == 0)
        fprintf(stderr, "the schema is at version %d: made the partitions of %d days\n",
                sm_schema_wanted(), made);
    return printed == 0 ? 0 : sm_err_set(err, printed, "%s", printing.text);
}

int cli_db_status(struct cli *cli, struct sm_err *err)
{
    struct sm_pg_options options = cli_pg_options(cli);
    struct sm_schema_state state;
    struct cli_out out;
    if (sm_schema_read(&options, &state, err) != 0)
        return cli_explain(err, "PostgreSQL");
    out_open(&out, cli->json, false);
    out_record(&out);
    out_int(&out, "version", state.version);
    out_int(&out, "wanted", state.wanted);
    out_text(&out, "database", state.database);
    out_text(&out, "user", state.user);
    out_text(&out, "server", state.server);
    out_bool(&out, "can_migrate", state.can_migrate);
    out_bool(&out, "can_work", state.can_work);
    int rc = out_close(&out, err);
    if (rc != 0 || state.version == state.wanted)
        return rc;
    return sm_err_set(
        err, SM_E_SCHEMA,
        state.version < state.wanted
            ? "the schema is version %d, this build needs %d: run stampmill db migrate"
            : "the schema is version %d, newer than the %d of this build: upgrade it",
        state.version, state.wanted);
}

/*
 * `queue ls`: every queue that Redis knows, those too that only a raw XADD ever touched.
 */
#include <stdlib.h>

#include "ops/cli/cli.h"
#include "ops/cli/out.h"

static void put_queue(struct cli_out *out, const struct sm_queue_state *q)
{
    out_record(out);
    out_text(out, "queue", q->name);
    out_int(out, "waiting", (int64_t)q->waiting);
    out_int(out, "in_flight", (int64_t)q->in_flight);
    out_int(out, "later", (int64_t)q->later);
    out_int(out, "length", (int64_t)q->length);
    out_int(out, "workers", (int64_t)q->workers);
    out_bool(out, "paused", q->paused);
    if (q->oldest_ms < 0)
        out_text(out, "oldest_ms", NULL);
    else
        out_int(out, "oldest_ms", q->oldest_ms);
}

int cli_queue_ls(struct cli *cli, struct sm_err *err)
{
    struct sm_queue_state *states = NULL;
    struct cli_out out;
    size_t n = 0;
    struct sm_inspector *in = cli_open_inspector(cli, err);
    if (in == NULL)
        return err->code;
    int rc = sm_inspect_queues(in, &states, &n, err);
    sm_inspector_close(in);
    if (rc != 0)
        return cli_explain(err, "Redis");
    if (n == 0 && !cli->json)
        fputs("no queues yet: a first job makes one\n", stderr);
    out_open(&out, cli->json, true);
    for (size_t i = 0; i < n; i++)
        put_queue(&out, &states[i]);
    free(states);
    return out_close(&out, err);
}

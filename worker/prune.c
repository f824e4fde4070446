/*
 * Pruning. Every hour, in small steps with a pause after each, so that neither the relay, which has
 * the same thread, nor the database waits for it. A daemon that finds another at work leaves it to
 * that one.
 */
#include "worker/prune.h"

#include <string.h>

#define HOUR_US 3600000000
#define BUSY_US 60000000
#define PAUSE_US 20000
#define CONNECT_MS 2000

void sm_prune_close(struct sm_prune_state *prune)
{
    sm_upkeep_close(prune->upkeep);
    prune->upkeep = NULL;
}

static void end(struct sm_prune_state *prune, int64_t next_us)
{
    sm_prune_close(prune);
    prune->next_us = next_us;
    if (prune->rows > 0)
        sm_log(SM_LOG_INFO, "results pruned", SM_N("rows", (int64_t)prune->rows));
    prune->rows = 0;
}

static int step(struct sm_prune_state *prune, const struct sm_options *o, struct sm_pruned *pruned,
                struct sm_err *err)
{
    struct sm_pg_options pg = {
        .url = o->postgres_url, .application = "stampmilld prune", .allow_unsafe = o->allow_unsafe};
    if (prune->upkeep == NULL)
        prune->upkeep = sm_upkeep_open(&pg, CONNECT_MS, err);
    return prune->upkeep == NULL ? err->code
                                 : sm_upkeep_prune(prune->upkeep, &o->keep, pruned, err);
}

static void count(struct sm_prune_state *prune, struct sm_worker *w, const struct sm_pruned *pruned)
{
    if (pruned->partition)
        sm_log(SM_LOG_INFO, "partition dropped", SM_S("partition", pruned->what),
               SM_N("rows", (int64_t)pruned->rows));
    if (pruned->partition || strcmp(pruned->what, "results") == 0) {
        prune->rows += pruned->rows;
        sm_count(&w->stats_mover, SM_C_PRUNED, pruned->rows);
    } else if (strcmp(pruned->what, "outbox") == 0) {
        sm_count(&w->stats_mover, SM_C_CLEARED, pruned->rows);
    }
}

void sm_prune_turn(struct sm_prune_state *prune, struct sm_worker *w)
{
    int64_t now = sm_mono_us(w->clock);
    struct sm_pruned pruned;
    struct sm_err err;
    if (now < prune->next_us)
        return;
    if (step(prune, w->options, &pruned, &err) < 0) {
        sm_log(SM_LOG_WARN, "pruning failed", SM_S("error", sm_error_name(err.code)),
               SM_S("text", err.text));
        end(prune, now + BUSY_US);
        return;
    }
    count(prune, w, &pruned);
    if (pruned.busy)
        end(prune, now + BUSY_US);
    else if (pruned.what[0] == '\0')
        end(prune, now + HOUR_US);
    else
        prune->next_us = sm_mono_us(w->clock) + PAUSE_US;
}

/*
 * `job cancel`: ends a job that has not ended. A durable one ends in PostgreSQL first, or a Redis
 * that is wiped later would bring it back; then its entries in Redis are asked to be dropped. A
 * result that is there by then wins.
 *
 * A job is found by its entry, or by looking through the newest of each queue; where that is not
 * all there is, the request goes to every queue, because a request about an id that is not there
 * does no harm.
 */
#include <stdlib.h>
#include <string.h>

#include "ops/cli/cli.h"
#include "ops/cli/out.h"
#include "queue/admin.h"
#include "store/second_life.h"

#define SEARCH_MOST 10000 /* entries of a queue that are looked through for an id */

struct cancelling {
    struct cli_ref ref;
    struct sm_inspector *in;
    struct sm_reader *reader;
    bool durable, found;
    int64_t at_ms;
};

/* SM_E_CONFLICT when it has ended and nothing of it is in Redis. */
static int refuse_ended(struct cancelling *c, const char *word, struct sm_err *err)
{
    struct sm_job_row row;
    int rc = sm_reader_job(c->reader, &c->ref.id, 0, &row, err);
    if (rc == SM_E_NOT_FOUND)
        return sm_err_set(err, rc, "%.80s: neither a result nor a waiting job", word);
    if (rc != 0)
        return cli_explain(err, "PostgreSQL");
    rc = cli_row_ended(&row)
             ? sm_err_set(err, SM_E_CONFLICT, "%.80s has ended: %s", word, row.state)
             : 0;
    sm_job_row_free(&row);
    return rc;
}

/* Fills in where its entry is; 0 also when it was not found. */
static int find_entry(struct cancelling *c, const char *queue, struct sm_err *err)
{
    struct sm_entry_state state;
    int rc = c->ref.has_entry
                 ? sm_inspect_entry(c->in, c->ref.queue, c->ref.entry, &state, err)
                 : sm_inspect_find(c->in, &c->ref.id, SEARCH_MOST, c->ref.queue, &state, err);
    c->found = rc == 0;
    if (c->found) {
        c->ref.entry = state.delivery.entry;
        sm_entry_state_free(&state);
    }
    if (!c->found && queue != NULL)
        snprintf(c->ref.queue, sizeof c->ref.queue, "%s", queue);
    return rc == 0 || rc == SM_E_NOT_FOUND ? 0 : cli_explain(err, "Redis");
}

/* Asks in every queue; *all: each was short enough to have been looked through. */
static int ask_everywhere(struct cancelling *c, bool *all, struct sm_err *err)
{
    struct sm_queue_state *states;
    size_t n;
    int rc = sm_inspect_queues(c->in, &states, &n, err);
    *all = true;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        *all &= states[i].length <= SEARCH_MOST;
        if (states[i].length > SEARCH_MOST)
            rc = sm_admin_cancel(c->in, states[i].name, &c->ref.id, NULL, &c->at_ms, err);
    }
    if (rc == 0 || n > 0)
        free(states);
    return rc == 0 ? 0 : cli_explain(err, "Redis");
}

static int ask_redis(struct cancelling *c, const char *word, struct sm_err *err)
{
    bool all = false;
    int rc;
    if (c->found || c->ref.queue[0] != '\0') {
        rc = sm_admin_cancel(c->in, c->ref.queue, &c->ref.id, c->found ? &c->ref.entry : NULL,
                             &c->at_ms, err);
        return rc == 0 || rc == SM_E_USAGE ? rc : cli_explain(err, "Redis");
    }
    rc = ask_everywhere(c, &all, err);
    return rc == 0 && all && !c->durable ? refuse_ended(c, word, err) : rc;
}

static int print_request(const struct cli *cli, const struct cancelling *c, struct sm_err *err)
{
    struct cli_out out;
    char id[SM_ID_TEXT];
    sm_id_format(&c->ref.id, id);
    out_open(&out, cli->json, false);
    out_record(&out);
    out_text(&out, "id", id);
    out_text(&out, "queue", c->ref.queue[0] == '\0' ? NULL : c->ref.queue);
    out_bool(&out, "found", c->found);
    out_bool(&out, "durable", c->durable);
    out_time(&out, "requested_at", c->at_ms * 1000);
    return out_close(&out, err);
}

/* Its entry is looked for only once PostgreSQL has ended the job: a relay that is adding it just
 * now holds its row until then. */
static int cancel(struct cli *cli, struct cancelling *c, struct sm_err *err)
{
    if (sm_reader_cancel(c->reader, &c->ref.id, &c->durable, err) != 0)
        return cli_explain(err, "PostgreSQL");
    int rc = find_entry(c, cli->flag[FLAG_QUEUE], err);
    if (rc == 0)
        rc = ask_redis(c, cli->words[0], err);
    return rc == 0 ? print_request(cli, c, err) : rc;
}

int cli_job_cancel(struct cli *cli, struct sm_err *err)
{
    struct cancelling c = {.found = false};
    int rc = cli_ref_read(cli, cli->words[0], &c.ref, err);
    if (rc != 0)
        return rc;
    if ((c.in = cli_open_inspector(cli, err)) == NULL)
        return err->code;
    c.reader = cli_open_reader(cli, err);
    rc = c.reader == NULL ? err->code : cancel(cli, &c, err);
    sm_reader_close(c.reader);
    sm_inspector_close(c.in);
    return rc;
}

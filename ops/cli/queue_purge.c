/*
 * `queue purge`: ends every job of a queue that waits or is parked. A request about what is there
 * when it begins: what comes later stays, and what a worker has runs on.
 *
 * In bounded steps, each of at most a hundred jobs: see which of them no worker has, end the
 * durable ones among them in PostgreSQL (or a Redis that is wiped later would bring them back),
 * then delete the entries that still wait. The newest go first, because workers take the oldest.
 * First over the outbox, which knows of jobs that are not in Redis as well, then over the stream.
 * Cut short anywhere, what is left waits as before, and the command is simply given again.
 *
 * A durable job that a worker takes between the second step and the third has its cancelled row
 * already: it is asked to stop, as by `job cancel`, and a success that it still brings about
 * stands.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "ops/cli/cli.h"
#include "ops/cli/out.h"
#include "queue/admin.h"
#include "queue/purge.h"
#include "store/purge.h"

#define SHOW_US 500000

struct purging {
    const char *queue;
    bool dry; /* only counts */
    struct sm_inspector *in;
    struct sm_reader *reader;
    struct sm_purge stream;
    struct sm_purge_count outbox;
    uint64_t total; /* about so many jobs wait */
    uint64_t durable, plain, running;
    int64_t shown_us;
};

static void show_progress(struct purging *p)
{
    int64_t now = sm_mono_us(&sm_clock_real);
    if (now - p->shown_us < SHOW_US || !isatty(STDERR_FILENO))
        return;
    p->shown_us = now;
    fprintf(stderr, "\r%" PRIu64 " of about %" PRIu64 " jobs ", p->durable + p->plain, p->total);
}

/* Deletes the entries that still wait, and asks that those be dropped which a worker has taken
 * since their row was ended. */
static int delete_entries(struct purging *p, struct sm_purge_entry *entries, size_t n,
                          const struct sm_purge_row *rows, size_t rows_n, struct sm_err *err)
{
    int64_t at_ms;
    int rc = sm_purge_delete(&p->stream, entries, n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        bool ended = false;
        for (size_t k = 0; k < rows_n && entries[i].durable; k++)
            ended |= rows[k].ended && memcmp(&rows[k].id, &entries[i].job, sizeof rows[k].id) == 0;
        if (entries[i].fate == 0 && ended)
            rc = sm_admin_cancel(p->in, p->queue, &entries[i].job, NULL, &at_ms, err);
        p->plain += entries[i].fate == 1 && !entries[i].durable;
    }
    return rc == 0 ? 0 : cli_explain(err, "Redis");
}

/* Ends durable jobs; how many of them. */
static int end_rows(struct purging *p, struct sm_purge_row *rows, size_t n, struct sm_err *err)
{
    if (sm_reader_purge(p->reader, p->queue, rows, n, err) != 0)
        return cli_explain(err, "PostgreSQL");
    for (size_t i = 0; i < n; i++)
        p->durable += rows[i].ended;
    return 0;
}

/* ---- the outbox -- */

/* Asks Redis which of the rows no worker has, and keeps those alone; *entries: where they are. */
static int keep_waiting(struct purging *p, struct sm_purge_row *rows, size_t *n,
                        struct sm_purge_entry *entries, size_t *entries_n, struct sm_err *err)
{
    struct sm_purge_entry asked[SM_PURGE_ROWS];
    size_t asked_n = 0, kept = 0, at = 0;
    for (size_t i = 0; i < *n; i++)
        if (rows[i].relayed)
            asked[asked_n++] = (struct sm_purge_entry){
                {rows[i].entry_ms, rows[i].entry_seq}, rows[i].id, .durable = true};
    if (sm_purge_look(&p->stream, asked, asked_n, err) != 0)
        return cli_explain(err, "Redis");
    for (size_t i = 0; i < *n; i++) {
        const struct sm_purge_entry *entry = rows[i].relayed ? &asked[at++] : NULL;
        if (entry != NULL && entry->fate == 0)
            continue;
        if (entry != NULL)
            entries[(*entries_n)++] = *entry;
        rows[kept++] = rows[i];
    }
    *n = kept;
    return 0;
}

/* One step; *changed: how many rows were not as they were seen. */
static int purge_rows(struct purging *p, struct sm_purge_row *rows, size_t n, size_t *changed,
                      struct sm_err *err)
{
    struct sm_purge_entry entries[SM_PURGE_ROWS];
    size_t entries_n = 0;
    int rc = keep_waiting(p, rows, &n, entries, &entries_n, err);
    if (rc != 0)
        return rc;
    if (p->dry) {
        p->durable += n;
        return 0;
    }
    rc = end_rows(p, rows, n, err);
    for (size_t i = 0; i < n; i++)
        *changed += !rows[i].ended;
    return rc == 0 ? delete_entries(p, entries, entries_n, rows, n, err) : rc;
}

static int pass_over_outbox(struct purging *p, size_t *changed, struct sm_err *err)
{
    struct sm_purge_row rows[SM_PURGE_ROWS];
    struct sm_id below;
    size_t n = 0;
    memset(&below, 0xff, sizeof below);
    *changed = 0;
    do {
        if (sm_reader_purge_rows(p->reader, p->queue, p->outbox.now, &below, rows, &n, err) != 0)
            return cli_explain(err, "PostgreSQL");
        if (n > 0)
            below = rows[n - 1].id;
        int rc = purge_rows(p, rows, n, changed, err);
        if (rc != 0)
            return rc;
        show_progress(p);
    } while (n == SM_PURGE_ROWS);
    return 0;
}

/* Relays move rows meanwhile: those that had changed are looked at once more. */
static int purge_outbox(struct purging *p, struct sm_err *err)
{
    size_t changed;
    int rc;
    do
        rc = pass_over_outbox(p, &changed, err);
    while (rc == 0 && changed > 0);
    return rc;
}

/* ---- the stream -- */

static struct sm_purge_row row_of(const struct sm_purge_entry *entry)
{
    return (struct sm_purge_row){.id = entry->job,
                                 .relayed = true,
                                 .entry_ms = entry->entry.ms,
                                 .entry_seq = entry->entry.seq};
}

/* Keeps those that no worker has; *rows: the durable ones among them. */
static size_t sort_out(struct sm_purge_entry *entries, size_t n, struct sm_purge_row *rows,
                       size_t *rows_n)
{
    size_t kept = 0;
    *rows_n = 0;
    for (size_t i = 0; i < n; i++) {
        if (entries[i].fate != 1)
            continue;
        entries[kept] = entries[i];
        if (entries[kept++].durable)
            rows[(*rows_n)++] = row_of(&entries[i]);
    }
    return kept;
}

/* A relay that was cut off after it had added a job has left an entry that the outbox knows nothing
 * of. Where a worker has it and the job was ended by now, it is asked to stop. */
static int stop_unknown(struct purging *p, const struct sm_purge_entry *entries, size_t n,
                        struct sm_err *err)
{
    struct sm_purge_row rows[SM_PURGE_PAGE];
    size_t rows_n = 0;
    int64_t at_ms;
    int rc = 0;
    for (size_t i = 0; i < n; i++)
        if (entries[i].fate == 0 && entries[i].durable)
            rows[rows_n++] = row_of(&entries[i]);
    if (sm_reader_purge_gone(p->reader, rows, rows_n, err) != 0)
        return cli_explain(err, "PostgreSQL");
    for (size_t i = 0; rc == 0 && i < rows_n; i++)
        if (rows[i].ended)
            rc = sm_admin_cancel(p->in, p->queue, &rows[i].id, NULL, &at_ms, err);
    return rc == 0 ? 0 : cli_explain(err, "Redis");
}

static bool any_durable(const struct sm_purge_entry *entries, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (entries[i].durable)
            return true;
    return false;
}

static int purge_page(struct purging *p, struct sm_purge_entry *entries, size_t n,
                      struct sm_err *err)
{
    struct sm_purge_row rows[SM_PURGE_PAGE];
    size_t rows_n;
    if (!p->dry && !any_durable(entries, n))
        return delete_entries(p, entries, n, NULL, 0, err);
    if (sm_purge_look(&p->stream, entries, n, err) != 0)
        return cli_explain(err, "Redis");
    if (!p->dry && stop_unknown(p, entries, n, err) != 0)
        return err->code;
    n = sort_out(entries, n, rows, &rows_n);
    if (p->dry) { /* the durable ones stand in the outbox and are counted there */
        p->plain += n - rows_n;
        return 0;
    }
    int rc = end_rows(p, rows, rows_n, err);
    return rc == 0 ? delete_entries(p, entries, n, rows, rows_n, err) : rc;
}

static int purge_stream(struct purging *p, struct sm_err *err)
{
    struct sm_purge_entry entries[SM_PURGE_PAGE];
    size_t n;
    for (;;) {
        if (sm_purge_next(&p->stream, entries, &n, err) != 0)
            return cli_explain(err, "Redis");
        if (n == 0)
            return 0;
        int rc = purge_page(p, entries, n, err);
        if (rc != 0)
            return rc;
        show_progress(p);
    }
}

/* ---- all of it -- */

/* What is there; SM_E_NOT_FOUND for a queue that nobody has heard of. */
static int look_first(struct purging *p, struct sm_err *err)
{
    struct sm_queue_state *states;
    size_t n;
    bool known = false;
    if (sm_inspect_queues(p->in, &states, &n, err) != 0)
        return cli_explain(err, "Redis");
    for (size_t i = 0; i < n; i++)
        if (strcmp(states[i].name, p->queue) == 0) {
            known = true;
            p->total = states[i].waiting + states[i].later;
            p->running = states[i].in_flight;
        }
    free(states);
    if (sm_reader_purge_count(p->reader, p->queue, &p->outbox, err) != 0)
        return cli_explain(err, "PostgreSQL");
    p->total += p->outbox.unrelayed;
    if (!known && p->outbox.rows == 0)
        return sm_err_set(err, SM_E_NOT_FOUND, "no queue %.64s; stampmill queue ls shows all",
                          p->queue);
    return 0;
}

static int print_purged(const struct cli *cli, const struct purging *p, struct sm_err *err)
{
    struct cli_out out;
    out_open(&out, cli->json, false);
    out_record(&out);
    out_text(&out, "queue", p->queue);
    out_bool(&out, "dry_run", p->dry);
    out_int(&out, "durable", (int64_t)p->durable);
    out_int(&out, "plain", (int64_t)p->plain);
    out_int(&out, "running", (int64_t)p->running);
    return out_close(&out, err);
}

static int purge(const struct cli *cli, struct purging *p, struct sm_err *err)
{
    int rc = look_first(p, err);
    if (rc == 0 && !p->dry)
        rc = cli_confirm(cli, err, "Purging %.64s ends about %" PRIu64 " jobs that wait there",
                         p->queue, p->total);
    if (rc == 0 && sm_purge_begin(&p->stream, p->in, p->queue, err) != 0)
        rc = cli_explain(err, "Redis");
    if (rc == 0)
        rc = purge_outbox(p, err);
    if (rc == 0)
        rc = purge_stream(p, err);
    if (p->shown_us != 0)
        fputc('\n', stderr);
    if (rc == 0)
        return print_purged(cli, p, err);
    if (p->durable + p->plain > 0)
        sm_err_wrap(err, "%" PRIu64 " jobs were ended, then", p->durable + p->plain);
    return rc;
}

int cli_queue_purge(struct cli *cli, struct sm_err *err)
{
    struct purging p = {.queue = cli->words[0], .dry = cli->flag[FLAG_DRY_RUN] != NULL};
    if (!sm_queue_name_valid(p.queue, strlen(p.queue)))
        return sm_err_set(err, SM_E_USAGE, "\"%.80s\" is no name of a queue", p.queue);
    if ((p.in = cli_open_inspector(cli, err)) == NULL)
        return err->code;
    p.reader = cli_open_reader(cli, err);
    int rc = p.reader == NULL ? err->code : purge(cli, &p, err);
    sm_reader_close(p.reader);
    sm_inspector_close(p.in);
    return rc;
}

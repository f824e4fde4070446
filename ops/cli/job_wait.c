/*
 * Waiting for a job: its row is asked for with growing pauses, 5 ms doubling to 200 ms. Polling,
 * because it needs no right but SELECT, works through every pooler, and costs PostgreSQL five reads
 * of a primary key a second. A job that was never enqueued cannot be told from one that is under
 * way, so that an id which nobody knows is waited for as well: give --timeout. An entry that is
 * gone from its stream, though, has been settled, and its row was committed before: without one,
 * no row will come.
 */
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "ops/cli/cli.h"

#define PAUSE_LEAST_MS 5
#define PAUSE_MOST_MS 200

int cli_timeout(const struct cli *cli, int64_t *ms, struct sm_err *err)
{
    const char *text = cli->flag[FLAG_TIMEOUT];
    *ms = 0;
    if (text == NULL || (sm_text_parse_duration(text, ms) && *ms > 0))
        return 0;
    return sm_err_set(err, SM_E_USAGE,
                      "--timeout: expected a duration such as 500ms, 10s or 5m, "
                      "got \"%.64s\"",
                      text);
}

/* 0: ended; SM_E_NOT_FOUND: not yet. */
static int read_ended(struct sm_reader *reader, const struct sm_id *id, struct sm_job_row *row,
                      struct sm_err *err)
{
    int rc = sm_reader_job(reader, id, SM_READ_ENVELOPE, row, err);
    if (rc == 0 && !cli_row_ended(row)) {
        sm_job_row_free(row);
        return SM_E_NOT_FOUND;
    }
    return rc == 0 || rc == SM_E_NOT_FOUND ? rc : cli_explain(err, "PostgreSQL");
}

int cli_wait_row(struct sm_reader *reader, const struct sm_id *id, int64_t timeout_ms,
                 struct sm_job_row *row, struct sm_err *err)
{
    int64_t end_ms = sm_mono_us(&sm_clock_real) / 1000 + timeout_ms;
    int pause = PAUSE_LEAST_MS;
    for (;;) {
        int rc = read_ended(reader, id, row, err);
        int64_t left = end_ms - sm_mono_us(&sm_clock_real) / 1000;
        if (rc != SM_E_NOT_FOUND)
            return rc;
        if (timeout_ms > 0 && left <= 0)
            return sm_err_set(err, SM_E_TIMEOUT, "the job has not ended");
        poll(NULL, 0, timeout_ms > 0 && left < pause ? (int)left : pause);
        pause = pause * 2 < PAUSE_MOST_MS ? pause * 2 : PAUSE_MOST_MS;
    }
}

static int wait_and_print(const struct cli *cli, struct sm_reader *reader, const struct sm_id *id,
                          int64_t timeout_ms, struct sm_err *err)
{
    struct sm_job_row row;
    char text[SM_ID_TEXT];
    int rc = cli_wait_row(reader, id, timeout_ms, &row, err);
    if (rc == SM_E_TIMEOUT) {
        sm_id_format(id, text);
        fprintf(stderr, "stampmill: %s has not ended; stampmill job show %s says where it is\n",
                text, text);
        return EXIT_STILL_RUNNING;
    }
    if (rc != 0)
        return rc;
    rc = cli_row_print(cli, &row, err);
    if (rc == 0)
        rc = cli_row_exit(&row);
    sm_job_row_free(&row);
    return rc;
}

/* A job named by its entry: SM_E_NOT_FOUND when neither entry nor row is there. 0 otherwise. */
static int check_entry(const struct cli *cli, struct sm_reader *reader, const struct cli_ref *ref,
                       struct sm_err *err)
{
    struct sm_entry_state state;
    struct sm_job_row row;
    struct sm_inspector *in = cli_open_inspector(cli, err);
    if (in == NULL)
        return err->code;
    int rc = sm_inspect_entry(in, ref->queue, ref->entry, &state, err);
    sm_inspector_close(in);
    if (rc == 0)
        sm_entry_state_free(&state);
    if (rc != SM_E_NOT_FOUND)
        return rc == 0 ? 0 : cli_explain(err, "Redis");
    rc = sm_reader_job(reader, &ref->id, 0, &row, err);
    if (rc == 0)
        sm_job_row_free(&row);
    else if (rc == SM_E_NOT_FOUND)
        cli_ref_not_found(ref, cli->words[0], err);
    else
        cli_explain(err, "PostgreSQL");
    return rc;
}

int cli_job_wait(struct cli *cli, struct sm_err *err)
{
    struct cli_ref ref;
    int64_t timeout_ms;
    int rc = cli_timeout(cli, &timeout_ms, err);
    if (rc == 0)
        rc = cli_ref_read(cli, cli->words[0], &ref, err);
    if (rc != 0)
        return rc;
    struct sm_reader *reader = cli_open_reader(cli, err);
    if (reader == NULL)
        return err->code;
    if (ref.has_entry)
        rc = check_entry(cli, reader, &ref, err);
    if (rc == 0)
        rc = wait_and_print(cli, reader, &ref.id, timeout_ms, err);
    sm_reader_close(reader);
    return rc;
}

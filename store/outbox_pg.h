/* The outbox on PostgreSQL, as its own files share it. Private to store/. */
#ifndef SM_STORE_OUTBOX_PG_H
#define SM_STORE_OUTBOX_PG_H

#include "base/buf.h"
#include "store/conn.h"
#include "store/outbox.h"

#define SM_OUTBOX_PARAMS 6 /* of one statement at most */

struct pg_outbox {
    struct sm_outbox base; /* first: the seam's calls cast back */
    struct sm_pg_options options;
    PGconn *pg;
    char home[SM_HOME_TEXT];
    bool taken, watches, asleep, looks;
    PGresult *held; /* the rows of the last take */
    struct sm_outbox_row *rows;
    size_t rows_room;
    struct sm_buf params[SM_OUTBOX_PARAMS];
    int params_n;
};

static inline struct pg_outbox *sm_outbox_self(struct sm_outbox *o)
{
    return (struct pg_outbox *)o;
}

/* The next parameter of the next statement, empty. */
struct sm_buf *sm_outbox_param(struct pg_outbox *o);
void sm_outbox_param_int(struct pg_outbox *o, int64_t value);
/* The columns id, life, entry_ms and entry_seq of marks, as arrays: four parameters. */
void sm_outbox_param_marks(struct pg_outbox *o, const struct sm_outbox_mark *marks, size_t n);
/* Sends the statement with the parameters that were made, and waits. *result is in binary, the
 * caller's to clear, NULL when it failed; then the connection is closed. */
int sm_outbox_query(struct pg_outbox *o, const char *sql, PGresult **result, struct sm_err *err);
int sm_outbox_run(struct pg_outbox *o, const char *sql, struct sm_err *err);
/* A statement that answers one boolean. */
int sm_outbox_ask(struct pg_outbox *o, const char *sql, bool *answer, struct sm_err *err);
/* A column of eight or four bytes; a text, cut at room. */
int64_t sm_outbox_number(const PGresult *r, int row, int column);
void sm_outbox_copy_text(const PGresult *r, int row, int column, char *to, size_t room);

/* ---- outbox_asked.c -- */
int sm_outbox_epochs(struct sm_outbox *o, int32_t after, struct sm_outbox_epoch *epochs,
                     size_t room, size_t *n, struct sm_err *err);
int sm_outbox_relayed(struct sm_outbox *o, int32_t epoch, int64_t silent_ms,
                      struct sm_outbox_mark *rows, size_t room, size_t *n, struct sm_err *err);
int sm_outbox_found(struct sm_outbox *o, const struct sm_outbox_mark *rows, size_t n, int32_t epoch,
                    struct sm_err *err);
int sm_outbox_lost(struct sm_outbox *o, const struct sm_outbox_mark *rows, size_t n,
                   uint64_t *ended, uint64_t *anew, struct sm_err *err);
int sm_outbox_doubt(struct sm_outbox *o, int32_t epoch, struct sm_err *err);
int sm_outbox_tally(struct sm_outbox *o, struct sm_outbox_count *count, bool *mine,
                    struct sm_err *err);
int sm_outbox_ended(struct sm_outbox *o, const struct sm_id *ids, size_t n, uint64_t *n_deleted,
                    struct sm_err *err);

#endif

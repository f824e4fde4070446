/*
 * The statements of a commit: their texts, made from the forms of the columns (store/encode.h), and
 * which of them are prepared on the connection. Private to store/. Thread: one at a time.
 */
#ifndef SM_STORE_STATEMENT_H
#define SM_STORE_STATEMENT_H

#include "base/buf.h"
#include "store/encode.h"

#define SM_STATEMENT_NAME 64 /* PostgreSQL's own bound */
#define SM_PREPARED_MOST 32  /* past it a shape is sent unnamed: the usual ones came first */

enum sm_verb {
    SM_VERB_INSERT, /* plain: fails with 23505 when a row is there already */
    SM_VERB_UPSERT, /* by the rule; answers the ids of what it wrote */
    SM_VERB_PROBE,  /* writes nothing: PostgreSQL reads the attempts, no more */
};

/* What a statement is made of. Parameter 1 is the worker; then the columns of rows, then those of
 * attempts. */
struct sm_shape {
    enum sm_verb verb;
    char rows[SM_COLUMNS_MOST];     /* forms; "": no rows */
    char attempts[SM_COLUMNS_MOST]; /* forms; "": no attempts */
};

/* A name that tells the shape, so that equal names are equal statements. */
void sm_shape_name(const struct sm_shape *shape, char name[SM_STATEMENT_NAME]);
/* Its text; the buffer is cleared first. */
void sm_shape_text(const struct sm_shape *shape, struct sm_buf *text);

/* The names prepared on a connection; zeroed for a new one. */
struct sm_prepared {
    char name[SM_PREPARED_MOST][SM_STATEMENT_NAME];
    int n;
};
bool sm_prepared_has(const struct sm_prepared *prepared, const char *name);
/* There must be room. */
void sm_prepared_add(struct sm_prepared *prepared, const char *name);

#endif

/*
 * Deleting what waits in a queue, for `stampmill queue purge`: page by page over the entries that
 * were there when it began, the newest first. What a worker has is never touched. The caller ends
 * the durable ones of a page in PostgreSQL between looking and deleting.
 *
 * Errors: a SERVER code, SM_E_USAGE for what is no queue name. Thread: the caller's.
 */
#ifndef SM_QUEUE_PURGE_H
#define SM_QUEUE_PURGE_H

#include "queue/inspect.h"

#define SM_PURGE_PAGE 100 /* entries of one page, and of one script */

struct sm_purge {
    struct sm_inspector *in;
    struct sm_entry_id at; /* the oldest that was read; at the beginning the newest there was */
    bool begun;
    size_t page; /* entries to read next: as many as are small enough together */
};

/* An entry, and what is known of it. */
struct sm_purge_entry {
    struct sm_entry_id entry;
    struct sm_id job; /* nil where it brought none and has no incarnation to derive one from */
    bool durable;
    int fate; /* of look and delete: 1 it waits (waited), 0 a worker has it, -1 it was gone */
};

int sm_purge_begin(struct sm_purge *p, struct sm_inspector *in, const char *queue,
                   struct sm_err *err);
/* Reads the next entries (room for SM_PURGE_PAGE), whoever has them; *n 0: there are no more. */
int sm_purge_next(struct sm_purge *p, struct sm_purge_entry *entries, size_t *n,
                  struct sm_err *err);
/* Sets the fate of up to SM_PURGE_PAGE entries, and deletes those that wait. */
int sm_purge_look(struct sm_purge *p, struct sm_purge_entry *entries, size_t n, struct sm_err *err);
int sm_purge_delete(struct sm_purge *p, struct sm_purge_entry *entries, size_t n,
                    struct sm_err *err);

#endif

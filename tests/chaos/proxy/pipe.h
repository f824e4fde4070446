/*
 * One direction of a connection: bytes read and not yet written, in order, each with the time at
 * which it came. The rule is applied when bytes leave, so that a change of it acts on what is
 * under way too: a hold that ends lets go of commands whose client has long given up.
 * Thread: the proxy's only one.
 */
#ifndef SM_CHAOS_PIPE_H
#define SM_CHAOS_PIPE_H

#include "tests/chaos/proxy/rule.h"

struct chunk {
    struct chunk *next;
    int64_t came_us;
    size_t at, size;
    unsigned char data[];
};

struct pipe {
    struct chunk *head, **tail;
    size_t held;       /* bytes in chunks */
    uint64_t in, out;  /* bytes read and written since the connection began */
    uint64_t cut_at;   /* ends when `out` gets there; UINT64_MAX: never */
    int64_t budget_us; /* the time up to which the rate has been used up */
};

enum pipe_state { PIPE_IDLE, PIPE_WAITS, PIPE_FULL, PIPE_CUT, PIPE_BROKEN };

void pipe_init(struct pipe *pipe);
void pipe_free(struct pipe *pipe);
/* Takes in bytes that came at `now_us`. */
void pipe_put(struct pipe *pipe, const void *bytes, size_t n, int64_t now_us);
/* Writes what may leave. IDLE: nothing held; WAITS: until *due_us, or for another rule (HOLD);
 * FULL: the peer takes no more now; CUT: the rule's byte has been reached; BROKEN: the peer is
 * gone. *wrote counts up. */
enum pipe_state pipe_flush(struct pipe *pipe, const struct rule *rule, enum way way, int fd,
                           int64_t now_us, int64_t *due_us, uint64_t *wrote);

#endif

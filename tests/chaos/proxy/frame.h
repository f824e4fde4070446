/*
 * Where the messages of one direction end, in the protocols of Redis (RESP2: a command, a reply)
 * and of PostgreSQL (version 3). Thread: the proxy's only one.
 */
#ifndef SM_CHAOS_FRAME_H
#define SM_CHAOS_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum protocol { PLAIN, RESP, POSTGRES }; /* PLAIN: bytes, and no messages */

struct frame {
    enum protocol protocol;
    uint64_t skip; /* bytes of a value that are still to come */
    int64_t left;  /* RESP: values that the message still has; 0: between messages */
    char head[32]; /* a line, or a head, as far as it has come */
    size_t head_n;
    bool untyped; /* POSTGRES: the first message of a client has no type byte */
};

void frame_init(struct frame *frame, enum protocol protocol, bool from_client);
/* Takes bytes up to the end of the message that they belong to, or all of them; how many, and
 * whether the message ends there. */
size_t frame_take(struct frame *frame, const unsigned char *bytes, size_t n, bool *ends);

#endif

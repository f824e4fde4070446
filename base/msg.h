/*
 * A bounded reader of msgpack that allocates nothing and trusts nothing: every declared length is
 * held against the bytes that are left before it is believed. (Writing is msgpack-c's.) Reading is
 * ours because five bytes can make a library ask for gigabytes, and because a job's envelope is
 * read once per job on the hot path. Thread: any; a reader belongs to its caller.
 */
#ifndef SM_BASE_MSG_H
#define SM_BASE_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SM_MSG_DEPTH 128 /* no depth asked of skip and check goes further */

enum sm_msg_kind {
    SM_MSG_NIL,
    SM_MSG_BOOL,
    SM_MSG_INT,  /* fits int64 */
    SM_MSG_UINT, /* above INT64_MAX */
    SM_MSG_FLOAT,
    SM_MSG_STR,
    SM_MSG_BIN,
    SM_MSG_LIST,
    SM_MSG_MAP,
    SM_MSG_EXT,
};

struct sm_msg {
    const unsigned char *at, *end;
};

/* One value's head. For LIST and MAP `size` is the number of elements or of pairs, which follow. */
struct sm_msg_value {
    enum sm_msg_kind kind;
    union {
        bool b;
        int64_t i;
        uint64_t u;
        double f;
    } as;
    const char *p; /* STR, BIN, EXT: into the input */
    size_t size;
};

/* Reads the next head. False at the end and on anything broken; the reader does not move then. */
bool sm_msg_next(struct sm_msg *msg, struct sm_msg_value *value);
/* Steps over one whole value; false, and the reader does not move, when it is broken or nests
 * deeper than `depth` lists and maps (at most SM_MSG_DEPTH). Uses no stack per level. */
bool sm_msg_skip(struct sm_msg *msg, int depth);
/* True when the bytes are exactly one well-formed value no deeper than `depth`, with text keys in
 * every map. Uses no stack per level. */
bool sm_msg_check(const void *data, size_t size, int depth);
/* The name of a kind for messages: "an integer", "a map". */
const char *sm_msg_kind_name(enum sm_msg_kind kind);

#endif

/*
 * Scratch memory for one run: bump allocation from blocks, all freed together. The first block is
 * kept over resets so that small runs never call malloc; blocks past it are given back, so that one
 * large job leaves no mark. Thread: one at a time.
 */
#ifndef SM_BASE_ARENA_H
#define SM_BASE_ARENA_H

#include <stddef.h>

struct sm_arena_block;

struct sm_arena {
    struct sm_arena_block *blocks; /* newest first */
    size_t used;                   /* bytes handed out since the last reset, with padding */
    size_t limit;                  /* `used` never passes it */
};

/* Allocates nothing until the first use. */
void sm_arena_init(struct sm_arena *arena, size_t limit);
void sm_arena_free(struct sm_arena *arena);
/* Takes everything back and sets the limit for the next run. */
void sm_arena_reset(struct sm_arena *arena, size_t limit);
/* Aligned for any object, not zeroed; NULL past the limit or without memory. size 0 is fine. */
void *sm_arena_alloc(struct sm_arena *arena, size_t size);
/* A copy with a NUL behind it; NULL as above. */
char *sm_arena_copy(struct sm_arena *arena, const void *data, size_t size);

#endif

/*
 * Bump allocation. Blocks are 64 KiB at first and grow with what the run has used; an allocation
 * that would waste much of a block gets one of its own, linked behind the current one so that the
 * current one goes on being filled. One block of the first size survives a reset. No free of single
 * objects, no destructors. Thread: one at a time.
 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BLOCK ((size_t)64 << 10)
#define LARGEST_BLOCK ((size_t)1 << 20)
#define ALIGN alignof(max_align_t)

struct sm_arena_block {
    struct sm_arena_block *next;
    size_t size, used;
    alignas(max_align_t) char data[];
};

void sm_arena_init(struct sm_arena *arena, size_t limit)
{
    *arena = (struct sm_arena){.limit = limit};
}

void sm_arena_free(struct sm_arena *arena)
{
    struct sm_arena_block *block, *next;

    for (block = arena->blocks; block; block = next) {
        next = block->next;
        free(block);
    }
    arena->blocks = NULL;
    arena->used = 0;
}

void sm_arena_reset(struct sm_arena *arena, size_t limit)
{
    struct sm_arena_block *block, *next, *kept = NULL;

    for (block = arena->blocks; block; block = next) {
        next = block->next;
        if (!kept && block->size == FIRST_BLOCK) {
            kept = block;
            kept->next = NULL;
            kept->used = 0;
        } else {
            free(block);
        }
    }
    *arena = (struct sm_arena){.blocks = kept, .limit = limit};
}

static struct sm_arena_block *block_new(size_t size)
{
    struct sm_arena_block *block = malloc(sizeof *block + size);

    if (block) {
        block->next = NULL;
        block->size = size;
        block->used = 0;
    }
    return block;
}

/* A block with room for `size`, linked in. */
static struct sm_arena_block *more(struct sm_arena *arena, size_t size)
{
    size_t want = arena->used < FIRST_BLOCK ? FIRST_BLOCK : arena->used;
    bool own;
    struct sm_arena_block *block;

    if (want > LARGEST_BLOCK)
        want = LARGEST_BLOCK;
    own = size > want / 4;
    block = block_new(own ? size : want);
    if (!block)
        return NULL;
    if (own && arena->blocks) {
        block->next = arena->blocks->next;
        arena->blocks->next = block;
    } else {
        block->next = arena->blocks;
        arena->blocks = block;
    }
    return block;
}

void *sm_arena_alloc(struct sm_arena *arena, size_t size)
{
    struct sm_arena_block *block = arena->blocks;
    void *at;

    if (size > SIZE_MAX / 2)
        return NULL;
    size = (size + ALIGN - 1) / ALIGN * ALIGN;
    if (size == 0)
        size = ALIGN; /* distinct addresses, never NULL */
    if (arena->used > arena->limit || size > arena->limit - arena->used)
        return NULL;
    if (!block || size > block->size - block->used) {
        block = more(arena, size);
        if (!block)
            return NULL;
    }
    at = block->data + block->used;
    block->used += size;
    arena->used += size;
    return at;
}

char *sm_arena_copy(struct sm_arena *arena, const void *data, size_t size)
{
    char *copy = size < SIZE_MAX / 2 ? sm_arena_alloc(arena, size + 1) : NULL;

    if (!copy)
        return NULL;
    if (size)
        memcpy(copy, data, size);
    copy[size] = '\0';
    return copy;
}

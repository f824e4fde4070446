/*
 * A bounded ring of slot numbers between threads. Batches go in and come out under one lock, and a
 * sleeper is woken once per batch: at 100,000 jobs a second the wake-ups, not the lock, are what
 * costs. Room for every slot of the table at boot, so that a put can never fail. Thread: any.
 */
#ifndef SM_BASE_RING_H
#define SM_BASE_RING_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sm_ring {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    uint32_t *items;
    uint32_t room;              /* a power of two */
    uint32_t head, early, tail; /* what was put early ends before `early` */
    uint32_t sleepers;
    uint32_t pokes;
    bool closed;
};

/* Room for `room` numbers (rounded up to a power of two). 0 or SM_E_NO_MEMORY. */
int sm_ring_init(struct sm_ring *ring, uint32_t room);
void sm_ring_free(struct sm_ring *ring);
/* Appends n numbers; wakes up to n sleepers. The ring must have room: it is asserted. */
void sm_ring_put(struct sm_ring *ring, const uint32_t *items, size_t n);
/* Puts them in front, in order: what is handed on again before anything else. */
void sm_ring_put_front(struct sm_ring *ring, const uint32_t *items, size_t n);
/* Puts them in front of what was put ordinarily, behind what was put so before. */
void sm_ring_put_early(struct sm_ring *ring, const uint32_t *items, size_t n);
/* Takes up to `max`, waits at most `wait_us` for the first (0: does not wait; < 0: for ever).
 * Returns how many; 0 after the wait, when poked, or when the ring is closed and empty. */
size_t sm_ring_take(struct sm_ring *ring, uint32_t *items, size_t max, int64_t wait_us);
/* Wakes all who wait, with nothing: there is something else for them to look at. */
void sm_ring_poke(struct sm_ring *ring);
/* How many are in it now. */
size_t sm_ring_count(struct sm_ring *ring);
/* Wakes all sleepers; from now on a take that finds nothing returns at once. */
void sm_ring_close(struct sm_ring *ring);
bool sm_ring_closed(struct sm_ring *ring);

#endif

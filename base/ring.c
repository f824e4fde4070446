/*
 * The ring. `head` and `tail` run free and are masked on use, so that full and empty differ without
 * a spare place. Sleepers are signalled after the lock is let go: woken earlier they would run into
 * it. Not lock-free: a batch per lock makes the lock cheap, and one can reason about it. Thread:
 * any.
 */
#include "base/ring.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/thread.h"
#include "stampmill/error.h"

int sm_ring_init(struct sm_ring *ring, uint32_t room)
{
    uint32_t places = 1;

    SM_ASSERT(room <= UINT32_C(1) << 31);
    while (places < room)
        places *= 2;
    *ring = (struct sm_ring){.room = places};
    ring->items = malloc(places * sizeof *ring->items);
    if (!ring->items)
        return SM_E_NO_MEMORY;
    sm_lock_init(&ring->lock);
    sm_cond_init(&ring->filled);
    return 0;
}

void sm_ring_free(struct sm_ring *ring)
{
    if (!ring->items)
        return; /* its init had failed */
    free(ring->items);
    ring->items = NULL;
    sm_cond_free(&ring->filled);
    sm_lock_free(&ring->lock);
}

/* Copies n numbers to the places from `at` on. */
static void place(struct sm_ring *ring, uint32_t at, const uint32_t *items, uint32_t n)
{
    SM_ASSERT(n <= ring->room - (ring->tail - ring->head));
    for (uint32_t i = 0; i < n; i++)
        ring->items[(at + i) & (ring->room - 1)] = items[i];
}

static void unlock_and_wake(struct sm_ring *ring, uint32_t n)
{
    uint32_t wake = n < ring->sleepers ? n : ring->sleepers;

    sm_unlock(&ring->lock);
    while (wake-- > 0)
        sm_cond_signal(&ring->filled);
}

void sm_ring_put(struct sm_ring *ring, const uint32_t *items, size_t n)
{
    SM_ASSERT(n <= ring->room);
    sm_lock(&ring->lock);
    place(ring, ring->tail, items, (uint32_t)n);
    ring->tail += (uint32_t)n;
    unlock_and_wake(ring, (uint32_t)n);
}

void sm_ring_put_front(struct sm_ring *ring, const uint32_t *items, size_t n)
{
    SM_ASSERT(n <= ring->room);
    sm_lock(&ring->lock);
    place(ring, ring->head - (uint32_t)n, items, (uint32_t)n);
    ring->head -= (uint32_t)n;
    unlock_and_wake(ring, (uint32_t)n);
}

void sm_ring_put_early(struct sm_ring *ring, const uint32_t *items, size_t n)
{
    SM_ASSERT(n <= ring->room);
    sm_lock(&ring->lock);
    uint32_t before = ring->early - ring->head, to = ring->head - (uint32_t)n;
    SM_ASSERT(n <= ring->room - (ring->tail - ring->head));
    for (uint32_t i = 0; i < before; i++)
        ring->items[(to + i) & (ring->room - 1)] = ring->items[(ring->head + i) & (ring->room - 1)];
    place(ring, to + before, items, (uint32_t)n);
    ring->head = to;
    unlock_and_wake(ring, (uint32_t)n);
}

/* Sleeps until the ring holds something, is closed, or the wait is over. Under the lock. */
static void wait_filled(struct sm_ring *ring, int64_t wait_us)
{
    int64_t until = wait_us > 0 ? sm_mono_us(&sm_clock_real) + wait_us : 0;
    int64_t left = wait_us;
    uint32_t pokes = ring->pokes;

    while (ring->head == ring->tail && !ring->closed && left != 0 && pokes == ring->pokes) {
        ring->sleepers++;
        (void)sm_cond_wait(&ring->filled, &ring->lock, left);
        ring->sleepers--;
        if (wait_us > 0) {
            left = until - sm_mono_us(&sm_clock_real);
            left = left > 0 ? left : 0;
        }
    }
}

size_t sm_ring_take(struct sm_ring *ring, uint32_t *items, size_t max, int64_t wait_us)
{
    uint32_t n;

    sm_lock(&ring->lock);
    wait_filled(ring, wait_us);
    n = ring->tail - ring->head;
    if (n > max)
        n = (uint32_t)max;
    for (uint32_t i = 0; i < n; i++)
        items[i] = ring->items[(ring->head + i) & (ring->room - 1)];
    ring->early = n < ring->early - ring->head ? ring->early : ring->head + n;
    ring->head += n;
    sm_unlock(&ring->lock);
    return n;
}

void sm_ring_poke(struct sm_ring *ring)
{
    sm_lock(&ring->lock);
    ring->pokes++;
    sm_unlock(&ring->lock);
    sm_cond_broadcast(&ring->filled);
}

size_t sm_ring_count(struct sm_ring *ring)
{
    size_t n;

    sm_lock(&ring->lock);
    n = ring->tail - ring->head;
    sm_unlock(&ring->lock);
    return n;
}

void sm_ring_close(struct sm_ring *ring)
{
    sm_lock(&ring->lock);
    ring->closed = true;
    sm_unlock(&ring->lock);
    sm_cond_broadcast(&ring->filled);
}

bool sm_ring_closed(struct sm_ring *ring)
{
    bool closed;

    sm_lock(&ring->lock);
    closed = ring->closed;
    sm_unlock(&ring->lock);
    return closed;
}

/*
 * The state of one connection as its thread sees it: up, or down with the time of the next try
 * (50 ms doubling to 2 s, with jitter). Thread: its owner.
 */
#ifndef SM_WORKER_LINK_H
#define SM_WORKER_LINK_H

#include <stdbool.h>
#include <stdint.h>

struct sm_link {
    bool up;
    int failures;
    int64_t retry_us;  /* monotonic */
    int64_t most_ms;   /* longest wait between two tries; 0: 2 s */
    uint32_t identity; /* the worker's turn of identity under which it was opened */
};

static inline bool sm_link_due(const struct sm_link *link, int64_t now_us)
{
    return now_us >= link->retry_us;
}

void sm_link_set_up(struct sm_link *link);
void sm_link_set_down(struct sm_link *link, int64_t now_us);

#endif

/* See groups.h. */
#include "jobs/aggregate/groups.h"

#include <string.h>
#include <xxhash.h>

#define FIRST_ROOM 64

void sm_groups_start(struct sm_groups *groups, struct sm_run *run, size_t data_size)
{
    *groups = (struct sm_groups){.run = run, .data_size = data_size};
}

/* The slot of that key, or the free one that it would take. */
static struct sm_group_slot *find(const struct sm_groups *groups, uint64_t hash, const char *key,
                                  size_t n)
{
    size_t at = (size_t)hash & (groups->room - 1);
    for (;; at = (at + 1) & (groups->room - 1)) {
        struct sm_group_slot *slot = &groups->slots[at];
        if (slot->group == NULL || (slot->hash == hash && slot->group->key.n == n &&
                                    memcmp(slot->group->key.p, key, n) == 0))
            return slot;
    }
}

/* The old slots stay in the arena: all of them together are no more than the new ones. */
static bool grow(struct sm_groups *groups)
{
    size_t room = groups->room == 0 ? FIRST_ROOM : 2 * groups->room;
    struct sm_group_slot *old = groups->slots;
    struct sm_group_slot *slots = sm_run_alloc(groups->run, room * sizeof *slots);
    if (slots == NULL)
        return false;
    memset(slots, 0, room * sizeof *slots);
    for (size_t i = 0; i < groups->room; i++) {
        size_t at = (size_t)old[i].hash & (room - 1);
        if (old[i].group == NULL)
            continue;
        while (slots[at].group != NULL)
            at = (at + 1) & (room - 1);
        slots[at] = old[i];
    }
    groups->slots = slots;
    groups->room = room;
    return true;
}

static struct sm_group *make(struct sm_groups *groups, const char *key, size_t n)
{
    struct sm_group *group = sm_run_alloc(groups->run, sizeof *group + groups->data_size + n);
    if (group == NULL)
        return NULL;
    char *copy = group->data + groups->data_size;
    memset(group->data, 0, groups->data_size);
    memcpy(copy, key, n);
    group->key = (struct sm_text_view){copy, n};
    group->next = NULL;
    if (groups->last != NULL)
        groups->last->next = group;
    else
        groups->first = group;
    groups->last = group;
    groups->n++;
    return group;
}

struct sm_group *sm_groups_find(struct sm_groups *groups, const char *key, size_t n)
{
    if (3 * groups->room <= 4 * groups->n && !grow(groups))
        return NULL;
    uint64_t hash = XXH3_64bits(key, n);
    struct sm_group_slot *slot = find(groups, hash, key, n);
    if (slot->group == NULL) {
        *slot = (struct sm_group_slot){hash, make(groups, key, n)};
    }
    return slot->group;
}

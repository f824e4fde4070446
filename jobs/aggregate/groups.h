/*
 * A hash table of groups by their key's bytes, in the order of their first appearance. Open
 * addressing over the run's arena: what it takes counts against the job's memory, and a million
 * groups too many end as too_large. Thread: the stamp that runs.
 */
#ifndef SM_JOBS_AGGREGATE_GROUPS_H
#define SM_JOBS_AGGREGATE_GROUPS_H

#include "jobs/rows/cell.h"
#include "stampmill/handler.h"

struct sm_group {
    struct sm_group *next; /* appeared after this one */
    struct sm_text_view key;
    _Alignas(16) char data[]; /* the user's, zeroed when the group is made */
};

struct sm_group_slot {
    uint64_t hash;
    struct sm_group *group;
};

struct sm_groups {
    struct sm_run *run;
    size_t data_size;
    struct sm_group_slot *slots;
    size_t room, n; /* room is a power of two, or 0 */
    struct sm_group *first, *last;
};

void sm_groups_start(struct sm_groups *groups, struct sm_run *run, size_t data_size);
/* The group of that key, made where there is none; NULL: SM_E_TOO_LARGE. */
struct sm_group *sm_groups_find(struct sm_groups *groups, const char *key, size_t n);

#endif

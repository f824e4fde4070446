/*
 * Equal keys in one map, found when the map ends. Keys are compared as text, so that "a" and
 * "\u0061" are one. Costs a few words per key of the maps that are open; only who asks for it pays.
 * Thread: one at a time.
 */
#ifndef SM_JOBS_JSON_KEYS_H
#define SM_JOBS_JSON_KEYS_H

#include "jobs/rows/cell.h"
#include "stampmill/handler.h"

struct sm_json_keys {
    struct sm_run *run;
    struct sm_text_view *keys; /* of all open maps, each map's behind its outer one's */
    size_t n, room;
    size_t *begins; /* where each open map's keys begin */
    size_t depth;
    bool found; /* two that are equal, since this was last set to false .. */
    struct sm_text_view twice;
};

/* 0 or SM_E_TOO_LARGE. */
int sm_json_keys_start(struct sm_json_keys *keys, struct sm_run *run);
/* Nothing is open, nothing was found: for the next line of many. */
void sm_json_keys_reset(struct sm_json_keys *keys);
void sm_json_keys_open(struct sm_json_keys *keys);
/* False: the run's memory. */
bool sm_json_keys_add(struct sm_json_keys *keys, const char *key, size_t n, bool escaped);
void sm_json_keys_close(struct sm_json_keys *keys);

#endif

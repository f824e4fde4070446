/*
 * A map's keys are compared each with each while they are few, and sorted where they are many, so
 * that a map of a million keys costs no more than its sorting. Thread: one at a time.
 */
#include "jobs/json/keys.h"

#include <stdlib.h>
#include <string.h>

#include "jobs/json/scan.h"
#include "jobs/json/text.h"

#define FEW 16

int sm_json_keys_start(struct sm_json_keys *keys, struct sm_run *run)
{
    *keys = (struct sm_json_keys){.run = run};
    keys->begins = sm_run_alloc(run, SM_JSON_NEST * sizeof *keys->begins);
    return keys->begins == NULL ? SM_E_TOO_LARGE : 0;
}

void sm_json_keys_reset(struct sm_json_keys *keys)
{
    keys->n = keys->depth = 0;
    keys->found = false;
}

void sm_json_keys_open(struct sm_json_keys *keys)
{
    keys->begins[keys->depth++] = keys->n; /* the scan bounds the depth */
}

static bool grow(struct sm_json_keys *keys)
{
    size_t room = keys->room == 0 ? 64 : 2 * keys->room;
    struct sm_text_view *more = sm_run_alloc(keys->run, room * sizeof *more);
    if (more == NULL)
        return false;
    if (keys->n != 0)
        memcpy(more, keys->keys, keys->n * sizeof *more);
    keys->keys = more;
    keys->room = room;
    return true;
}

bool sm_json_keys_add(struct sm_json_keys *keys, const char *key, size_t n, bool escaped)
{
    if (keys->n == keys->room && !grow(keys))
        return false;
    if (escaped) {
        char *text = sm_run_alloc(keys->run, n);
        if (text == NULL)
            return false;
        n = sm_json_unescape(key, n, text);
        key = text;
    }
    keys->keys[keys->n++] = (struct sm_text_view){key, n};
    return true;
}

static bool same(const struct sm_text_view *a, const struct sm_text_view *b)
{
    return a->n == b->n && memcmp(a->p, b->p, a->n) == 0;
}

static int by_text(const void *left, const void *right)
{
    const struct sm_text_view *a = left, *b = right;
    if (a->n != b->n)
        return a->n < b->n ? -1 : 1;
    return memcmp(a->p, b->p, a->n);
}

void sm_json_keys_close(struct sm_json_keys *keys)
{
    size_t begin = keys->begins[--keys->depth];
    size_t n = keys->n - begin;
    if (n < 2) {
        keys->n = begin;
        return;
    }
    struct sm_text_view *v = keys->keys + begin;
    bool many = n > FEW;
    if (many)
        qsort(v, n, sizeof *v, by_text);
    for (size_t i = 1; i < n; i++)
        for (size_t k = many ? i - 1 : 0; k < i; k++)
            if (same(&v[i], &v[k])) {
                keys->found = true;
                keys->twice = v[i];
            }
    keys->n = begin;
}

/*
 * UUIDs (RFC 9562): version 7 from clock and random bytes, text both ways. Thread: any.
 */
#ifndef SM_BASE_UUID_H
#define SM_BASE_UUID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stampmill/id.h"

/* Fills `bytes` from the kernel's generator (getrandom); aborts when there is none. */
void sm_random(void *bytes, size_t size);
/* A version 7 id for `wall_ms` (Unix ms) and ten random bytes. */
struct sm_id sm_uuid_v7(int64_t wall_ms, const unsigned char random[10]);
/* The ms of a version 7 id. */
int64_t sm_uuid_ms(const struct sm_id *id);
/* As memcmp on the sixteen bytes: PostgreSQL's order. */
int sm_uuid_compare(const struct sm_id *a, const struct sm_id *b);

#endif

/*
 * A job's id: sixteen bytes, a UUID of any version (version 7 advised: it sorts by time, and so
 * keeps the result table's index compact). Thread: any.
 */
#ifndef STAMPMILL_ID_H
#define STAMPMILL_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SM_ID_TEXT 37 /* "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx" and its NUL */

struct sm_id {
    unsigned char b[16];
};

/* A new version 7 id of now: time-ordered to the millisecond, 74 random bits. */
struct sm_id sm_id_new(void);
/* Lower-case text with hyphens. */
void sm_id_format(const struct sm_id *id, char text[SM_ID_TEXT]);
/* Reads 36 characters (either case) or 32 without hyphens; false when it is neither. */
bool sm_id_parse(const char *text, size_t size, struct sm_id *id);

#ifdef __cplusplus
}
#endif
#endif

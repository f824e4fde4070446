/*
 * Pieces of checked JSON as text: strings without their escapes, values without white space, and
 * what a JSON Pointer (RFC 6901) names in a value. Thread: any.
 */
#ifndef SM_JOBS_JSON_TEXT_H
#define SM_JOBS_JSON_TEXT_H

#include "jobs/json/scan.h"
#include "jobs/rows/cell.h"

/* The text that a string's n bytes between its quotes stand for; `out` has room for n. */
size_t sm_json_unescape(const char *p, size_t n, char *out);
/* The same value without white space, and with no escapes but those that must be; `out` has room
 * for n. */
size_t sm_json_compact(const char *p, size_t n, char *out);

/* Empty, or "/" in front of each step, '~' only as ~0 and ~1. */
bool sm_json_pointer_valid(struct sm_text_view pointer);
/* The first step of a pointer as plain text; `out` has room for pointer.n. What is left goes to
 * *rest. */
size_t sm_json_pointer_step(struct sm_text_view pointer, char *out, struct sm_text_view *rest);
/* What `pointer`, at most SM_JSON_POINTER_MAX bytes, names in `value`; SM_JSON_ABSENT where there
 * is no such. */
#define SM_JSON_POINTER_MAX 256
struct sm_json_token sm_json_find(const struct sm_json_token *value, struct sm_text_view pointer);

#endif

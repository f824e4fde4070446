/*
 * JSON over bytes in memory (RFC 8259), one pass, without a tree: the caller walks the maps and
 * lists it knows, and whatever it has no use for is passed over, but checked all the same: what is
 * not JSON is found wherever it stands. Values are found, not copied.
 *
 * Stricter than the RFC's grammar in this: half of a surrogate pair alone is refused (no UTF-8 can
 * hold it), and nesting past SM_JSON_NEST is. A byte order mark in front is skipped. Equal keys in
 * a map are JSON; sm_json_keys finds them for who asks. Thread: one at a time.
 *
 * Why no library: simdjson finds the structure faster, but its DOM refuses integers past 2^64 and
 * cannot say where an error is, its On-Demand reader does not check what is passed over, and it
 * brings the C++ library into the daemon. For small documents, most of all, there is nothing to
 * gain: this reads 4 KiB in some 4 microseconds.
 */
#ifndef SM_JOBS_JSON_SCAN_H
#define SM_JOBS_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#define SM_JSON_NEST 1000 /* deepest nesting of lists and maps */

enum sm_json_kind {
    SM_JSON_ABSENT, /* no value at all */
    SM_JSON_NULL,
    SM_JSON_FALSE,
    SM_JSON_TRUE,
    SM_JSON_NUMBER,
    SM_JSON_STRING,
    SM_JSON_LIST,
    SM_JSON_MAP,
};

/* What a value holds, anywhere inside. */
#define SM_JSON_SPACED 1u  /* white space between tokens */
#define SM_JSON_ESCAPED 2u /* a backslash in a string */
#define SM_JSON_NUL 4u     /* the escape \u0000 */
#define SM_JSON_HUGE 8u    /* a number that PostgreSQL's jsonb may refuse */

struct sm_json_token {
    enum sm_json_kind kind;
    unsigned found; /* SM_JSON_SPACED .. */
    const char *p;  /* a string's text without its quotes, still escaped */
    size_t n;
};

struct sm_json_keys;

struct sm_json_scan {
    const char *p, *end; /* what is read next */
    bool clean;          /* the caller knows all of it to be UTF-8 */
    unsigned found;
    size_t depth;              /* of what the caller has entered */
    struct sm_json_keys *keys; /* NULL: equal keys are nobody's business */
    /* after a failure */
    int code;        /* SM_E_BAD_INPUT or SM_E_TOO_LARGE */
    const char *why; /* a literal; NULL: the run's memory, sm_fail was called */
    const char *bad; /* the byte at fault, `end` where the text ends too early */
};

void sm_json_scan_start(struct sm_json_scan *scan, const char *data, size_t size);

/* Passes over white space; true where something follows. */
bool sm_json_scan_more(struct sm_json_scan *scan);
/* One whole value. White space in front is skipped, `token` does not hold it. */
bool sm_json_scan_value(struct sm_json_scan *scan, struct sm_json_token *token);

/* Enters the list or map that begins at scan->p (sm_json_scan_more has said so). */
bool sm_json_scan_enter(struct sm_json_scan *scan);
/* The next element: 1 and scan->p stands at it; 0 behind the last: the list is left; -1 failed. */
int sm_json_scan_element(struct sm_json_scan *scan, bool first);
/* The next member: 1 with its key, and scan->p stands at its value; 0 and -1 as above. */
int sm_json_scan_member(struct sm_json_scan *scan, bool first, struct sm_json_token *key);
/* A member that is expected: where `"key":` stood in the row before, and where its value goes. */
struct sm_json_slot {
    const char *key; /* in the same input, further in front */
    size_t n;        /* with quotes and colon */
    struct sm_json_token *value;
};
/* Takes the members of an entered map for as long as they are those of the slots, in turn and
 * without white space. How many; scan->p stands behind the last. -1 where a value is none. */
int sm_json_scan_expected(struct sm_json_scan *scan, const struct sm_json_slot *slots, int n);

/* Fails the scan at `at`; returns false. */
bool sm_json_scan_fail(struct sm_json_scan *scan, const char *at, const char *why);

#endif

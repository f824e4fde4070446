/*
 * Reading entries off the wire: the replies of XREADGROUP, XRANGE and XREVRANGE, taken apart as
 * their bytes arrive. Knows no connection and no job, so that it is tested and fuzzed by itself.
 * Thread: a scan belongs to one thread. Private to queue/.
 */
#ifndef SM_QUEUE_REDIS_SCAN_H
#define SM_QUEUE_REDIS_SCAN_H

#include "queue/job.h"

#define SM_SCAN_SMALL 2048 /* an entry up to this size costs one malloc of its exact size */
#define SM_SCAN_HEAD 256   /* of a value that is cut, so much is kept: enough for the job's id */
#define SM_SCAN_PARTS (2 * SM_FIELDS_MOST)

enum sm_scan_form { SM_SCAN_FETCH, SM_SCAN_RANGE };
enum sm_scan_event { SM_SCAN_MORE, SM_SCAN_ENTRY, SM_SCAN_END, SM_SCAN_ERROR, SM_SCAN_BROKEN };

struct sm_scan {
    size_t entry_limit, budget; /* bytes of one entry; of the next one, given the memory left */
    /* the entry that is ready */
    struct sm_entry_id entry;
    size_t wire;     /* its bytes as Redis sent them, the cut ones too */
    bool too_large;  /* over entry_limit: its values are cut */
    bool over;       /* over budget: its values are cut */
    bool crowded;    /* more than SM_FIELDS_MOST fields: those behind are missing */
    bool gone;       /* nil in place of the fields */
    char error[256]; /* of SM_SCAN_ERROR and SM_SCAN_BROKEN */
    /* how far the reply is */
    int state;
    uint64_t entries_left, parts_left;
    size_t keep_left,
        body_left; /* of the value being read: bytes to keep, bytes to come with CRLF */
    char line[1024];
    size_t line_n;
    struct {
        size_t at, n;
    } part[SM_SCAN_PARTS];
    size_t parts_n, used, room;
    char *big; /* where an entry lies that is not small */
    char small[SM_SCAN_SMALL];
};

/* Ready for one reply. `budget` may be set anew after each entry. */
void sm_scan_start(struct sm_scan *scan, enum sm_scan_form form, size_t entry_limit, size_t budget);
/* Reads on; *used of the n bytes were taken. MORE: all of them. ENTRY: one is ready, call again
 * with the rest. END: the reply is complete. ERROR: an error reply, complete, its text in `error`.
 * BROKEN: not what Redis sends. */
enum sm_scan_event sm_scan_feed(struct sm_scan *scan, const char *data, size_t n, size_t *used);
/* Hands over the bytes of the ready entry (malloc'ed) and its fields, which lie in them (room for
 * SM_FIELDS_MOST). 0 or SM_E_NO_MEMORY. */
int sm_scan_take(struct sm_scan *scan, char **memory, size_t *size, struct sm_field *fields,
                 size_t *n);
void sm_scan_free(struct sm_scan *scan);

#endif

/*
 * Entries off the wire. Why not the reply objects of hiredis: those cost seven allocations an
 * entry, and hold a reply whole before anyone can say that it is too much. Here an entry costs one
 * allocation, and what is over a limit passes by: its head is kept, so that the job can be buried
 * under its own id, and the rest is dropped as it arrives, at no cost of memory and without giving
 * up the connection.
 */
#include "queue/redis_scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum state { TOP, STREAM, KEY, ENTRIES, NEXT, ENTRY, ID, FIELDS, PART, END };

void sm_scan_start(struct sm_scan *scan, enum sm_scan_form form, size_t entry_limit, size_t budget)
{
    free(scan->big);
    scan->big = NULL;
    scan->entry_limit = entry_limit;
    scan->budget = budget;
    scan->state = form == SM_SCAN_FETCH ? TOP : ENTRIES;
    scan->line_n = scan->body_left = scan->keep_left = 0;
    scan->entries_left = scan->parts_left = 0;
}

void sm_scan_free(struct sm_scan *scan)
{
    free(scan->big);
    scan->big = NULL;
}

static enum sm_scan_event broken(struct sm_scan *scan, const char *why)
{
    snprintf(scan->error, sizeof scan->error, "%s", why);
    return SM_SCAN_BROKEN;
}

static void begin_entry(struct sm_scan *scan)
{
    sm_scan_free(scan); /* of one that nobody took */
    scan->parts_n = scan->used = scan->wire = 0;
    scan->too_large = scan->over = scan->crowded = scan->gone = false;
    scan->state = ENTRY;
}

/* Room for n more bytes of the entry; NULL without memory. */
static char *reserve(struct sm_scan *scan, size_t n)
{
    size_t need = scan->used + n;
    if (scan->big == NULL && need <= sizeof scan->small)
        return scan->small + scan->used;
    if (scan->big == NULL || need > scan->room) {
        size_t room = need + (scan->big == NULL ? 64 : need / 2);
        char *more = realloc(scan->big, room);
        if (more == NULL)
            return NULL;
        if (scan->big == NULL)
            memcpy(more, scan->small, scan->used);
        scan->big = more;
        scan->room = room;
    }
    return scan->big + scan->used;
}

/* A value of `size` bytes is to come: decides how much of it is kept. */
static enum sm_scan_event begin_part(struct sm_scan *scan, size_t size)
{
    size_t keep = size;
    scan->wire += size;
    scan->body_left = size + 2;
    scan->too_large |= scan->wire > scan->entry_limit;
    scan->over |= !scan->too_large && scan->wire > scan->budget;
    if ((scan->too_large || scan->over) && keep > SM_SCAN_HEAD)
        keep = SM_SCAN_HEAD;
    if (scan->parts_n == SM_SCAN_PARTS) {
        scan->crowded = true;
        scan->keep_left = 0;
        return SM_SCAN_MORE;
    }
    if (reserve(scan, keep) == NULL)
        return broken(scan, "no memory for an entry");
    scan->part[scan->parts_n].at = scan->used;
    scan->part[scan->parts_n++].n = keep;
    scan->keep_left = keep;
    return SM_SCAN_MORE;
}

/* The number behind the type byte of a line; false when there is none. */
static bool number_of(const char *line, size_t n, int64_t *value)
{
    return n > 1 && sm_text_parse_int(line + 1, n - 1, value) && *value >= -1;
}

static enum sm_scan_event begin_body(struct sm_scan *scan, int64_t size)
{
    if (size < 0 || size > (int64_t)1 << 40)
        return broken(scan, "a length out of bounds");
    if (scan->state == PART)
        return begin_part(scan, (size_t)size);
    if (scan->state == ID && size >= SM_ENTRY_ID_TEXT)
        return broken(scan, "an entry id too long");
    scan->used = 0;
    scan->body_left = (size_t)size + 2;
    scan->keep_left = scan->state == ID ? (size_t)size : 0;
    return SM_SCAN_MORE;
}

static enum sm_scan_event next_entry(struct sm_scan *scan)
{
    if (scan->entries_left == 0) {
        scan->state = END;
        return SM_SCAN_END;
    }
    scan->entries_left--;
    begin_entry(scan);
    return SM_SCAN_MORE;
}

/* The entry is complete; the next feed goes on behind it. */
static enum sm_scan_event entry_ready(struct sm_scan *scan)
{
    scan->state = NEXT;
    return SM_SCAN_ENTRY;
}

static enum sm_scan_event fields_line(struct sm_scan *scan, int64_t n)
{
    scan->gone = n < 0;
    if (n % 2 == 1 || n > UINT32_MAX)
        return broken(scan, "a name without a value");
    scan->parts_left = n < 0 ? 0 : (uint64_t)n;
    scan->state = PART;
    return scan->parts_left == 0 ? entry_ready(scan) : SM_SCAN_MORE;
}

/* A line that opens an array. */
static enum sm_scan_event array_line(struct sm_scan *scan, int64_t n)
{
    switch (scan->state) {
    case TOP:
        scan->state = n > 0 ? STREAM : END;
        return n > 1 ? broken(scan, "more than one stream") : n == 1 ? SM_SCAN_MORE : SM_SCAN_END;
    case STREAM:
        scan->state = KEY;
        return n == 2 ? SM_SCAN_MORE : broken(scan, "a stream in an unknown form");
    case ENTRIES:
        scan->entries_left = n < 0 ? 0 : (uint64_t)n;
        return next_entry(scan);
    case ENTRY:
        scan->state = ID;
        return n == 2 ? SM_SCAN_MORE : broken(scan, "an entry in an unknown form");
    case FIELDS:
        return fields_line(scan, n);
    default:
        return broken(scan, "an array in place of text");
    }
}

static enum sm_scan_event error_line(struct sm_scan *scan, const char *line, size_t n)
{
    if (scan->state != TOP && scan->state != ENTRIES)
        return broken(scan, "an error inside a reply");
    snprintf(scan->error, sizeof scan->error, "%.*s", (int)(n - 1), line + 1);
    scan->state = END;
    return SM_SCAN_ERROR;
}

static enum sm_scan_event on_line(struct sm_scan *scan, const char *line, size_t n)
{
    int64_t value = 0;
    if (n > 0 && line[0] == '-')
        return error_line(scan, line, n);
    if (!number_of(line, n, &value))
        return broken(scan, "a line that is no length");
    if (line[0] == '*')
        return array_line(scan, value);
    if (line[0] != '$')
        return broken(scan, "an unknown type");
    if (scan->state == TOP && value == -1) { /* nil: the wait is over, nothing came */
        scan->state = END;
        return SM_SCAN_END;
    }
    if (scan->state != KEY && scan->state != ID && scan->state != PART)
        return broken(scan, "text in place of an array");
    return begin_body(scan, value);
}

/* The value is complete. */
static enum sm_scan_event on_body(struct sm_scan *scan)
{
    switch (scan->state) {
    case KEY:
        scan->state = ENTRIES;
        return SM_SCAN_MORE;
    case ID:
        if (!sm_entry_id_parse(scan->small, scan->used, &scan->entry))
            return broken(scan, "an entry without an id");
        scan->used = 0;
        scan->state = FIELDS;
        return SM_SCAN_MORE;
    default:
        return --scan->parts_left == 0 ? entry_ready(scan) : SM_SCAN_MORE;
    }
}

/* Takes what there is of a value; returns how much. */
static size_t take_body(struct sm_scan *scan, const char *data, size_t n)
{
    size_t take = n < scan->body_left ? n : scan->body_left;
    size_t keep = take < scan->keep_left ? take : scan->keep_left;
    if (keep > 0) {
        char *to = scan->state == ID || scan->big == NULL ? scan->small : scan->big;
        memcpy(to + scan->used, data, keep);
        scan->used += keep;
        scan->keep_left -= keep;
    }
    scan->body_left -= take;
    return take;
}

/* Takes up to the end of a line; *event is what the line meant, MORE while it is not whole. */
static size_t take_line(struct sm_scan *scan, const char *data, size_t n, enum sm_scan_event *event)
{
    const char *end = memchr(data, '\n', n);
    size_t take = end == NULL ? n : (size_t)(end - data) + 1;
    *event = SM_SCAN_MORE;
    if (take > sizeof scan->line - scan->line_n) {
        *event = broken(scan, "a line without an end");
        return 0;
    }
    if (end != NULL && scan->line_n == 0 && take >= 2) { /* the common case: all at once */
        *event = on_line(scan, data, take - 2);
        return take;
    }
    memcpy(scan->line + scan->line_n, data, take);
    scan->line_n += take;
    if (end != NULL) {
        size_t size = scan->line_n < 2 ? 0 : scan->line_n - 2;
        scan->line_n = 0;
        *event = on_line(scan, scan->line, size);
    }
    return take;
}

enum sm_scan_event sm_scan_feed(struct sm_scan *scan, const char *data, size_t n, size_t *used)
{
    enum sm_scan_event event = SM_SCAN_MORE;
    *used = 0;
    if (scan->state == END)
        return SM_SCAN_END;
    if (scan->state == NEXT)
        event = next_entry(scan);
    while (event == SM_SCAN_MORE && *used < n) {
        if (scan->body_left == 0) {
            *used += take_line(scan, data + *used, n - *used, &event);
        } else {
            *used += take_body(scan, data + *used, n - *used);
            if (scan->body_left == 0)
                event = on_body(scan);
        }
    }
    return event;
}

int sm_scan_take(struct sm_scan *scan, char **memory, size_t *size, struct sm_field *fields,
                 size_t *n)
{
    char *block = scan->big;
    if (block == NULL && (block = malloc(scan->used + 1)) == NULL)
        return SM_E_NO_MEMORY;
    if (scan->big == NULL)
        memcpy(block, scan->small, scan->used);
    scan->big = NULL;
    *memory = block;
    *size = scan->used;
    *n = scan->parts_n / 2;
    for (size_t i = 0; i < *n; i++) {
        fields[i].name = (struct sm_bytes){block + scan->part[2 * i].at, scan->part[2 * i].n};
        fields[i].value =
            (struct sm_bytes){block + scan->part[2 * i + 1].at, scan->part[2 * i + 1].n};
    }
    return 0;
}

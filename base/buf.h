/*
 * A growable run of bytes with a limit and a sticky overflow flag: writers append without checking,
 * the owner looks at the flag once at the end. Thread: one at a time.
 */
#ifndef SM_BASE_BUF_H
#define SM_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct sm_buf {
    char *data; /* malloc'ed; NULL while empty */
    size_t size;
    size_t room;  /* bytes allocated */
    size_t limit; /* size never passes it; 0: no limit */
    bool full;    /* something was dropped (limit, no memory), and all that came after it */
};

/* An empty buffer that may grow to `limit` bytes (0: no limit). Allocates nothing. */
void sm_buf_init(struct sm_buf *buf, size_t limit);
/* Frees the bytes; the buffer is empty again and keeps its limit. */
void sm_buf_free(struct sm_buf *buf);
/* Forgets the content and the flag, keeps the room. */
void sm_buf_clear(struct sm_buf *buf);
/* Room for `size` more bytes at the end, NULL (and full) when there is none; size unchanged. */
char *sm_buf_reserve(struct sm_buf *buf, size_t size);
/* Keeps `used` bytes of what was reserved. */
void sm_buf_commit(struct sm_buf *buf, size_t used);
/* Appends all or nothing. */
void sm_buf_add(struct sm_buf *buf, const void *data, size_t size);
void sm_buf_add_char(struct sm_buf *buf, char c);
void sm_buf_add_text(struct sm_buf *buf, const char *text);
void sm_buf_printf(struct sm_buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Puts a NUL behind the content (not counted in size) and returns it; "" when it could not. */
const char *sm_buf_text(struct sm_buf *buf);
/* Moves the content to the caller, who frees it with free() (NULL when nothing was ever added); the
 * buffer is empty and not full after. */
char *sm_buf_take(struct sm_buf *buf, size_t *size);

#endif

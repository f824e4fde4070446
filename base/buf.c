/*
 * Growable bytes. Room doubles, and one byte more than the content is always there, so that a NUL
 * can be put behind it without growing. Once something was dropped everything after it is dropped
 * too: content with a hole in it is worse than content that ends. Thread: one at a time.
 */
#include "base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define FIRST_ROOM 64

void sm_buf_init(struct sm_buf *buf, size_t limit)
{
    *buf = (struct sm_buf){.limit = limit};
}

void sm_buf_free(struct sm_buf *buf)
{
    free(buf->data);
    sm_buf_init(buf, buf->limit);
}

void sm_buf_clear(struct sm_buf *buf)
{
    buf->size = 0;
    buf->full = false;
}

static size_t most(const struct sm_buf *buf)
{
    /* half of the address space: sums of two sizes cannot overflow */
    return buf->limit && buf->limit < SIZE_MAX / 2 ? buf->limit : SIZE_MAX / 2;
}

static bool grow(struct sm_buf *buf, size_t size)
{
    size_t need, room;
    char *data;

    if (size > most(buf) - buf->size)
        return false;
    need = buf->size + size + 1;
    room = buf->room ? buf->room : FIRST_ROOM;
    while (room < need)
        room *= 2;
    if (room > most(buf) + 1)
        room = most(buf) + 1;
    data = realloc(buf->data, room);
    if (!data)
        return false;
    buf->data = data;
    buf->room = room;
    return true;
}

char *sm_buf_reserve(struct sm_buf *buf, size_t size)
{
    if (buf->full)
        return NULL;
    /* the room never exceeds the limit by more than the NUL, so this test is enough */
    if (buf->room <= buf->size || size > buf->room - buf->size - 1) {
        if (!grow(buf, size)) {
            buf->full = true;
            return NULL;
        }
    }
    return buf->data + buf->size;
}

void sm_buf_commit(struct sm_buf *buf, size_t used)
{
    SM_ASSERT(used == 0 || used < buf->room - buf->size);
    buf->size += used;
}

void sm_buf_add(struct sm_buf *buf, const void *data, size_t size)
{
    char *at;

    if (size == 0)
        return;
    at = sm_buf_reserve(buf, size);
    if (!at)
        return;
    memcpy(at, data, size);
    buf->size += size;
}

void sm_buf_add_char(struct sm_buf *buf, char c)
{
    char *at = sm_buf_reserve(buf, 1);

    if (!at)
        return;
    *at = c;
    buf->size++;
}

void sm_buf_add_text(struct sm_buf *buf, const char *text)
{
    sm_buf_add(buf, text, strlen(text));
}

void sm_buf_printf(struct sm_buf *buf, const char *format, ...)
{
    char small[256];
    char *at = small;
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    SM_ASSERT(n >= 0);
    if ((size_t)n < sizeof small) {
        sm_buf_add(buf, small, (size_t)n);
        return;
    }
    at = sm_buf_reserve(buf, (size_t)n);
    if (!at)
        return;
    va_start(args, format);
    (void)vsnprintf(at, (size_t)n + 1, format, args); /* its NUL falls on the spare byte */
    va_end(args);
    buf->size += (size_t)n;
}

const char *sm_buf_text(struct sm_buf *buf)
{
    if (buf->room <= buf->size && !grow(buf, 0))
        return "";
    buf->data[buf->size] = '\0';
    return buf->data;
}

char *sm_buf_take(struct sm_buf *buf, size_t *size)
{
    char *data = buf->data;

    *size = buf->size;
    sm_buf_init(buf, buf->limit);
    return data;
}

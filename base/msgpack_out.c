/*
 * The bridge from msgpack-c's packer to struct sm_buf: its own sbuffer has no limit. Thread: the
 * buffer's.
 */
#include "base/msgpack_out.h"

#include "base/buf.h"

int sm_buf_msgpack_write(void *buf, const char *data, size_t size)
{
    struct sm_buf *out = buf;

    sm_buf_add(out, data, size);
    return out->full ? -1 : 0;
}

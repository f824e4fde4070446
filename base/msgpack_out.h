/*
 * Writing msgpack is msgpack-c's; this is where its packer puts the bytes:
 *   msgpack_packer_init(&packer, &buf, sm_buf_msgpack_write);
 * Thread: the buffer's.
 */
#ifndef SM_BASE_MSGPACK_OUT_H
#define SM_BASE_MSGPACK_OUT_H

#include <stddef.h>

/* A msgpack_packer_write into the struct sm_buf at `buf`. 0, or -1 once the buffer is full. */
int sm_buf_msgpack_write(void *buf, const char *data, size_t size);

#endif

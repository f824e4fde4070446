/* Msgpack by hand, wrong where a test wants it so. */
#ifndef SM_TESTS_QUEUE_PACK_H
#define SM_TESTS_QUEUE_PACK_H

#include "base/buf.h"

/* Appends from a format, an item a letter: m map of n pairs, s text, b bytes, i integer, f double,
 * r raw bytes with their size; put_msg(&buf, "msi", 1, "v", 1). */
void put_msg(struct sm_buf *buf, const char *format, ...);

#endif

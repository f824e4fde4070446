/* A view of bytes somebody else owns. `p` NULL: absent. */
#ifndef SM_BASE_BYTES_H
#define SM_BASE_BYTES_H

#include <stddef.h>

struct sm_bytes {
    const char *p;
    size_t n;
};

#endif

/* A reader as the files of store/ share it. Private to store/. */
#ifndef SM_STORE_READER_H
#define SM_STORE_READER_H

#include "store/conn.h"
#include "store/read.h"

struct sm_reader {
    PGconn *pg;
};

#endif

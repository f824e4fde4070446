/*
 * Decoding in two files: decode.c takes an entry apart into fields, decode_value.c reads a field.
 * Private to them. Thread: any; a decoder belongs to its call.
 */
#ifndef SM_QUEUE_DECODE_VALUE_H
#define SM_QUEUE_DECODE_VALUE_H

#include "base/msg.h"
#include "queue/job.h"

#define SM_DECODE_DEPTH 64 /* deepest nesting of a value */

/* A field's value: bytes (flat, str or bin), or another msgpack value with its encoded bytes. */
struct sm_decode_value {
    bool is_bytes;
    struct sm_bytes bytes;
    struct sm_msg_value msg;
    struct sm_bytes encoded;
};

struct sm_decoder {
    struct sm_job *job;
    struct sm_err *err;
    int code;      /* the first fault */
    uint32_t seen; /* a bit for each field */
    int64_t at_ms, in_ms;
    struct sm_buf extra; /* converted bytes; pointers into it are set at the end */
    size_t args_at, args_n, tags_at, tags_n;
    bool args_extra, tags_extra, id_given, at_given, in_given;
};

/* Keeps the first fault: "field: text". */
void sm_decode_fault(struct sm_decoder *d, int code, const char *field, const char *text);
/* A name of the sender's own, which is carried and ignored: "x_..". */
bool sm_decode_is_own(struct sm_bytes name);
/* Reads one field into the job; an unknown name is a fault. */
void sm_decode_field(struct sm_decoder *d, struct sm_bytes name, const struct sm_decode_value *v);
/* A stream's ms as a time. An explicit entry id may name any number: the bound keeps arithmetic
 * honest. */
int64_t sm_decode_ms(uint64_t ms);

#endif

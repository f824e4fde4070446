/*
 * A job as a worker holds it: what a stream entry says, decoded. Both ways to enqueue (flat fields,
 * the msgpack envelope) decode to this one struct (queue/PROTOCOL.md).
 *
 * Thread: any; a job belongs to its holder.
 */
#ifndef SM_QUEUE_JOB_H
#define SM_QUEUE_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "stampmill/error.h"
#include "stampmill/id.h"

/* A stream entry's id. */
struct sm_entry_id {
    uint64_t ms, seq;
};

#define SM_ENTRY_ID_TEXT 42
#define SM_QUEUE_NAME_MAX 64
#define SM_INCARNATION_TEXT 33 /* 32 hex digits and a NUL */

void sm_entry_id_format(struct sm_entry_id entry, char text[SM_ENTRY_ID_TEXT]);
bool sm_entry_id_parse(const char *text, size_t size, struct sm_entry_id *entry);
int sm_entry_id_compare(struct sm_entry_id a, struct sm_entry_id b);
/* 1 to 64 bytes of [A-Za-z0-9._-], the first a letter or digit. */
bool sm_queue_name_valid(const char *name, size_t size);

/* The id of an entry that brought none: layout of version 7, the entry's ms in front, the rest from
 * SHA-256 over incarnation, queue and entry id. Same at every delivery. PROTOCOL.md has vectors. */
struct sm_id sm_entry_job_id(const char *incarnation, const char *queue, struct sm_entry_id entry);

struct sm_job {
    struct sm_id id;
    struct sm_bytes type;
    struct sm_bytes args;               /* msgpack map, checked; never absent */
    struct sm_bytes input;              /* absent when none came */
    struct sm_bytes tags;               /* JSON map of texts; absent when none */
    int64_t due_ms;                     /* from at_ms or in_ms; 0: at once */
    int64_t expires_ms;                 /* 0: never */
    int64_t timeout_ms;                 /* 0: the worker's setting */
    int64_t backoff_ms, backoff_max_ms; /* 0: the worker's setting */
    int64_t enqueued_ms;
    int32_t max_attempts; /* 0: the worker's setting */
    int32_t life;         /* from 1 */
    bool durable;         /* it has a row in the outbox until it ends */
    char *memory;         /* the bytes above as they came; malloc'ed */
    size_t memory_size;
    char *extra;         /* those that had to be converted (JSON arguments, tags); malloc'ed */
    struct sm_bytes raw; /* of an entry that could not be decoded: its fields, as a msgpack map */
};

#define SM_FIELDS_MOST 64 /* of a flat entry */

/* One field of an entry as it came. */
struct sm_field {
    struct sm_bytes name, value;
};

/* Where an entry came from: what decoding needs besides its fields. */
struct sm_entry_origin {
    const char *queue;
    const char *incarnation;
    struct sm_entry_id entry;
};

/* Decodes the fields of one entry, at most SM_FIELDS_MOST. The bytes they point into must live as
 * long as the job (usually in job->memory); what has to be converted lands in job->extra. Allocates
 * nothing for an envelope without tags. On failure SM_E_BAD_ENVELOPE, SM_E_UNSUPPORTED,
 * SM_E_TOO_LARGE or SM_E_NO_MEMORY naming the field; then id, enqueued_ms, life and whatever was
 * readable are set all the same, and `raw` keeps the fields, so that it can be buried under its id.
 */
int sm_job_decode(struct sm_job *job, const struct sm_entry_origin *origin,
                  const struct sm_field *fields, size_t n, struct sm_err *err);

/* Appends the msgpack envelope of a job: what is kept with a buried one. An entry that could not be
 * decoded is given as a map of its fields as they came. At most `limit` bytes: past it `input` is
 * left out and "x_input_cut" (its size) stands in its place. 0 or SM_E_NO_MEMORY. */
int sm_job_encode(const struct sm_job *job, size_t limit, struct sm_buf *out);

/* Frees the memory. */
void sm_job_free(struct sm_job *job);

#endif

/*
 * A job's specification as the bytes that are sent for it. Private to the producer library. Thread:
 * any.
 */
#ifndef SM_QUEUE_PRODUCER_SPEC_H
#define SM_QUEUE_PRODUCER_SPEC_H

#include "base/buf.h"
#include "stampmill/producer.h"

/* Checks `job` against the bounds of queue/fields.def and appends its XADD, ready for the wire, to
 * `out`. SM_E_USAGE naming the field, or SM_E_NO_MEMORY; `out` is as it was then. */
int sm_spec_append(const struct sm_job_spec *job, const struct sm_id *id, struct sm_buf *out,
                   struct sm_err *err);

#endif

/*
 * Fuzzer of what producers send: the first byte chooses an envelope, flat fields, or a whole reply
 * off the wire. Checked: a job that decodes has checked arguments and a type, and what is kept of
 * it decodes to the same job; one that does not has an id, a code and a bounded copy; a reply comes
 * apart the same whole and in pieces.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/msg.h"
#include "queue/job.h"
#include "queue/redis_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct sm_entry_origin origin = {
    "default", "0123456789abcdef0123456789abcdef", {1700000000000, 0}};

static int decode_kept(const struct sm_buf *kept, struct sm_job *job)
{
    struct sm_field field = {{"job", 3}, {kept->data, kept->size}};
    struct sm_err err;
    return sm_job_decode(job, &origin, &field, 1, &err);
}

static void check_good(const struct sm_job *job)
{
    struct sm_job again = {0};
    struct sm_buf kept;
    SM_ASSERT(job->type.n >= 1 && job->type.n <= 64);
    SM_ASSERT(sm_msg_check(job->args.p, job->args.n, 64));
    sm_buf_init(&kept, 0);
    SM_ASSERT(sm_job_encode(job, 1u << 20, &kept) == 0 && kept.size <= 1u << 20);
    SM_ASSERT(decode_kept(&kept, &again) == 0);
    SM_ASSERT(memcmp(again.id.b, job->id.b, 16) == 0 && again.due_ms == job->due_ms);
    SM_ASSERT(again.args.n == job->args.n && again.tags.n == job->tags.n);
    sm_job_free(&again);
    sm_buf_free(&kept);
}

static void decode(const struct sm_field *fields, size_t n)
{
    static const struct sm_id none;
    struct sm_job job = {0};
    struct sm_err err = {0};
    int rc = sm_job_decode(&job, &origin, fields, n, &err);
    SM_ASSERT(memcmp(job.id.b, none.b, 16) != 0);
    if (rc == 0) {
        check_good(&job);
    } else {
        SM_ASSERT(err.code == rc && err.text[0] != '\0');
        SM_ASSERT(job.raw.p != NULL && job.raw.n <= 1u << 20);
    }
    sm_job_free(&job);
}

/* Fields are parted by bytes 0xff: name, value, name, value .. */
static void decode_flat(const char *data, size_t size)
{
    struct sm_field fields[SM_FIELDS_MOST];
    struct sm_bytes part[2 * SM_FIELDS_MOST];
    size_t n = 0;
    for (const char *at = data, *end = data + size; n < 2 * SM_FIELDS_MOST && at <= end; n++) {
        const char *stop = memchr(at, 0xff, (size_t)(end - at));
        part[n] = (struct sm_bytes){at, (size_t)((stop == NULL ? end : stop) - at)};
        at = stop == NULL ? end + 1 : stop + 1;
    }
    for (size_t i = 0; i < n / 2; i++)
        fields[i] = (struct sm_field){part[2 * i], part[2 * i + 1]};
    decode(fields, n / 2);
}

/* A digest of all that comes out of a reply that is fed in pieces. */
static uint64_t scan_all(const char *data, size_t size, size_t piece)
{
    static struct sm_scan scan;
    uint64_t digest = 14695981039346656037u;
    size_t at = 0, used;
    enum sm_scan_event event = SM_SCAN_MORE;
    sm_scan_start(&scan, SM_SCAN_FETCH, 1000, 2000);
    while ((event == SM_SCAN_MORE && at < size) || event == SM_SCAN_ENTRY) {
        event = sm_scan_feed(&scan, data + at, size - at < piece ? size - at : piece, &used);
        at += used;
        if (event == SM_SCAN_ENTRY) {
            struct sm_field fields[SM_FIELDS_MOST];
            char *memory;
            size_t bytes, n;
            SM_ASSERT(sm_scan_take(&scan, &memory, &bytes, fields, &n) == 0);
            for (size_t i = 0; i < bytes; i++)
                digest = (digest ^ (unsigned char)memory[i]) * 1099511628211u;
            digest += n + scan.entry.ms + scan.entry.seq + scan.too_large;
            decode(fields, n);
            free(memory);
        }
    }
    sm_scan_free(&scan);
    return event == SM_SCAN_BROKEN ? 0 : digest + (uint64_t)event;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const char *rest = (const char *)data + 1;
    struct sm_field field = {{"job", 3}, {rest, size - 1}};
    switch (data[0] % 3) {
    case 0:
        decode(&field, 1);
        break;
    case 1:
        decode_flat(rest, size - 1);
        break;
    default:
        SM_ASSERT(scan_all(rest, size - 1, SIZE_MAX) == scan_all(rest, size - 1, 1 + data[0] / 3));
    }
    return 0;
}

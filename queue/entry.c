/*
 * Entries and names: stream ids as text, queue names, and the id of a job that brought none.
 */
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "queue/job.h"

void sm_entry_id_format(struct sm_entry_id entry, char text[SM_ENTRY_ID_TEXT])
{
    snprintf(text, SM_ENTRY_ID_TEXT, "%" PRIu64 "-%" PRIu64, entry.ms, entry.seq);
}

static bool parse_u64(const char *text, size_t size, uint64_t *value)
{
    uint64_t sum = 0;
    if (size == 0 || size > 20)
        return false;
    for (size_t i = 0; i < size; i++) {
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (text[i] < '0' || text[i] > '9' || sum > (UINT64_MAX - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    *value = sum;
    return true;
}

bool sm_entry_id_parse(const char *text, size_t size, struct sm_entry_id *entry)
{
    const char *dash = memchr(text, '-', size);
    if (dash == NULL)
        return false;
    size_t left = (size_t)(dash - text);
    return parse_u64(text, left, &entry->ms) && parse_u64(dash + 1, size - left - 1, &entry->seq);
}

int sm_entry_id_compare(struct sm_entry_id a, struct sm_entry_id b)
{
    if (a.ms != b.ms)
        return a.ms < b.ms ? -1 : 1;
    return a.seq == b.seq ? 0 : a.seq < b.seq ? -1 : 1;
}

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool sm_queue_name_valid(const char *name, size_t size)
{
    if (size == 0 || size > SM_QUEUE_NAME_MAX || !is_alnum(name[0]))
        return false;
    for (size_t i = 1; i < size; i++)
        if (!is_alnum(name[i]) && memchr("._-", name[i], 3) == NULL)
            return false;
    return true;
}

struct sm_id sm_entry_job_id(const char *incarnation, const char *queue, struct sm_entry_id entry)
{
    char text[SM_INCARNATION_TEXT + SM_QUEUE_NAME_MAX + SM_ENTRY_ID_TEXT + 8], id[SM_ENTRY_ID_TEXT];
    unsigned char hash[EVP_MAX_MD_SIZE];
    struct sm_id job;
    sm_entry_id_format(entry, id);
    int n = snprintf(text, sizeof text, "%s/%s/%s", incarnation, queue, id);
    SM_ASSERT(n > 0 && (size_t)n < sizeof text);
    SM_ASSERT(EVP_Digest(text, (size_t)n, hash, NULL, EVP_sha256(), NULL) == 1);
    for (int i = 0; i < 6; i++)
        job.b[i] = (unsigned char)(entry.ms >> (40 - 8 * i));
    memcpy(job.b + 6, hash, 10);
    job.b[6] = (unsigned char)(0x70 | (job.b[6] & 0x0f));
    job.b[8] = (unsigned char)(0x80 | (job.b[8] & 0x3f));
    return job;
}

void sm_job_free(struct sm_job *job)
{
    free(job->memory);
    free(job->extra);
    memset(job, 0, sizeof *job);
}

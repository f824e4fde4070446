/*
 * UUIDs. Random bytes are fetched from the kernel a batch at a time and kept per thread, because
 * one system call per id would cost more than the rest of an enqueue; a fork is noticed by the
 * process id, so that parent and child never share a batch. Ids of one thread ascend within a
 * millisecond too (RFC 9562, 6.2, method 2): rows made together lie together. Not ordered across
 * threads: that would cost a shared line of cache for nothing. Thread: any.
 */
#include "base/uuid.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"

#define BATCH 256
#define BACK_MS 1000 /* a clock set back by no more than this keeps ascending from the last id */

struct source {
    pid_t pid; /* 0: never used */
    size_t used;
    unsigned char pool[BATCH];
    int64_t last_ms;
    struct sm_id last;
};

static _Thread_local struct source source = {.used = BATCH};

void sm_random(void *bytes, size_t size)
{
    unsigned char *at = bytes;

    while (size > 0) {
        ssize_t n = getrandom(at, size, 0);

        SM_ASSERT(n > 0 || errno == EINTR);
        if (n > 0) {
            at += n;
            size -= (size_t)n;
        }
    }
}

static void pool_take(struct source *src, unsigned char *bytes, size_t size)
{
    if (BATCH - src->used < size) {
        sm_random(src->pool, BATCH);
        src->used = 0;
    }
    memcpy(bytes, src->pool + src->used, size);
    memset(src->pool + src->used, 0, size);
    src->used += size;
}

struct sm_id sm_uuid_v7(int64_t wall_ms, const unsigned char random[10])
{
    struct sm_id id;

    for (int i = 0; i < 6; i++)
        id.b[i] = (unsigned char)((uint64_t)wall_ms >> (40 - 8 * i));
    memcpy(id.b + 6, random, 10);
    id.b[6] = (unsigned char)(0x70 | (id.b[6] & 0x0f));
    id.b[8] = (unsigned char)(0x80 | (id.b[8] & 0x3f));
    return id;
}

int64_t sm_uuid_ms(const struct sm_id *id)
{
    uint64_t ms = 0;

    for (int i = 0; i < 6; i++)
        ms = ms << 8 | id->b[i];
    return (int64_t)ms;
}

int sm_uuid_compare(const struct sm_id *a, const struct sm_id *b)
{
    return memcmp(a->b, b->b, sizeof a->b);
}

/* Adds `step` to the 62 bits behind the variant; false when they overflow. */
static bool advance(struct sm_id *id, uint32_t step)
{
    uint64_t low = 0;

    for (int i = 8; i < 16; i++)
        low = low << 8 | id->b[i];
    low &= UINT64_C(0x3fffffffffffffff);
    low += step;
    if (low >> 62)
        return false;
    low |= UINT64_C(0x8000000000000000);
    for (int i = 8; i < 16; i++)
        id->b[i] = (unsigned char)(low >> (120 - 8 * i));
    return true;
}

static void fresh(struct source *src, int64_t ms)
{
    unsigned char random[10];

    pool_take(src, random, sizeof random);
    src->last = sm_uuid_v7(ms, random);
    src->last_ms = ms;
}

struct sm_id sm_id_new(void)
{
    struct source *src = &source;
    int64_t ms = sm_wall_us(&sm_clock_real) / 1000;
    pid_t pid = getpid();
    unsigned char random[4];
    uint32_t step;

    if (src->pid != pid) {
        src->pid = pid;
        src->used = BATCH;
        src->last_ms = -1;
    }
    if (ms > src->last_ms || ms < src->last_ms - BACK_MS) {
        fresh(src, ms);
        return src->last;
    }
    /* a random step keeps the next id from being guessed from this one */
    pool_take(src, random, sizeof random);
    memcpy(&step, random, sizeof step);
    if (!advance(&src->last, step | 1))
        fresh(src, src->last_ms + 1);
    return src->last;
}

void sm_id_format(const struct sm_id *id, char text[SM_ID_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    char *at = text;

    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        *at++ = digits[id->b[i] >> 4];
        *at++ = digits[id->b[i] & 15];
    }
    *at = '\0';
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool sm_id_parse(const char *text, size_t size, struct sm_id *id)
{
    struct sm_id read;

    if (size != 32 && size != 36)
        return false;
    for (int i = 0; i < 16; i++) {
        int high, low;

        if (size == 36 && (i == 4 || i == 6 || i == 8 || i == 10) && *text++ != '-')
            return false;
        high = hex(*text++);
        low = hex(*text++);
        if (high < 0 || low < 0)
            return false;
        read.b[i] = (unsigned char)(high << 4 | low);
    }
    *id = read;
    return true;
}

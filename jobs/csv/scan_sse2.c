/*
 * The structural scan with SSE2, which every x86-64 has: four 16-byte compares per mask, the
 * running xor by doubling shifts. Thread: any.
 */
#include "jobs/csv/scan.h"

#if defined(__x86_64__)

#include <emmintrin.h>

#define SCAN_TARGET
#define SCAN_NAME sm_csv_scan_sse2

struct masks {
    uint64_t quote, delimiter, lf, cr;
};

static inline uint64_t equal(const __m128i part[4], char c)
{
    __m128i want = _mm_set1_epi8(c);
    uint64_t bits = 0;
    for (int i = 0; i < 4; i++) {
        uint64_t some = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(part[i], want));
        bits |= some << (16 * i);
    }
    return bits;
}

static inline struct masks masks_of(const char *block, char delimiter, char quote)
{
    __m128i part[4];
    for (int i = 0; i < 4; i++)
        part[i] = _mm_loadu_si128((const __m128i *)(const void *)(block + 16 * i));
    return (struct masks){equal(part, quote), equal(part, delimiter), equal(part, '\n'),
                          equal(part, '\r')};
}

static inline uint64_t prefix_xor(uint64_t bits)
{
    for (int shift = 1; shift < 64; shift *= 2)
        bits ^= bits << shift;
    return bits;
}

#include "jobs/csv/scan_loop.h"

#endif

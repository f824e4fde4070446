/*
 * The structural scan with AVX2: two 32-byte compares per mask, and the quote mask's running xor as
 * one carry-less multiply by all ones. Compiled by function attribute, so that the program itself
 * runs on any x86-64. Thread: any.
 */
#include "jobs/csv/scan.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define SCAN_TARGET __attribute__((target("avx2,pclmul,bmi")))
#define SCAN_NAME sm_csv_scan_avx2

struct masks {
    uint64_t quote, delimiter, lf, cr;
};

static inline SCAN_TARGET uint64_t equal(__m256i low, __m256i high, char c)
{
    __m256i want = _mm256_set1_epi8(c);
    uint32_t a = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, want));
    uint32_t b = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, want));
    return a | (uint64_t)b << 32;
}

static inline SCAN_TARGET struct masks masks_of(const char *block, char delimiter, char quote)
{
    __m256i low = _mm256_loadu_si256((const __m256i *)(const void *)block);
    __m256i high = _mm256_loadu_si256((const __m256i *)(const void *)(block + 32));
    return (struct masks){equal(low, high, quote), equal(low, high, delimiter),
                          equal(low, high, '\n'), equal(low, high, '\r')};
}

static inline SCAN_TARGET uint64_t prefix_xor(uint64_t bits)
{
    __m128i product =
        _mm_clmulepi64_si128(_mm_set_epi64x(0, (int64_t)bits), _mm_set1_epi8((char)-1), 0);
    return (uint64_t)_mm_cvtsi128_si64(product);
}

#include "jobs/csv/scan_loop.h"

#endif

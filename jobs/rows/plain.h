/*
 * How far text goes on without a byte that JSON escapes (below 0x20, '"', '\\'), looked at 16 bytes
 * at a time. For reader and writer alike. Thread: any.
 */
#ifndef SM_JOBS_ROWS_PLAIN_H
#define SM_JOBS_ROWS_PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

static inline bool sm_plain_byte(char c)
{
    return (unsigned char)c >= 0x20 && c != '"' && c != '\\';
}

/* True where one of the eight bytes is not plain. */
static inline bool sm_plain_not_8(uint64_t x)
{
    const uint64_t each = 0x0101010101010101u, top = each << 7;
    uint64_t quote = x ^ (each * '"'), slash = x ^ (each * '\\');
    uint64_t low = (x - each * 0x20) & ~x;
    return (((low | ((quote - each) & ~quote) | ((slash - each) & ~slash)) & top)) != 0;
}

static inline uint64_t sm_plain_load_8(const char *p)
{
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

#if defined(__SSE2__)
/* A bit for each of the 16 bytes that is not plain. */
static inline unsigned sm_plain_not_16(__m128i x)
{
    __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8(0x1f)), x);
    __m128i quote = _mm_cmpeq_epi8(x, _mm_set1_epi8('"'));
    __m128i slash = _mm_cmpeq_epi8(x, _mm_set1_epi8('\\'));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(low, _mm_or_si128(quote, slash)));
}
#endif

/* The first byte from p on that is not plain, or `end`. */
static inline const char *sm_plain_end(const char *p, const char *end)
{
#if defined(__SSE2__)
    for (; end - p >= 16; p += 16) {
        unsigned found = sm_plain_not_16(_mm_loadu_si128((const __m128i *)(const void *)p));
        if (found != 0)
            return p + __builtin_ctz(found);
    }
#else
    while (end - p >= 8 && !sm_plain_not_8(sm_plain_load_8(p)))
        p += 8;
#endif
    while (p < end && sm_plain_byte(*p))
        p++;
    return p;
}

#endif

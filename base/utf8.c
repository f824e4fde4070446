/*
 * UTF-8 (RFC 3629): shortest forms only, no surrogates, nothing past U+10FFFF, and no NUL, which
 * neither text nor jsonb of PostgreSQL can hold. Most text is ASCII, so runs of it are passed over
 * sixteen bytes at a time where SSE2 is (all of x86-64), eight elsewhere. Thread: any.
 */
#include <string.h>

#include "base/text.h"

#if defined(__SSE2__)
#include <emmintrin.h>

/* Length of a prefix that is ASCII without NUL; short of the longest by less than 16. */
static size_t ascii_run(const unsigned char *text, size_t size)
{
    size_t at = 0;

    for (; size - at >= 16; at += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(text + at));

        /* as signed numbers, good ones are those above zero */
        if (_mm_movemask_epi8(_mm_cmpgt_epi8(v, _mm_setzero_si128())) != 0xffff)
            break;
    }
    return at;
}
#else
static size_t ascii_run(const unsigned char *text, size_t size)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones * 0x80;
    size_t at = 0;

    for (; size - at >= 8; at += 8) {
        uint64_t v;

        memcpy(&v, text + at, sizeof v);
        if (((v | (v - ones)) & highs) != 0)
            break;
    }
    return at;
}
#endif

static bool tail(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

/* Length of the sequence that starts at `at`, of which `left` bytes are there; 0 when it is bad. */
static size_t sequence(const unsigned char *at, size_t left)
{
    unsigned char a = at[0];

    if (a < 0x80)
        return a ? 1 : 0;
    if (left < 2 || !tail(at[1]))
        return 0;
    if (a >= 0xc2 && a <= 0xdf)
        return 2;
    if (left < 3 || !tail(at[2]))
        return 0;
    if ((a & 0xf0) == 0xe0) {
        if ((a == 0xe0 && at[1] < 0xa0) || (a == 0xed && at[1] > 0x9f))
            return 0;
        return 3;
    }
    if (a < 0xf0 || a > 0xf4 || left < 4 || !tail(at[3]))
        return 0;
    if ((a == 0xf0 && at[1] < 0x90) || (a == 0xf4 && at[1] > 0x8f))
        return 0;
    return 4;
}

size_t sm_text_valid(const char *text, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t at = 0;

    while (at < size) {
        size_t n, stop;

        at += ascii_run(bytes + at, size - at);
        /* then one block by hand, so that a lone accent costs a block and not a byte each */
        stop = size - at < 16 ? size : at + 16;
        while (at < stop) {
            n = sequence(bytes + at, size - at);
            if (n == 0)
                return at;
            at += n;
        }
    }
    return at;
}

size_t sm_text_cut(const char *text, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t back = 0, length;

    while (back < 3 && back < size && tail(bytes[size - 1 - back]))
        back++;
    if (back == size)
        return size; /* no start at all: not ours to judge */
    switch (bytes[size - 1 - back] >> 4) {
    case 0xc:
    case 0xd:
        length = 2;
        break;
    case 0xe:
        length = 3;
        break;
    case 0xf:
        length = bytes[size - 1 - back] <= 0xf4 ? 4 : 1;
        break;
    default:
        return size;
    }
    return length > back + 1 ? size - 1 - back : size;
}

/*
 * The structural scan in plain C for any processor: eight bytes at a time in a 64-bit word. It is
 * also what the other two are tested against. Thread: any.
 */
#include "jobs/csv/scan.h"

#define SCAN_TARGET
#define SCAN_NAME sm_csv_scan_plain

struct masks {
    uint64_t quote, delimiter, lf, cr;
};

#define EACH(byte) (0x0101010101010101u * (uint64_t)(unsigned char)(byte))

/* One bit per byte of `word` that equals `c`, the first byte's lowest. */
static inline uint64_t equal_8(uint64_t word, char c)
{
    uint64_t x = word ^ EACH(c);
    uint64_t zero = ~(((x & EACH(0x7f)) + EACH(0x7f)) | x | EACH(0x7f)); /* 0x80 where x is 0 */
    return ((zero >> 7) * 0x0102040810204080u) >> 56;
}

static inline uint64_t load_8(const char *at)
{
    uint64_t word;
    __builtin_memcpy(&word, at, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static inline struct masks masks_of(const char *block, char delimiter, char quote)
{
    struct masks m = {0, 0, 0, 0};
    for (int i = 0; i < 64; i += 8) {
        uint64_t word = load_8(block + i);
        m.quote |= equal_8(word, quote) << i;
        m.delimiter |= equal_8(word, delimiter) << i;
        m.lf |= equal_8(word, '\n') << i;
        m.cr |= equal_8(word, '\r') << i;
    }
    return m;
}

static inline uint64_t prefix_xor(uint64_t bits)
{
    for (int shift = 1; shift < 64; shift *= 2)
        bits ^= bits << shift;
    return bits;
}

#include "jobs/csv/scan_loop.h"

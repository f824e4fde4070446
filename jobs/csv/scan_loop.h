/*
 * The part of the scan that all implementations share: from the four masks of a block to marks. It
 * is included, not linked, so that each copy is compiled for its own instruction set. The includer
 * defines before:
 *
 *   SCAN_TARGET   a function attribute, or nothing
 *   SCAN_NAME     the function to define
 *   struct masks masks_of(const char *block, char delimiter, char quote)
 *   uint64_t prefix_xor(uint64_t bits)   bit i = xor of bits 0..i
 *
 * Quotes: with `in` = prefix_xor(quotes), a quote where `in` is 1 opens and one where it is 0
 * closes (an escaped quote closes and opens again). Text is well quoted exactly when every opening
 * quote stands at the start of a field or right behind a closing one, and every closing one is
 * followed by a separator or an opening one: two masks tell it for 64 bytes at once.
 */
#include <string.h>

static inline SCAN_TARGET size_t flatten(uint64_t bits, uint32_t base, uint32_t *marks)
{
    size_t n = 0;
    while (bits != 0) {
        marks[n++] = base + (uint32_t)__builtin_ctzll(bits);
        bits &= bits - 1;
    }
    return n;
}

/* The separators of one block to mark; *bad gets the bytes that break the quoting. */
static inline SCAN_TARGET uint64_t scan_block(struct sm_csv_scan *s, const char *block,
                                              uint64_t *bad)
{
    struct masks m = masks_of(block, s->delimiter, s->quote);
    uint64_t quotes = m.quote & s->quoting;
    uint64_t in = prefix_xor(quotes) ^ s->inside;
    uint64_t opens = quotes & in, closes = quotes & ~in;
    uint64_t lf = m.lf & ~in, cr = m.cr & ~in;
    uint64_t separators = (m.delimiter & ~in) | lf | cr;
    uint64_t fine = separators | closes;
    *bad = (opens & ~((fine << 1) | s->may_open)) |
           (((closes << 1) | s->closed) & ~(separators | opens));
    uint64_t marks = separators & ~(lf & ((cr << 1) | s->after_cr));
    s->inside = (uint64_t)((int64_t)in >> 63);
    s->may_open = fine >> 63;
    s->closed = closes >> 63;
    s->after_cr = cr >> 63;
    return marks;
}

/* Marks before the bad byte only. */
static inline SCAN_TARGET size_t stop_at(uint64_t bits, uint64_t bad, size_t base, uint32_t *marks,
                                         size_t *bad_at)
{
    int at = __builtin_ctzll(bad);
    *bad_at = base + (size_t)at;
    return flatten(bits & (((uint64_t)1 << at) - 1), (uint32_t)base, marks);
}

SCAN_TARGET size_t SCAN_NAME(struct sm_csv_scan *scan, const char *data, size_t size,
                             uint32_t *marks, size_t *bad_at)
{
    struct sm_csv_scan s = *scan;
    size_t n = 0, at = 0;
    uint64_t bad = 0;
    for (; at + SM_CSV_BLOCK <= size; at += SM_CSV_BLOCK) {
        uint64_t bits = scan_block(&s, data + at, &bad);
        if (__builtin_expect(bad != 0, 0))
            return n + stop_at(bits, bad, at, marks + n, bad_at);
        n += flatten(bits, (uint32_t)at, marks + n);
    }
    if (at < size) {
        char last[SM_CSV_BLOCK] = {0}; /* NUL is no separator; past the end nothing can be bad */
        memcpy(last, data + at, size - at);
        uint64_t bits = scan_block(&s, last, &bad);
        bad &= ((uint64_t)1 << (size - at)) - 1;
        if (bad != 0)
            return n + stop_at(bits, bad, at, marks + n, bad_at);
        n += flatten(bits, (uint32_t)at, marks + n);
    }
    *scan = s;
    *bad_at = size;
    return n;
}

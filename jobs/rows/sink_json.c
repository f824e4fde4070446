/*
 * A row as a JSON map. The keys were escaped once, with comma and colon; numbers and bools are
 * their cells' canonical text; everything else is text, of which only SM_CELL_TEXT can need
 * escapes. Text is known to be UTF-8 without NUL by now. Text is looked at and copied 16 bytes at a
 * time; the first byte that must be escaped sends the rest of its cell down the slow road. Thread:
 * any.
 */
#include <string.h>

#include "jobs/rows/sink.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* True where one of the eight bytes is below 0x20, '"' or '\\'. */
static inline bool dirty_8(uint64_t x)
{
    const uint64_t each = 0x0101010101010101u, top = each << 7;
    uint64_t quote = x ^ (each * '"'), slash = x ^ (each * '\\');
    uint64_t low = (x - each * 0x20) & ~x;
    return (((low | ((quote - each) & ~quote) | ((slash - each) & ~slash)) & top)) != 0;
}

static inline uint64_t load_8(const char *p)
{
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

#if defined(__SSE2__)
static inline bool dirty_16(__m128i x)
{
    __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8(0x1f)), x);
    __m128i quote = _mm_cmpeq_epi8(x, _mm_set1_epi8('"'));
    __m128i slash = _mm_cmpeq_epi8(x, _mm_set1_epi8('\\'));
    return _mm_movemask_epi8(_mm_or_si128(low, _mm_or_si128(quote, slash))) != 0;
}

/* Copies whole steps of 16; returns how many bytes were clean. */
static inline size_t copy_16(char *out, const char *p, size_t n)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        if (dirty_16(x))
            break;
        _mm_storeu_si128((__m128i *)(void *)(out + i), x);
    }
    return i;
}
#else
static inline size_t copy_16(char *out, const char *p, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n && !dirty_8(load_8(p + i)); i += 8)
        memcpy(out + i, p + i, 8);
    return i;
}
#endif

/* Copies clean text from the front; less than n bytes where one needs an escape. */
static inline size_t copy_clean(char *out, const char *p, size_t n)
{
    size_t i = copy_16(out, p, n);
    for (; i + 8 <= n && !dirty_8(load_8(p + i)); i += 8)
        memcpy(out + i, p + i, 8);
    for (; i < n && (unsigned char)p[i] >= 0x20 && p[i] != '"' && p[i] != '\\'; i++)
        out[i] = p[i];
    return i;
}

static char *escape(char *out, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    static const char shorts[] = "\bb\tt\nn\ff\rr\"\"\\\\";
    *out++ = '\\';
    for (const char *s = shorts; *s != '\0'; s += 2)
        if ((unsigned char)*s == c) {
            *out++ = s[1];
            return out;
        }
    memcpy(out, "u00", 3);
    out[3] = digits[c >> 4];
    out[4] = digits[c & 15];
    return out + 5;
}

static inline char *put_text(char *out, struct sm_text_view text)
{
    *out++ = '"';
    for (size_t at = 0;;) {
        size_t n = copy_clean(out, text.p + at, text.n - at);
        out += n;
        at += n;
        if (at == text.n)
            break;
        out = escape(out, (unsigned char)text.p[at++]);
    }
    *out++ = '"';
    return out;
}

char *sm_sink_json_name(const struct sm_sink *sink, size_t column, char *out)
{
    *out++ = column == 0 ? '{' : ',';
    out = put_text(out, sink->columns->v[column].name);
    *out++ = ':';
    return out;
}

static inline char *put_cell(char *out, const struct sm_cell *cell)
{
    bool bare =
        cell->type == SM_CELL_INT || cell->type == SM_CELL_FLOAT || cell->type == SM_CELL_BOOL;
    if (cell->null) {
        memcpy(out, "null", 4);
        return out + 4;
    }
    if (!bare)
        return put_text(out, cell->text);
    memcpy(out, cell->text.p, cell->text.n);
    return out + cell->text.n;
}

char *sm_sink_json_row(const struct sm_sink *sink, const struct sm_cell *cells, char *out)
{
    for (size_t i = 0; i < sink->columns->n; i++) {
        memcpy(out, sink->names[i].p, sink->names[i].n);
        out = put_cell(out + sink->names[i].n, &cells[i]);
    }
    *out++ = '}';
    return out;
}

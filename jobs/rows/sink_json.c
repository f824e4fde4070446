/*
 * A row as a JSON map, or as the value that it is. The keys were escaped once, with comma and
 * colon; numbers, bools and JSON are their cells' canonical text; everything else is text, of which
 * only SM_CELL_TEXT can need escapes. Text is known to be UTF-8 without NUL by now. Text is looked
 * at and copied 16 bytes at a time; the first byte that must be escaped sends the rest of its cell
 * down the slow road. Thread: any.
 */
#include <string.h>

#include "jobs/rows/plain.h"
#include "jobs/rows/sink.h"

/* Copies whole steps; returns how many bytes were plain. */
static inline size_t copy_steps(char *out, const char *p, size_t n)
{
    size_t i = 0;
#if defined(__SSE2__)
    for (; i + 16 <= n; i += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        if (sm_plain_not_16(x) != 0)
            break;
        _mm_storeu_si128((__m128i *)(void *)(out + i), x);
    }
#endif
    for (; i + 8 <= n && !sm_plain_not_8(sm_plain_load_8(p + i)); i += 8)
        memcpy(out + i, p + i, 8);
    return i;
}

/* Copies plain text from the front; less than n bytes where one needs an escape. */
static inline size_t copy_plain(char *out, const char *p, size_t n)
{
    size_t i = copy_steps(out, p, n);
    for (; i < n && sm_plain_byte(p[i]); i++)
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
        size_t n = copy_plain(out, text.p + at, text.n - at);
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
    const unsigned bare = 1u << SM_CELL_INT | 1u << SM_CELL_FLOAT | 1u << SM_CELL_NUMBER |
                          1u << SM_CELL_BOOL | 1u << SM_CELL_JSON;
    if (cell->null) {
        memcpy(out, "null", 4);
        return out + 4;
    }
    if ((bare >> cell->type & 1) == 0)
        return put_text(out, cell->text);
    memcpy(out, cell->text.p, cell->text.n);
    return out + cell->text.n;
}

char *sm_sink_json_row(const struct sm_sink *sink, const struct sm_cell *cells, char *out)
{
    if (sink->columns->whole)
        return put_cell(out, &cells[0]);
    for (size_t i = 0; i < sink->columns->n; i++) {
        memcpy(out, sink->names[i].p, sink->names[i].n);
        out = put_cell(out + sink->names[i].n, &cells[i]);
    }
    *out++ = '}';
    return out;
}

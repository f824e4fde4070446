/* See exact.h. */
#include "jobs/aggregate/exact.h"

#include <math.h>
#include <string.h>

/* v * 10^by; false past 128 bits. */
static bool scale_up(sm_int128 *v, int by)
{
    sm_int128 scaled = *v;
    for (; by > 0 && scaled != 0; by--)
        if (__builtin_mul_overflow(scaled, 10, &scaled))
            return false;
    *v = scaled;
    return true;
}

static bool read_decimal(struct sm_text_view text, struct sm_exact *value)
{
    const char *p = text.p, *end = p + text.n, *point = NULL;
    bool minus = p < end && *p == '-';
    const char *few = end - p > 18 ? p + 18 : end; /* all of it, nearly always: no 64 bits */
    uint64_t low = 0;
    for (p += minus; p < few; p++) {
        if (*p == '.')
            point = p;
        else
            low = low * 10 + (uint64_t)(*p - '0');
    }
    sm_int128 v = (sm_int128)low;
    for (; p < end; p++) {
        if (*p == '.')
            point = p;
        else if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *p - '0', &v))
            return false;
    }
    value->scale = point != NULL ? (int)(end - point - 1) : 0;
    value->v = minus ? -v : v;
    return true;
}

bool sm_exact_add(struct sm_exact *sum, struct sm_text_view decimal)
{
    struct sm_exact value, total = *sum;
    if (!read_decimal(decimal, &value))
        return false;
    if (value.scale == sum->scale)
        return !__builtin_add_overflow(sum->v, value.v, &sum->v);
    int scale = value.scale > total.scale ? value.scale : total.scale;
    if (!scale_up(&value.v, scale - value.scale) || !scale_up(&total.v, scale - total.scale) ||
        __builtin_add_overflow(total.v, value.v, &total.v))
        return false;
    total.scale = scale;
    *sum = total;
    return true;
}

size_t sm_exact_text(const struct sm_exact *sum, bool shortest, char out[64])
{
    char text[64], *end = text + sizeof text, *p = end;
    sm_uint128 v = sum->v < 0 ? -(sm_uint128)sum->v : (sm_uint128)sum->v;
    int scale = sum->scale;
    for (; shortest && scale > 0 && v % 10 == 0; scale--)
        v /= 10;
    for (; scale > 0 || v > UINT64_MAX; scale--, v /= 10) {
        *--p = (char)('0' + (int)(v % 10));
        if (scale == 1)
            *--p = '.';
    }
    uint64_t low = (uint64_t)v; /* dividing these is fifty times as fast */
    do
        *--p = (char)('0' + (int)(low % 10));
    while ((low /= 10) != 0);
    if (sum->v < 0)
        *--p = '-';
    memcpy(out, p, (size_t)(end - p));
    return (size_t)(end - p);
}

long double sm_exact_value(const struct sm_exact *sum)
{
    return (long double)sum->v / powl(10, sum->scale);
}

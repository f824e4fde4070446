/*
 * Numbers from text, exactly: integers with their bounds, decimals digit by digit, doubles
 * correctly rounded. A double whose digits and power of ten are both exact in binary is one
 * multiplication or division away (Clinger); everything else goes to the C library under the "C"
 * locale.
 *
 * A double's canonical text is the shortest that reads back. For up to 15 significant digits that
 * is the digits as they came, without trailing zeros, because no two of those meet in one double;
 * so nothing is formatted from binary on the common road. Thread: any.
 */
#include <float.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "jobs/rows/cell.h"

#define FLOAT_TEXT_MAX 800 /* more digits than any double needs to be rounded right */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* ---- integers ------------------------------------------------------------------------------ */

/* The digits' value; false past uint64. */
static bool digits_value(const char *p, const char *end, uint64_t *value)
{
    uint64_t v = 0;
    if (end - p > 20)
        return false;
    for (; p < end; p++) {
        unsigned digit = (unsigned)(*p - '0');
        if (v > (UINT64_MAX - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    *value = v;
    return true;
}

static bool all_digits(const char *p, const char *end)
{
    if (p == end)
        return false;
    while (p < end && is_digit(*p))
        p++;
    return p == end;
}

bool sm_cell_int(struct sm_cell *cell, struct sm_text_view text, struct sm_cell_fault *fault)
{
    const char *p = text.p, *end = p + text.n;
    bool minus = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    const char *digits = p;
    if (!all_digits(p, end))
        return sm_cell_wrong(fault, "type", "an integer");
    while (end - p > 1 && *p == '0')
        p++;
    uint64_t v;
    if (!digits_value(p, end, &v) || v > (uint64_t)INT64_MAX + minus)
        return sm_cell_wrong(fault, "range", "an integer of 64 bits (decimal takes larger ones)");
    cell->as.i = minus ? (int64_t)(0 - v) : (int64_t)v;
    if (!minus || v == 0) {
        cell->text = (struct sm_text_view){p, (size_t)(end - p)};
    } else if (p == digits) {
        cell->text = text;
    } else {
        cell->own[0] = '-';
        memcpy(cell->own + 1, p, (size_t)(end - p)); /* at most 19 digits */
        cell->text = (struct sm_text_view){cell->own, (size_t)(end - p) + 1};
    }
    return true;
}

/* ---- decimals ------------------------------------------------------------------------------ */

static bool is_zero(const char *p, const char *end)
{
    while (p < end && (*p == '0' || *p == '.'))
        p++;
    return p == end;
}

bool sm_cell_decimal(struct sm_cell *cell, struct sm_text_view text, struct sm_cell_fault *fault)
{
    const char *p = text.p, *end = p + text.n;
    bool minus = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    const char *point = memchr(p, '.', (size_t)(end - p));
    const char *whole_end = point != NULL ? point : end;
    bool whole = all_digits(p, whole_end), fraction = point != NULL && all_digits(point + 1, end);
    if (!(whole || (p == whole_end && fraction)) || (point != NULL && !fraction))
        return sm_cell_wrong(fault, "type", "a decimal number");
    while (whole_end - p > 1 && *p == '0')
        p++;
    if (end - p > SM_DECIMAL_MAX)
        return sm_cell_wrong(fault, "range", "a decimal of at most 60 characters");
    size_t n = 0;
    if (minus && !is_zero(p, end))
        cell->own[n++] = '-';
    if (p == whole_end)
        cell->own[n++] = '0';
    memcpy(cell->own + n, p, (size_t)(end - p));
    cell->text = (struct sm_text_view){cell->own, n + (size_t)(end - p)};
    return true;
}

/* ---- doubles ------------------------------------------------------------------------------- */

/* A number taken apart: value = digits * 10^exponent, digits without trailing zeros. */
struct parts {
    uint64_t digits;
    int exponent;
    int count; /* significant digits; past 19 `digits` is cut off */
    bool minus;
    bool plain; /* the text is its own canonical form (where the digits are few) */
};

static const char *read_digits(const char *p, const char *end, struct parts *n, bool fraction)
{
    for (; p < end && is_digit(*p); p++) {
        unsigned digit = (unsigned)(*p - '0');
        if (n->count < 19) {
            n->digits = n->digits * 10 + digit;
            n->count += n->digits != 0;
            n->exponent -= fraction;
        } else {
            n->count++;
            n->exponent += !fraction;
        }
    }
    return p;
}

static const char *read_exponent(const char *p, const char *end, struct parts *n)
{
    bool minus = p < end && *p == '-';
    int value = 0;
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    if (p == end || !is_digit(*p))
        return NULL;
    for (; p < end && is_digit(*p); p++)
        if (value < 100000)
            value = value * 10 + (*p - '0');
    n->exponent += minus ? -value : value;
    n->plain = false;
    return p;
}

static bool take_apart(struct sm_text_view text, struct parts *n)
{
    const char *p = text.p, *end = p + text.n;
    *n = (struct parts){.minus = p < end && *p == '-', .plain = true};
    if (p < end && (*p == '-' || *p == '+')) {
        n->plain = *p == '-';
        p++;
    }
    const char *whole = p;
    p = read_digits(p, end, n, false);
    size_t before = (size_t)(p - whole), after = 0;
    if (before == 0 || (before > 1 && *whole == '0'))
        n->plain = false;
    if (p < end && *p == '.') {
        const char *fraction = ++p;
        p = read_digits(p, end, n, true);
        after = (size_t)(p - fraction);
        if (after == 0 || p[-1] == '0')
            n->plain = false;
    }
    if (before + after == 0)
        return false;
    if (p < end && (*p == 'e' || *p == 'E'))
        p = read_exponent(p + 1, end, n);
    return p == end;
}

static void drop_zeros(struct parts *n)
{
    while (n->digits != 0 && n->count <= 19 && n->digits % 10 == 0) {
        n->digits /= 10;
        n->exponent++;
        n->count--;
    }
}

static locale_t c_locale;

static void make_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    SM_ASSERT(c_locale != (locale_t)0);
}

static double slow_value(const char *text, size_t n)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    char copy[FLOAT_TEXT_MAX + 1];
    SM_ASSERT(pthread_once(&once, make_locale) == 0);
    memcpy(copy, text, n);
    copy[n] = '\0';
    return strtod_l(copy, NULL, c_locale);
}

static bool fast_value(const struct parts *n, double *value)
{
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (n->count > 19 || n->digits > (uint64_t)1 << 53 || n->exponent < -22 || n->exponent > 22)
        return false;
    double v = (double)n->digits;
    v = n->exponent < 0 ? v / tens[-n->exponent] : v * tens[n->exponent];
    *value = n->minus ? -v : v;
    return true;
}

/* digits * 10^exponent as JavaScript writes it: plain between 1e-7 and 1e21, else with an exponent.
 */
static size_t format_parts(const struct parts *n, char out[64])
{
    char d[24];
    size_t k = (size_t)snprintf(d, sizeof d, "%llu", (unsigned long long)n->digits), at = 0;
    int point = (int)k + n->exponent; /* digits before the decimal point */
    if (n->minus)
        out[at++] = '-';
    if (point > 21 || point < -5) {
        at += (size_t)snprintf(out + at, 63 - at, "%c%s%s", d[0], k > 1 ? "." : "", d + 1);
        return at + (size_t)snprintf(out + at, 63 - at, "e%+d", point - 1);
    }
    if (point <= 0) {
        memcpy(out + at, "0.000000", 8);
        at += 2 + (size_t)-point;
        memcpy(out + at, d, k);
        return at + k;
    }
    size_t whole = k < (size_t)point ? k : (size_t)point;
    memcpy(out + at, d, whole);
    memset(out + at + whole, '0', (size_t)point - whole);
    at += (size_t)point;
    if (k == whole)
        return at;
    out[at++] = '.';
    memcpy(out + at, d + whole, k - whole);
    return at + k - whole;
}

/* For what has more digits than a double keeps: the fewest that read back. */
static size_t format_value(double value, char out[64])
{
    int n = 0;
    int least = fabs(value) < DBL_MIN ? 1 : 15; /* subnormals keep fewer digits */
    for (int digits = least; digits <= 17; digits++) {
        n = snprintf(out, 64, "%.*e", digits - 1, value);
        if (slow_value(out, (size_t)n) == value)
            break;
    }
    struct parts parts;
    SM_ASSERT(take_apart((struct sm_text_view){out, (size_t)n}, &parts));
    drop_zeros(&parts);
    return format_parts(&parts, out);
}

/* ---- exact numbers with an exponent -------------------------------------------------------- */

/* digits * 10^exponent in full; false where that is more than SM_DECIMAL_MAX. */
static bool put_in_full(const struct parts *n, char *out, size_t *size)
{
    char d[24];
    int k = snprintf(d, sizeof d, "%llu", (unsigned long long)n->digits), e = n->exponent;
    if (n->count > 19 || e < -SM_DECIMAL_MAX || e > SM_DECIMAL_MAX || k + e > SM_DECIMAL_MAX)
        return false;
    int zeros = e >= 0 ? e : k <= -e ? -e - k + 1 : 0; /* behind or in front of the digits */
    int whole = e >= 0 ? k + e : k <= -e ? 1 : k + e;
    char full[2 * SM_DECIMAL_MAX + 24];
    memset(full, '0', (size_t)(k + zeros));
    memcpy(full + (e >= 0 ? 0 : zeros), d, (size_t)k);
    if (k + zeros + 2 > SM_DECIMAL_MAX)
        return false;
    *size = 0;
    if (n->minus && n->digits != 0)
        out[(*size)++] = '-';
    memcpy(out + *size, full, (size_t)whole);
    *size += (size_t)whole;
    if (k + zeros > whole) {
        out[(*size)++] = '.';
        memcpy(out + *size, full + whole, (size_t)(k + zeros - whole));
        *size += (size_t)(k + zeros - whole);
    }
    return true;
}

/* A whole number of a few digits that is its own canonical form, as most are. */
static bool small_number(struct sm_cell *cell, struct sm_text_view text)
{
    int64_t value = 0;
    if (text.n == 0 || text.n > 18 || (text.n > 1 && *text.p == '0'))
        return false;
    for (size_t i = 0; i < text.n; i++) {
        if (!is_digit(text.p[i]))
            return false;
        value = value * 10 + (text.p[i] - '0');
    }
    cell->as.i = value;
    cell->text = text;
    return true;
}

bool sm_cell_number(struct sm_cell *cell, struct sm_text_view text, struct sm_cell_fault *fault)
{
    struct parts n;
    size_t size;
    cell->small = small_number(cell, text);
    if (cell->small)
        return true;
    if (memchr(text.p, 'e', text.n) == NULL && memchr(text.p, 'E', text.n) == NULL)
        return sm_cell_decimal(cell, text, fault);
    if (!take_apart(text, &n))
        return sm_cell_wrong(fault, "type", "a number");
    if (n.digits == 0)
        n.exponent = 0;
    drop_zeros(&n);
    if (!put_in_full(&n, cell->own, &size))
        return sm_cell_wrong(fault, "range",
                             "a number of at most 60 characters in full "
                             "(float takes larger ones)");
    cell->text = (struct sm_text_view){cell->own, size};
    return true;
}

/* ---- cells from values --------------------------------------------------------------------- */

void sm_cell_from_int(struct sm_cell *cell, int64_t value)
{
    char text[20], *end = text + sizeof text, *p = end;
    uint64_t v = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do
        *--p = (char)('0' + v % 10);
    while ((v /= 10) != 0);
    if (value < 0)
        *--p = '-';
    cell->type = SM_CELL_INT;
    cell->null = false;
    cell->as.i = value;
    cell->text = (struct sm_text_view){cell->own, (size_t)(end - p)};
    memcpy(cell->own, p, (size_t)(end - p));
}

/* A value of few digits, most of them: at most 15, so that no shorter ones read back. */
static bool format_short(double value, char out[64], size_t *size)
{
    double scaled = value;
    for (int digits = 0; digits <= 6; digits++, scaled = value * pow(10, digits)) {
        if (fabs(scaled) >= 1e15)
            return false;
        if (scaled != nearbyint(scaled) || scaled / pow(10, digits) != value)
            continue;
        struct parts n = {
            .digits = (uint64_t)fabs(scaled), .exponent = -digits, .minus = value < 0};
        drop_zeros(&n);
        *size = format_parts(&n, out);
        return true;
    }
    return false;
}

bool sm_cell_from_float(struct sm_cell *cell, double value)
{
    size_t size = 1;
    if (!isfinite(value))
        return false;
    cell->type = SM_CELL_FLOAT;
    cell->null = false;
    cell->as.f = value == 0 ? 0 : value;
    if (value == 0)
        cell->own[0] = '0';
    else if (!format_short(value, cell->own, &size))
        size = format_value(value, cell->own);
    cell->text = (struct sm_text_view){cell->own, size};
    return true;
}

bool sm_cell_float(struct sm_cell *cell, struct sm_text_view text, struct sm_cell_fault *fault)
{
    struct parts n;
    if (text.n > FLOAT_TEXT_MAX)
        return sm_cell_wrong(fault, "range", "a number of at most 800 characters");
    if (!take_apart(text, &n))
        return sm_cell_wrong(fault, "type", "a number");
    if (!fast_value(&n, &cell->as.f))
        cell->as.f = slow_value(text.p, text.n);
    if (!isfinite(cell->as.f))
        return sm_cell_wrong(fault, "range", "a number that a double can hold");
    bool normal = n.count <= 15 && n.exponent > -290 && n.exponent < 290;
    if (n.digits == 0) {
        cell->as.f = 0;
        cell->text = (struct sm_text_view){"0", 1};
    } else if (n.plain && normal && n.exponent >= -5) {
        cell->text = text;
    } else {
        drop_zeros(&n);
        size_t size = normal ? format_parts(&n, cell->own) : format_value(cell->as.f, cell->own);
        cell->text = (struct sm_text_view){cell->own, size};
    }
    return true;
}

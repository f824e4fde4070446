/*
 * Numbers with units, both ways. Whole numbers only, no blanks, no locale: what is accepted can be
 * said in a line of help. Thread: any.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

struct unit {
    const char *name;
    int64_t factor;
};

#define KIB INT64_C(1024)

/* The first of each factor is how it is printed; largest first. */
static const struct unit sizes[] = {
    {"TiB", KIB *KIB *KIB *KIB},
    {"GiB", KIB *KIB *KIB},
    {"MiB", KIB *KIB},
    {"KiB", KIB},
    {"", 1},
    {"TB", KIB *KIB *KIB *KIB},
    {"GB", KIB *KIB *KIB},
    {"MB", KIB *KIB},
    {"KB", KIB},
    {"T", KIB *KIB *KIB *KIB},
    {"G", KIB *KIB *KIB},
    {"M", KIB *KIB},
    {"K", KIB},
    {"B", 1},
    {NULL, 0},
};

static const struct unit durations[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {"", 1000}, {NULL, 0},
};

bool sm_text_parse_int(const char *text, size_t size, int64_t *value)
{
    bool minus = size > 0 && text[0] == '-';
    int64_t sum = 0;

    if (size == (minus ? 1 : 0))
        return false;
    for (size_t i = minus ? 1 : 0; i < size; i++) {
        int digit = text[i] - '0';

        if (digit < 0 || digit > 9)
            return false;
        /* downwards, because INT64_MIN has no positive */
        if (__builtin_mul_overflow(sum, 10, &sum) || __builtin_sub_overflow(sum, digit, &sum))
            return false;
    }
    if (!minus && sum == INT64_MIN)
        return false;
    *value = minus ? sum : -sum;
    return true;
}

static bool parse_unit(const char *text, const struct unit *units, int64_t *value)
{
    size_t digits = strspn(text, "0123456789");
    int64_t number;

    if (digits == 0 || !sm_text_parse_int(text, digits, &number))
        return false;
    for (; units->name; units++) {
        if (strcasecmp(text + digits, units->name) == 0)
            return !__builtin_mul_overflow(number, units->factor, value);
    }
    return false;
}

bool sm_text_parse_size(const char *text, int64_t *bytes)
{
    return parse_unit(text, sizes, bytes);
}

bool sm_text_parse_duration(const char *text, int64_t *ms)
{
    return parse_unit(text, durations, ms);
}

static void format_unit(int64_t value, const struct unit *units, char out[32])
{
    while (units->factor > 1 && value % units->factor != 0)
        units++;
    (void)snprintf(out, 32, "%" PRId64 "%s", value / units->factor, units->name);
}

void sm_text_format_size(int64_t bytes, char out[32])
{
    format_unit(bytes, bytes ? sizes : &sizes[4], out);
}

void sm_text_format_duration(int64_t ms, char out[32])
{
    format_unit(ms, ms ? durations : &durations[3], out);
}

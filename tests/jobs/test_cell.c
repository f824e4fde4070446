/* Fields to typed cells: values, canonical text, and what is refused. */
#include <math.h>
#include <stdio.h>

#include "jobs/rows/cell.h"
#include "tests/base/suite.h"

struct row {
    enum sm_cell_type type;
    const char *text;
    const char *expected; /* canonical; NULL: refused */
};

static const struct row table[] = {
    {SM_CELL_INT, "0", "0"},
    {SM_CELL_INT, "-0", "0"},
    {SM_CELL_INT, "+7", "7"},
    {SM_CELL_INT, "007", "7"},
    {SM_CELL_INT, "-007", "-7"},
    {SM_CELL_INT, " 42\t", "42"},
    {SM_CELL_INT, "9223372036854775807", "9223372036854775807"},
    {SM_CELL_INT, "-9223372036854775808", "-9223372036854775808"},
    {SM_CELL_INT, "-0000000000000000000009223372036854775808", "-9223372036854775808"},
    {SM_CELL_INT, "9223372036854775808", NULL},
    {SM_CELL_INT, "-9223372036854775809", NULL},
    {SM_CELL_INT, "18446744073709551616", NULL},
    {SM_CELL_INT, "99999999999999999999999999999", NULL},
    {SM_CELL_INT, "", NULL},
    {SM_CELL_INT, "-", NULL},
    {SM_CELL_INT, "1.0", NULL},
    {SM_CELL_INT, "1e3", NULL},
    {SM_CELL_INT, "0x10", NULL},
    {SM_CELL_INT, "1 2", NULL},
    {SM_CELL_INT, "--1", NULL},
    {SM_CELL_FLOAT, "1.5", "1.5"},
    {SM_CELL_FLOAT, "1.50", "1.5"},
    {SM_CELL_FLOAT, "+1.5", "1.5"},
    {SM_CELL_FLOAT, "5.", "5"},
    {SM_CELL_FLOAT, ".5", "0.5"},
    {SM_CELL_FLOAT, "-.5", "-0.5"},
    {SM_CELL_FLOAT, "00.25", "0.25"},
    {SM_CELL_FLOAT, "-0.0", "0"},
    {SM_CELL_FLOAT, "100", "100"},
    {SM_CELL_FLOAT, "1e2", "100"},
    {SM_CELL_FLOAT, "1E+2", "100"},
    {SM_CELL_FLOAT, "1e21", "1e+21"},
    {SM_CELL_FLOAT, "1e20", "100000000000000000000"},
    {SM_CELL_FLOAT, "0.000001", "0.000001"},
    {SM_CELL_FLOAT, "0.0000001", "1e-7"},
    {SM_CELL_FLOAT, "123456789012345678901234567890", "1.2345678901234568e+29"},
    {SM_CELL_FLOAT, "0.1000000000000000055511151231257827", "0.1"},
    {SM_CELL_FLOAT, "0.30000000000000004", "0.30000000000000004"},
    {SM_CELL_FLOAT, "9007199254740993", "9007199254740992"},
    {SM_CELL_FLOAT, "1.7976931348623157e308", "1.7976931348623157e+308"},
    {SM_CELL_FLOAT, "5e-324", "5e-324"},
    {SM_CELL_FLOAT, "2.2250738585072011e-308", "2.225073858507201e-308"},
    {SM_CELL_FLOAT, "1e-400", "0"},
    {SM_CELL_FLOAT, "1e400", NULL},
    {SM_CELL_FLOAT, "1e999999999999", NULL},
    {SM_CELL_FLOAT, "nan", NULL},
    {SM_CELL_FLOAT, "inf", NULL},
    {SM_CELL_FLOAT, "0x1p3", NULL},
    {SM_CELL_FLOAT, "1,5", NULL},
    {SM_CELL_FLOAT, "1e", NULL},
    {SM_CELL_FLOAT, "1e+", NULL},
    {SM_CELL_FLOAT, ".", NULL},
    {SM_CELL_FLOAT, "-", NULL},
    {SM_CELL_FLOAT, "1.2.3", NULL},
    {SM_CELL_DECIMAL, "12.30", "12.30"},
    {SM_CELL_DECIMAL, "+0012.30", "12.30"},
    {SM_CELL_DECIMAL, "-0.00", "0.00"},
    {SM_CELL_DECIMAL, ".5", "0.5"},
    {SM_CELL_DECIMAL, "-.5", "-0.5"},
    {SM_CELL_DECIMAL, "123456789012345678901234567890.123456789",
     "123456789012345678901234567890.123456789"},
    {SM_CELL_DECIMAL, "1234567890123456789012345678901234567890123456789012345678901", NULL},
    {SM_CELL_DECIMAL, "5.", NULL},
    {SM_CELL_DECIMAL, "1e5", NULL},
    {SM_CELL_DECIMAL, "", NULL},
    {SM_CELL_DECIMAL, ".", NULL},
    {SM_CELL_DECIMAL, "1.2.3", NULL},
    {SM_CELL_BOOL, "TRUE", "true"},
    {SM_CELL_BOOL, "0", "false"},
    {SM_CELL_BOOL, "Yes", "true"},
    {SM_CELL_BOOL, "off", "false"},
    {SM_CELL_BOOL, "2", NULL},
    {SM_CELL_BOOL, "truee", NULL},
    {SM_CELL_BOOL, "", NULL},
    {SM_CELL_DATE, "2024-02-29", "2024-02-29"},
    {SM_CELL_DATE, "2000-02-29", "2000-02-29"},
    {SM_CELL_DATE, "1900-02-29", NULL},
    {SM_CELL_DATE, "2023-02-29", NULL},
    {SM_CELL_DATE, "2023-13-01", NULL},
    {SM_CELL_DATE, "2023-00-01", NULL},
    {SM_CELL_DATE, "2023-04-31", NULL},
    {SM_CELL_DATE, "0000-01-01", NULL},
    {SM_CELL_DATE, "2023-1-1", NULL},
    {SM_CELL_DATE, "2023-01-01x", NULL},
    {SM_CELL_DATE, "20230101", NULL},
    {SM_CELL_TIMESTAMP, "2024-02-29T23:59:59Z", "2024-02-29T23:59:59Z"},
    {SM_CELL_TIMESTAMP, "2024-02-29 23:59", "2024-02-29T23:59:00"},
    {SM_CELL_TIMESTAMP, "2024-02-29T23:30:00.5-01:00", "2024-03-01T00:30:00.5Z"},
    {SM_CELL_TIMESTAMP, "2024-01-01T00:30:00,123456789+0100", "2023-12-31T23:30:00.123456789Z"},
    {SM_CELL_TIMESTAMP, "2024-03-01 00:30:00 +01", "2024-02-29T23:30:00Z"},
    {SM_CELL_TIMESTAMP, "2024-01-01t00:00:00z", "2024-01-01T00:00:00Z"},
    {SM_CELL_TIMESTAMP, "2024-01-01T24:00:00Z", NULL},
    {SM_CELL_TIMESTAMP, "2024-01-01T00:60:00Z", NULL},
    {SM_CELL_TIMESTAMP, "2024-01-01T00:00:60Z", NULL},
    {SM_CELL_TIMESTAMP, "2024-01-01T00:00:00.Z", NULL},
    {SM_CELL_TIMESTAMP, "2024-01-01T00:00:00.1234567890Z", NULL},
    {SM_CELL_TIMESTAMP, "2024-01-01T00:00:00+24:00", NULL},
    {SM_CELL_TIMESTAMP, "2024-01-01T00:00:00+01:", NULL},
    {SM_CELL_TIMESTAMP, "0001-01-01T00:00:00+01:00", NULL},
    {SM_CELL_TIMESTAMP, "9999-12-31T23:59:59-00:01", NULL},
    {SM_CELL_TIMESTAMP, "2024-01-01", NULL},
    {SM_CELL_TIMESTAMP, "2024-01-01T00:00:00Zx", NULL},
    {SM_CELL_UUID, "F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"},
    {SM_CELL_UUID, "f81d4fae7dec11d0a76500a0c91e6bf6", "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"},
    {SM_CELL_UUID, "f81d4fae-7dec-11d0-a765-00a0c91e6bf", NULL},
    {SM_CELL_UUID, "g81d4fae-7dec-11d0-a765-00a0c91e6bf6", NULL},
    {SM_CELL_TEXT, " as it is ", " as it is "},
    {SM_CELL_TEXT, "\xc3\xa9", "\xc3\xa9"},
    {SM_CELL_TEXT, "\xc3(", NULL},
    {SM_CELL_TEXT, "\xed\xa0\x80", NULL},
};

/* On the heap without a byte to spare, so that a sanitizer sees a read past the field. */
static bool convert(enum sm_cell_type type, const char *text, size_t n, struct sm_cell *cell,
                    char **copy)
{
    struct sm_cell_fault fault = {NULL, NULL};
    *copy = malloc(n != 0 ? n : 1);
    memcpy(*copy, text, n);
    bool ok = sm_cell_convert(cell, type, (struct sm_text_view){*copy, n}, false, &fault);
    ck_assert(ok || (fault.code != NULL && fault.expected != NULL));
    return ok;
}

START_TEST(fields_convert_to_their_canonical_text_or_are_refused)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const struct row *row = &table[i];
        struct sm_cell cell;
        char *copy;
        bool ok = convert(row->type, row->text, strlen(row->text), &cell, &copy);
        ck_assert_msg(ok == (row->expected != NULL), "\"%s\" as type %d: %s", row->text,
                      (int)row->type, ok ? "taken" : "refused");
        if (ok)
            ck_assert_msg(cell.text.n == strlen(row->expected) &&
                              memcmp(cell.text.p, row->expected, cell.text.n) == 0,
                          "\"%s\" as \"%.*s\", expected \"%s\"", row->text, (int)cell.text.n,
                          cell.text.p, row->expected);
        free(copy);
    }
}
END_TEST

static uint64_t seed = 88172645463325252u;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

static void expect_exact(const char *text)
{
    struct sm_cell cell;
    char *copy, canonical[80];
    ck_assert_msg(convert(SM_CELL_FLOAT, text, strlen(text), &cell, &copy), "%s", text);
    double expected = strtod(text, NULL);
    ck_assert_msg(cell.as.f == expected, "%s: %.17g, expected %.17g", text, cell.as.f, expected);
    snprintf(canonical, sizeof canonical, "%.*s", (int)cell.text.n, cell.text.p);
    ck_assert_msg(strtod(canonical, NULL) == expected, "%s: written as %s", text, canonical);
    free(copy);
}

START_TEST(random_doubles_are_rounded_as_strtod_does_and_read_back)
{
    char text[80];
    for (int i = 0; i < 100000; i++) {
        uint64_t bits = next_random();
        double value;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value))
            continue;
        snprintf(text, sizeof text, "%.*g", 1 + (int)(next_random() % 17), value);
        if (isfinite(strtod(text, NULL)))
            expect_exact(text);
    }
}
END_TEST

START_TEST(random_digits_are_rounded_as_strtod_does_and_read_back)
{
    char text[80];
    for (int i = 0; i < 100000; i++) {
        unsigned long long a = next_random() >> (next_random() % 64),
                           b = next_random() >> (next_random() % 64);
        snprintf(text, sizeof text, "%llu.%0*llu", a, 1 + (int)(next_random() % 12), b);
        expect_exact(text);
        snprintf(text, sizeof text, "%llue%d", a, (int)(next_random() % 60) - 30);
        expect_exact(text);
    }
}
END_TEST

START_TEST(random_integers_read_back)
{
    char text[40];
    for (int i = 0; i < 100000; i++) {
        int64_t value = (int64_t)(next_random() >> (next_random() % 64)) * (i % 2 == 0 ? 1 : -1);
        struct sm_cell cell;
        char *copy;
        snprintf(text, sizeof text, "%lld", (long long)value);
        ck_assert(convert(SM_CELL_INT, text, strlen(text), &cell, &copy));
        ck_assert(cell.as.i == value);
        free(copy);
    }
}
END_TEST

START_TEST(random_bytes_never_break_a_conversion)
{
    static const char alphabet[] = "0123456789+-.eETZ: \ttruefalsn\xc3\xa9";
    for (int i = 0; i < 100000; i++) {
        char text[40];
        size_t n = next_random() % sizeof text;
        for (size_t k = 0; k < n; k++)
            text[k] = alphabet[next_random() % (sizeof alphabet - 1)];
        for (int type = SM_CELL_TEXT; type <= SM_CELL_UUID; type++) {
            struct sm_cell cell;
            char *copy;
            convert((enum sm_cell_type)type, text, n, &cell, &copy);
            free(copy);
        }
    }
}
END_TEST

int main(void)
{
    return RUN_SUITE("jobs_cell", {fields_convert_to_their_canonical_text_or_are_refused, 0},
                     {random_doubles_are_rounded_as_strtod_does_and_read_back, 0},
                     {random_digits_are_rounded_as_strtod_does_and_read_back, 0},
                     {random_integers_read_back, 0}, {random_bytes_never_break_a_conversion, 0});
}

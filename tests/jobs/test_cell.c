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
    {SM_CELL_NUMBER, "0", "0"},
    {SM_CELL_NUMBER, "-0", "0"},
    {SM_CELL_NUMBER, "007", "7"},
    {SM_CELL_NUMBER, "123456789012345678", "123456789012345678"},
    {SM_CELL_NUMBER, "-12.30", "-12.30"},
    {SM_CELL_NUMBER, "1e3", "1000"},
    {SM_CELL_NUMBER, "-1.25E+2", "-125"},
    {SM_CELL_NUMBER, "1.2345e2", "123.45"},
    {SM_CELL_NUMBER, "12e-1", "1.2"},
    {SM_CELL_NUMBER, "12e-2", "0.12"},
    {SM_CELL_NUMBER, "12e-5", "0.00012"},
    {SM_CELL_NUMBER, "0e99", "0"},
    {SM_CELL_NUMBER, "0e-99999", "0"},
    {SM_CELL_NUMBER, "1e55", "10000000000000000000000000000000000000000000000000000000"},
    {SM_CELL_NUMBER, "1e60", NULL},
    {SM_CELL_NUMBER, "1e-60", NULL},
    {SM_CELL_NUMBER, "1e999999999999", NULL},
    {SM_CELL_NUMBER, "12345678901234567890e1", NULL},
    {SM_CELL_NUMBER, "1e", NULL},
    {SM_CELL_NUMBER, "e1", NULL},
    {SM_CELL_NUMBER, "x", NULL},
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

START_TEST(values_made_into_cells_read_back_in_their_shortest_form)
{
    static const struct {
        double value;
        const char *text;
    } known[] = {{0, "0"},
                 {-0.0, "0"},
                 {1.5, "1.5"},
                 {-12, "-12"},
                 {0.1 + 0.2, "0.30000000000000004"},
                 {1e21, "1e+21"},
                 {123456.789, "123456.789"},
                 {1e-7, "1e-7"},
                 {5e-324, "5e-324"},
                 {1e15, "1000000000000000"}};
    struct sm_cell cell;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        ck_assert(sm_cell_from_float(&cell, known[i].value));
        ck_assert_msg(cell.text.n == strlen(known[i].text) &&
                          memcmp(cell.text.p, known[i].text, cell.text.n) == 0,
                      "%.*s, expected %s", (int)cell.text.n, cell.text.p, known[i].text);
    }
    ck_assert(!sm_cell_from_float(&cell, INFINITY) && !sm_cell_from_float(&cell, NAN));
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = next_random();
        double value = (double)(int64_t)(bits >> 20) / (double)(1 + bits % 1000);
        char text[80];
        ck_assert(sm_cell_from_float(&cell, i % 2 != 0 ? -value : value));
        snprintf(text, sizeof text, "%.*s", (int)cell.text.n, cell.text.p);
        ck_assert_msg(strtod(text, NULL) == cell.as.f, "%.17g as %s", cell.as.f, text);
        sm_cell_from_int(&cell, (int64_t)bits);
        snprintf(text, sizeof text, "%lld", (long long)(int64_t)bits);
        ck_assert(cell.text.n == strlen(text) && memcmp(cell.text.p, text, cell.text.n) == 0);
    }
    sm_cell_from_int(&cell, INT64_MIN);
    ck_assert_mem_eq(cell.text.p, "-9223372036854775808", 20);
}
END_TEST

/* Decimals are compared digit by digit; doubles of as few digits by the machine. */
START_TEST(random_decimals_are_ordered_as_their_values)
{
    for (int i = 0; i < 50000; i++) {
        char text[2][40];
        struct sm_cell cells[2];
        struct sm_cell_fault fault;
        double values[2];
        for (int k = 0; k < 2; k++) {
            int digits = (int)(next_random() % 4);
            values[k] = (double)((int64_t)(next_random() % 20000) - 10000) / pow(10, digits);
            snprintf(text[k], sizeof text[k], "%.*f", digits + (int)(next_random() % 3), values[k]);
            struct sm_text_view view = {text[k], strlen(text[k])};
            ck_assert(sm_cell_convert(&cells[k], SM_CELL_DECIMAL, view, true, &fault));
        }
        int expected = (values[0] > values[1]) - (values[0] < values[1]);
        ck_assert_msg(sm_cell_compare(&cells[0], &cells[1]) == expected, "%s and %s", text[0],
                      text[1]);
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
                     {random_integers_read_back, 0},
                     {values_made_into_cells_read_back_in_their_shortest_form, 0},
                     {random_decimals_are_ordered_as_their_values, 0},
                     {random_bytes_never_break_a_conversion, 0});
}

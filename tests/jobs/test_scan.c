/* The three scanners give the same marks, and the marks that a byte-by-byte reading gives. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "jobs/csv/scan.h"
#include "tests/base/suite.h"

#define MOST (3 * SM_CSV_CHUNK + 200)

struct marks {
    size_t n, bad; /* bad: offset, or the size */
    bool inside;
    uint32_t at[MOST];
};

static struct marks expected, got;

/* What the scan means, one byte at a time. */
static void read_bytes(const char *data, size_t size, char delimiter, char quote, struct marks *m)
{
    enum { START, PLAIN, INSIDE, CLOSED } state = START;
    *m = (struct marks){.bad = size};
    for (size_t i = 0; i < size; i++) {
        char c = data[i];
        bool is_quote = quote != '\0' && c == quote;
        if (state == INSIDE) {
            state = is_quote ? CLOSED : INSIDE;
        } else if (c == delimiter || c == '\n' || c == '\r') {
            bool crlf = c == '\n' && i > 0 && data[i - 1] == '\r';
            if (!(crlf && m->n > 0 && m->at[m->n - 1] == i - 1))
                m->at[m->n++] = (uint32_t)i;
            state = START;
        } else if (is_quote && state != PLAIN) {
            state = INSIDE; /* opens, or opens again: an escaped one */
        } else if (is_quote || state == CLOSED) {
            m->bad = i;
            return;
        } else {
            state = PLAIN;
        }
    }
    m->inside = state == INSIDE;
}

static void scan_all(const struct sm_csv_scanner *scanner, const char *data, size_t size,
                     char delimiter, char quote, struct marks *m)
{
    static uint32_t marks[SM_CSV_MARKS];
    struct sm_csv_scan scan;
    sm_csv_scan_start(&scan, delimiter, quote);
    *m = (struct marks){.bad = size};
    for (size_t at = 0; at < size && m->bad == size; at += SM_CSV_CHUNK) {
        size_t n = size - at < SM_CSV_CHUNK ? size - at : SM_CSV_CHUNK, bad;
        size_t k = scanner->scan(&scan, data + at, n, marks, &bad);
        for (size_t i = 0; i < k; i++)
            m->at[m->n++] = (uint32_t)(at + marks[i]);
        if (bad != n)
            m->bad = at + bad;
    }
    m->inside = scan.inside != 0;
}

static void compare(const char *data, size_t size, char delimiter, char quote)
{
    read_bytes(data, size, delimiter, quote, &expected);
    for (size_t i = 0; i < SM_CSV_SCANNERS; i++) {
        const struct sm_csv_scanner *scanner = &sm_csv_scanners[i];
        if (!scanner->usable())
            continue;
        scan_all(scanner, data, size, delimiter, quote, &got);
        ck_assert_msg(got.bad == expected.bad, "%s: bad at %zu, expected %zu of %zu", scanner->name,
                      got.bad, expected.bad, size);
        ck_assert_msg(got.n == expected.n, "%s: %zu marks, expected %zu", scanner->name, got.n,
                      expected.n);
        ck_assert_int_eq(memcmp(got.at, expected.at, got.n * sizeof got.at[0]), 0);
        if (got.bad == size)
            ck_assert(got.inside == expected.inside);
    }
}

static uint32_t seed = 1;

static uint32_t next_random(void)
{
    seed = seed * 1664525u + 1013904223u;
    return seed >> 8;
}

/* Random text over an alphabet in which the bytes that matter are as frequent as its repeats say.
 */
static void fill(char *data, size_t size, const char *alphabet)
{
    size_t n = strlen(alphabet);
    for (size_t i = 0; i < size; i++)
        data[i] = alphabet[next_random() % n];
}

/* Random text that is well quoted, so that long runs go without a bad byte. */
static void fill_well(char *data, size_t size)
{
    static const char *const fields[] = {"",           "a",          "bc",       "\"\"",
                                         "\"x\"",      "\"a,b\"",    "12.50",    "\xff",
                                         "\"q\"\"q\"", "\"l\r\nl\"", "\"\"\"\"", "long plain text"};
    static const char *const ends[] = {",", ",", ",", ",", "\n", "\r\n", "\r"};
    size_t at = 0;
    while (at < size) {
        const char *parts[2] = {fields[next_random() % 12], ends[next_random() % 7]};
        for (int i = 0; i < 2; i++)
            for (const char *p = parts[i]; *p != '\0' && at < size; p++)
                data[at++] = *p;
    }
}

/* Memory of n bytes right in front of a page that may not be touched. */
static char *fenced(size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *at = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert(at != MAP_FAILED && n <= page);
    ck_assert_int_eq(mprotect(at + page, page, PROT_NONE), 0);
    return at + page - n;
}

static const char *const alphabets[] = {"a,\"\n\r", "aaaaaaaaaaaaaaa,\"\n", "\",\n", "\r\n,a",
                                        "ab\"",     ",\xac\x8a\x0d\x22\x80"};

#ifdef STAMPMILL_SANITIZED
enum { ALIGNMENT_STEP = 7, ROUNDS = 12 };
#else
enum { ALIGNMENT_STEP = 1, ROUNDS = 60 };
#endif

START_TEST(every_length_at_every_alignment_gives_equal_marks)
{
    char *data = fenced(4096);
    ck_assert_uint_eq((uintptr_t)data % 64, 0);
    for (size_t size = 0; size <= 200; size++)
        for (size_t start = 0; start < 64; start += ALIGNMENT_STEP) {
            fill(data + start, size, alphabets[(size + start) % 6]);
            compare(data + start, size, ',', '"');
            fill_well(data + start, size);
            compare(data + start, size, ',', '"');
        }
}
END_TEST

START_TEST(no_scanner_reads_past_the_end)
{
    for (size_t size = 0; size <= 200; size++) {
        char *data = fenced(size);
        for (size_t alphabet = 0; alphabet < 6; alphabet++) {
            fill(data, size, alphabets[alphabet]);
            compare(data, size, ',', '"');
        }
        fill_well(data, size);
        compare(data, size, ',', '"');
    }
}
END_TEST

START_TEST(all_short_texts_of_the_bytes_that_matter_give_equal_marks)
{
    static const char bytes[] = ",\"\n\ra";
    char data[80];
    for (int n = 0; n < 5 * 5 * 5 * 5 * 5 * 5; n++) {
        memset(data, 'a', sizeof data);
        for (int i = 0, rest = n; i < 6; i++, rest /= 5)
            data[60 + i] = bytes[rest % 5]; /* across the end of a block */
        data[59] = ',';
        compare(data, 66, ',', '"');
        compare(data + 60, 6, ',', '"');
    }
}
END_TEST

START_TEST(state_is_carried_over_chunks)
{
    static char data[MOST];
    for (int round = 0; round < ROUNDS; round++) {
        size_t size = MOST - next_random() % 300;
        fill_well(data, size);
        compare(data, size, ',', '"');
        memset(data, 'x', size);
        data[0] = '"'; /* one field over everything */
        if (round % 2 == 0)
            data[size - 1] = '"';
        compare(data, size, ',', '"');
        memset(data, '"', size);
        compare(data, size, ',', '"');
        for (size_t edge = SM_CSV_CHUNK - 2; edge < SM_CSV_CHUNK + 2; edge++) {
            memset(data, 'x', size);
            memcpy(data + edge, "\r\n\"\"", 4);
            data[edge + 4] = ',';
            compare(data, size, ',', '"');
        }
    }
}
END_TEST

START_TEST(other_delimiters_and_no_quoting_give_equal_marks)
{
    static char data[1000];
    for (int round = 0; round < 500; round++) {
        fill(data, sizeof data, "a\t;|'\"\n\r ");
        compare(data, sizeof data, '\t', '\0');
        compare(data, sizeof data, ';', '\0');
        compare(data, sizeof data, '|', '\'');
    }
}
END_TEST

int main(void)
{
    return RUN_SUITE("jobs_scan", {every_length_at_every_alignment_gives_equal_marks, 0},
                     {no_scanner_reads_past_the_end, 0},
                     {all_short_texts_of_the_bytes_that_matter_give_equal_marks, 0},
                     {state_is_carried_over_chunks, 0},
                     {other_delimiters_and_no_quoting_give_equal_marks, 0});
}

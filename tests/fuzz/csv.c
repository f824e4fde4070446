/*
 * Fuzzer of parse.csv. The first bytes choose delimiter, quote and arguments, the rest is the file.
 * Checked: the three scanners agree to the last mark; no run ends in anything but done, bad_input,
 * too_large; rows_in = rows_out + rows_bad; NDJSON has as many lines as rows_out; CSV that was
 * written reads back to the same number of rows.
 */
#include "jobs/csv/scan.h"
#include "tests/fuzz/rows.h"

/* ---- the scanners -------------------------------------------------------------------------- */

struct scanned {
    size_t n, bad;
    struct sm_csv_scan state;
    uint32_t marks[SM_CSV_MARKS];
};

static struct scanned first, other;

static void scan_with(const struct sm_csv_scanner *scanner, const struct sm_csv_scan *state,
                      const char *data, size_t size, struct scanned *to)
{
    to->state = *state;
    to->n = scanner->scan(&to->state, data, size, to->marks, &to->bad);
}

static bool same(const struct sm_csv_scan *a, const struct sm_csv_scan *b)
{
    return a->inside == b->inside && a->may_open == b->may_open && a->closed == b->closed &&
           a->after_cr == b->after_cr;
}

static void compare_scanners(const char *data, size_t size, char delimiter, char quote)
{
    struct sm_csv_scan state;
    sm_csv_scan_start(&state, delimiter, quote);
    for (size_t at = 0; at < size;) {
        size_t n = size - at < SM_CSV_CHUNK ? size - at : SM_CSV_CHUNK;
        scan_with(&sm_csv_scanners[SM_CSV_SCANNERS - 1], &state, data + at, n, &first);
        for (size_t i = 0; i + 1 < SM_CSV_SCANNERS; i++) {
            if (!sm_csv_scanners[i].usable())
                continue;
            scan_with(&sm_csv_scanners[i], &state, data + at, n, &other);
            SM_ASSERT(other.bad == first.bad && other.n == first.n);
            SM_ASSERT(memcmp(other.marks, first.marks, first.n * sizeof first.marks[0]) == 0);
            SM_ASSERT(first.bad < n || same(&other.state, &first.state));
        }
        if (first.bad < n)
            break;
        state = first.state;
        at += n;
    }
}

/* ---- the handler --------------------------------------------------------------------------- */

static void check_csv(const struct sm_run_out *out)
{
    struct sm_run_out again;
    unsigned long long rows = check_counts(out);
    if (out->body_size <= 2)
        return; /* no columns */
    run_type("parse.csv", "{\"output\":\"none\"}", out->body, out->body_size, &again);
    SM_ASSERT(again.code == 0 && check_counts(&again) == rows);
    sm_run_out_free(&again);
}

#define TYPED                                                                                      \
    "\"columns\":[{\"name\":\"x\",\"index\":1},{\"name\":\"y\",\"index\":1},{\"name\":\"z\","      \
    "\"index\":1},{\"name\":\"a\",\"index\":1,\"type\":\"int\"},{\"name\":\"b\",\"index\":2,"      \
    "\"type\":\"float\"},{\"name\":\"c\",\"index\":1,\"type\":\"timestamp\"},{\"name\":\"d\","     \
    "\"index\":2,\"type\":\"decimal\"},{\"name\":\"e\",\"index\":1,\"type\":\"date\"}]"

static const char *const options[] = {
    "{\"on_error\":\"collect\",\"output\":\"ndjson\"}",
    "{\"on_error\":\"skip\",\"output\":\"csv\"}",
    "{\"on_error\":\"collect\",\"output\":\"rows\",\"header\":false}",
    "{\"on_error\":\"skip\",\"output\":\"msgpack\",\"header\":false}",
    "{\"on_error\":\"collect\",\"output\":\"ndjson\",\"header\":false," TYPED "}",
    "{\"on_error\":\"fail\",\"output\":\"none\",\"delimiter\":\";\",\"quote\":\"'\"}",
    "{\"on_error\":\"skip\",\"output\":\"csv\",\"quote\":\"\",\"delimiter\":\"\\t\"}",
};
#define OPTIONS (sizeof options / sizeof options[0])

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sm_run_out out;
    if (size == 0)
        return 0;
    size_t option = data[0] % OPTIONS;
    const char *input = (const char *)data + 1;
    compare_scanners(input, size - 1,
                     option == 5   ? ';'
                     : option == 6 ? '\t'
                                   : ',',
                     option == 5   ? '\''
                     : option == 6 ? '\0'
                                   : '"');
    run_type("parse.csv", options[option], input, size - 1, &out);
    if (out.code == 0) {
        check_counts(&out);
        if (option == 0 || option == 4)
            check_ndjson(&out);
        if (option == 1 || option == 6)
            check_csv(&out);
    }
    sm_run_out_free(&out);
    return 0;
}

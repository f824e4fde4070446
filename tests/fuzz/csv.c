/*
 * Fuzzer of parse.csv. The first bytes choose delimiter, quote and arguments, the rest is the file.
 * Checked: the three scanners agree to the last mark; no run ends in anything but done, bad_input,
 * too_large; rows_in = rows_out + rows_bad; NDJSON has as many lines as rows_out; CSV that was
 * written reads back to the same number of rows.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/json.h"
#include "jobs/csv/scan.h"
#include "jobs/job.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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

static void run_csv(const char *args, const char *input, size_t size, struct sm_run_out *out)
{
    static struct sm_runner *runner;
    struct sm_buf msg;
    struct sm_err err;
    if (runner == NULL)
        runner = sm_runner_new();
    sm_buf_init(&msg, 0);
    SM_ASSERT(sm_json_to_msgpack(args, strlen(args), &msg, &err) == 0);
    struct sm_run_in in = {.type = sm_type_find("parse.csv", 9),
                           .args = msg.data,
                           .args_size = msg.size,
                           .input = input,
                           .input_size = size,
                           .attempt = 1,
                           .limits = {1 << 20, 1 << 22, 1 << 23, 1000}};
    sm_runner_run(runner, &in, out);
    sm_buf_free(&msg);
    SM_ASSERT(out->code == 0 || out->code == SM_E_BAD_INPUT || out->code == SM_E_TOO_LARGE);
}

static unsigned long long count_of(const struct sm_run_out *out, const char *key)
{
    /* the counts stand last, behind everything that came from the input */
    for (const char *at = out->result + out->result_size - strlen(key); at >= out->result; at--)
        if (memcmp(at, key, strlen(key)) == 0)
            return strtoull(at + strlen(key), NULL, 10);
    abort();
}

static unsigned long long check_counts(const struct sm_run_out *out)
{
    unsigned long long rows_out = count_of(out, "\"rows_out\":");
    SM_ASSERT(count_of(out, "\"rows_in\":") == rows_out + count_of(out, "\"rows_bad\":"));
    return rows_out;
}

static void check_ndjson(const struct sm_run_out *out)
{
    unsigned long long lines = 0;
    for (size_t i = 0; i < out->body_size; i++)
        lines += out->body[i] == '\n';
    SM_ASSERT(lines == check_counts(out));
}

static void check_csv(const struct sm_run_out *out)
{
    struct sm_run_out again;
    unsigned long long rows = check_counts(out);
    if (out->body_size <= 2)
        return; /* no columns */
    run_csv("{\"output\":\"none\"}", out->body, out->body_size, &again);
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
    run_csv(options[option], input, size - 1, &out);
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

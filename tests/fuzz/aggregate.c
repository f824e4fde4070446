/*
 * Fuzzer of transform.aggregate. The first byte chooses format and arguments, the rest is the
 * input. Checked: no run ends in anything but done, bad_input, too_large; the groups' counts come
 * to the rows that are not bad; there are as many lines as groups.
 */
#include "tests/fuzz/rows.h"

#define COUNT "{\"op\":\"count\",\"as\":\"rows\"}]"
#define TYPED(type)                                                                                \
    "\"columns\":[{\"name\":\"a\",\"type\":\"" type "\"},{\"name\":\"b\",\"type\":\"" type "\"}]"
#define NUMBERS                                                                                    \
    "{\"op\":\"sum\",\"column\":\"b\"},{\"op\":\"avg\",\"column\":\"b\"},{\"op\":\"stddev\","      \
    "\"column\":\"b\"}"
#define ORDERED                                                                                    \
    "{\"op\":\"min\",\"column\":\"b\"},{\"op\":\"max\",\"column\":\"b\"},{\"op\":\"distinct\","    \
    "\"column\":\"b\"},{\"op\":\"first\",\"column\":\"b\"},{\"op\":\"last\",\"column\":\"b\"}"
#define REST "\"on_error\":\"skip\",\"output\":\"ndjson\",\"group_by\":[\"a\"],\"aggregates\":["

static const char *const options[] = {
    "{" REST NUMBERS "," COUNT "}",
    "{\"format\":\"ndjson\"," TYPED("int") "," REST NUMBERS "," ORDERED "," COUNT "}",
    "{\"format\":\"csv\"," TYPED("decimal") "," REST NUMBERS "," ORDERED "," COUNT "}",
    "{\"format\":\"csv\"," TYPED("float") "," REST NUMBERS "," ORDERED "," COUNT "}",
    "{\"format\":\"csv\"," TYPED(
        "timestamp") "," REST ORDERED "," COUNT
                     ",\"sort\":[{\"by\":\"max_b\",\"order\":\"desc\"},{\"by\":\"a\"}]}",
    "{\"format\":\"ndjson\"," REST COUNT ",\"sort\":[{\"by\":\"a\"}]}",
    "{\"format\":\"csv\"," TYPED("number") "," REST NUMBERS "," ORDERED "," COUNT
                                           ",\"sort\":[{\"by\":\"min_b\"}]}",
};
#define OPTIONS (sizeof options / sizeof options[0])

/* Each line ends in "rows":N}. */
static unsigned long long sum_of_lines(const struct sm_run_out *out)
{
    static const char key[] = "\"rows\":";
    unsigned long long sum = 0;
    for (size_t i = 0; i < out->body_size; i++) {
        if (out->body[i] != '\n')
            continue;
        size_t at = i - (sizeof key - 1);
        while (memcmp(out->body + at, key, sizeof key - 1) != 0)
            at--;
        sum += strtoull(out->body + at + sizeof key - 1, NULL, 10);
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sm_run_out out;
    if (size == 0)
        return 0;
    run_type("transform.aggregate", options[data[0] % OPTIONS], (const char *)data + 1, size - 1,
             &out);
    if (out.code == 0)
        SM_ASSERT(sum_of_lines(&out) ==
                  count_of(&out, "\"rows_in\":") - count_of(&out, "\"rows_bad\":"));
    sm_run_out_free(&out);
    return 0;
}

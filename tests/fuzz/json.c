/*
 * Fuzzer of parse.json and parse.ndjson. The first byte chooses type and arguments, the rest is the
 * input. Checked: no run ends in anything but done, bad_input, too_large; rows_in = rows_out +
 * rows_bad; NDJSON has as many lines as rows_out; what was written out is read back as the same
 * bytes; what jansson takes for JSON we do.
 */
#include "tests/fuzz/rows.h"

#define COLUMNS                                                                                    \
    "\"columns\":[{\"name\":\"a\"},{\"name\":\"b\",\"type\":\"int\"},{\"name\":\"c\",\"from\":"    \
    "\"a\","                                                                                       \
    "\"type\":\"json\"},{\"name\":\"d\",\"from\":\"/c/0\",\"type\":\"number\"},{\"name\":\"e\","   \
    "\"from\":\"/c/d\",\"type\":\"float\"},{\"name\":\"f\",\"type\":\"timestamp\"}]"

static const struct option {
    const char *type, *args;
} options[] = {
    {"parse.json", "{\"output\":\"ndjson\"}"},
    {"parse.ndjson", "{\"output\":\"ndjson\",\"on_error\":\"collect\"}"},
    {"parse.json", "{\"output\":\"ndjson\",\"on_error\":\"collect\"," COLUMNS "}"},
    {"parse.ndjson", "{\"output\":\"csv\",\"on_error\":\"skip\"," COLUMNS "}"},
    {"parse.json", "{\"on_error\":\"collect\",\"duplicate_keys\":\"error\"}"},
    {"parse.ndjson",
     "{\"output\":\"msgpack\",\"duplicate_keys\":\"error\",\"on_error\":\"skip\"," COLUMNS "}"},
    {"parse.json", "{\"pointer\":\"/a/1\",\"on_error\":\"skip\",\"output\":\"none\"}"},
    {"parse.json", "{\"on_error\":\"skip\",\"columns\":[{\"name\":\"x\",\"index\":2},{\"name\":"
                   "\"y\",\"index\":2,\"type\":\"decimal\"}]}"},
};
#define OPTIONS (sizeof options / sizeof options[0])

/* What was written out, one value on a line, is read again. */
static void check_again(const struct sm_run_out *out)
{
    struct sm_run_out again;
    check_ndjson(out);
    run_type("parse.ndjson", "{\"output\":\"ndjson\"}", out->body, out->body_size, &again);
    SM_ASSERT(again.code == 0 && again.body_size == out->body_size);
    SM_ASSERT(out->body_size == 0 || memcmp(again.body, out->body, out->body_size) == 0);
    sm_run_out_free(&again);
}

/* jansson refuses more (U+0000, integers past 64 bits, equal keys), but nothing that we may take.
 */
static void compare_with_jansson(const char *input, size_t size, const struct sm_run_out *out)
{
    struct sm_buf msg;
    struct sm_err err;
    sm_buf_init(&msg, 0);
    if (sm_json_to_msgpack(input, size, &msg, &err) == 0)
        SM_ASSERT(out->code == 0);
    sm_buf_free(&msg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sm_run_out out;
    if (size == 0)
        return 0;
    size_t option = data[0] % OPTIONS;
    const char *input = (const char *)data + 1;
    run_type(options[option].type, options[option].args, input, size - 1, &out);
    if (option == 0)
        compare_with_jansson(input, size - 1, &out);
    if (out.code == 0) {
        check_counts(&out);
        if (option <= 2)
            check_again(&out);
    }
    sm_run_out_free(&out);
    return 0;
}

/*
 * From msgpack to JSON, in one pass, without recursion and without a tree. Thread: one at a time.
 */
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "base/msg.h"

struct level {
    uint64_t left; /* values; two a pair */
    bool map;
};

static char *base64_group(char *out, const unsigned char *in, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = (uint32_t)in[0] << 16;

    if (n > 1)
        bits |= (uint32_t)in[1] << 8;
    if (n > 2)
        bits |= in[2];
    *out++ = digits[bits >> 18];
    *out++ = digits[bits >> 12 & 63];
    *out++ = n > 1 ? digits[bits >> 6 & 63] : '=';
    *out++ = n > 2 ? digits[bits & 63] : '=';
    return out;
}

/* RFC 4648 with padding, in quotes, made where it will stand. */
static void put_base64(struct sm_json *json, const void *data, size_t size)
{
    const unsigned char *in = data;
    size_t room = (size + 2) / 3 * 4 + 2;
    char *out;

    sm_json_put_raw(json, "", 0);
    out = sm_buf_reserve(json->out, room);
    if (!out)
        return;
    *out++ = '"';
    for (; size > 0; in += 3) {
        size_t n = size < 3 ? size : 3;

        out = base64_group(out, in, n);
        size -= n;
    }
    *out = '"';
    sm_buf_commit(json->out, room);
}

static void put_scalar(struct sm_json *json, const struct sm_msg_value *value)
{
    switch (value->kind) {
    case SM_MSG_BOOL:
        sm_json_put_bool(json, value->as.b);
        break;
    case SM_MSG_INT:
        sm_json_put_int(json, value->as.i);
        break;
    case SM_MSG_UINT:
        sm_json_put_uint(json, value->as.u);
        break;
    case SM_MSG_FLOAT:
        sm_json_put_double(json, value->as.f);
        break;
    case SM_MSG_STR:
        sm_json_put_text(json, value->p, value->size);
        break;
    case SM_MSG_BIN:
        put_base64(json, value->p, value->size);
        break;
    default: /* nil, and ext, which JSON has no word for */
        sm_json_put_null(json);
        break;
    }
}

/* Writes one value's head and opens a level for a list or map. */
static int put_value(struct sm_json *json, const struct sm_msg_value *value, struct level *levels,
                     int open)
{
    bool map = value->kind == SM_MSG_MAP;

    if (open > 0) {
        struct level *level = &levels[open - 1];

        if (level->map && level->left-- % 2 == 0) {
            sm_json_put_key(json, value->p, value->size);
            return open;
        }
        if (!level->map)
            level->left--;
    }
    if (!map && value->kind != SM_MSG_LIST) {
        put_scalar(json, value);
        return open;
    }
    SM_ASSERT(open < SM_MSG_DEPTH);
    sm_json_put_open(json, map ? '{' : '[');
    levels[open] = (struct level){(uint64_t)value->size * (map ? 2 : 1), map};
    return open + 1;
}

void sm_json_put_msgpack(struct sm_json *json, const void *data, size_t size)
{
    const unsigned char *at = data;
    struct sm_msg msg = {at, at + size};
    struct level levels[SM_MSG_DEPTH];
    struct sm_msg_value value;
    int open = 0;

    do {
        SM_ASSERT(sm_msg_next(&msg, &value));
        open = put_value(json, &value, levels, open);
        while (open > 0 && levels[open - 1].left == 0) {
            open--;
            sm_json_put_close(json, levels[open].map ? '}' : ']');
        }
    } while (open > 0);
    SM_ASSERT(msg.at == msg.end);
}

/*
 * Reading msgpack. A head is read whole or not at all, and a declared length or count is believed
 * only when that many bytes are left (each element takes at least one). Values are walked with one
 * counter per open level in a fixed array, never by recursion, so depth costs no stack and a lie
 * about counts ends at the first missing byte. Thread: any.
 */
#include "base/msg.h"

#include <string.h>

/* What is still to come in one open list or map. */
struct level {
    uint64_t left; /* values; two a pair */
    bool map;
};

static uint64_t big_endian(const unsigned char *at, size_t n)
{
    uint64_t value = 0;

    while (n-- > 0)
        value = value << 8 | *at++;
    return value;
}

/* Takes n bytes, NULL when there are not so many. */
static const unsigned char *take(struct sm_msg *msg, uint64_t n)
{
    const unsigned char *at = msg->at;

    if (n > (uint64_t)(msg->end - at))
        return NULL;
    msg->at += n;
    return at;
}

static bool take_number(struct sm_msg *msg, size_t n, uint64_t *number)
{
    const unsigned char *at = take(msg, n);

    if (!at)
        return false;
    *number = big_endian(at, n);
    return true;
}

static bool bytes(struct sm_msg *msg, struct sm_msg_value *value, enum sm_msg_kind kind, uint64_t n)
{
    const unsigned char *at = take(msg, n);

    if (!at)
        return false;
    value->kind = kind;
    value->p = (const char *)at;
    value->size = (size_t)n;
    return true;
}

static bool many(struct sm_msg *msg, struct sm_msg_value *value, enum sm_msg_kind kind, uint64_t n)
{
    if (n > (uint64_t)(msg->end - msg->at) / (kind == SM_MSG_MAP ? 2 : 1))
        return false;
    value->kind = kind;
    value->size = (size_t)n;
    return true;
}

/* A head whose length stands in the `width` bytes behind it. */
static bool sized(struct sm_msg *msg, struct sm_msg_value *value, enum sm_msg_kind kind,
                  size_t width)
{
    uint64_t n;

    if (!take_number(msg, width, &n))
        return false;
    if (kind == SM_MSG_LIST || kind == SM_MSG_MAP)
        return many(msg, value, kind, n);
    if (kind == SM_MSG_EXT && !take(msg, 1)) /* its type, which nobody here reads */
        return false;
    return bytes(msg, value, kind, n);
}

static bool whole(struct sm_msg_value *value, int64_t i)
{
    value->kind = SM_MSG_INT;
    value->as.i = i;
    return true;
}

static bool unsigned_int(struct sm_msg *msg, struct sm_msg_value *value, size_t width)
{
    uint64_t number;

    if (!take_number(msg, width, &number))
        return false;
    if (number <= INT64_MAX)
        return whole(value, (int64_t)number);
    value->kind = SM_MSG_UINT;
    value->as.u = number;
    return true;
}

static bool signed_int(struct sm_msg *msg, struct sm_msg_value *value, size_t width)
{
    uint64_t number;

    if (!take_number(msg, width, &number))
        return false;
    if (width < 8 && number >> (8 * width - 1)) /* the sign goes into the bits above */
        number |= ~UINT64_C(0) << (8 * width);
    return whole(value, (int64_t)number);
}

static bool real(struct sm_msg *msg, struct sm_msg_value *value, size_t width)
{
    uint64_t number;
    float single;
    uint32_t half;

    if (!take_number(msg, width, &number))
        return false;
    value->kind = SM_MSG_FLOAT;
    if (width == 8) {
        memcpy(&value->as.f, &number, sizeof value->as.f);
        return true;
    }
    half = (uint32_t)number;
    memcpy(&single, &half, sizeof single);
    value->as.f = (double)single;
    return true;
}

static bool fixed_ext(struct sm_msg *msg, struct sm_msg_value *value, size_t n)
{
    return take(msg, 1) && bytes(msg, value, SM_MSG_EXT, n);
}

/* Heads 0xc0 to 0xdf: those that say what they are in the whole byte. */
static bool named(struct sm_msg *msg, struct sm_msg_value *value, unsigned char head)
{
    switch (head) {
    case 0xc0:
        value->kind = SM_MSG_NIL;
        return true;
    case 0xc2:
    case 0xc3:
        value->kind = SM_MSG_BOOL;
        value->as.b = head == 0xc3;
        return true;
    case 0xc4:
    case 0xc5:
    case 0xc6:
        return sized(msg, value, SM_MSG_BIN, (size_t)1 << (head - 0xc4));
    case 0xc7:
    case 0xc8:
    case 0xc9:
        return sized(msg, value, SM_MSG_EXT, (size_t)1 << (head - 0xc7));
    case 0xca:
    case 0xcb:
        return real(msg, value, (size_t)4 << (head - 0xca));
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
        return unsigned_int(msg, value, (size_t)1 << (head - 0xcc));
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
        return signed_int(msg, value, (size_t)1 << (head - 0xd0));
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
        return fixed_ext(msg, value, (size_t)1 << (head - 0xd4));
    case 0xd9:
    case 0xda:
    case 0xdb:
        return sized(msg, value, SM_MSG_STR, (size_t)1 << (head - 0xd9));
    case 0xdc:
    case 0xdd:
        return sized(msg, value, SM_MSG_LIST, (size_t)2 << (head - 0xdc));
    case 0xde:
    case 0xdf:
        return sized(msg, value, SM_MSG_MAP, (size_t)2 << (head - 0xde));
    default: /* 0xc1: never used */
        return false;
    }
}

static bool head_of(struct sm_msg *msg, struct sm_msg_value *value)
{
    const unsigned char *at = take(msg, 1);

    if (!at)
        return false;
    if (*at < 0x80)
        return whole(value, *at);
    if (*at < 0x90)
        return many(msg, value, SM_MSG_MAP, *at & 0x0f);
    if (*at < 0xa0)
        return many(msg, value, SM_MSG_LIST, *at & 0x0f);
    if (*at < 0xc0)
        return bytes(msg, value, SM_MSG_STR, *at & 0x1f);
    if (*at < 0xe0)
        return named(msg, value, *at);
    return whole(value, (int64_t)*at - 256);
}

bool sm_msg_next(struct sm_msg *msg, struct sm_msg_value *value)
{
    struct sm_msg before = *msg;

    value->p = NULL;
    value->size = 0;
    if (head_of(msg, value))
        return true;
    *msg = before;
    return false;
}

/* Steps over one value; with `text_keys`, only when every map has them. */
static bool walk(struct sm_msg *msg, int depth, bool text_keys)
{
    struct level levels[SM_MSG_DEPTH];
    struct sm_msg_value value;
    int open = 0;

    if (depth > SM_MSG_DEPTH)
        depth = SM_MSG_DEPTH;
    do {
        if (!sm_msg_next(msg, &value))
            return false;
        if (open > 0) {
            struct level *level = &levels[open - 1];

            if (text_keys && level->map && level->left % 2 == 0 && value.kind != SM_MSG_STR)
                return false;
            level->left--;
        }
        if (value.kind == SM_MSG_LIST || value.kind == SM_MSG_MAP) {
            if (open >= depth)
                return false;
            levels[open].map = value.kind == SM_MSG_MAP;
            levels[open].left = (uint64_t)value.size * (levels[open].map ? 2 : 1);
            open++;
        }
        while (open > 0 && levels[open - 1].left == 0)
            open--;
    } while (open > 0);
    return true;
}

bool sm_msg_skip(struct sm_msg *msg, int depth)
{
    struct sm_msg before = *msg;

    if (walk(msg, depth, false))
        return true;
    *msg = before;
    return false;
}

bool sm_msg_check(const void *data, size_t size, int depth)
{
    const unsigned char *at = data;
    struct sm_msg msg = {at, at + size};

    return size > 0 && walk(&msg, depth, true) && msg.at == msg.end;
}

const char *sm_msg_kind_name(enum sm_msg_kind kind)
{
    static const char *const names[] = {
        [SM_MSG_NIL] = "nil",        [SM_MSG_BOOL] = "a boolean",
        [SM_MSG_INT] = "an integer", [SM_MSG_UINT] = "an integer",
        [SM_MSG_FLOAT] = "a number", [SM_MSG_STR] = "text",
        [SM_MSG_BIN] = "bytes",      [SM_MSG_LIST] = "a list",
        [SM_MSG_MAP] = "a map",      [SM_MSG_EXT] = "an extension value",
    };

    return names[kind];
}

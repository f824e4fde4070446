/*
 * The JSON writer. It is on the path of every result with rows in it, so numbers are formatted by
 * hand where that is exact, and text is validated once and copied in runs. Its output is what
 * PostgreSQL takes as jsonb: no invalid UTF-8, no U+0000, no NaN. Thread: one at a time.
 */
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/text.h"

void sm_json_init(struct sm_json *json, struct sm_buf *out)
{
    *json = (struct sm_json){.out = out};
}

/* What comes before any value. */
static void before(struct sm_json *json)
{
    if (json->comma)
        sm_buf_add_char(json->out, ',');
    json->comma = true;
}

void sm_json_put_open(struct sm_json *json, char bracket)
{
    before(json);
    sm_buf_add_char(json->out, bracket);
    json->depth++;
    json->comma = false;
}

void sm_json_put_close(struct sm_json *json, char bracket)
{
    SM_ASSERT(json->depth > 0);
    json->depth--;
    sm_buf_add_char(json->out, bracket);
    json->comma = true;
}

static bool plain(unsigned char c)
{
    return c >= 0x20 && c != '"' && c != '\\';
}

static void escape(struct sm_buf *out, unsigned char c)
{
    static const char names[] = "btn\0fr"; /* from 0x08; 0x0b has none */
    static const char digits[] = "0123456789abcdef";
    char text[6] = {'\\', 'u', '0', '0'};

    if (c == '"' || c == '\\') {
        text[1] = (char)c;
        sm_buf_add(out, text, 2);
    } else if (c >= 0x08 && c <= 0x0d && c != 0x0b) {
        text[1] = names[c - 0x08];
        sm_buf_add(out, text, 2);
    } else {
        text[4] = digits[c >> 4];
        text[5] = digits[c & 15];
        sm_buf_add(out, text, 6);
    }
}

static void quoted(struct sm_json *json, const char *text, size_t size)
{
    size_t at = 0;

    if (sm_text_valid(text, size) != size) {
        json->bad_text = true;
        size = 0;
    }
    sm_buf_add_char(json->out, '"');
    while (at < size) {
        size_t from = at;

        while (at < size && plain((unsigned char)text[at]))
            at++;
        sm_buf_add(json->out, text + from, at - from);
        if (at < size)
            escape(json->out, (unsigned char)text[at++]);
    }
    sm_buf_add_char(json->out, '"');
}

void sm_json_put_key(struct sm_json *json, const char *key, size_t size)
{
    before(json);
    quoted(json, key, size);
    sm_buf_add_char(json->out, ':');
    json->comma = false;
}

void sm_json_put_text(struct sm_json *json, const char *text, size_t size)
{
    before(json);
    quoted(json, text, size);
}

static void digits_of(struct sm_buf *out, uint64_t value, bool minus)
{
    char text[24];
    size_t at = sizeof text;

    do {
        text[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    if (minus)
        text[--at] = '-';
    sm_buf_add(out, text + at, sizeof text - at);
}

void sm_json_put_int(struct sm_json *json, int64_t value)
{
    before(json);
    digits_of(json->out, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, value < 0);
}

void sm_json_put_uint(struct sm_json *json, uint64_t value)
{
    before(json);
    digits_of(json->out, value, false);
}

/* "%g" and strtod read the locale; no program of ours calls setlocale, so it is "C". */
static void shortest(struct sm_buf *out, double value)
{
    char text[40];

    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    sm_buf_add_text(out, text);
    if (!strpbrk(text, ".e"))
        sm_buf_add(out, ".0", 2);
}

void sm_json_put_double(struct sm_json *json, double value)
{
    if (!isfinite(value)) {
        sm_json_put_null(json);
        return;
    }
    before(json);
    if (fabs(value) < 1e15 && value == trunc(value)) { /* whole, and "%.15g" would print it so */
        digits_of(json->out, (uint64_t)fabs(value), signbit(value) != 0);
        sm_buf_add(json->out, ".0", 2); /* so that it reads back as a float */
    } else {
        shortest(json->out, value);
    }
}

void sm_json_put_bool(struct sm_json *json, bool value)
{
    before(json);
    sm_buf_add_text(json->out, value ? "true" : "false");
}

void sm_json_put_null(struct sm_json *json)
{
    before(json);
    sm_buf_add(json->out, "null", 4);
}

void sm_json_put_raw(struct sm_json *json, const char *text, size_t size)
{
    before(json);
    sm_buf_add(json->out, text, size);
}

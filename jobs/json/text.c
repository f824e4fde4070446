/* See text.h: all of it works on what the scan has found to be right, and checks nothing again. */
#include "jobs/json/text.h"

#include <stdint.h>
#include <string.h>

#include "jobs/rows/plain.h"

/* ---- escapes ------------------------------------------------------------------------------- */

static unsigned hex4(const char *p)
{
    unsigned value = 0;
    for (int i = 0; i < 4; i++) {
        unsigned c = (unsigned char)p[i];
        value = value * 16 + (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
}

static char *put_utf8(char *out, unsigned c)
{
    if (c < 0x80) {
        *out++ = (char)c;
        return out;
    }
    if (c < 0x800) {
        *out++ = (char)(0xc0 | c >> 6);
    } else {
        if (c < 0x10000) {
            *out++ = (char)(0xe0 | c >> 12);
        } else {
            *out++ = (char)(0xf0 | c >> 18);
            *out++ = (char)(0x80 | (c >> 12 & 0x3f));
        }
        *out++ = (char)(0x80 | (c >> 6 & 0x3f));
    }
    *out++ = (char)(0x80 | (c & 0x3f));
    return out;
}

/* The character of the escape at *p, which is moved behind it. */
static unsigned take_escape(const char **p)
{
    static const char letters[] = "bfnrt", meant[] = "\b\f\n\r\t";
    char letter = (*p)[1];
    *p += 2;
    if (letter == 'u') {
        unsigned c = hex4(*p);
        *p += 4;
        if (c < 0xd800 || c > 0xdfff)
            return c;
        unsigned low = hex4(*p + 2);
        *p += 6;
        return 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    const char *found = strchr(letters, letter);
    return found != NULL ? (unsigned char)meant[found - letters] : (unsigned char)letter;
}

size_t sm_json_unescape(const char *p, size_t n, char *out)
{
    char *start = out;
    const char *end = p + n;
    while (p < end) {
        const char *slash = memchr(p, '\\', (size_t)(end - p));
        size_t plain = (size_t)((slash != NULL ? slash : end) - p);
        memmove(out, p, plain);
        out += plain;
        p += plain;
        if (p < end)
            out = put_utf8(out, take_escape(&p));
    }
    return (size_t)(out - start);
}

/* ---- white space --------------------------------------------------------------------------- */

/* A character that came escaped: it stays so where it must. */
static char *put_again(char *out, unsigned c)
{
    static const char hex[] = "0123456789abcdef", must[] = "\b\f\n\r\t\"\\",
                      letters[] = "bfnrt\"\\";
    if (c >= 0x20 && c != '"' && c != '\\')
        return put_utf8(out, c);
    const char *found = c != 0 ? strchr(must, (int)c) : NULL;
    *out++ = '\\';
    if (found != NULL) {
        *out++ = letters[found - must];
        return out;
    }
    memcpy(out, "u00", 3);
    out[3] = hex[c >> 4];
    out[4] = hex[c & 15];
    return out + 5;
}

/* A string with its quotes; *p is moved behind it. */
static char *copy_string(const char **p, const char *end, char *out)
{
    const char *from = *p;
    *out++ = *from++;
    for (;;) {
        const char *stop = sm_plain_end(from, end);
        memcpy(out, from, (size_t)(stop - from));
        out += stop - from;
        from = stop;
        if (*from == '"')
            break;
        out = put_again(out, take_escape(&from));
    }
    *out++ = '"';
    *p = from + 1;
    return out;
}

size_t sm_json_compact(const char *p, size_t n, char *out)
{
    char *start = out;
    const char *end = p + n;
    while (p < end) {
        if (*p == '"')
            out = copy_string(&p, end, out);
        else if ((unsigned char)*p <= ' ')
            p++;
        else
            *out++ = *p++;
    }
    return (size_t)(out - start);
}

/* ---- pointers ------------------------------------------------------------------------------ */

bool sm_json_pointer_valid(struct sm_text_view pointer)
{
    if (pointer.n == 0)
        return true;
    if (pointer.p[0] != '/')
        return false;
    for (size_t i = 0; i < pointer.n; i++)
        if (pointer.p[i] == '~' &&
            (i + 1 == pointer.n || (pointer.p[i + 1] != '0' && pointer.p[i + 1] != '1')))
            return false;
    return true;
}

size_t sm_json_pointer_step(struct sm_text_view pointer, char *out, struct sm_text_view *rest)
{
    size_t n = 0, i = 1;
    for (; i < pointer.n && pointer.p[i] != '/'; i++) {
        bool escaped = pointer.p[i] == '~';
        i += escaped;
        out[n++] = !escaped ? pointer.p[i] : pointer.p[i] == '0' ? '~' : '/';
    }
    *rest = (struct sm_text_view){pointer.p + i, pointer.n - i};
    return n;
}

static bool key_is(const struct sm_json_token *key, const char *step, size_t n)
{
    char text[6 * SM_JSON_POINTER_MAX];
    if ((key->found & SM_JSON_ESCAPED) == 0)
        return key->n == n && memcmp(key->p, step, n) == 0;
    /* six bytes of escape for one at most, twelve for four */
    return key->n <= 6 * n && sm_json_unescape(key->p, key->n, text) == n &&
           memcmp(text, step, n) == 0;
}

/* The last member of that name. */
static struct sm_json_token find_member(struct sm_json_scan *scan, const char *step, size_t n)
{
    struct sm_json_token key, value, found = {.kind = SM_JSON_ABSENT};
    for (bool first = true; sm_json_scan_member(scan, first, &key) == 1; first = false) {
        if (!sm_json_scan_value(scan, &value))
            break;
        if (key_is(&key, step, n))
            found = value;
    }
    return found;
}

static struct sm_json_token find_element(struct sm_json_scan *scan, const char *step, size_t n)
{
    struct sm_json_token value, absent = {.kind = SM_JSON_ABSENT};
    size_t index = 0;
    if (n == 0 || n > 9 || (n > 1 && step[0] == '0'))
        return absent;
    for (size_t i = 0; i < n; i++) {
        if (step[i] < '0' || step[i] > '9')
            return absent;
        index = index * 10 + (size_t)(step[i] - '0');
    }
    for (size_t i = 0; sm_json_scan_element(scan, i == 0) == 1; i++) {
        if (!sm_json_scan_value(scan, &value))
            break;
        if (i == index)
            return value;
    }
    return absent;
}

struct sm_json_token sm_json_find(const struct sm_json_token *value, struct sm_text_view pointer)
{
    struct sm_json_token at = *value;
    while (pointer.n != 0 && at.kind != SM_JSON_ABSENT) {
        char step[SM_JSON_POINTER_MAX];
        size_t n = sm_json_pointer_step(pointer, step, &pointer);
        struct sm_json_scan scan = {.p = at.p, .end = at.p + at.n, .clean = true};
        if (at.kind != SM_JSON_MAP && at.kind != SM_JSON_LIST)
            return (struct sm_json_token){.kind = SM_JSON_ABSENT};
        (void)sm_json_scan_enter(&scan);
        at = at.kind == SM_JSON_MAP ? find_member(&scan, step, n) : find_element(&scan, step, n);
    }
    return at;
}

/*
 * The scan. Each step takes where it stands and returns where it got to, NULL when it failed, so
 * that the position stays in a register; scan->p is written when a step of the interface ends.
 *
 * What nests is walked without recursion: a bit per level says whether a brace or a bracket must
 * close it. Thread: one at a time.
 */
#include "jobs/json/scan.h"

#include <stdint.h>
#include <string.h>

#include "base/text.h"
#include "jobs/json/keys.h"
#include "jobs/rows/plain.h"
#include "stampmill/error.h"

#define NUMBER_MAX 1000   /* bytes of a number that jsonb takes in any case */
#define EXPONENT_MAX 9999 /* and its exponent */

static const char *fail(struct sm_json_scan *s, const char *at, const char *why)
{
    s->code = SM_E_BAD_INPUT;
    s->bad = at;
    s->why = why;
    return NULL;
}

bool sm_json_scan_fail(struct sm_json_scan *scan, const char *at, const char *why)
{
    return fail(scan, at, why) != NULL;
}

static const char *no_memory(struct sm_json_scan *s)
{
    s->code = SM_E_TOO_LARGE;
    s->bad = s->p;
    s->why = NULL;
    return NULL;
}

void sm_json_scan_start(struct sm_json_scan *scan, const char *data, size_t size)
{
    *scan = (struct sm_json_scan){.p = data, .end = data + size};
    if (size >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0)
        scan->p += 3;
}

/* ---- white space --------------------------------------------------------------------------- */

static const char *spaces(struct sm_json_scan *s, const char *p)
{
    const char *start = p;
    while (p < s->end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    if (p > start)
        s->found |= SM_JSON_SPACED;
    return p;
}

static inline const char *skip(struct sm_json_scan *s, const char *p)
{
    return p < s->end && (unsigned char)*p <= ' ' ? spaces(s, p) : p;
}

bool sm_json_scan_more(struct sm_json_scan *scan)
{
    scan->p = skip(scan, scan->p);
    return scan->p < scan->end;
}

/* ---- strings ------------------------------------------------------------------------------- */

/* Four hexadecimal digits; -1 where they are not. */
static int hex4(const char *p, const char *end)
{
    int value = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = p[i], low = (char)(c | 0x20);
        if (c >= '0' && c <= '9')
            value = value * 16 + (c - '0');
        else if (low >= 'a' && low <= 'f')
            value = value * 16 + (low - 'a' + 10);
        else
            return -1;
    }
    return value;
}

/* p stands behind "\u". */
static const char *unicode_escape(struct sm_json_scan *s, const char *p)
{
    int c = hex4(p, s->end);
    if (c < 0)
        return fail(s, p, "expected four hexadecimal digits");
    if (c == 0)
        s->found |= SM_JSON_NUL;
    p += 4;
    if (c < 0xd800 || c > 0xdfff)
        return p;
    int low =
        c < 0xdc00 && s->end - p >= 6 && p[0] == '\\' && p[1] == 'u' ? hex4(p + 2, s->end) : -1;
    if (low < 0xdc00 || low > 0xdfff)
        return fail(s, p - 6, "half of a surrogate pair alone");
    return p + 6;
}

/* p stands at a backslash. */
static const char *escape(struct sm_json_scan *s, const char *p)
{
    s->found |= SM_JSON_ESCAPED;
    if (s->end - p < 2)
        return fail(s, s->end, "a string that is never closed");
    if (p[1] == 'u')
        return unicode_escape(s, p + 2);
    return strchr("\"\\/bfnrt", p[1]) != NULL && p[1] != '\0'
               ? p + 2
               : fail(s, p, "no escape that JSON knows");
}

/* p stands behind the opening quote; the result behind the closing one. */
static const char *string(struct sm_json_scan *s, const char *p)
{
    const char *start = p;
    while ((p = sm_plain_end(p, s->end)) < s->end && *p != '"') {
        if (*p != '\\')
            return fail(s, p, "a control character in a string: it must be escaped");
        p = escape(s, p);
        if (p == NULL)
            return NULL;
    }
    if (p == s->end)
        return fail(s, p, "a string that is never closed");
    if (!s->clean) {
        size_t n = (size_t)(p - start), valid = sm_text_valid(start, n);
        if (valid != n)
            return fail(s, start + valid, "invalid UTF-8");
    }
    return p + 1;
}

/* ---- other scalars ------------------------------------------------------------------------- */

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline const char *digits(struct sm_json_scan *s, const char *p)
{
    const char *start = p;
    while (p < s->end && is_digit(*p))
        p++;
    return p > start ? p : fail(s, p, "expected a digit");
}

/* p stands behind the e. */
static const char *exponent(struct sm_json_scan *s, const char *p)
{
    if (p < s->end && (*p == '+' || *p == '-'))
        p++;
    const char *end = digits(s, p);
    int value = 0;
    for (; end != NULL && p < end; p++)
        if (value <= EXPONENT_MAX)
            value = value * 10 + (*p - '0');
    if (value > EXPONENT_MAX)
        s->found |= SM_JSON_HUGE;
    return end;
}

static const char *number(struct sm_json_scan *s, const char *p)
{
    const char *start = p, *whole = p += *p == '-';
    p = digits(s, p);
    if (p != NULL && *whole == '0' && p - whole > 1)
        return fail(s, whole, "a number with a zero in front");
    if (p != NULL && p < s->end && *p == '.')
        p = digits(s, p + 1);
    if (p != NULL && p < s->end && (*p | 0x20) == 'e')
        p = exponent(s, p + 1);
    if (p != NULL && p - start > NUMBER_MAX)
        s->found |= SM_JSON_HUGE;
    return p;
}

static const char *word(struct sm_json_scan *s, const char *p, const char *word, size_t n,
                        enum sm_json_kind is, enum sm_json_kind *kind)
{
    *kind = is;
    if ((size_t)(s->end - p) >= n && memcmp(p, word, n) == 0)
        return p + n;
    return fail(s, p, "expected a value");
}

/* Anything but a list or a map. */
static inline const char *scalar(struct sm_json_scan *s, const char *p, enum sm_json_kind *kind)
{
    if (p == s->end)
        return fail(s, p, "expected a value");
    switch (*p) {
    case '"':
        *kind = SM_JSON_STRING;
        return string(s, p + 1);
    case 't':
        return word(s, p, "true", 4, SM_JSON_TRUE, kind);
    case 'f':
        return word(s, p, "false", 5, SM_JSON_FALSE, kind);
    case 'n':
        return word(s, p, "null", 4, SM_JSON_NULL, kind);
    default:
        *kind = SM_JSON_NUMBER;
        return is_digit(*p) || *p == '-' ? number(s, p) : fail(s, p, "expected a value");
    }
}

/* ---- members and elements ------------------------------------------------------------------ */

static const char *open(struct sm_json_scan *s, const char *p, size_t depth)
{
    if (depth >= SM_JSON_NEST) {
        fail(s, p, "nested deeper than 1000");
        s->code = SM_E_TOO_LARGE;
        return NULL;
    }
    if (*p == '{' && s->keys != NULL)
        sm_json_keys_open(s->keys);
    return p + 1;
}

static const char *closed(struct sm_json_scan *s, const char *p)
{
    if (p[-1] == '}' && s->keys != NULL)
        sm_json_keys_close(s->keys);
    return p;
}

static const char *add_key(struct sm_json_scan *s, const char *p, const char *key, size_t n,
                           bool escaped)
{
    if (s->keys != NULL && !sm_json_keys_add(s->keys, key, n, escaped))
        return no_memory(s);
    return p;
}

static inline const char *colon(struct sm_json_scan *s, const char *p)
{
    p = skip(s, p);
    if (p == s->end || *p != ':')
        return fail(s, p, "expected a colon");
    return skip(s, p + 1);
}

/* A key and its colon; p stands behind the opening quote, the result at the value. */
static inline const char *key_and_colon(struct sm_json_scan *s, const char *p,
                                        struct sm_json_token *key)
{
    unsigned found = s->found;
    const char *start = p;
    s->found = 0;
    p = string(s, p);
    if (p == NULL)
        return NULL;
    *key = (struct sm_json_token){SM_JSON_STRING, s->found, start, (size_t)(p - 1 - start)};
    s->found |= found;
    p = add_key(s, p, key->p, key->n, (key->found & SM_JSON_ESCAPED) != 0);
    return p == NULL ? NULL : colon(s, p);
}

/* To the next thing in what `close` ends: *more says whether there is one. */
static inline const char *next_in(struct sm_json_scan *s, const char *p, bool first, char close,
                                  bool *more)
{
    p = skip(s, p);
    *more = false;
    if (p < s->end && *p == close)
        return closed(s, p + 1);
    *more = true;
    if (first)
        return p;
    if (p == s->end || *p != ',')
        return fail(s, p, close == '}' ? "expected a comma or }" : "expected a comma or ]");
    return skip(s, p + 1);
}

static inline const char *key_quote(struct sm_json_scan *s, const char *p)
{
    return p < s->end && *p == '"' ? p + 1 : fail(s, p, "expected a key in quotes");
}

/* ---- whole values -------------------------------------------------------------------------- */

struct levels {
    uint64_t map[(SM_JSON_NEST + 63) / 64];
    size_t depth;
};

static inline bool in_map(const struct levels *l)
{
    return (l->map[(l->depth - 1) / 64] >> ((l->depth - 1) % 64) & 1) != 0;
}

static inline const char *descend(struct sm_json_scan *s, const char *p, struct levels *l)
{
    const char *in = open(s, p, s->depth + l->depth);
    if (in == NULL)
        return NULL;
    uint64_t bit = (uint64_t)1 << (l->depth % 64);
    uint64_t *levels = &l->map[l->depth / 64];
    *levels = *p == '{' ? *levels | bit : *levels & ~bit;
    l->depth++;
    return in;
}

/* From where a list or map was opened, or a value in one ended, to the next value; closes what ends
 * on the way. At depth 0 all is closed. */
static inline const char *to_value(struct sm_json_scan *s, const char *p, bool first,
                                   struct levels *l)
{
    bool more = false;
    while (l->depth != 0) {
        bool map = in_map(l);
        p = next_in(s, p, first, map ? '}' : ']', &more);
        if (p == NULL)
            return NULL;
        if (more) {
            struct sm_json_token key;
            if (!map)
                return p;
            p = key_quote(s, p);
            return p == NULL ? NULL : key_and_colon(s, p, &key);
        }
        l->depth--;
        first = false;
    }
    return p;
}

/* p stands at '[' or '{'. Not inlined: what it needs on the stack only who comes here pays for. */
static __attribute__((noinline)) const char *nested(struct sm_json_scan *s, const char *p)
{
    struct levels l;
    enum sm_json_kind kind;
    l.depth = 0;
    do {
        bool opens = p < s->end && (*p == '[' || *p == '{');
        p = opens ? descend(s, p, &l) : scalar(s, p, &kind);
        if (p != NULL)
            p = to_value(s, p, opens, &l);
    } while (p != NULL && l.depth != 0);
    return p;
}

/* ---- the interface ------------------------------------------------------------------------- */

static inline bool at(struct sm_json_scan *s, const char *p)
{
    if (p == NULL)
        return false;
    s->p = p;
    return true;
}

/* A string without escapes, where `clean` says that its bytes need no look: most values are. */
static inline bool plain_string(struct sm_json_scan *s, const char *p, struct sm_json_token *token)
{
    if (p == s->end || *p != '"' || !s->clean)
        return false;
    const char *end = sm_plain_end(p + 1, s->end);
    if (end == s->end || *end != '"')
        return false;
    *token = (struct sm_json_token){SM_JSON_STRING, 0, p + 1, (size_t)(end - p - 1)};
    s->p = end + 1;
    return true;
}

bool sm_json_scan_value(struct sm_json_scan *scan, struct sm_json_token *token)
{
    const char *start = skip(scan, scan->p), *p;
    scan->found = 0;
    if (plain_string(scan, start, token))
        return true;
    enum sm_json_kind kind;
    if (start < scan->end && (*start == '[' || *start == '{')) {
        kind = *start == '[' ? SM_JSON_LIST : SM_JSON_MAP;
        p = nested(scan, start);
    } else {
        p = scalar(scan, start, &kind);
    }
    if (p == NULL)
        return false;
    bool quoted = kind == SM_JSON_STRING;
    *token =
        (struct sm_json_token){kind, scan->found, start + quoted, (size_t)(p - start) - 2 * quoted};
    scan->p = p;
    return true;
}

bool sm_json_scan_enter(struct sm_json_scan *scan)
{
    if (!at(scan, open(scan, scan->p, scan->depth)))
        return false;
    scan->depth++;
    return true;
}

static int next(struct sm_json_scan *scan, bool first, char close)
{
    bool more;
    if (!at(scan, next_in(scan, scan->p, first, close, &more)))
        return -1;
    scan->depth -= !more;
    return more;
}

int sm_json_scan_element(struct sm_json_scan *scan, bool first)
{
    return next(scan, first, ']');
}

int sm_json_scan_member(struct sm_json_scan *scan, bool first, struct sm_json_token *key)
{
    int more = next(scan, first, '}');
    if (more != 1)
        return more;
    const char *p = key_quote(scan, scan->p);
    return p != NULL && at(scan, key_and_colon(scan, p, key)) ? 1 : -1;
}

/* ---- expected members ---------------------------------------------------------------------- */

/* Behind the slot's key, where it stands at p; else NULL. */
static inline const char *expected_key(const char *p, const char *end,
                                       const struct sm_json_slot *slot)
{
    if ((size_t)(end - p) <= slot->n || end - p < 8)
        return NULL;
    if (slot->n <= 8) { /* in one word; what stands further in front can be read as far */
        uint64_t differ = sm_plain_load_8(p) ^ sm_plain_load_8(slot->key);
        return differ << (64 - 8 * slot->n) == 0 ? p + slot->n : NULL;
    }
    return memcmp(p, slot->key, slot->n) == 0 ? p + slot->n : NULL;
}

/* A value of the most usual kinds: a string without escapes, a whole number. Its end, or NULL:
 * another, or wrong. */
static inline const char *usual_value(const char *p, const char *end, struct sm_json_token *token)
{
    const char *start = p;
    if (*p == '"') {
        p = sm_plain_end(p + 1, end);
        *token = (struct sm_json_token){SM_JSON_STRING, 0, start + 1, (size_t)(p - start - 1)};
        return p < end && *p == '"' ? p + 1 : NULL;
    }
    while (p < end && is_digit(*p))
        p++;
    *token = (struct sm_json_token){SM_JSON_NUMBER, 0, start, (size_t)(p - start)};
    bool ends = p < end && (*p == ',' || *p == '}');
    return ends && *start != '0' && p > start ? p : NULL;
}

int sm_json_scan_expected(struct sm_json_scan *scan, const struct sm_json_slot *slots, int n)
{
    const char *p = scan->p, *end = scan->end;
    if (scan->keys != NULL || !scan->clean)
        return 0;
    for (int i = 0; i < n; i++) {
        if (i != 0 && (p == end || *p++ != ','))
            return i;
        p = expected_key(p, end, &slots[i]);
        if (p == NULL)
            return i;
        const char *value_end = usual_value(p, end, slots[i].value);
        scan->p = value_end != NULL ? value_end : p;
        if (value_end == NULL && !sm_json_scan_value(scan, slots[i].value))
            return -1;
        p = scan->p;
    }
    return n;
}

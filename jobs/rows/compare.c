/*
 * The order of cells, by the value that their canonical text stands for: nothing is parsed again
 * but the digits of decimals and the fractions of seconds, which may be of any length. Thread: any.
 */
#include <string.h>

#include "jobs/rows/cell.h"

static int sign(int order)
{
    return (order > 0) - (order < 0);
}

static int compare_bytes(struct sm_text_view a, struct sm_text_view b)
{
    int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
    return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

/* Digits behind a point: "5" is "50". */
static int compare_fractions(struct sm_text_view a, struct sm_text_view b)
{
    size_t both = a.n < b.n ? a.n : b.n;
    int order = memcmp(a.p, b.p, both);
    for (size_t i = both; order == 0 && i < a.n; i++)
        order = a.p[i] != '0';
    for (size_t i = both; order == 0 && i < b.n; i++)
        order = -(b.p[i] != '0');
    return sign(order);
}

/* What stands before and behind the point. */
static void split(struct sm_text_view text, struct sm_text_view *whole, struct sm_text_view *rest)
{
    const char *point = memchr(text.p, '.', text.n);
    *whole = (struct sm_text_view){text.p, point != NULL ? (size_t)(point - text.p) : text.n};
    *rest = (struct sm_text_view){text.p + text.n, 0};
    if (point != NULL)
        *rest = (struct sm_text_view){point + 1, text.n - whole->n - 1};
}

static int compare_decimals(struct sm_text_view a, struct sm_text_view b)
{
    struct sm_text_view whole_a, rest_a, whole_b, rest_b;
    bool minus = a.p[0] == '-';
    if (minus != (b.p[0] == '-'))
        return minus ? -1 : 1;
    split(a, &whole_a, &rest_a);
    split(b, &whole_b, &rest_b);
    int order = (whole_a.n > whole_b.n) - (whole_a.n < whole_b.n); /* no zeros in front */
    if (order == 0)
        order = sign(memcmp(whole_a.p, whole_b.p, whole_a.n));
    if (order == 0)
        order = compare_fractions(rest_a, rest_b);
    return minus ? -order : order;
}

static int compare_moments(struct sm_text_view a, struct sm_text_view b)
{
    const size_t seconds = 19; /* "2024-02-29T23:59:59" */
    int order = memcmp(a.p, b.p, seconds);
    if (order != 0)
        return sign(order);
    struct sm_text_view none = {"", 0}, rest_a = none, rest_b = none;
    bool zone_a = a.p[a.n - 1] == 'Z', zone_b = b.p[b.n - 1] == 'Z';
    if (a.n > seconds + 1)
        rest_a = (struct sm_text_view){a.p + seconds + 1, a.n - seconds - 1 - zone_a};
    if (b.n > seconds + 1)
        rest_b = (struct sm_text_view){b.p + seconds + 1, b.n - seconds - 1 - zone_b};
    return compare_fractions(rest_a, rest_b);
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static int kind_of(struct sm_text_view json)
{
    static const char first[] = "ft0\"[{";
    char c = json.p[0] == '-' || (json.p[0] >= '0' && json.p[0] <= '9') ? '0' : json.p[0];
    return (int)(strchr(first, c) - first);
}

/* Numbers by their value as doubles; the same one in two forms, or past what a double tells apart,
 * by text. */
static int compare_json(struct sm_text_view a, struct sm_text_view b)
{
    struct sm_cell x, y;
    struct sm_cell_fault fault;
    int kind_a = kind_of(a), kind_b = kind_of(b);
    if (kind_a != kind_b)
        return kind_a - kind_b;
    if (a.p[0] != '"' && sm_cell_float(&x, a, &fault) && sm_cell_float(&y, b, &fault) &&
        x.as.f != y.as.f)
        return x.as.f < y.as.f ? -1 : 1;
    return sign(compare_bytes(a, b));
}

int sm_cell_compare(const struct sm_cell *a, const struct sm_cell *b)
{
    switch (a->type) {
    case SM_CELL_INT:
        return (a->as.i > b->as.i) - (a->as.i < b->as.i);
    case SM_CELL_FLOAT:
        return (a->as.f > b->as.f) - (a->as.f < b->as.f);
    case SM_CELL_BOOL:
        return (int)a->as.b - (int)b->as.b;
    case SM_CELL_DECIMAL:
    case SM_CELL_NUMBER:
        return compare_decimals(a->text, b->text);
    case SM_CELL_TIMESTAMP:
        return compare_moments(a->text, b->text);
    case SM_CELL_JSON:
        return compare_json(a->text, b->text);
    default:
        return sign(compare_bytes(a->text, b->text));
    }
}

/* ---- equal values -------------------------------------------------------------------------- */

/* Without the zeros at the end of a fraction, and without a point that is left alone. */
static size_t without_zeros(struct sm_text_view text)
{
    size_t n = text.n;
    if (memchr(text.p, '.', n) == NULL)
        return n;
    while (text.p[n - 1] == '0')
        n--;
    return n - (text.p[n - 1] == '.');
}

struct sm_text_view sm_cell_same_text(const struct sm_cell *cell, char out[SM_CELL_SAME_MAX])
{
    struct sm_text_view text = cell->text;
    if (cell->type == SM_CELL_DECIMAL || cell->type == SM_CELL_NUMBER) {
        text.n = without_zeros(text);
    } else if (cell->type == SM_CELL_TIMESTAMP) {
        bool zone = text.p[text.n - 1] == 'Z';
        size_t n = without_zeros((struct sm_text_view){text.p, text.n - zone});
        memcpy(out, text.p, n);
        out[n] = 'Z';
        text = (struct sm_text_view){out, n + zone};
    }
    return text;
}

/* Prometheus text; see prometheus.h. */
#include "tests/live/prometheus.h"

#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAMILIES 200

struct family {
    char name[100], kind[20];
    bool helped;
    double le, below, count; /* of a histogram: the last bucket's bound and value, the count */
};

struct reading {
    struct family family[FAMILIES];
    int n;
};

static struct family *family_of(struct reading *r, const char *name, size_t size)
{
    for (int i = 0; i < r->n; i++)
        if (strlen(r->family[i].name) == size && strncmp(r->family[i].name, name, size) == 0)
            return &r->family[i];
    return NULL;
}

static bool is_name(const char *text, size_t n)
{
    return n > 0 &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_:0123456789") >= n &&
           (*text < '0' || *text > '9');
}

static void on_help(struct reading *r, const char *line, const char *rest)
{
    size_t n = strcspn(rest, " ");
    ck_assert_msg(is_name(rest, n) && rest[n] == ' ' && rest[n + 1] != '\0', "%s", line);
    ck_assert_msg(family_of(r, rest, n) == NULL, "a family twice: %s", line);
    ck_assert_int_lt(r->n, FAMILIES);
    struct family *f = &r->family[r->n++];
    *f = (struct family){.helped = true, .le = -INFINITY, .count = -1};
    snprintf(f->name, sizeof f->name, "%.*s", (int)n, rest);
}

static void on_type(struct reading *r, const char *line, const char *rest)
{
    size_t n = strcspn(rest, " ");
    struct family *f = family_of(r, rest, n);
    ck_assert_msg(f != NULL && f == &r->family[r->n - 1] && f->kind[0] == '\0',
                  "TYPE without HELP right before it: %s", line);
    snprintf(f->kind, sizeof f->kind, "%s", rest + n + 1);
    bool counter = strcmp(f->kind, "counter") == 0;
    ck_assert_msg(counter || strcmp(f->kind, "gauge") == 0 || strcmp(f->kind, "histogram") == 0,
                  "%s", line);
    bool total = n > 6 && strcmp(f->name + n - 6, "_total") == 0;
    ck_assert_msg(total == counter, "_total is for counters: %s", line);
}

static void on_bucket(struct family *f, const char *line, const char *labels, double value)
{
    const char *bound = strstr(labels, "le=\"");
    ck_assert_msg(bound != NULL, "a bucket without le: %s", line);
    double le = strncmp(bound + 4, "+Inf\"", 5) == 0 ? INFINITY : strtod(bound + 4, NULL);
    ck_assert_msg(le > f->le && value >= f->below, "buckets ascend: %s", line);
    f->le = le;
    f->below = value;
}

static bool ends(const char *name, size_t n, const char *end)
{
    return n > strlen(end) && strncmp(name + n - strlen(end), end, strlen(end)) == 0;
}

static void on_sample(struct reading *r, const char *line)
{
    size_t n = strcspn(line, "{ "), labels = line[n] == '{' ? strcspn(line + n, "}") + 1 : 0;
    char *end;
    struct family *last = r->n == 0 ? NULL : &r->family[r->n - 1];
    ck_assert_msg(is_name(line, n) && line[n + labels] == ' ', "no sample: %s", line);
    double value = strtod(line + n + labels + 1, &end);
    ck_assert_msg(*end == '\0' && end[-1] != ' ', "no value: %s", line);
    ck_assert_msg(last != NULL && last->kind[0] != '\0', "a sample without TYPE: %s", line);
    if (strcmp(last->kind, "histogram") != 0) {
        ck_assert_msg(family_of(r, line, n) == last, "not of the family above: %s", line);
        ck_assert_msg(strcmp(last->kind, "counter") != 0 || value >= 0, "%s", line);
        return;
    }
    ck_assert_msg(strncmp(line, last->name, strlen(last->name)) == 0, "%s", line);
    if (ends(line, n, "_bucket"))
        on_bucket(last, line, line + n, value);
    else if (ends(line, n, "_count"))
        last->count = value;
    else
        ck_assert_msg(ends(line, n, "_sum"), "%s", line);
}

void prometheus_check(const char *text)
{
    static struct reading r;
    char line[500];
    r.n = 0;
    while (*text != '\0') {
        size_t n = strcspn(text, "\n");
        ck_assert_msg(n > 0 && n < sizeof line && text[n] == '\n', "a line without an end");
        snprintf(line, sizeof line, "%.*s", (int)n, text);
        text += n + 1;
        if (strncmp(line, "# HELP ", 7) == 0)
            on_help(&r, line, line + 7);
        else if (strncmp(line, "# TYPE ", 7) == 0)
            on_type(&r, line, line + 7);
        else
            on_sample(&r, line);
    }
    ck_assert_int_gt(r.n, 20);
    for (int i = 0; i < r.n; i++)
        if (strcmp(r.family[i].kind, "histogram") == 0)
            ck_assert_msg(isinf(r.family[i].le) && r.family[i].below == r.family[i].count,
                          "%s does not end in +Inf as its count", r.family[i].name);
}

double prometheus_value(const char *text, const char *sample)
{
    size_t n = strlen(sample);
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, sample, n) == 0 && line[n] == ' ')
            return strtod(line + n, NULL);
    }
    ck_abort_msg("no sample %s", sample);
    return 0;
}

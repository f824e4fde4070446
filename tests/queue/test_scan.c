/* Taking entries off the wire: whole, byte by byte, cut, over a limit, and broken. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue/redis_scan.h"
#include "tests/base/suite.h"

#define FETCHED                                                                                    \
    "*1\r\n*2\r\n$11\r\nsm:{q}:jobs\r\n*2\r\n"                                                     \
    "*2\r\n$3\r\n1-2\r\n*4\r\n$4\r\ntype\r\n$1\r\nt\r\n$5\r\ninput\r\n$7\r\na\r\nb\r\nc\r\n"       \
    "*2\r\n$4\r\n10-0\r\n*2\r\n$3\r\njob\r\n$0\r\n\r\n"

/* Feeds `wire` in pieces; writes what came as text. */
static void run(struct sm_scan *scan, const char *wire, size_t n, size_t piece, char *seen,
                size_t room)
{
    size_t at = 0, end = 0, used;
    *seen = '\0';
    for (;;) {
        struct sm_field fields[SM_FIELDS_MOST];
        char *memory;
        size_t size, fields_n, given = n - at < piece ? n - at : piece;
        enum sm_scan_event event = sm_scan_feed(scan, wire + at, given, &used);
        at += used;
        if (event == SM_SCAN_MORE && at == n)
            return;
        if (event == SM_SCAN_MORE)
            continue;
        if (event != SM_SCAN_ENTRY) {
            snprintf(seen + end, room - end, "%s",
                     event == SM_SCAN_END     ? "end"
                     : event == SM_SCAN_ERROR ? scan->error
                                              : "broken");
            return;
        }
        ck_assert_int_eq(sm_scan_take(scan, &memory, &size, fields, &fields_n), 0);
        end += (size_t)snprintf(seen + end, room - end, "%s%llu-%llu", scan->gone ? "gone " : "",
                                (unsigned long long)scan->entry.ms,
                                (unsigned long long)scan->entry.seq);
        for (size_t i = 0; i < fields_n; i++)
            end += (size_t)snprintf(seen + end, room - end, " %.*s=%zu", (int)fields[i].name.n,
                                    fields[i].name.p, fields[i].value.n);
        end += (size_t)snprintf(seen + end, room - end, "%s%s%s|", scan->too_large ? " large" : "",
                                scan->over ? " over" : "", scan->crowded ? " crowded" : "");
        free(memory);
    }
}

static void check(enum sm_scan_form form, const char *wire, size_t limit, size_t budget,
                  const char *expected)
{
    static struct sm_scan scan;
    static char seen[8192];
    size_t n = strlen(wire);
    for (size_t piece = 1; piece <= n; piece += piece < 40 ? 1 : n) {
        sm_scan_start(&scan, form, limit, budget);
        run(&scan, wire, n, piece, seen, sizeof seen);
        ck_assert_msg(strcmp(seen, expected) == 0, "piece %zu: %s", piece, seen);
        sm_scan_free(&scan);
    }
}

START_TEST(a_fetch_comes_apart_the_same_in_any_pieces)
{
    check(SM_SCAN_FETCH, FETCHED, 1000, 1000, "1-2 type=1 input=7|10-0 job=0|end");
}
END_TEST

START_TEST(nothing_fetched_is_no_failure)
{
    check(SM_SCAN_FETCH, "*-1\r\n", 1000, 1000, "end");
    check(SM_SCAN_FETCH, "$-1\r\n", 1000, 1000, "end");
    check(SM_SCAN_RANGE, "*0\r\n", 1000, 1000, "end");
}
END_TEST

START_TEST(an_entry_without_a_body_is_said_to_be_gone)
{
    check(SM_SCAN_RANGE,
          "*2\r\n*2\r\n$3\r\n1-1\r\n*-1\r\n*2\r\n$3\r\n1-2\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n", 1000,
          1000, "gone 1-1|1-2 a=1|end");
}
END_TEST

START_TEST(an_error_reply_is_handed_on)
{
    check(SM_SCAN_FETCH, "-NOGROUP No such key\r\n", 1000, 1000, "NOGROUP No such key");
    check(SM_SCAN_RANGE, "-NOPERM\r\n", 1000, 1000, "NOPERM");
}
END_TEST

START_TEST(what_is_no_reply_is_broken)
{
    static const char *const wires[] = {
        "hello\r\n",
        "*1\r\n*3\r\n",
        "*2\r\n*2\r\n$1\r\nk\r\n",
        "*1\r\n*2\r\n$1\r\nk\r\n*1\r\n*2\r\n$3\r\nabc\r\n",
        "*1\r\n*2\r\n$1\r\nk\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*3\r\n",
        "*1\r\n*2\r\n$1\r\nk\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$-5\r\n",
        "*1\r\n*2\r\n$1\r\nk\r\n*1\r\n*2\r\n$99\r\n",
        "*1\r\n*2\r\n$1\r\nk\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$99999999999999999\r\n",
    };
    for (size_t i = 0; i < sizeof wires / sizeof *wires; i++)
        check(SM_SCAN_FETCH, wires[i], 1000, 1000, "broken");
}
END_TEST

/* An entry of one value of `size` bytes behind its id, then a small one. */
static char *large_wire(size_t size)
{
    char *wire = malloc(size + 300), *value = malloc(size + 1);
    memset(value, 'x', size);
    value[size] = '\0';
    sprintf(wire,
            "*2\r\n*2\r\n$3\r\n1-1\r\n*4\r\n$2\r\nid\r\n$3\r\nabc\r\n$5\r\ninput\r\n$%zu\r\n%s\r\n",
            size, value);
    strcat(wire, "*2\r\n$3\r\n1-2\r\n*2\r\n$4\r\ntype\r\n$1\r\nt\r\n");
    free(value);
    return wire;
}

START_TEST(what_is_over_the_limit_passes_by_with_its_head_kept)
{
    char *wire = large_wire(5000);
    check(SM_SCAN_RANGE, wire, 4000, 100000, "1-1 id=3 input=256 large|1-2 type=1|end");
    check(SM_SCAN_RANGE, wire, 100000, 100000, "1-1 id=3 input=5000|1-2 type=1|end");
    check(SM_SCAN_RANGE, wire, 100000, 4000, "1-1 id=3 input=256 over|1-2 type=1|end");
    free(wire);
}
END_TEST

START_TEST(fields_past_the_most_are_left_out)
{
    char wire[8192] = "*1\r\n*2\r\n$3\r\n1-1\r\n*140\r\n";
    static struct sm_scan scan;
    static char seen[8192];
    for (int i = 0; i < 140; i++)
        strcat(wire, "$1\r\na\r\n");
    sm_scan_start(&scan, SM_SCAN_RANGE, 100000, 100000);
    run(&scan, wire, strlen(wire), 100, seen, sizeof seen);
    ck_assert(strstr(seen, " crowded|end") != NULL);
}
END_TEST

int main(void)
{
    return RUN_SUITE("queue_scan", {a_fetch_comes_apart_the_same_in_any_pieces, 0},
                     {nothing_fetched_is_no_failure, 0},
                     {an_entry_without_a_body_is_said_to_be_gone, 0},
                     {an_error_reply_is_handed_on, 0}, {what_is_no_reply_is_broken, 0},
                     {what_is_over_the_limit_passes_by_with_its_head_kept, 0},
                     {fields_past_the_most_are_left_out, 0});
}

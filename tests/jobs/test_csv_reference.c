/*
 * parse.csv against Python's csv module on thousands of random small inputs (csv_reference.py):
 * line ends of all kinds, quotes, empty fields, byte order marks, NUL, invalid UTF-8, no last line
 * end.
 */
#include <stdint.h>
#include <stdio.h>

#include "base/msg.h"
#include "tests/base/suite.h"
#include "tests/jobs/harness.h"

#define VECTORS 6000
#define SEEDS 2

struct text {
    uint32_t n;
    char p[4096];
};

static FILE *reference;
static struct text input;
static int at; /* which vector */

static uint32_t take_u32(void)
{
    unsigned char b[4];
    ck_assert_uint_eq(fread(b, 1, 4, reference), 4);
    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static void take_text(struct text *text)
{
    text->n = take_u32();
    ck_assert_uint_lt(text->n, sizeof text->p);
    ck_assert_uint_eq(fread(text->p, 1, text->n, reference), text->n);
}

/* The input as a message can show it. */
static const char *shown(void)
{
    static char text[3 * 2000];
    size_t n = 0;
    for (uint32_t i = 0; i < input.n && n < sizeof text - 4; i++) {
        unsigned char c = (unsigned char)input.p[i];
        bool plain = c >= ' ' && c < 0x7f && c != '%';
        n += (size_t)snprintf(text + n, sizeof text - n, plain ? "%c" : "%%%02x", c);
    }
    text[n] = '\0';
    return text;
}

static struct ran parse(char delimiter, char quote, const char *on_error)
{
    char args[200], quoted[8] = "";
    if (quote != '\0')
        snprintf(quoted, sizeof quoted, quote == '"' ? "\\%c" : "%c", quote);
    snprintf(args, sizeof args,
             "{\"header\":false,\"delimiter\":\"%.2s\",\"quote\":\"%s\",\"on_error\":\"%s\","
             "\"output\":\"msgpack\"}",
             delimiter == '\t' ? "\\t" : (char[]){delimiter, '\0'}, quoted, on_error);
    return run_named("parse.csv", (struct how){.attempt = 1}, args, input.p, input.n);
}

static void check_row(struct sm_msg *msg, uint32_t width)
{
    static struct text wanted;
    struct sm_msg_value value;
    ck_assert_msg(sm_msg_next(msg, &value) && value.kind == SM_MSG_MAP && value.size == width,
                  "%d: a row is missing: %s", at, shown());
    for (uint32_t i = 0; i < width; i++) {
        take_text(&wanted);
        ck_assert(sm_msg_next(msg, &value)); /* the column's name */
        ck_assert(sm_msg_next(msg, &value) && value.kind == SM_MSG_STR);
        ck_assert_msg(value.size == wanted.n && memcmp(value.p, wanted.p, wanted.n) == 0,
                      "%d: field %u is \"%.*s\" instead of \"%.*s\": %s", at, i + 1,
                      (int)value.size, value.p, (int)wanted.n, wanted.p, shown());
    }
}

static void check_well_quoted(char delimiter, char quote)
{
    char counts[100];
    uint32_t width = take_u32(), bad = take_u32(), rows = take_u32();
    struct ran ran = parse(delimiter, quote, "skip");
    ck_assert_msg(ran.code == 0, "%d: %s: %s", at, ran.error, shown());
    struct sm_msg msg = {(unsigned char *)ran.body, (unsigned char *)ran.body + ran.body_size};
    for (uint32_t i = 0; i < rows; i++)
        check_row(&msg, width);
    ck_assert_msg(msg.at == msg.end, "%d: more rows than %u: %s", at, rows, shown());
    snprintf(counts, sizeof counts, "\"rows_in\":%u,\"rows_out\":%u,\"rows_bad\":%u", rows + bad,
             rows, bad);
    ck_assert_msg(strstr(ran.result, counts) != NULL, "%d: no %s in %s: %s", at, counts, ran.result,
                  shown());
    ran_free(&ran);
    if (bad == 0)
        return;
    ran = parse(delimiter, quote, "fail");
    ck_assert_msg(ran.code == SM_E_BAD_INPUT && strncmp(ran.error, "line ", 5) == 0, "%d: %s: %s",
                  at, ran.error, shown());
    ran_free(&ran);
}

static void check_badly_quoted(char delimiter, char quote)
{
    struct ran ran = parse(delimiter, quote, "fail");
    ck_assert_msg(ran.code == SM_E_BAD_INPUT && strncmp(ran.error, "line ", 5) == 0, "%d: %s: %s",
                  at, ran.error, shown());
    ran_free(&ran);
}

START_TEST(the_rows_are_those_of_pythons_csv_module)
{
    char command[700], head[3];
    snprintf(command, sizeof command, "/usr/bin/python3 %s/tests/jobs/csv_reference.py %d %d",
             getenv("STAMPMILL_SOURCE"), _i + 1, VECTORS);
    reference = popen(command, "r");
    ck_assert_ptr_nonnull(reference);
    for (at = 0; fread(head, 1, 3, reference) == 3; at++) {
        take_text(&input);
        if (head[0] == 1)
            check_well_quoted(head[1], head[2]);
        else
            check_badly_quoted(head[1], head[2]);
    }
    ck_assert_int_eq(pclose(reference), 0);
    ck_assert_int_eq(at, VECTORS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("jobs_csv_reference");
    TCase *tcase = tcase_create("random");
    tcase_add_loop_test(tcase, the_rows_are_those_of_pythons_csv_module, 0, SEEDS);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

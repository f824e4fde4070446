/*
 * Bad input on a real daemon: every bad job becomes a dead row under its own id, with the right
 * code and a text that names field or line and what was expected; the jobs around it succeed, the
 * daemon's memory stays within its bound, and at the end it drains as if nothing had been.
 *
 * The bound: worker.memory, plus what the process itself takes when idle (below 12 MiB) and what
 * these small jobs take while they run. One entry here is larger than all of it.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "tests/live/fleet.h"
#include "tests/queue/pack.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define MIB ((size_t)1 << 20)
#define MEMORY (64 * MIB)
#define PROCESS (24 * MIB)
#define FLAGS                                                                                      \
    "--worker.memory=64MiB", "--worker.stamps=2", "--job.memory=16MiB", "--job.result=1MiB",       \
        "--worker.queues=default,far"

static struct sm_reader *reader;

static struct sm_bytes text_of(const char *text)
{
    return (struct sm_bytes){text, strlen(text)};
}

static struct sm_field field(const char *name, struct sm_bytes value)
{
    return (struct sm_field){text_of(name), value};
}

/* ---- what each must end as -- */

struct want {
    struct sm_id id;
    const char *what, *code;
    const char *says[3]; /* words of the error text */
};

static struct want wanted[64];
static size_t wanted_n;
static struct sm_id good[130];
static size_t good_n;

static void want(const char *what, struct sm_id id, const char *code, const char *a, const char *b,
                 const char *c)
{
    ck_assert_uint_lt(wanted_n, COUNT(wanted));
    wanted[wanted_n++] = (struct want){id, what, code, {a, b, c}};
}

static void put_good(void)
{
    struct sm_entry_id entry = rig_add("type", "debug.echo", "args", "{\"good\":true}", NULL);
    good[good_n++] = rig_derived_id("default", entry);
}

/* A bad entry between two good jobs. */
static void put_bad(const char *what, const struct sm_field *fields, size_t n, const char *code,
                    const char *a, const char *b, const char *c)
{
    put_good();
    struct sm_entry_id entry = rig_xadd("default", "*", fields, n);
    want(what, rig_derived_id("default", entry), code, a, b, c);
    put_good();
}

static void check_dead(const struct want *w)
{
    struct sm_job_row row;
    rig_row(reader, &w->id, 0, &row);
    ck_assert_msg(strcmp(row.state, "dead") == 0, "%s: %s", w->what, row.state);
    ck_assert_msg(strcmp(row.error_code, w->code) == 0, "%s: %s instead of %s: %s", w->what,
                  row.error_code, w->code, row.error_text);
    for (size_t i = 0; i < 3 && w->says[i] != NULL; i++)
        ck_assert_msg(strstr(row.error_text, w->says[i]) != NULL, "%s: no \"%s\" in: %s", w->what,
                      w->says[i], row.error_text);
    sm_job_row_free(&row);
}

static void check_all(void)
{
    for (size_t i = 0; i < wanted_n; i++)
        check_dead(&wanted[i]);
    for (size_t i = 0; i < good_n; i++) {
        struct sm_job_row row;
        rig_row(reader, &good[i], 0, &row);
        ck_assert_str_eq(row.state, "succeeded");
        sm_job_row_free(&row);
    }
}

static void check_memory(pid_t daemon)
{
    size_t peak = rig_resident_peak(daemon), bound = MEMORY + PROCESS;
    printf("resident at most %zu MiB, bound %zu MiB\n", peak / MIB, bound / MIB);
    if (!RIG_SANITIZED)
        ck_assert_uint_lt(peak, bound);
}

/* ---- flat entries -- */

static const struct {
    const char *what, *type, *args, *code, *says[3];
} calls[] = {
    {"unknown type",
     "debug.ehco",
     "{}",
     "unknown_type",
     {"type: \"debug.ehco\"", "did you mean \"debug.echo\""}},
    {"missing", "debug.burn", "{}", "bad_args", {"args.ms", "missing", "milliseconds"}},
    {"mistyped",
     "debug.burn",
     "{\"ms\":\"five\"}",
     "bad_args",
     {"args.ms: expected an integer", "\"five\""}},
    {"misspelt",
     "debug.alloc",
     "{\"bytes\":1,\"hold_sm\":5}",
     "bad_args",
     {"hold_sm", "did you mean \"hold_ms\""}},
    {"unknown key",
     "debug.burn",
     "{\"ms\":1,\"colour\":2}",
     "bad_args",
     {"args.colour: unknown key", "known are: ms"}},
    {"nested field",
     "parse.csv",
     "{\"columns\":[{\"name\":\"a\",\"type\":\"flot\"}]}",
     "bad_args",
     {"args.columns[0].type", "did you mean \"float\""}},
    {"cut in half", "debug.burn", "{\"ms\":", "bad_envelope", {"args: ", "line 1, column 6"}},
    {"not a map", "debug.burn", "[1]", "bad_envelope", {"args: must be a map"}},
};

static void put_calls(void)
{
    for (size_t i = 0; i < COUNT(calls); i++) {
        const struct sm_field fields[] = {field("type", text_of(calls[i].type)),
                                          field("args", text_of(calls[i].args))};
        put_bad(calls[i].what, fields, 2, calls[i].code, calls[i].says[0], calls[i].says[1],
                calls[i].says[2]);
    }
}

static const struct {
    const char *what;
    struct sm_bytes input;
    const char *code, *says[3];
} sheets[] = {
    {"open quote",
     {"a,b\n1,2\n3,\"x\n5,6\n", 17},
     "bad_input",
     {"line 3", "field 2", "never closed"}},
    {"NUL", {"a,b\n1,x\0y\n", 11}, "bad_input", {"line 2", "NUL"}},
    {"invalid UTF-8", {"a,b\n1,2\n3,\xff\xfe\n", 13}, "bad_input", {"line 3", "UTF-8"}},
    {"too wide", {"a,b\n1,2,3\n", 10}, "bad_input", {"line 2", "3 fields", "2"}},
};

static void put_sheets(void)
{
    for (size_t i = 0; i < COUNT(sheets); i++) {
        const struct sm_field fields[] = {field("type", text_of("parse.csv")),
                                          field("input", sheets[i].input)};
        put_bad(sheets[i].what, fields, 2, sheets[i].code, sheets[i].says[0], sheets[i].says[1],
                sheets[i].says[2]);
    }
}

static void put_entries(void)
{
    static char names[65][8];
    static char large[2 << 20];
    struct sm_field fields[65];
    for (size_t i = 0; i < 65; i++) {
        snprintf(names[i], sizeof names[i], "x_%zu", i);
        fields[i] = field(names[i], text_of("1"));
    }
    fields[0] = field("type", text_of("debug.noop"));
    put_bad("65 fields", fields, 65, "bad_envelope", "more than 64 fields", NULL, NULL);
    fields[0] = field("input", text_of("1"));
    put_bad("no type", fields, 1, "bad_envelope", "type: missing", NULL, NULL);
    fields[0] = field("foo", text_of("bar"));
    put_bad("foreign junk", fields, 1, "bad_envelope", "foo: unknown field", NULL, NULL);
    fields[0] = field("type", text_of("debug.noop"));
    fields[1] = field("type", text_of("debug.echo"));
    put_bad("twice", fields, 2, "bad_envelope", "type: stands twice", NULL, NULL);
    fields[1] = field("timeout_sm", text_of("1"));
    put_bad("misspelt field", fields, 2, "bad_envelope", "timeout_sm: unknown field",
            "did you mean \"timeout_ms\"", NULL);
    fields[0] = field("type", text_of("debug.echo"));
    fields[1] = field("input", (struct sm_bytes){large, sizeof large});
    put_bad("result over the limit", fields, 2, "too_large", "result is over its limit",
            "1048576 bytes", NULL);
}

/* ---- envelopes -- */

static void put_envelope(const char *what, struct sm_buf *envelope, const char *code, const char *a,
                         const char *b)
{
    const struct sm_field one = field("job", (struct sm_bytes){envelope->data, envelope->size});
    put_bad(what, &one, 1, code, a, b, NULL);
    sm_buf_clear(envelope);
}

static void put_deep(struct sm_buf *buf, const char *open, size_t size, int depth)
{
    for (int i = 0; i < depth; i++)
        put_msg(buf, "r", open, size);
}

static void put_envelopes(void)
{
    struct sm_buf e;
    sm_buf_init(&e, 0);
    put_envelope("empty envelope", &e, "bad_envelope", "job: is not a msgpack map", NULL);
    put_msg(&e, "m", 0);
    put_envelope("empty map", &e, "bad_envelope", "type: missing", NULL);
    put_msg(&e, "mssssr", 2, "type", "debug.noop", "input", "", "\xdb\xff\xff\xff\xff", (size_t)5);
    put_envelope("bytes behind", &e, "bad_envelope", "job: has bytes behind its end", NULL);
    put_msg(&e, "msssr", 2, "type", "debug.noop", "input", "\xc6\xff\xff\xff\xf0", (size_t)5);
    put_envelope("lying length", &e, "bad_envelope", "job: breaks off, or a length lies", NULL);
    put_msg(&e, "r", "\xdf\xff\xff\xff\xff", (size_t)5);
    put_envelope("lying count", &e, "bad_envelope", "job: is not a msgpack map", NULL);
    put_msg(&e, "mssss", 2, "type", "debug.echo", "args", "");
    e.size--; /* the empty text goes */
    put_deep(&e, "\x81\xa1n", 3, 10000);
    put_msg(&e, "i", (int64_t)1);
    put_envelope("msgpack 10,000 deep", &e, "bad_envelope", "nests too deep", NULL);
    put_msg(&e, "ms", 1, "args");
    put_deep(&e, "\x91", 1, 10000);
    put_envelope("lists 10,000 deep", &e, "bad_envelope", "nests too deep", NULL);
    put_msg(&e, "msssmsr", 2, "type", "debug.echo", "args", 1, "t",
            "\xa3"
            "a\0b",
            (size_t)4);
    put_envelope("NUL in a text", &e, "bad_args", "U+0000", "args");
    put_msg(&e, "msssmsr", 2, "type", "debug.echo", "args", 1, "t", "\xa2\xff\xfe", (size_t)3);
    put_envelope("invalid UTF-8 in a text", &e, "bad_args", "UTF-8", "args");
    sm_buf_free(&e);
}

/* The same by JSON text, and as a flat field. */
static void put_deep_json(void)
{
    struct sm_buf text;
    sm_buf_init(&text, 0);
    put_deep(&text, "{\"a\":", 5, 10000);
    const struct sm_field fields[] = {field("type", text_of("debug.echo")),
                                      field("args", (struct sm_bytes){text.data, text.size})};
    put_bad("JSON 10,000 deep", fields, 2, "bad_envelope", "args: ", "64", NULL);
    sm_buf_free(&text);
}

/* ---- 100 MB -- */

static void send_all(int fd, const char *data, size_t n)
{
    for (ssize_t sent; n > 0; data += sent, n -= (size_t)sent) {
        sent = write(fd, data, n);
        ck_assert_msg(sent > 0, "Redis hung up");
    }
}

static int connect_redis(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_lt(
        snprintf(to.sun_path, sizeof to.sun_path, "%s", rig_servers.redis_url + strlen("unix://")),
        (int)sizeof to.sun_path);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* XADD of an input that no client would hold in memory at once; its id stands in front. */
static struct sm_id stream_large(size_t size)
{
    static const char login[] = "*3\r\n$4\r\nAUTH\r\n$11\r\nsm_producer\r\n$8\r\nproducer\r\n";
    static char chunk[1 << 16], answer[256];
    struct sm_id id = sm_id_new();
    char head[300], text[SM_ID_TEXT];
    int fd = connect_redis();
    sm_id_format(&id, text);
    send_all(fd, login, sizeof login - 1);
    int n =
        snprintf(head, sizeof head,
                 "*9\r\n$4\r\nXADD\r\n$17\r\nsm:{default}:jobs\r\n$1\r\n*\r\n$2\r\nid\r\n$36\r\n"
                 "%s\r\n$4\r\ntype\r\n$10\r\ndebug.noop\r\n$5\r\ninput\r\n$%zu\r\n",
                 text, size);
    send_all(fd, head, (size_t)n);
    for (size_t sent = 0; sent < size; sent += sizeof chunk)
        send_all(fd, chunk, size - sent < sizeof chunk ? size - sent : sizeof chunk);
    send_all(fd, "\r\n", 2);
    size_t got = 0;
    while (got < sizeof answer - 1 && strstr(answer, "+OK\r\n$") == NULL) {
        ssize_t more = read(fd, answer + got, sizeof answer - 1 - got);
        ck_assert_msg(more > 0, "Redis says: %s", answer);
        got += (size_t)more;
    }
    close(fd);
    return id;
}

/* ---- tests -- */

START_TEST(each_bad_job_is_buried_with_a_reason_and_the_others_go_on)
{
    pid_t daemon = rig_daemon(FLAGS, NULL);
    rig_log_wait("worker started");
    reader = rig_reader();
    put_calls();
    put_sheets();
    put_entries();
    put_envelopes();
    put_deep_json();
    put_good();
    want("100 MB", stream_large(100000000), "too_large", "the entry has 1000",
         "more than the 18874368", NULL);
    put_good();
    check_all();
    check_memory(daemon);
    rig_end_clean(daemon);
    ck_assert_str_eq(sql("SELECT count(*) FROM stampmill.results WHERE state = 'dead' AND envelope "
                         "IS NULL"),
                     "0");
    sm_reader_close(reader);
}
END_TEST

START_TEST(entries_from_the_far_future_are_run)
{
    static const char *const ids[] = {"9999999999999-1", "253402300799999-7",
                                      "18446744073709551614-0"};
    const struct sm_field fields[] = {field("type", text_of("debug.noop"))};
    pid_t daemon = rig_daemon(FLAGS, NULL);
    rig_log_wait("worker started");
    reader = rig_reader();
    for (size_t i = 0; i < COUNT(ids); i++) {
        struct sm_job_row row;
        struct sm_id id = rig_derived_id("far", rig_xadd("far", ids[i], fields, 1));
        rig_row(reader, &id, 0, &row);
        ck_assert_msg(strcmp(row.state, "succeeded") == 0, "%s: %s", ids[i], row.state);
        sm_job_row_free(&row);
    }
    put_good();
    check_all();
    rig_end_clean(daemon);
    sm_reader_close(reader);
}
END_TEST

/* Eighteen jobs and the trim in one transaction: none of them can be fetched in between. */
static void enqueue_and_trim(void)
{
    rig_text("MULTI");
    for (int i = 0; i < 18; i++)
        rig_text("XADD sm:{default}:jobs * type debug.noop");
    rig_text("XADD sm:{default}:jobs MAXLEN 1 * type debug.noop");
    ck_assert_int_eq(rig_int("EXEC"), 19);
}

/* A foreign MAXLEN deletes what waits, what is parked and what runs; the protocol forbids it. What
 * runs ends with its row, the others are lost without a trace, and nothing else is harmed. */
START_TEST(a_trimmed_stream_loses_what_waited_and_nothing_more)
{
    struct mill m;
    mill_init(&m, "m", "host", NULL);
    mill_start(&m);
    put_jobs(&(struct sm_job_spec){.type = "debug.noop", .in_ms = 3600000}, 1, NULL);
    AWAIT(2000, rig_int("ZCARD sm:{default}:later") == 1);
    put_jobs(&(struct sm_job_spec){.type = "debug.sleep", .args_json = "{\"ms\":1000}"}, 2, NULL);
    AWAIT(2000, mill_metric(&m, "stamps_running") == 2);
    enqueue_and_trim();
    put_jobs(&(struct sm_job_spec){.type = "debug.echo"}, 1, NULL);
    AWAIT(3000, queue_length() == 0 && queue_in_flight() == 0);
    AWAIT(3000, rig_int("ZCARD sm:{default}:later") == 0);
    check_uncharged(4); /* those that ran, the one that MAXLEN left, and what came after it */
    mill_drain(&m);
    check_redis_clean();
}
END_TEST

int main(void)
{
    return RIG_SUITE("live_bad_input",
                     {each_bad_job_is_buried_with_a_reason_and_the_others_go_on, 0},
                     {entries_from_the_far_future_are_run, 0},
                     {a_trimmed_stream_loses_what_waited_and_nothing_more, 0});
}

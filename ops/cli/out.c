/*
 * Output. Both forms are held in memory until the end: a table needs its widths, and JSON that
 * breaks off half-way because a server went away would be worse than none.
 */
#include "ops/cli/out.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"

void out_open(struct cli_out *out, bool json, bool list)
{
    memset(out, 0, sizeof *out);
    out->json = json;
    out->list = list;
    sm_buf_init(&out->buf, 0);
    sm_json_init(&out->writer, &out->buf);
    if (json && list)
        sm_json_put_open(&out->writer, '[');
}

void out_record(struct cli_out *out)
{
    SM_ASSERT(out->at == out->columns);
    if (out->json && out->records > 0)
        sm_json_put_close(&out->writer, '}');
    if (out->json)
        sm_json_put_open(&out->writer, '{');
    out->records++;
    out->at = 0;
}

static void add_cell(struct cli_out *out, char *cell)
{
    if (out->cells_n == out->cells_room) {
        size_t room = out->cells_room == 0 ? 64 : 2 * out->cells_room;
        char **more = realloc(out->cells, room * sizeof *more);
        if (more == NULL) {
            free(cell);
            out->failed = true;
            return;
        }
        out->cells = more;
        out->cells_room = room;
    }
    out->failed |= cell == NULL;
    out->cells[out->cells_n++] = cell;
}

/* Takes note of the column; for a table, adds its cell. True when the JSON value is to follow. */
static bool field(struct cli_out *out, const char *key, const char *text, size_t size)
{
    if (out->records == 1) {
        SM_ASSERT(out->columns < OUT_COLUMNS_MOST);
        out->keys[out->columns++] = key;
    }
    SM_ASSERT(out->at < out->columns);
    out->at++;
    if (out->json) {
        sm_json_put_key(&out->writer, key, strlen(key));
        return true;
    }
    char *cell = text == NULL ? strdup("-") : strndup(text, size);
    for (char *c = cell; c != NULL && *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    add_cell(out, cell);
    return false;
}

void out_text(struct cli_out *out, const char *key, const char *text)
{
    if (!field(out, key, text, text == NULL ? 0 : strlen(text)))
        return;
    if (text == NULL)
        sm_json_put_null(&out->writer);
    else
        sm_json_put_text(&out->writer, text, strlen(text));
}

void out_json(struct cli_out *out, const char *key, const char *json, size_t size)
{
    if (!field(out, key, json, size))
        return;
    if (json == NULL)
        sm_json_put_null(&out->writer);
    else
        sm_json_put_raw(&out->writer, json, size);
}

void out_int(struct cli_out *out, const char *key, int64_t value)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%" PRId64, value);
    out_json(out, key, text, (size_t)n);
}

void out_bool(struct cli_out *out, const char *key, bool value)
{
    out_json(out, key, value ? "true" : "false", value ? 4 : 5);
}

void out_ms(struct cli_out *out, const char *key, int64_t us)
{
    char text[40];
    int n = snprintf(text, sizeof text, "%s%" PRIu64 ".%03u", us < 0 ? "-" : "",
                     (uint64_t)llabs(us) / 1000, (unsigned)((uint64_t)llabs(us) % 1000));
    out_json(out, key, text, (size_t)n);
}

bool out_format_time(int64_t us, char text[40])
{
    char day[24];
    time_t seconds = (time_t)(us / 1000000);
    struct tm tm;
    if (us <= 0 || seconds > 253402300799 || gmtime_r(&seconds, &tm) == NULL)
        return false;
    strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text, 40, "%s.%03dZ", day, (int)(us / 1000 % 1000));
    return true;
}

void out_time(struct cli_out *out, const char *key, int64_t us)
{
    char text[40];
    out_text(out, key, out_format_time(us, text) ? text : NULL);
}

/* ---- printing -- */

/* What a terminal shows of UTF-8 text, near enough: one column a code point. */
static int width_of(const char *text)
{
    int n = 0;
    for (; *text != '\0'; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

/* The last column of a line is not padded. */
static void print_cell(const char *text, int width, bool last)
{
    printf("%s%*s", text, last ? 0 : width - width_of(text) + 2, "");
    if (last)
        putchar('\n');
}

static void print_list(const struct cli_out *out)
{
    int widths[OUT_COLUMNS_MOST];
    for (size_t c = 0; c < out->columns; c++) {
        widths[c] = width_of(out->keys[c]);
        for (size_t i = c; i < out->cells_n; i += out->columns)
            if (width_of(out->cells[i]) > widths[c])
                widths[c] = width_of(out->cells[i]);
    }
    for (size_t c = 0; c < out->columns; c++)
        print_cell(out->keys[c], widths[c], c + 1 == out->columns);
    for (size_t i = 0; i < out->cells_n; i++)
        print_cell(out->cells[i], widths[i % out->columns], (i + 1) % out->columns == 0);
}

static void print_record(const struct cli_out *out)
{
    int width = 0;
    for (size_t c = 0; c < out->columns; c++)
        if (width_of(out->keys[c]) > width)
            width = width_of(out->keys[c]);
    for (size_t c = 0; c < out->cells_n; c++) {
        print_cell(out->keys[c], width, false);
        print_cell(out->cells[c], 0, true);
    }
}

static void print_json(struct cli_out *out)
{
    if (out->records > 0)
        sm_json_put_close(&out->writer, '}');
    if (out->list)
        sm_json_put_close(&out->writer, ']');
    fwrite(out->buf.data, 1, out->buf.size, stdout);
    putchar('\n');
    out->failed |= out->buf.full;
}

/* SIGPIPE is ignored for the sake of the sockets; for standard output it is what a shell expects.
 */
static int flush(struct sm_err *err)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    int error = errno;
    if (error == EPIPE) {
        signal(SIGPIPE, SIG_DFL);
        raise(SIGPIPE);
    }
    return sm_err_set(err, SM_E_IO, "standard output: %s", strerror(error));
}

void out_drop(struct cli_out *out)
{
    for (size_t i = 0; i < out->cells_n; i++)
        free(out->cells[i]);
    free(out->cells);
    sm_buf_free(&out->buf);
}

int out_close(struct cli_out *out, struct sm_err *err)
{
    if (out->json)
        print_json(out);
    else if (!out->failed && out->list)
        print_list(out);
    else if (!out->failed)
        print_record(out);
    out_drop(out);
    return out->failed ? sm_err_set(err, SM_E_NO_MEMORY, "no memory for the output") : flush(err);
}

int out_bytes(const void *data, size_t size, struct sm_err *err)
{
    fwrite(data, 1, size, stdout);
    return flush(err);
}

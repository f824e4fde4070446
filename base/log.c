/*
 * The log. A line is built in memory and leaves in one write(2), so that lines of several threads
 * never mix and no lock is needed. Times are UTC. A value is cut at VALUE_MOST bytes and what is
 * not UTF-8 in it becomes '?': a log must say something of broken data. When the line cannot be
 * built or written it is dropped: the log never stops the work. Thread: any.
 */
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"

#define VALUE_MOST 2048

static atomic_int least_level = SM_LOG_INFO;
static atomic_int chosen = SM_LOG_AUTO;

void sm_log_setup(enum sm_log_level level, enum sm_log_format format)
{
    atomic_store(&least_level, (int)level);
    atomic_store(&chosen, (int)format);
}

static int line_format(void)
{
    int format = atomic_load_explicit(&chosen, memory_order_relaxed);

    if (format == SM_LOG_AUTO) {
        format = isatty(STDERR_FILENO) ? SM_LOG_TEXT : SM_LOG_JSON;
        atomic_store(&chosen, format);
    }
    return format;
}

static const char *level_name(enum sm_log_level level)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};

    return names[level];
}

/* Copies text as what may stand in a log; returns its length. */
static size_t clean(char out[VALUE_MOST], const char *text)
{
    size_t size = strnlen(text, VALUE_MOST);

    if (size == VALUE_MOST)
        size = sm_text_cut(text, size);
    memcpy(out, text, size);
    for (size_t at = sm_text_valid(out, size); at < size; at += sm_text_valid(out + at, size - at))
        out[at] = '?';
    return size;
}

static void put_time(struct sm_buf *line, const char *format, char *end)
{
    int64_t us = sm_wall_us(&sm_clock_real);
    time_t seconds = (time_t)(us / 1000000);
    struct tm utc;
    char text[40];

    (void)gmtime_r(&seconds, &utc);
    (void)strftime(text, sizeof text, format, &utc);
    sm_buf_printf(line, "%s.%03d%s", text, (int)(us / 1000 % 1000), end);
}

static void put_json(struct sm_buf *line, enum sm_log_level level, const char *event,
                     const struct sm_log_field *field)
{
    char value[VALUE_MOST];
    struct sm_json json;

    sm_json_init(&json, line);
    sm_json_put_open(&json, '{');
    sm_json_put_key(&json, "time", 4);
    sm_json_put_raw(&json, "\"", 1);
    put_time(line, "%Y-%m-%dT%H:%M:%S", "Z\"");
    sm_json_put_key(&json, "level", 5);
    sm_json_put_text(&json, level_name(level), strlen(level_name(level)));
    sm_json_put_key(&json, "event", 5);
    sm_json_put_text(&json, value, clean(value, event));
    for (; field->key; field++) {
        sm_json_put_key(&json, field->key, strlen(field->key));
        if (field->text)
            sm_json_put_text(&json, value, clean(value, field->text));
        else
            sm_json_put_int(&json, field->number);
    }
    sm_json_put_close(&json, '}');
}

static bool needs_quotes(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c <= 0x20 || c == '"' || c == '=' || c == '\\' || c == 0x7f)
            return true;
    }
    return size == 0;
}

static void put_word(struct sm_buf *line, const char *text)
{
    char value[VALUE_MOST];
    size_t size = clean(value, text);
    struct sm_json json;

    sm_json_init(&json, line);
    if (needs_quotes(value, size))
        sm_json_put_text(&json, value, size);
    else
        sm_buf_add(line, value, size);
}

static void put_fields(struct sm_buf *line, const struct sm_log_field *field)
{
    for (; field->key; field++) {
        sm_buf_printf(line, " %s=", field->key);
        if (field->text)
            put_word(line, field->text);
        else
            sm_buf_printf(line, "%" PRId64, field->number);
    }
}

static void put_text(struct sm_buf *line, enum sm_log_level level, const char *event)
{
    static const char *const names[] = {"DEBUG", "INFO ", "WARN ", "ERROR"};

    put_time(line, "%H:%M:%S", " ");
    sm_buf_printf(line, "%s %s", names[level], event);
}

static void put_logfmt(struct sm_buf *line, enum sm_log_level level, const char *event)
{
    sm_buf_add_text(line, "time=");
    put_time(line, "%Y-%m-%dT%H:%M:%S", "Z");
    sm_buf_printf(line, " level=%s event=", level_name(level));
    put_word(line, event);
}

static void build(struct sm_buf *line, enum sm_log_level level, const char *event,
                  const struct sm_log_field *fields)
{
    int format = line_format();

    if (format == SM_LOG_JSON) {
        put_json(line, level, event, fields);
    } else {
        if (format == SM_LOG_TEXT)
            put_text(line, level, event);
        else
            put_logfmt(line, level, event);
        put_fields(line, fields);
    }
    sm_buf_add_char(line, '\n');
}

void sm_log_write(enum sm_log_level level, const char *event, const struct sm_log_field *fields)
{
    struct sm_buf line;
    int saved = errno; /* a log line must not change what its caller is about to look at */

    if ((int)level < atomic_load_explicit(&least_level, memory_order_relaxed))
        return;
    sm_buf_init(&line, 0);
    build(&line, level, event, fields);
    if (!line.full) {
        while (write(STDERR_FILENO, line.data, line.size) < 0 && errno == EINTR)
            ;
    }
    sm_buf_free(&line);
    errno = saved;
}

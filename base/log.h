/*
 * Structured logs on stderr, one line an event, written with one write(2): text for people on a
 * terminal, JSON lines otherwise. A line is an event's name and typed fields; payloads and secrets
 * are never fields. Thread: any.
 */
#ifndef SM_BASE_LOG_H
#define SM_BASE_LOG_H

#include <stdint.h>

enum sm_log_level { SM_LOG_DEBUG, SM_LOG_INFO, SM_LOG_WARN, SM_LOG_ERROR };
enum sm_log_format { SM_LOG_AUTO, SM_LOG_TEXT, SM_LOG_JSON, SM_LOG_LOGFMT };

/* Until then: info, auto. Call before threads start. */
void sm_log_setup(enum sm_log_level level, enum sm_log_format format);

struct sm_log_field {
    const char *key;
    const char *text; /* NULL: `number` is the value */
    int64_t number;
};

#define SM_S(key_, text_) ((struct sm_log_field){(key_), (text_), 0})
#define SM_N(key_, number_) ((struct sm_log_field){(key_), NULL, (int64_t)(number_)})

/* sm_log(SM_LOG_INFO, "worker started", SM_N("stamps", 2), SM_S("queue", "default")) */
#define sm_log(level, event, ...)                                                                  \
    sm_log_write((level), (event),                                                                 \
                 (struct sm_log_field[]){__VA_ARGS__ __VA_OPT__(, ){NULL, NULL, 0}})

/* `fields` is ended by a NULL key. Nothing is written below the level that was set. */
void sm_log_write(enum sm_log_level level, const char *event, const struct sm_log_field *fields);

#endif

/*
 * The error table as functions, and messages that are always one clean line: whatever bytes a
 * server or an input put into them, they end in logs, JSON and a text column of PostgreSQL, so
 * invalid UTF-8 and control characters become '?' and ' ' here, once. Thread: any.
 */
#include "stampmill/error.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/text.h"

struct row {
    int code;
    enum sm_error_class klass;
    const char *name, *text;
};

static const struct row table[] = {
#define SM_ERROR(symbol, number, name, klass, text) {(number), SM_CLASS_##klass, (name), (text)},
#include "stampmill/errors.def"
#undef SM_ERROR
};

static const struct row *find(int code)
{
    if (code == 0) /* asked of every success */
        return NULL;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].code == code)
            return &table[i];
    }
    return NULL;
}

const char *sm_error_name(int code)
{
    const struct row *row = find(code);

    if (row)
        return row->name;
    return code == 0 ? "ok" : "unknown";
}

const char *sm_error_text(int code)
{
    const struct row *row = find(code);

    if (row)
        return row->text;
    return code == 0 ? "fine" : "an error without a name";
}

enum sm_error_class sm_error_class(int code)
{
    const struct row *row = find(code);

    return row ? row->klass : SM_CLASS_NONE;
}

int sm_error_code(const char *name)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(table[i].name, name) == 0)
            return table[i].code;
    }
    return 0;
}

/* Makes `text`, which snprintf may have cut anywhere, one line of UTF-8. */
static void clean(char *text)
{
    size_t size = strlen(text);

    if (size + 1 == sizeof((struct sm_err *)0)->text)
        size = sm_text_cut(text, size);
    text[size] = '\0';
    for (size_t at = sm_text_valid(text, size); at < size;
         at += sm_text_valid(text + at, size - at))
        text[at] = '?';
    for (char *c = text; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
    }
}

int sm_err_setv(struct sm_err *err, int code, const char *format, va_list args)
{
    char text[sizeof err->text]; /* apart: an argument may be the old message */

    if (!err)
        return code;
    if (vsnprintf(text, sizeof text, format, args) < 0)
        text[0] = '\0';
    clean(text);
    err->code = code;
    memcpy(err->text, text, strlen(text) + 1);
    return code;
}

int sm_err_set(struct sm_err *err, int code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    sm_err_setv(err, code, format, args);
    va_end(args);
    return code;
}

int sm_err_wrap(struct sm_err *err, const char *format, ...)
{
    char front[sizeof err->text];
    va_list args;

    SM_ASSERT(err); /* without it the code that travels upwards would be lost */
    va_start(args, format);
    if (vsnprintf(front, sizeof front, format, args) < 0)
        front[0] = '\0';
    va_end(args);
    return sm_err_set(err, err->code, "%s: %s", front, err->text);
}

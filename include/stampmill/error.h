/*
 * Errors: a number, its name, its class and a message (include/stampmill/errors.def is the table).
 *
 * Every function that can fail returns 0 when fine and a negative SM_E_* code when not; the
 * message goes into the caller's struct sm_err. Thread: any; an sm_err belongs to its caller.
 */
#ifndef STAMPMILL_ERROR_H
#define STAMPMILL_ERROR_H

#include <stdarg.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

enum sm_error {
    SM_OK = 0,
#define SM_ERROR(symbol, number, name, klass, text) symbol = (number),
#include "stampmill/errors.def"
#undef SM_ERROR
};

enum sm_error_class {
    SM_CLASS_NONE,
    SM_CLASS_JOB,
    SM_CLASS_ATTEMPT,
    SM_CLASS_ENDED,
    SM_CLASS_SERVER,
    SM_CLASS_SETUP,
    SM_CLASS_CALL,
};

/* A failure as it travels upwards. `text` is one line of UTF-8, cut where it would not fit. */
struct sm_err {
    int code;
    char text[500];
};

/* The stable name of a code ("bad_args"); "ok" for 0, "unknown" for a number not in the table. */
const char *sm_error_name(int code);

/* What the code means, one short phrase. Never NULL. */
const char *sm_error_text(int code);

/* What to do about it. SM_CLASS_NONE for 0 and for numbers not in the table. */
enum sm_error_class sm_error_class(int code);

/* The code of a name, 0 when there is none such. */
int sm_error_code(const char *name);

/* Fills *err (may be NULL) and returns `code`, so that a function can fail in one line. */
int sm_err_set(struct sm_err *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int sm_err_setv(struct sm_err *err, int code, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

/* Puts "format: " in front of what *err (never NULL) says already; keeps and returns its code. */
int sm_err_wrap(struct sm_err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#ifdef __cplusplus
}
#endif
#endif

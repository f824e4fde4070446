/*
 * Output: records of named fields, printed as JSON or as a table, from the same calls. A list is a
 * JSON list of maps, or a table with a heading; a single record is a map, or a line a field. A
 * reader that has gone away (`| head`) ends the program by SIGPIPE, silently, as it does any other.
 * Thread: main.
 */
#ifndef SM_OPS_OUT_H
#define SM_OPS_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/json.h"
#include "stampmill/error.h"

#define OUT_COLUMNS_MOST 32

struct cli_out {
    bool json, list;
    struct sm_buf buf; /* the JSON text */
    struct sm_json writer;
    const char *keys[OUT_COLUMNS_MOST]; /* of the table: literals */
    size_t columns, at;                 /* at: the next column of this record */
    char **cells;                       /* rows * columns; owned */
    size_t cells_n, cells_room;
    size_t records;
    bool failed; /* no memory */
};

/* Begins; nothing is printed before out_close. */
void out_open(struct cli_out *out, bool json, bool list);
/* Begins a record. Each record of a list must have the same fields in the same order. */
void out_record(struct cli_out *out);
/* Fields. NULL text is JSON's null, "-" in a table. Control characters are shown as "?" in a table,
 * since a job's text may hold what a terminal would obey. */
void out_text(struct cli_out *out, const char *key, const char *text);
void out_int(struct cli_out *out, const char *key, int64_t value);
void out_bool(struct cli_out *out, const char *key, bool value);
void out_ms(struct cli_out *out, const char *key, int64_t us); /* microseconds, shown as ms */
/* RFC 3339 in UTC; false, and nothing is written, for 0 and what has no such form. */
bool out_format_time(int64_t us, char text[40]);
void out_time(struct cli_out *out, const char *key, int64_t us); /* Unix us; 0: none */
void out_json(struct cli_out *out, const char *key, const char *json, size_t size);
/* Prints it all on standard output and frees. 0 or SM_E_IO, SM_E_NO_MEMORY. */
int out_close(struct cli_out *out, struct sm_err *err);
/* Frees it unprinted, instead of out_close. */
void out_drop(struct cli_out *out);
/* Writes bytes to standard output and flushes. 0 or SM_E_IO. */
int out_bytes(const void *data, size_t size, struct sm_err *err);

#endif

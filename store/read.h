/*
 * Reading jobs back, for the CLI. Thread: a reader belongs to its caller.
 */
#ifndef SM_STORE_READ_H
#define SM_STORE_READ_H

#include "stampmill/error.h"
#include "stampmill/id.h"
#include "store/pg.h"

struct sm_reader;

/* Connects and checks the schema. NULL and *err when it cannot. */
struct sm_reader *sm_reader_open(const struct sm_pg_options *options, struct sm_err *err);
void sm_reader_close(struct sm_reader *reader);

/* One row of stampmill.results as the CLI shows it. All texts NUL-terminated, NULL where SQL NULL.
 */
struct sm_job_row {
    struct sm_id id;
    char *queue, *type, *state, *error_code, *error_text, *worker, *content_type;
    char *result; /* JSON */
    char *tags;   /* JSON */
    char *body;   /* bytes, body_size of them; only when asked for */
    size_t body_size;
    char *envelope; /* bytes; only when asked for */
    size_t envelope_size;
    int life, attempt;
    int64_t enqueued_us, started_us, finished_us, cpu_us; /* 0: NULL */
};

enum { SM_READ_BODY = 1, SM_READ_ENVELOPE = 2 };

/* 0, SM_E_NOT_FOUND, or a SERVER code. Without SM_READ_BODY body_size is set all the same. */
int sm_reader_job(struct sm_reader *reader, const struct sm_id *id, int what,
                  struct sm_job_row *row, struct sm_err *err);
void sm_job_row_free(struct sm_job_row *row);

/* The failed attempts of a job, oldest first. */
struct sm_attempt_row {
    int life, attempt;
    char *error_code, *error_text, *worker;
    int64_t started_us, finished_us;
};
int sm_reader_attempts(struct sm_reader *reader, const struct sm_id *id,
                       struct sm_attempt_row **rows, size_t *n, struct sm_err *err);
void sm_attempt_rows_free(struct sm_attempt_row *rows, size_t n);

#endif

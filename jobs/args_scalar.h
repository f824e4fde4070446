/*
 * Single values of a job's arguments, for args.c. Each returns 0, or a code with *err naming the
 * path. Thread: any.
 */
#ifndef SM_JOBS_ARGS_SCALAR_H
#define SM_JOBS_ARGS_SCALAR_H

#include "base/msg.h"
#include "jobs/args.h"

/* INT, FLOAT, BOOL, TEXT or CHOICE, whose head was read into *got. */
int sm_args_read_scalar(const struct sm_arg *arg, const struct sm_msg_value *got,
                        struct sm_arena *arena, struct sm_args_path *path, struct sm_value *value,
                        struct sm_err *err);

/* One of the row's choices: its index from 0. */
int sm_args_read_choice(const struct sm_arg *arg, const struct sm_msg_value *got,
                        const struct sm_args_path *path, int *index, struct sm_err *err);

/* Within the row's [min, max]; `what` follows the number: "", " bytes", " of them". */
int sm_args_check_bounds(const struct sm_arg *arg, int64_t n, const char *what,
                         const struct sm_args_path *path, struct sm_err *err);

/* "<path>: expected <expected>, got ..". */
int sm_args_mistyped(const struct sm_args_path *path, const char *expected,
                     const struct sm_msg_value *got, struct sm_err *err);

/* SM_E_TOO_LARGE: the arena refuses. */
int sm_args_no_room(const struct sm_args_path *path, struct sm_err *err);

#endif

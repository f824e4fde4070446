/*
 * A private Redis for a test program, with the three users of queue/PROTOCOL.md made from the lines
 * that stand there, emptied before each test. Thread: the test's.
 */
#ifndef SM_TESTS_QUEUE_RIG_H
#define SM_TESTS_QUEUE_RIG_H

#include <stdint.h>

#include "queue/redis.h"
#include "tests/base/suite.h"
#include "tests/support/servers.h"

extern struct servers rig_servers;

/* Runs the suite's tests on one server; the exit code of main. */
int rig_run(const char *name, const struct suite_test *tests);

#define RIG_SUITE(name_, ...) rig_run((name_), (struct suite_test[]){__VA_ARGS__, {NULL, 0}})

/* The server's URL for a user of PROTOCOL.md: "producer", "worker", "admin". */
const char *rig_url(const char *user);
/* Words split at spaces, as the superuser. An integer reply, or the length of a list; fails on
 * errors. */
int64_t rig_int(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A text reply, until the next call; "" for nil; an error's text. */
const char *rig_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* XADD of a noop job to queue q. */
struct sm_entry_id rig_add(const char *fields);
/* The owner of an entry of queue q, "" when it is not pending. */
const char *rig_owner(struct sm_entry_id id);

/* A worker of queue "q", connected under the worker's rights, which reads entries of up to `limit`.
 */
struct sm_queue *rig_worker(const char *name, size_t limit);
/* Fetches up to `count`, not blocking; the code. */
int rig_fetch(struct sm_queue *q, unsigned count, size_t budget, struct sm_intake *in,
              struct sm_err *err);
void rig_free(struct sm_intake *in);

#endif

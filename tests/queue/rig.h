/*
 * A private Redis for a test program, with the three users of queue/PROTOCOL.md made from the lines
 * that stand there, emptied before each test. Thread: the test's.
 */
#ifndef SM_TESTS_QUEUE_RIG_H
#define SM_TESTS_QUEUE_RIG_H

#include "queue/redis.h"
#include "tests/base/suite.h"
#include "tests/support/super.h"

#define RIG_MANY (1u << 20) /* bytes: a limit or a budget that nothing here reaches */

/* Runs the suite's tests on one server; the exit code of main. */
int rig_run(const char *name, const struct suite_test *tests);

#define RIG_SUITE(name_, ...) rig_run((name_), (struct suite_test[]){__VA_ARGS__, {NULL, 0}})

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
/* Hands back what q took by its first fetch. */
void rig_hand_back(struct sm_queue *q, const struct sm_entry_id *ids, size_t n);
/* Room for up to 200 deliveries, the same at each call. */
struct sm_intake rig_intake(size_t room);
void rig_free(struct sm_intake *in);
/* Adds one job and leases it to q. */
struct sm_entry_id rig_leased(struct sm_queue *q);

#endif

/*
 * stampmilld with a death sentence: the daemon's own main, on real servers, killed by SIGKILL just
 * before or just after the n-th call of one operation of the seams. tests/chaos/steps passes the
 * sentence and looks at what healthy daemons make of what is left.
 *
 *   CHAOS_DOOM=queue.settle:2:after    when to die; unset: a healthy daemon
 *   CHAOS_STEPS=FILE                   at its own end writes how often each operation was called,
 *                                      0 included: the list of all steps there are
 *
 * The linker gives the daemon our makers of queue, relay, store and outbox (--wrap), so that
 * nothing of this is in the product. A maker changes the table of operations in what the real one
 * made.
 *
 * Threads: all of the daemon's; calls are counted by an atomic.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue/redis.h"
#include "queue/relay.h"
#include "store/outbox.h"
#include "store/pg.h"

/* ---- the steps, from the table -- */

#define OPS "tests/chaos/doomed/ops.def"

enum step {
#define STEP(seam, name, params, args) STEP_##seam##_##name,
#define VOID STEP
#define LOCAL(seam, type, name, params, args)
#include OPS
    STEPS
};
#undef STEP
#undef LOCAL

static const char *const names[STEPS] = {
#define STEP(seam, name, params, args) #seam "." #name,
#define LOCAL(seam, type, name, params, args)
#include OPS
};
#undef STEP
#undef LOCAL

enum {
    ROWS = 0
#define STEP(seam, name, params, args) +1
#define LOCAL(seam, type, name, params, args) +1
#include OPS
};
#undef STEP
#undef VOID
#undef LOCAL

/* ---- dying -- */

enum moment { BEFORE, AFTER };

static struct {
    int step, call; /* step -1: never */
    enum moment moment;
} doom = {.step = -1};

static atomic_int calls[STEPS];

/* Counts a call; which one of its operation it is. */
static int begin(enum step step)
{
    return atomic_fetch_add(&calls[step], 1) + 1;
}

static void pass(enum step step, int call, enum moment moment)
{
    if ((int)step == doom.step && call == doom.call && moment == doom.moment)
        raise(SIGKILL);
}

/* ---- the operations, from the table -- */

static const struct sm_queue_ops *queue_real;
static const struct sm_relay_ops *relay_real;
static const struct sm_store_ops *store_real;
static const struct sm_outbox_ops *outbox_real;

#define STEP(seam, name, params, args)                                                             \
    static int seam##_##name params                                                                \
    {                                                                                              \
        int call = begin(STEP_##seam##_##name);                                                    \
        pass(STEP_##seam##_##name, call, BEFORE);                                                  \
        int rc = seam##_real->name args;                                                           \
        pass(STEP_##seam##_##name, call, AFTER);                                                   \
        return rc;                                                                                 \
    }
#define VOID(seam, name, params, args)                                                             \
    static void seam##_##name params                                                               \
    {                                                                                              \
        int call = begin(STEP_##seam##_##name);                                                    \
        pass(STEP_##seam##_##name, call, BEFORE);                                                  \
        seam##_real->name args;                                                                    \
        pass(STEP_##seam##_##name, call, AFTER);                                                   \
    }
#define LOCAL(seam, type, name, params, args)                                                      \
    static type seam##_##name params                                                               \
    {                                                                                              \
        return seam##_real->name args;                                                             \
    }
#include OPS
#undef STEP
#undef VOID
#undef LOCAL

static const struct {
    struct sm_queue_ops queue;
    struct sm_relay_ops relay;
    struct sm_store_ops store;
    struct sm_outbox_ops outbox;
} ours = {
#define STEP(seam, name, params, args) .seam.name = seam##_##name,
#define VOID STEP
#define LOCAL(seam, type, name, params, args) .seam.name = seam##_##name,
#include OPS
};

_Static_assert(sizeof ours == ROWS * sizeof(void (*)(void)),
               "an operation of a seam has no row in ops.def");

/* ---- the makers -- */

/* Lets an object use our table, and keeps its own. */
#define DOOMED(seam, object)                                                                       \
    if ((object) != NULL) {                                                                        \
        seam##_real = (object)->ops;                                                               \
        (object)->ops = &ours.seam;                                                                \
    }                                                                                              \
    return (object)

#define MAKER(type, name, params)                                                                  \
    struct type *__real_##name params;                                                             \
    struct type *__wrap_##name params;                                                             \
    struct type *__wrap_##name params

MAKER(sm_queue, sm_redis_queue_new, (const struct sm_redis_options *options))
{
    struct sm_queue *made = __real_sm_redis_queue_new(options);
    DOOMED(queue, made);
}

MAKER(sm_relay, sm_redis_relay_new, (const char *url))
{
    struct sm_relay *made = __real_sm_redis_relay_new(url);
    DOOMED(relay, made);
}

MAKER(sm_store, sm_pg_store_new, (const struct sm_pg_options *options))
{
    struct sm_store *made = __real_sm_pg_store_new(options);
    DOOMED(store, made);
}

MAKER(sm_outbox, sm_pg_outbox_new, (const struct sm_pg_options *options))
{
    struct sm_outbox *made = __real_sm_pg_outbox_new(options);
    DOOMED(outbox, made);
}

/* ---- the sentence, and the record -- */

static int step_named(const char *name)
{
    for (int i = 0; i < STEPS; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    fprintf(stderr, "doomed: there is no step %s\n", name);
    exit(2);
}

__attribute__((constructor)) static void read_sentence(void)
{
    char name[64], moment[8];
    const char *text = getenv("CHAOS_DOOM");
    if (text == NULL)
        return;
    if (sscanf(text, "%63[^:]:%d:%7s", name, &doom.call, moment) != 3) {
        fprintf(stderr, "doomed: CHAOS_DOOM is STEP:CALL:before or after, got %s\n", text);
        exit(2);
    }
    doom.step = step_named(name);
    doom.moment = strcmp(moment, "before") == 0 ? BEFORE : AFTER;
}

__attribute__((destructor)) static void write_record(void)
{
    const char *path = getenv("CHAOS_STEPS");
    FILE *file = path == NULL ? NULL : fopen(path, "w");
    for (int i = 0; file != NULL && i < STEPS; i++)
        fprintf(file, "%s %d\n", names[i], atomic_load(&calls[i]));
    if (file != NULL)
        fclose(file);
}

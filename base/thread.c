/*
 * Checked pthread calls. A thread starts with signals blocked, so that only main handles them, all
 * but those that a fault raises in the thread itself: blocked, the kernel would kill the process
 * without running the handler that notes which stamp was at fault. Thread: any.
 */
#include "base/thread.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/check.h"
#include "stampmill/error.h"

#define USUAL_STACK ((size_t)256 << 10)
#ifdef STAMPMILL_SANITIZED
#define STACK_TIMES 8 /* instrumented frames are several times as large */
#else
#define STACK_TIMES 1
#endif

struct start {
    char name[16];
    void *(*main)(void *);
    void *arg;
};

static void *entry(void *arg)
{
    struct start *given = arg, start = *given;

    free(given);
    /* a name that cannot be set (no /proc) is no reason to stop */
    (void)pthread_setname_np(pthread_self(), start.name);
    return start.main(start.arg);
}

static void block_signals(sigset_t *before)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS, SIGTRAP, SIGABRT};
    sigset_t set;

    SM_ASSERT(sigfillset(&set) == 0);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        SM_ASSERT(sigdelset(&set, faults[i]) == 0);
    SM_ASSERT(pthread_sigmask(SIG_SETMASK, &set, before) == 0);
}

int sm_thread_start(pthread_t *thread, const char *name, size_t stack, void *(*main)(void *),
                    void *arg)
{
    struct start *start = malloc(sizeof *start);
    pthread_attr_t attr;
    sigset_t before;
    int rc;

    if (!start)
        return SM_E_NO_MEMORY;
    *start = (struct start){.main = main, .arg = arg};
    (void)snprintf(start->name, sizeof start->name, "%s", name);
    SM_ASSERT(pthread_attr_init(&attr) == 0);
    SM_ASSERT(pthread_attr_setstacksize(&attr, (stack ? stack : USUAL_STACK) * STACK_TIMES) == 0);
    block_signals(&before); /* the mask is inherited: no moment in which a signal could slip in */
    rc = pthread_create(thread, &attr, entry, start);
    SM_ASSERT(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    SM_ASSERT(pthread_attr_destroy(&attr) == 0);
    if (rc != 0) {
        SM_ASSERT(rc == EAGAIN || rc == ENOMEM);
        free(start);
        return SM_E_NO_MEMORY;
    }
    return 0;
}

void sm_thread_join(pthread_t thread)
{
    SM_ASSERT(pthread_join(thread, NULL) == 0);
}

void sm_lock_init(pthread_mutex_t *lock)
{
    SM_ASSERT(pthread_mutex_init(lock, NULL) == 0);
}

void sm_lock_free(pthread_mutex_t *lock)
{
    SM_ASSERT(pthread_mutex_destroy(lock) == 0);
}

void sm_lock(pthread_mutex_t *lock)
{
    SM_ASSERT(pthread_mutex_lock(lock) == 0);
}

void sm_unlock(pthread_mutex_t *lock)
{
    SM_ASSERT(pthread_mutex_unlock(lock) == 0);
}

void sm_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;

    SM_ASSERT(pthread_condattr_init(&attr) == 0);
    SM_ASSERT(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    SM_ASSERT(pthread_cond_init(cond, &attr) == 0);
    SM_ASSERT(pthread_condattr_destroy(&attr) == 0);
}

void sm_cond_free(pthread_cond_t *cond)
{
    SM_ASSERT(pthread_cond_destroy(cond) == 0);
}

bool sm_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t wait_us)
{
    struct timespec until;
    int rc;

    if (wait_us < 0) {
        SM_ASSERT(pthread_cond_wait(cond, lock) == 0);
        return true;
    }
    SM_ASSERT(clock_gettime(CLOCK_MONOTONIC, &until) == 0);
    until.tv_sec += wait_us / 1000000;
    until.tv_nsec += wait_us % 1000000 * 1000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    rc = pthread_cond_timedwait(cond, lock, &until);
    SM_ASSERT(rc == 0 || rc == ETIMEDOUT);
    return rc == 0;
}

void sm_cond_signal(pthread_cond_t *cond)
{
    SM_ASSERT(pthread_cond_signal(cond) == 0);
}

void sm_cond_broadcast(pthread_cond_t *cond)
{
    SM_ASSERT(pthread_cond_broadcast(cond) == 0);
}

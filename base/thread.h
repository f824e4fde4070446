/*
 * Threads and locks whose every call is checked: a failing lock is a broken program, not an error
 * to handle. Conditions use the monotonic clock. Thread: any.
 */
#ifndef SM_BASE_THREAD_H
#define SM_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Starts a named thread (at most 15 bytes) with `stack` bytes of stack (0: 256 KiB) and all signals
 * blocked but those of faults (SIGSEGV and its like), whose handler must run. 0 or SM_E_NO_MEMORY.
 */
int sm_thread_start(pthread_t *thread, const char *name, size_t stack, void *(*main)(void *),
                    void *arg);
void sm_thread_join(pthread_t thread);

void sm_lock_init(pthread_mutex_t *lock);
void sm_lock_free(pthread_mutex_t *lock);
void sm_lock(pthread_mutex_t *lock);
void sm_unlock(pthread_mutex_t *lock);

void sm_cond_init(pthread_cond_t *cond);
void sm_cond_free(pthread_cond_t *cond);
/* False when `wait_us` passed first (< 0: waits for ever). Spurious wake-ups return true. */
bool sm_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t wait_us);
void sm_cond_signal(pthread_cond_t *cond);
void sm_cond_broadcast(pthread_cond_t *cond);

#endif

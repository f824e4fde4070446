/*
 * The handler does two stores into a shared mapping and nothing else, then puts back what handled
 * the signal before (the default, or a sanitizer's report) and lets it come again.
 */
#include "worker/fault.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define STACK_BYTES 65536

static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
#define FATAL_N (sizeof fatal / sizeof *fatal)

static struct sigaction before[FATAL_N];
static struct sm_box *watched;
static _Thread_local volatile uint32_t running = SM_FAULT_NONE;

static void on_fault(int number)
{
    if (watched != NULL)
        sm_box_note_fault(watched, number, running);
    for (size_t i = 0; i < FATAL_N; i++)
        if (fatal[i] == number)
            sigaction(number, &before[i], NULL);
    raise(number); /* blocked until we return; a fault of the code itself comes again by itself */
}

void sm_fault_watch(struct sm_box *box)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_fault;
    action.sa_flags = SA_ONSTACK;
    watched = box;
    for (size_t i = 0; i < FATAL_N; i++)
        SM_ASSERT(sigaction(fatal[i], &action, &before[i]) == 0);
}

void sm_fault_thread(void)
{
#ifndef STAMPMILL_SANITIZED /* sanitizers have put one there, and take it away at the thread's end \
                             */
    static _Thread_local char stack[STACK_BYTES];
    stack_t own = {.ss_sp = stack, .ss_size = sizeof stack};
    SM_ASSERT(sigaltstack(&own, NULL) == 0);
#endif
}

void sm_fault_running(uint32_t slot)
{
    running = slot;
}

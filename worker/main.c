/*
 * stampmilld: reads its settings, starts, waits for a signal, drains.
 */
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "worker/daemon.h"

static sigset_t signals;

static int usage(void)
{
    printf("Usage: stampmilld [settings]\n\n"
           "Takes jobs from Redis queues, runs them on every core, stores each result in "
           "PostgreSQL once.\n"
           "TERM or INT drains; a second one hurries. TSTP stops fetching, CONT goes on.\n\n"
           "  --help            this text\n"
           "  --version         the version\n"
           "  --print-config    the settings in force with their origin, secrets masked\n\n");
    sm_options_help(stdout);
    printf("\nExit: 0 drained, 64 usage, 69 Redis or PostgreSQL unreachable, 70 internal, or a "
           "handler\n"
           "that never returned, 75 drained with jobs handed back, 78 configuration or schema.\n");
    return 0;
}

static bool is_word(int argc, char **argv, const char *word)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], word) == 0)
            return true;
    return false;
}

/* Takes --print-config out of the words, so that the settings are all that is left. */
static bool take_word(int *argc, char **argv, const char *word)
{
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], word) != 0)
            continue;
        memmove(&argv[i], &argv[i + 1], (size_t)(*argc - i) * sizeof *argv);
        (*argc)--;
        return true;
    }
    return false;
}

/* All threads inherit the mask: signals are for main alone, and a broken pipe is an error return.
 */
static void block_signals(void)
{
    static const int ours[] = {SIGTERM, SIGINT, SIGTSTP, SIGCONT};
    sigemptyset(&signals);
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        sigaddset(&signals, ours[i]);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* Large inputs and results go back to the system when they are freed. Left to itself the allocator
 * raises the threshold up to 32 MiB with the first of them, and keeps what came below it; and it
 * would keep a heap for every thread. */
static void set_up_memory(void)
{
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    mallopt(M_ARENA_MAX, 2);
}

/* The next signal within `ms`; 0 when none came. */
static int next_signal(long ms)
{
    struct timespec wait = {ms / 1000, ms % 1000 * 1000000};
    int number = sigtimedwait(&signals, NULL, &wait);
    return number > 0 ? number : 0;
}

static bool another_signal(void)
{
    int number = next_signal(0);
    return number == SIGTERM || number == SIGINT;
}

static void set_quiet(struct sm_daemon *daemon, bool quiet)
{
    if (atomic_exchange(&daemon->w.quiet, quiet) != quiet)
        sm_log(SM_LOG_INFO, quiet ? "quiet: fetching stopped" : "fetching again");
}

/* Until the daemon is to end: asked to, or because a handler never returned. */
static void wait_for_the_end(struct sm_daemon *daemon)
{
    while (atomic_load(&daemon->w.hung) == 0) {
        int number = next_signal(200);
        if (number == SIGTERM || number == SIGINT)
            return;
        if (number != 0)
            set_quiet(daemon, number == SIGTSTP);
    }
}

static int fail(const struct sm_err *err)
{
    fprintf(stderr, "stampmilld: %s\n", err->text);
    return sm_exit_of(err->code);
}

int main(int argc, char **argv)
{
    static struct sm_options options;
    static struct sm_daemon daemon;
    struct sm_err err;
    if (is_word(argc, argv, "--help") || is_word(argc, argv, "-h"))
        return usage();
    if (is_word(argc, argv, "--version"))
        return puts("stampmilld " STAMPMILL_VERSION) < 0;
    bool print = take_word(&argc, argv, "--print-config");
    if (sm_options_read(&options, argc - 1, argv + 1, &err) != 0)
        return fail(&err);
    if (print)
        return sm_options_print(stdout), 0;
    sm_log_setup(options.log_level, options.log_format);
    block_signals();
    set_up_memory();
    if (sm_daemon_start(&daemon, &options, &err) != 0)
        return fail(&err);
    wait_for_the_end(&daemon);
    int code = sm_daemon_drain(&daemon, another_signal);
    if (!daemon.taken_down)
        _exit(code); /* a handler still runs: nothing may be taken down under it */
    return code;
}

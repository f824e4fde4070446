/*
 * debug.fail: every way a handler can go wrong, on demand, for tests and for trying out alerts. It
 * is the one handler that breaks the rules of its interface on purpose: crash and exit take the
 * daemon with them, hang never looks at a stop. Thread: the stamp that runs.
 */
#include <signal.h>
#include <unistd.h>

#include "jobs/debug/debug.h"
#include "stampmill/handler.h"

enum { HOW_PERMANENT, HOW_TEMPORARY, HOW_AGAIN_IN, HOW_CRASH, HOW_HANG, HOW_EXIT };
enum { ARG_HOW, ARG_IN_MS, ARG_ON_ATTEMPTS, ARG_MESSAGE, ARG_AFTER_MS };

static const struct sm_arg schema[] = {
    {.name = "how",
     .kind = SM_ARG_CHOICE,
     .required = true,
     .choices = "permanent|temporary|again_in|crash|hang|exit",
     .help =
         "permanent, temporary: fails so; again_in: asks to run again; crash: SIGSEGV; hang: never "
         "returns; exit: _exit(1)"},
    {.name = "in_ms",
     .kind = SM_ARG_INT,
     .fallback = "1000",
     .min = 1,
     .max = 86400000,
     .help = "again_in: after how many milliseconds"},
    {.name = "on_attempts",
     .kind = SM_ARG_INTS,
     .min = 1,
     .max = 1000000,
     .help = "only on these attempts, done on all others; absent: on every one"},
    {.name = "message",
     .kind = SM_ARG_TEXT,
     .fallback = "\"asked to fail\"",
     .min = 0,
     .max = 16384,
     .help = "the error's text"},
    {.name = "after_ms",
     .kind = SM_ARG_INT,
     .fallback = "0",
     .min = 0,
     .max = 86400000,
     .help = "how many milliseconds it runs before it fails"},
    {.name = NULL},
};

static bool is_asked(const struct sm_value *attempts, int attempt)
{
    if (!attempts->set)
        return true;
    for (size_t i = 0; i < attempts->as.list.n; i++)
        if (attempts->as.list.v[i].as.i == attempt)
            return true;
    return false;
}

static _Noreturn void crash(void)
{
    raise(
        SIGSEGV); /* as a wild pointer would: the daemon's own handler, if any, notes this stamp */
    _exit(1);     /* where the signal is ignored or its handler returned */
}

static _Noreturn void hang(void)
{
    for (;;)
        pause();
}

static int run_fail(struct sm_run *run)
{
    const struct sm_value *args = sm_run_args(run);
    const char *message = args[ARG_MESSAGE].as.text.p;
    if (!is_asked(&args[ARG_ON_ATTEMPTS], sm_run_attempt(run))) {
        sm_json_open_map(run);
        sm_json_key(run, "attempt");
        sm_json_int(run, sm_run_attempt(run));
        sm_json_close_map(run);
        return 0;
    }
    int stopped = sm_debug_wait(run, args[ARG_AFTER_MS].as.i);
    if (stopped != 0)
        return stopped;
    switch (args[ARG_HOW].as.i) {
    case HOW_PERMANENT:
        return sm_fail(run, SM_E_FAILED, "%s", message);
    case HOW_TEMPORARY:
        return sm_fail(run, SM_E_IO, "%s", message);
    case HOW_AGAIN_IN:
        return sm_again_in(run, args[ARG_IN_MS].as.i);
    case HOW_CRASH:
        crash();
    case HOW_HANG:
        hang();
    default:
        _exit(1);
    }
}

const struct sm_type sm_type_debug_fail = {
    .name = "debug.fail",
    .summary = "fails, crashes, hangs or exits, on the attempts asked for",
    .schema = schema,
    .debug = true,
    .takes_input = true,
    .run = run_fail,
    .result_help = "result: {attempt} on an attempt that is not to fail",
    .example_args = "{\"how\": \"temporary\", \"on_attempts\": [2, 3]}",
};

/* Running programs; see run.h. */
#include "tests/cli/run.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define COMMAND_MS 60000
#define DRAIN_MS 30000

/* In the child: its streams, and nothing else of ours. */
static void become(int out, int err)
{
    int in = open("/dev/null", O_RDONLY);
    if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
        _exit(126);
    syscall(SYS_close_range, 3u, ~0u, 0u);
    setpgid(0, 0);
}

static pid_t start(int out, int err, char *const argv[])
{
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        become(out, err);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execvp(argv[0], argv);
        _exit(127);
    }
    setpgid(pid, pid); /* whoever is first */
    return pid;
}

/* Waits for the end of a child: its exit code, or -1 when it has not come in time. */
static int await_end(pid_t pid, int ms)
{
    int status, fd = (int)syscall(SYS_pidfd_open, pid, 0);
    ck_assert_int_ge(fd, 0);
    struct pollfd ended = {.fd = fd, .events = POLLIN};
    int n = poll(&ended, 1, ms);
    close(fd);
    if (n != 1)
        return -1;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void kill_group(pid_t pid)
{
    kill(-pid, SIGKILL);
}

static void read_back(int fd, char *text, size_t room)
{
    ssize_t n = pread(fd, text, room - 1, 0);
    text[n < 0 ? 0 : n] = '\0';
    close(fd);
}

static void add_programs_to_path(void)
{
    static bool done;
    char path[4096];
    const char *bin = getenv("STAMPMILL_BIN"), *had = getenv("PATH");
    ck_assert_ptr_nonnull(bin);
    if (done)
        return;
    snprintf(path, sizeof path, "%s:%s", bin, had == NULL ? "/usr/bin:/bin" : had);
    setenv("PATH", path, 1);
    done = true;
}

struct said *run_shell(const char *line)
{
    static struct said said;
    char shell[] = "sh", dash_c[] = "-c", *command = strdup(line);
    char *argv[] = {shell, dash_c, command, NULL};
    int out = memfd_create("out", MFD_CLOEXEC), err = memfd_create("err", MFD_CLOEXEC);
    ck_assert(command != NULL && out >= 0 && err >= 0);
    add_programs_to_path();
    pid_t pid = start(out, err, argv);
    said.exit = await_end(pid, COMMAND_MS);
    kill_group(pid); /* what it may have left in the background, or all of it */
    if (said.exit == -1)
        waitpid(pid, NULL, 0);
    read_back(out, said.out, sizeof said.out);
    read_back(err, said.err, sizeof said.err);
    free(command);
    ck_assert_msg(said.exit != -1, "%s: not ended after %d ms: %s%s", line, COMMAND_MS, said.out,
                  said.err);
    return &said;
}

struct said *expect(const char *line, int code, const char *words)
{
    struct said *said = run_shell(line);
    ck_assert_msg(said->exit == code, "%s: exit %d instead of %d: %s%s", line, said->exit, code,
                  said->out, said->err);
    ck_assert_msg(strstr(said->out, words) != NULL, "%s: no \"%s\" in: %s%s", line, words,
                  said->out, said->err);
    return said;
}

pid_t run_background(const char *log, char *const argv[])
{
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    add_programs_to_path();
    pid_t pid = start(fd, fd, argv);
    close(fd);
    return pid;
}

int end_background(pid_t pid, const char *log)
{
    char command[600];
    kill(pid, SIGTERM);
    int code = await_end(pid, DRAIN_MS);
    if (code == 0)
        return code;
    kill_group(pid);
    if (code == -1)
        waitpid(pid, NULL, 0);
    snprintf(command, sizeof command, "tail -n 20 '%s'", log);
    fprintf(stderr, "%s\n", run_shell(command)->out);
    ck_assert_msg(code != -1, "not ended %d ms after TERM", DRAIN_MS);
    return code;
}

int run_suite(const char *name, const TTest *const *tests, size_t n, SFun setup, SFun teardown)
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    if (setup != NULL)
        tcase_add_unchecked_fixture(tcase, setup, teardown);
    for (size_t i = 0; i < n; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

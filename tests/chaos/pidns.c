/*
 * Runs a program as the first process of a PID namespace of its own, with its own /proc, and ends
 * as it ended: by the same signal or with the same code. The program dies with us.
 *
 *   chaos_pidns PROGRAM ARGUMENT..
 *
 * unshare(1) of Debian 12 does not say how its child ended.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void give_up(const char *what)
{
    perror(what);
    exit(127);
}

static _Noreturn void become(char **argv)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        give_up("prctl");
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0)
        give_up("mount");
    execvp(argv[0], argv);
    give_up(argv[0]);
}

int main(int argc, char **argv)
{
    const struct rlimit no_core = {0, 0};
    int status;
    if (argc < 2 || unshare(CLONE_NEWPID | CLONE_NEWNS) != 0)
        give_up("unshare");
    pid_t child = fork();
    if (child < 0)
        give_up("fork");
    if (child == 0)
        become(argv + 1);
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    if (waitpid(child, &status, 0) != child)
        give_up("waitpid");
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    setrlimit(RLIMIT_CORE, &no_core); /* the child has left one already, where cores are kept */
    signal(WTERMSIG(status), SIG_DFL);
    raise(WTERMSIG(status));
    return 127;
}

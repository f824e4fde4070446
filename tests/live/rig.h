/*
 * A rig for live tests: private Redis and PostgreSQL (ops/private-servers) in a fresh folder,
 * migrated, and daemons as real processes. One rig at a time in a process.
 */
#ifndef SM_TESTS_RIG_H
#define SM_TESTS_RIG_H

#include <sys/types.h>

struct rig {
    char dir[64];     /* the servers' folder */
    char runtime[80]; /* the daemons' box files */
    char redis[128], postgres[256];
};

/* Starts and migrates; fails the test when it cannot. */
void rig_start(struct rig *rig);
void rig_stop(struct rig *rig);
/* Starts stampmilld with --debug-types and what else is given (up to a NULL); its log goes to
 * daemon.log in the runtime folder. */
pid_t rig_daemon(const struct rig *rig, const char *flag, ...);
/* Sends a signal and waits for the end: the exit code, or minus the signal that ended it. */
int rig_end(pid_t daemon, int signal);
/* The output of a redis-cli command, in a static buffer. */
const char *rig_redis(const struct rig *rig, const char *command);

#endif

/*
 * The superuser's hand on the private servers of a test program, and the users of queue/PROTOCOL.md
 * made from the lines that stand there. Thread: the test's; each process of the suite connects for
 * itself.
 */
#ifndef SM_TESTS_SUPPORT_SUPER_H
#define SM_TESTS_SUPPORT_SUPER_H

#include <check.h>
#include <stdint.h>

#include "tests/support/servers.h"

/* The program's servers; its rig starts and stops them. */
extern struct servers rig_servers;

/* Words split at spaces, as the superuser. An integer reply, or the length of a list; fails on
 * errors. */
int64_t rig_int(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A text reply, until the next call; "" for nil; an error's text. */
const char *rig_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The second word of the only element of a list of lists, until the next call; "" when there is
 * none: the owner in an answer of XPENDING. */
const char *rig_second(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* After the server was killed and started again: forgets the connection. */
void rig_forget_super(void);
/* The first of a list of texts, until the next call; "" when it is empty, "list" when it is one. */
const char *rig_first(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Makes the three users by the ACL lines of queue/PROTOCOL.md. */
void rig_make_users(void);
/* The server's URL for one of them: "producer", "worker", "admin". */
const char *rig_url(const char *user);

#endif

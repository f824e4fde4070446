/*
 * What cannot happen: asserted in production too, because limping on with a broken invariant is how
 * jobs get lost. What the world does (a reply, a file, a full disk) is returned, never asserted.
 */
#ifndef SM_BASE_CHECK_H
#define SM_BASE_CHECK_H

/* Prints the broken condition with its place to stderr and aborts. */
_Noreturn void sm_assert_failed(const char *condition, const char *file, int line);

#define SM_ASSERT(condition)                                                                       \
    ((condition) ? (void)0 : sm_assert_failed(#condition, __FILE__, __LINE__))

#endif

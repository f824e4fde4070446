/*
 * Reading Prometheus text (exposition format 0.0.4) strictly, for the test of /metrics: each family
 * has HELP and TYPE in front of its samples and stands together; counters end in _total and others
 * do not; buckets ascend and end in +Inf, which is the count. Thread: the test's.
 */
#ifndef SM_TESTS_LIVE_PROMETHEUS_H
#define SM_TESTS_LIVE_PROMETHEUS_H

/* Fails the test at the first line that breaks a rule. */
void prometheus_check(const char *text);
/* The value of a sample by its name with labels; fails the test when there is none. */
double prometheus_value(const char *text, const char *sample);

#endif

/*
 * An open loop: job n is due at began + n / rate, whatever became of those before it, and its
 * latency counts from then. Whoever knows the three numbers knows when each job was due; its number
 * stands in the last six bytes of its id.
 */
#ifndef BENCH_SCHEDULE_H
#define BENCH_SCHEDULE_H

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

enum { ID_BYTES = 16, NUMBER_AT = 10 };

struct schedule {
    int64_t began_us; /* Unix time */
    double rate;      /* jobs a second */
    size_t jobs;
};

static inline int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static inline struct schedule schedule_of(char **words)
{
    return (struct schedule){strtoll(words[0], NULL, 10), strtod(words[1], NULL),
                             strtoull(words[2], NULL, 10)};
}

static inline int64_t due_us(const struct schedule *s, size_t n)
{
    return s->began_us + (int64_t)((double)n * 1e6 / s->rate);
}

static inline void sleep_until(int64_t us)
{
    struct timespec t = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    while (clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &t, NULL) == EINTR)
        ;
}

/* Layout version 7, of the ms it is due at. */
static inline void id_of(const struct schedule *s, size_t n, unsigned char id[ID_BYTES])
{
    uint64_t ms = (uint64_t)due_us(s, n) / 1000;
    for (int i = 0; i < 6; i++) {
        id[i] = (unsigned char)(ms >> (40 - 8 * i));
        id[NUMBER_AT + i] = (unsigned char)((uint64_t)n >> (40 - 8 * i));
    }
    id[6] = 0x70;
    id[7] = id[9] = 0;
    id[8] = 0x80;
}

static inline uint64_t number_in(const unsigned char id[ID_BYTES])
{
    uint64_t n = 0;
    for (int i = 0; i < 6; i++)
        n = n << 8 | id[NUMBER_AT + i];
    return n;
}

#endif

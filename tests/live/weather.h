/*
 * An outage under load, with two daemons that watch each other through Redis alone. Each time: the
 * daemons hold what they have, /readyz says so soon and gives the reason, they go on by themselves
 * when the server is back, no attempt and no charge was used, neither was taken for dead, and the
 * memory stays within its bound. Thread: the test's.
 */
#ifndef SM_TESTS_LIVE_WEATHER_H
#define SM_TESTS_LIVE_WEATHER_H

#include "tests/live/fleet.h"

#define LEASE_MS 1000

struct outage {
    const char *name;
    void (*begin)(void), (*end)(void);
    int64_t ms;
    const char *says; /* words of /readyz meanwhile; NULL: it is not expected to change */
    bool large;       /* large inputs and results, too: more than both may hold */
    bool shrinks;     /* the backlog is expected to shrink meanwhile */
    bool backs_off;   /* connecting to PostgreSQL is refused at once: its tries are looked at */
};

/* How long a long outage lasts: STAMPMILL_OUTAGE_SECONDS, or 8 s. */
int64_t long_outage_ms(void);
void weather(const struct outage *outage);

/* The parts, for a test with a plot of its own. */
void weather_start(struct mill *m, const char *name, const char *host, const char *flag);
/* /readyz says no, with these words. */
bool mill_says(struct mill *m, const char *words);
/* It was not taken for dead, took nothing from others, charged nothing, and kept its memory. */
void check_innocent(struct mill *m);

#endif

/*
 * A route: a listening socket, the server behind it, and the connections between. A route without
 * a socket of its own takes the connections of one process from the route that listens before the
 * same server: all daemons know their server by one address, and yet each can be cut off alone.
 *
 * A client that closes does not end its connection here: what it sent before goes on to the server
 * when the rule lets it, as a slow network would do it. Thread: the proxy's only one.
 */
#ifndef SM_CHAOS_ROUTE_H
#define SM_CHAOS_ROUTE_H

#include <sys/epoll.h>
#include <sys/types.h>

#include "tests/chaos/proxy/frame.h"
#include "tests/chaos/proxy/pipe.h"

#define ADDRESS_MOST 108
#define ROUTES_MOST 32

struct counts {
    uint64_t accepted, cut;
    uint64_t bytes[WAYS];
    uint64_t late;      /* bytes that reached the server after their client had closed */
    uint64_t unheard;   /* bytes of a server for a client that had closed */
    uint64_t swallowed; /* bytes read and passed to nobody */
    uint64_t heard;     /* how often the word of a rule was seen */
};

struct connection;

struct route {
    char name[32];
    char listen[ADDRESS_MOST], server[ADDRESS_MOST]; /* a socket's path, or a port of 127.0.0.1 */
    int fd;                                          /* -1: not listening */
    bool refuses;                                    /* without a socket: closes what comes */
    pid_t peer;                                      /* without a socket: whose connections */
    int epoll;
    enum protocol protocol;
    struct rule rule; /* of connections to come */
    struct connection *connections;
    struct counts counts;
};

/* All routes there are, which the listening ones look through. */
extern struct route routes[ROUTES_MOST];
extern int routes_n;

/* Listens, where it has an address; false with errno when it cannot. */
bool route_open(struct route *route);
/* From now on connecting fails; what is connected goes on. */
void route_refuse(struct route *route);
/* Gives the rule to the connections there are, to those that come, or to both. */
void route_set(struct route *route, const struct rule *rule, bool old, bool fresh);
/* Ends every connection now. */
void route_kill(struct route *route);
/* What epoll said of `tag`, a pointer it was given for this route. */
void route_event(void *tag, uint32_t events);
/* Writes what has become due, frees what has ended; the next due time, HOLD for none. */
int64_t route_turn(struct route *route);

int64_t now_us(void);

#endif

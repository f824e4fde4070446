/*
 * Routes and their connections; see route.h.
 *
 * epoll is level-triggered. Reading from a peer stops while READ_MOST bytes of it wait, so a hold
 * cannot fill the memory; it then looks to that peer like a full socket, which is what it would be.
 */
#include "tests/chaos/proxy/route.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define READ_MOST ((size_t)48 << 20)
#define READ_AT_ONCE ((size_t)256 << 10)

/* What epoll hands back: a listener, or one end of a connection. */
struct end {
    struct route *route;
    struct connection *connection; /* NULL: the listener */
    enum way reads;                /* the direction that this end is read for */
};

struct connection {
    struct connection *next;
    struct end client, server;
    int fd[WAYS]; /* UP: the client's, DOWN: the server's: the end that is read; -1: closed */
    uint32_t asked[WAYS];
    struct pipe pipe[WAYS];
    struct frame frame[WAYS];
    struct rule rule;
    bool counting;        /* `after` has been seen */
    int64_t passed[WAYS]; /* messages that have ended since */
    char tail[AFTER_MOST];
    size_t tail_n;
};

static struct end listeners[ROUTES_MOST];
static unsigned char block[READ_AT_ONCE];

int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- sockets -- */

static int make_socket(const char *text, bool listens)
{
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    struct sockaddr_in port = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bool local = *text == '/';
    struct sockaddr *address = local ? (struct sockaddr *)&path : (struct sockaddr *)&port;
    socklen_t size = local ? sizeof path : sizeof port;
    int on = 1, fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    strncpy(path.sun_path, text, sizeof path.sun_path - 1);
    port.sin_port = htons((uint16_t)atoi(text));
    if (listens && local)
        unlink(text);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (listens ? bind(fd, address, size) == 0 && listen(fd, 128) == 0
                : connect(fd, address, size) == 0)
        return fd;
    close(fd);
    return -1;
}

static void watch(int epoll, int fd, void *tag, uint32_t events, int how)
{
    struct epoll_event event = {.events = events, .data.ptr = tag};
    if (epoll_ctl(epoll, how, fd, &event) != 0)
        abort();
}

bool route_open(struct route *route)
{
    route->refuses = false;
    if (route->fd >= 0 || *route->listen == '\0')
        return true;
    if ((route->fd = make_socket(route->listen, true)) < 0)
        return false;
    struct end *listener = NULL;
    for (int i = 0; listener == NULL; i++)
        if (listeners[i].route == NULL || listeners[i].route == route)
            listener = &listeners[i];
    *listener = (struct end){.route = route};
    watch(route->epoll, route->fd, listener, EPOLLIN, EPOLL_CTL_ADD);
    return true;
}

void route_refuse(struct route *route)
{
    if (route->fd >= 0)
        close(route->fd);
    route->fd = -1;
    route->refuses = true;
}

/* ---- a connection -- */

static void close_end(struct connection *c, enum way way)
{
    if (c->fd[way] >= 0)
        close(c->fd[way]);
    c->fd[way] = -1;
}

static void end_both(struct connection *c)
{
    close_end(c, UP);
    close_end(c, DOWN);
    pipe_free(&c->pipe[UP]);
    pipe_free(&c->pipe[DOWN]);
}

static void arm(struct connection *c)
{
    for (int way = 0; way < WAYS; way++) {
        c->passed[way] = 0;
        if (c->rule.cut[way] != 0 && c->rule.message <= 1)
            c->pipe[way].cut_at = c->pipe[way].in + (uint64_t)c->rule.cut[way] - 1;
    }
    c->counting = true;
}

/* A message ends before this byte: there will be a cut in the next, or there is none in this one
 * any more, and `after` is looked for again. */
static void message_ends(struct connection *c, enum way way, uint64_t byte)
{
    struct pipe *pipe = &c->pipe[way];
    if (!c->counting || c->rule.message == 0 || c->rule.cut[way] == 0)
        return;
    if (++c->passed[way] == c->rule.message - 1) {
        pipe->cut_at = byte + (uint64_t)c->rule.cut[way] - 1;
    } else if (c->passed[way] == c->rule.message && pipe->cut_at > byte) {
        pipe->cut_at = UINT64_MAX;
        c->counting = *c->rule.after == '\0';
    }
}

static void put(struct connection *c, enum way way, const unsigned char *bytes, size_t n,
                int64_t now)
{
    uint64_t begin = c->pipe[way].in;
    for (size_t at = 0; at < n;) {
        bool ends;
        at += frame_take(&c->frame[way], bytes + at, n - at, &ends);
        if (ends)
            message_ends(c, way, begin + at);
    }
    pipe_put(&c->pipe[way], bytes, n, now);
}

static void take_rule(struct connection *c, const struct rule *rule)
{
    c->rule = *rule;
    c->counting = false;
    c->tail_n = 0;
    c->pipe[UP].cut_at = c->pipe[DOWN].cut_at = UINT64_MAX;
    if (*rule->after == '\0')
        arm(c);
}

/* The route of the process at the other end; else the one that listens. */
static struct route *route_of(struct route *listener, int client)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.pid == 0)
        return listener;
    for (int i = 0; i < routes_n; i++)
        if (routes[i].peer == peer.pid && strcmp(routes[i].server, listener->server) == 0)
            return &routes[i];
    return listener;
}

static void accept_one(struct route *listener)
{
    int client = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0)
        return;
    struct route *route = route_of(listener, client);
    int server = route->refuses ? -1 : make_socket(route->server, false);
    struct connection *c = server < 0 ? NULL : calloc(1, sizeof *c);
    route->counts.accepted++;
    if (c == NULL) {
        close(client); /* refused, or there is nobody behind the route */
        return;
    }
    c->client = (struct end){route, c, UP};
    c->server = (struct end){route, c, DOWN};
    c->fd[UP] = client;
    c->fd[DOWN] = server;
    pipe_init(&c->pipe[UP]);
    pipe_init(&c->pipe[DOWN]);
    frame_init(&c->frame[UP], route->protocol, true);
    frame_init(&c->frame[DOWN], route->protocol, false);
    take_rule(c, &route->rule);
    c->next = route->connections;
    route->connections = c;
    for (int way = 0; way < WAYS; way++) {
        c->asked[way] = EPOLLIN;
        watch(route->epoll, c->fd[way], way == UP ? &c->client : &c->server, EPOLLIN,
              EPOLL_CTL_ADD);
    }
}

/* Looks for `after` across blocks; true when it ends within these bytes, *at behind it. */
static bool find_after(struct connection *c, const unsigned char *bytes, size_t n, size_t *at)
{
    size_t want = strlen(c->rule.after);
    for (size_t i = 0; i < n; i++) {
        if (c->tail_n == want)
            memmove(c->tail, c->tail + 1, --c->tail_n);
        c->tail[c->tail_n++] = (char)bytes[i];
        if (c->tail_n == want && memcmp(c->tail, c->rule.after, want) == 0) {
            *at = i + 1;
            return true;
        }
    }
    return false;
}

static void take_in(struct route *route, struct connection *c, enum way way, size_t n)
{
    size_t at = 0;
    int64_t now = now_us();
    if (c->rule.swallow) {
        route->counts.swallowed += n;
        return;
    }
    if (c->fd[way == UP ? DOWN : UP] < 0) {
        route->counts.unheard += way == DOWN ? n : 0;
        return;
    }
    if (way == UP && !c->counting && find_after(c, block, n, &at)) {
        put(c, UP, block, at, now);
        arm(c);
        route->counts.heard++;
    }
    if (at < n)
        put(c, way, block + at, n - at, now);
}

static void read_end(struct route *route, struct connection *c, enum way way)
{
    ssize_t n = recv(c->fd[way], block, sizeof block, MSG_DONTWAIT);
    if (n > 0)
        take_in(route, c, way, (size_t)n);
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        close_end(c, way);
}

void route_event(void *tag, uint32_t events)
{
    struct end *end = tag;
    struct connection *c = end->connection;
    if (c == NULL) {
        accept_one(end->route);
        return;
    }
    if (c->fd[end->reads] < 0)
        return;
    if ((c->asked[end->reads] & EPOLLIN) != 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
        read_end(end->route, c, end->reads);
    else if ((events & (EPOLLHUP | EPOLLERR)) != 0)
        close_end(c, end->reads);
}

/* ---- moving bytes -- */

static void cut(struct route *route, struct connection *c)
{
    struct rule pass = {.once = false};
    route->counts.cut++;
    bool once = c->rule.once;
    end_both(c);
    if (once)
        route_set(route, &pass, true, true);
}

/* Flushes one direction; what it waits for goes into *next_us, the events it needs into *events. */
static void flush(struct route *route, struct connection *c, enum way way, int64_t *next_us,
                  uint32_t *events)
{
    enum way to = way == UP ? DOWN : UP;
    struct pipe *pipe = &c->pipe[way];
    int64_t due = HOLD;
    uint64_t wrote = 0;
    if (c->fd[to] < 0) {
        pipe_free(pipe);
        return;
    }
    enum pipe_state state = pipe_flush(pipe, &c->rule, way, c->fd[to], now_us(), &due, &wrote);
    route->counts.bytes[way] += wrote;
    if (way == UP && c->fd[UP] < 0)
        route->counts.late += wrote;
    if (state == PIPE_CUT)
        cut(route, c);
    else if (state == PIPE_BROKEN)
        close_end(c, to);
    else if (state == PIPE_FULL)
        *events |= EPOLLOUT;
    else if (state == PIPE_WAITS && due < *next_us)
        *next_us = due;
}

/* An end is read while there is room for what it says; a client that has closed, no more. */
static void ask(struct route *route, struct connection *c, uint32_t *events)
{
    for (int way = 0; way < WAYS; way++) {
        if (c->fd[way] < 0)
            continue;
        if (c->pipe[way].held < READ_MOST)
            events[way] |= EPOLLIN;
        if (events[way] != c->asked[way])
            watch(route->epoll, c->fd[way], way == UP ? &c->client : &c->server, events[way],
                  EPOLL_CTL_MOD);
        c->asked[way] = events[way];
    }
}

/* True when nothing is left to do for it. A server that has closed takes its client along once
 * the client has all; a client that has closed leaves when the server has all. */
static bool ended(struct connection *c)
{
    if (c->fd[DOWN] < 0 && c->pipe[DOWN].head == NULL)
        close_end(c, UP);
    if (c->fd[UP] < 0 && c->pipe[UP].head == NULL)
        close_end(c, DOWN);
    return c->fd[UP] < 0 && c->fd[DOWN] < 0;
}

int64_t route_turn(struct route *route)
{
    int64_t next = HOLD;
    struct connection **at = &route->connections;
    while (*at != NULL) {
        struct connection *c = *at;
        uint32_t events[WAYS] = {0, 0};
        flush(route, c, UP, &next, &events[DOWN]);
        flush(route, c, DOWN, &next, &events[UP]);
        if (!ended(c)) {
            ask(route, c, events);
            at = &c->next;
            continue;
        }
        *at = c->next;
        end_both(c);
        free(c);
    }
    return next;
}

/* ---- control -- */

void route_set(struct route *route, const struct rule *rule, bool old, bool fresh)
{
    for (struct connection *c = route->connections; old && c != NULL; c = c->next)
        take_rule(c, rule);
    if (fresh)
        route->rule = *rule;
}

void route_kill(struct route *route)
{
    for (struct connection *c = route->connections; c != NULL; c = c->next)
        end_both(c);
}

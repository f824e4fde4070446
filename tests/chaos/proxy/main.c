/*
 * A proxy between daemons and their servers that breaks what goes through it, on command.
 *
 *   chaos_proxy NAME=LISTEN=SERVER[=PROTOCOL] ..
 *
 * LISTEN and SERVER are a Unix socket's path, or a port of 127.0.0.1; LISTEN may be empty (see
 * `peer`). PROTOCOL is resp or postgres, for rules that count messages.
 *
 * Commands come on standard input, one a line, and each is answered with one line (`ok`, or what
 * was asked for); the end of the input ends the proxy. ROUTE is a name, or * for all of them.
 *
 *   set ROUTE old|new|all RULE    the rule of the connections there are, of those to come, of both
 *   refuse ROUTE | accept ROUTE   connecting fails; works again
 *   kill ROUTE                    every connection ends now
 *   peer ROUTE PID                the connections that this process will make belong to this route
 *   count ROUTE                   accepted cut bytes-up bytes-down late unheard swallowed heard
 *
 * rule.h has the rules. One thread, epoll: the kernel's copies are all that a passing byte costs.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/chaos/proxy/route.h"

struct route routes[ROUTES_MOST];
int routes_n;

static bool take_protocol(const char *word, enum protocol *protocol)
{
    *protocol = word == NULL ? PLAIN : strcmp(word, "resp") == 0 ? RESP : POSTGRES;
    return *protocol != POSTGRES || strcmp(word, "postgres") == 0;
}

static bool take_route(char *word, int epoll)
{
    struct route *route = &routes[routes_n];
    const char *name = strsep(&word, "="), *at = strsep(&word, "="), *server = strsep(&word, "=");
    if (routes_n == ROUTES_MOST || at == NULL || server == NULL ||
        strlen(name) >= sizeof route->name || strlen(at) >= ADDRESS_MOST ||
        strlen(server) >= ADDRESS_MOST || !take_protocol(word, &route->protocol))
        return false;
    strcpy(route->name, name);
    strcpy(route->listen, at);
    strcpy(route->server, server);
    route->fd = -1;
    route->epoll = epoll;
    routes_n++;
    return route_open(route);
}

static bool is_for(const struct route *route, const char *name)
{
    return strcmp(name, "*") == 0 || strcmp(name, route->name) == 0;
}

static bool set(const char *name, char *words)
{
    struct rule rule;
    const char *scope = strsep(&words, " ");
    bool all = strcmp(scope, "all") == 0;
    if (words == NULL || !rule_parse(words, &rule))
        return false;
    for (int i = 0; i < routes_n; i++)
        if (is_for(&routes[i], name))
            route_set(&routes[i], &rule, all || strcmp(scope, "old") == 0,
                      all || strcmp(scope, "new") == 0);
    return true;
}

static void count(const char *name)
{
    struct counts sum = {0};
    for (int i = 0; i < routes_n; i++) {
        const struct counts *c = &routes[i].counts;
        if (!is_for(&routes[i], name))
            continue;
        sum.accepted += c->accepted;
        sum.cut += c->cut;
        sum.bytes[UP] += c->bytes[UP];
        sum.bytes[DOWN] += c->bytes[DOWN];
        sum.late += c->late;
        sum.unheard += c->unheard;
        sum.swallowed += c->swallowed;
        sum.heard += c->heard;
    }
    const uint64_t all[] = {sum.accepted, sum.cut,     sum.bytes[UP], sum.bytes[DOWN],
                            sum.late,     sum.unheard, sum.swallowed, sum.heard};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        printf("%" PRIu64 "%c", all[i], i + 1 < sizeof all / sizeof *all ? ' ' : '\n');
}

/* One verb on each route meant; false when there is no such verb, or no listening any more. */
static bool each(const char *verb, const char *name)
{
    bool fine = true;
    for (int i = 0; i < routes_n; i++) {
        struct route *route = &routes[i];
        if (!is_for(route, name))
            continue;
        if (strcmp(verb, "refuse") == 0)
            route_refuse(route);
        else if (strcmp(verb, "accept") == 0)
            fine = route_open(route) && fine;
        else if (strcmp(verb, "kill") == 0)
            route_kill(route);
        else
            return false;
    }
    return fine;
}

static bool set_peer(const char *name, const char *pid)
{
    for (int i = 0; i < routes_n; i++)
        if (is_for(&routes[i], name) && *routes[i].listen == '\0') {
            routes[i].peer = atoi(pid);
            return true;
        }
    return false;
}

static void obey(char *line)
{
    const char *verb = strsep(&line, " "), *name = strsep(&line, " ");
    if (name != NULL && strcmp(verb, "count") == 0) {
        count(name);
        return;
    }
    bool fine = name != NULL;
    if (fine && strcmp(verb, "set") == 0)
        fine = line != NULL && set(name, line);
    else if (fine && strcmp(verb, "peer") == 0)
        fine = line != NULL && set_peer(name, line);
    else if (fine)
        fine = each(verb, name);
    puts(fine ? "ok" : "error");
}

/* False at the end of the input. */
static bool read_commands(void)
{
    static char text[4096];
    static size_t held;
    ssize_t n = read(STDIN_FILENO, text + held, sizeof text - 1 - held);
    if (n <= 0)
        return n < 0 && errno == EINTR;
    held += (size_t)n;
    for (char *end; (end = memchr(text, '\n', held)) != NULL;) {
        size_t line = (size_t)(end - text) + 1;
        *end = '\0';
        obey(text);
        memmove(text, text + line, held - line);
        held -= line;
    }
    return held < sizeof text - 1;
}

/* Milliseconds until the next byte is due, rounded up; -1: none is. */
static int turn_all(void)
{
    int64_t next = HOLD;
    for (int i = 0; i < routes_n; i++) {
        int64_t due = route_turn(&routes[i]);
        next = due < next ? due : next;
    }
    if (next == HOLD)
        return -1;
    int64_t wait = next - now_us();
    return wait <= 0 ? 0 : (int)(wait / 1000) + 1;
}

int main(int argc, char **argv)
{
    struct epoll_event events[64], input = {.events = EPOLLIN, .data.ptr = NULL};
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 1; i < argc; i++)
        if (!take_route(argv[i], epoll)) {
            fprintf(stderr, "chaos_proxy: route %d: %s\n", i, strerror(errno));
            return 1;
        }
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &input) != 0)
        return 1;
    puts("ok");
    for (;;) {
        int n = epoll_wait(epoll, events, 64, turn_all());
        for (int i = 0; i < n; i++)
            if (events[i].data.ptr != NULL)
                route_event(events[i].data.ptr, events[i].events);
            else if (!read_commands())
                return 0;
    }
}

/*
 * The status server. /livez says that the process can answer, and asks neither Redis nor
 * PostgreSQL: a server that is away is no reason to restart the worker. /readyz says whether jobs
 * are taken, with the reasons when not. /metrics is Prometheus text.
 */
#include "worker/status.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

#define COMMIT_HANGS_US 1500000

struct sm_status {
    struct MHD_Daemon *daemon;
    const char *listen;
};

/* A server that stands still leaves its connections open. */
static bool commit_hangs(const struct sm_worker *w)
{
    int64_t since_us = atomic_load(&w->commit_us);
    return since_us != 0 && sm_mono_us(w->clock) - since_us > COMMIT_HANGS_US;
}

/* "PostgreSQL: the server has no room left" */
static const char *down(const char *server, int code, char *text, size_t room)
{
    snprintf(text, room, "%s: %s", server, sm_error_text(code));
    return text;
}

bool sm_readiness_write(struct sm_worker *w, struct sm_buf *out)
{
    const char *reasons[5];
    char redis[100], postgres[100];
    size_t n = 0;
    struct sm_json json;
    if (!atomic_load(&w->redis_up))
        reasons[n++] = down("Redis", atomic_load(&w->redis_failure), redis, sizeof redis);
    if (commit_hangs(w))
        reasons[n++] = "PostgreSQL has not answered a commit for 1.5 s";
    else if (!atomic_load(&w->postgres_up))
        reasons[n++] =
            down("PostgreSQL", atomic_load(&w->postgres_failure), postgres, sizeof postgres);
    if (!sm_worker_trusts_lease(w))
        reasons[n++] = "no beat was acknowledged within half a lease";
    if (atomic_load(&w->draining))
        reasons[n++] = "draining";
    sm_json_init(&json, out);
    sm_json_put_open(&json, '{');
    sm_json_put_key(&json, "ready", 5);
    sm_json_put_bool(&json, n == 0);
    sm_json_put_key(&json, "reasons", 7);
    sm_json_put_open(&json, '[');
    for (size_t i = 0; i < n; i++)
        sm_json_put_text(&json, reasons[i], strlen(reasons[i]));
    sm_json_put_close(&json, ']');
    sm_json_put_close(&json, '}');
    sm_buf_add_char(out, '\n');
    return n == 0;
}

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned code, const char *type,
                              struct sm_buf *body)
{
    size_t size = 0;
    char *text = sm_buf_take(body, &size);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(size, text, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(text);
        return MHD_NO;
    }
    MHD_add_response_header(response, "Content-Type", type);
    enum MHD_Result result = MHD_queue_response(connection, code, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **state)
{
    struct sm_worker *w = arg;
    struct sm_buf body;
    (void)version, (void)upload, (void)upload_size, (void)state;
    sm_buf_init(&body, 1u << 20);
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        sm_buf_add_text(&body, "only GET\n");
        return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain", &body);
    }
    if (strcmp(url, "/livez") == 0) {
        sm_buf_add_text(&body, "alive\n");
        return answer(connection, MHD_HTTP_OK, "text/plain", &body);
    }
    if (strcmp(url, "/readyz") == 0) {
        bool ready = sm_readiness_write(w, &body);
        return answer(connection, ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE,
                      "application/json", &body);
    }
    if (strcmp(url, "/metrics") == 0) {
        sm_metrics_write(w, &body);
        return answer(connection, MHD_HTTP_OK, "text/plain; version=0.0.4", &body);
    }
    sm_buf_add_text(&body, "try /livez, /readyz or /metrics\n");
    return answer(connection, MHD_HTTP_NOT_FOUND, "text/plain", &body);
}

/* "host:port" or "[host]:port" with a numeric host. */
static int resolve(const char *listen, struct addrinfo **address, struct sm_err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    char host[64];
    const char *colon = strrchr(listen, ':');
    size_t n = colon == NULL ? 0 : (size_t)(colon - listen);
    if (n > 1 && listen[0] == '[' && listen[n - 1] == ']')
        listen++, n -= 2;
    if (colon != NULL && n < sizeof host) {
        memcpy(host, listen, n);
        host[n] = '\0';
        if (getaddrinfo(n == 0 ? NULL : host, colon + 1, &hints, address) == 0)
            return 0;
    }
    return sm_err_set(err, SM_E_CONFIG,
                      "http.listen: \"%s\" is no address; give for instance 127.0.0.1:9464, or off",
                      listen);
}

int sm_status_start(struct sm_status **status, struct sm_worker *w, struct sm_err *err)
{
    struct addrinfo *address = NULL;
    const char *listen = w->options->http_listen;
    *status = NULL;
    if (strcmp(listen, "off") == 0)
        return 0;
    if (resolve(listen, &address, err) != 0)
        return err->code;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD;
    if (address->ai_family == AF_INET6)
        flags |= MHD_USE_IPv6;
    struct MHD_Daemon *daemon =
        MHD_start_daemon(flags, 0, NULL, NULL, handle, w, MHD_OPTION_SOCK_ADDR, address->ai_addr,
                         MHD_OPTION_CONNECTION_LIMIT, 32u, MHD_OPTION_CONNECTION_TIMEOUT, 10u,
                         MHD_OPTION_THREAD_STACK_SIZE, (size_t)262144, MHD_OPTION_END);
    int why = errno;
    freeaddrinfo(address);
    if (daemon == NULL)
        return sm_err_set(err, SM_E_CONFIG,
                          "http.listen: cannot listen on %s: %s; give another address, or off",
                          listen, strerror(why));
    *status = malloc(sizeof **status);
    if (*status == NULL) {
        MHD_stop_daemon(daemon);
        return sm_err_set(err, SM_E_NO_MEMORY, "no memory");
    }
    (*status)->daemon = daemon;
    (*status)->listen = listen;
    return 0;
}

void sm_status_announce(const struct sm_status *status)
{
    if (status == NULL)
        return;
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(status->daemon, MHD_DAEMON_INFO_BIND_PORT);
    sm_log(SM_LOG_INFO, "status server listens", SM_S("address", status->listen),
           SM_N("port", info == NULL ? 0 : info->port));
}

void sm_status_stop(struct sm_status *status)
{
    if (status == NULL)
        return;
    MHD_stop_daemon(status->daemon);
    free(status);
}

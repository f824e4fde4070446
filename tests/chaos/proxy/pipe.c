/* One direction of a connection; see pipe.h. */
#include "tests/chaos/proxy/pipe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

void pipe_init(struct pipe *pipe)
{
    memset(pipe, 0, sizeof *pipe);
    pipe->tail = &pipe->head;
    pipe->cut_at = UINT64_MAX;
}

static void drop_head(struct pipe *pipe)
{
    struct chunk *chunk = pipe->head;
    pipe->head = chunk->next;
    if (pipe->head == NULL)
        pipe->tail = &pipe->head;
    pipe->held -= chunk->size - chunk->at;
    free(chunk);
}

void pipe_free(struct pipe *pipe)
{
    while (pipe->head != NULL)
        drop_head(pipe);
}

void pipe_put(struct pipe *pipe, const void *bytes, size_t n, int64_t now_us)
{
    struct chunk *chunk = malloc(sizeof *chunk + n);
    if (chunk == NULL)
        abort();
    chunk->next = NULL;
    chunk->came_us = now_us;
    chunk->at = 0;
    chunk->size = n;
    memcpy(chunk->data, bytes, n);
    *pipe->tail = chunk;
    pipe->tail = &chunk->next;
    pipe->held += n;
    pipe->in += n;
}

static int64_t due_of(const struct chunk *chunk, int64_t delay_us)
{
    return delay_us == HOLD ? HOLD : chunk->came_us + delay_us;
}

/* How many bytes the rate lets go now; with none, *due_us is when it will. A tenth of a second's
 * worth may go at once. */
static size_t rated(const struct pipe *pipe, int64_t rate, size_t n, int64_t now_us,
                    int64_t *due_us)
{
    if (rate == 0)
        return n;
    int64_t ahead_us = pipe->budget_us - now_us;
    if (ahead_us > 100000) {
        *due_us = now_us + ahead_us - 100000;
        return 0;
    }
    size_t most = (size_t)(rate / 10) + 1;
    return n < most ? n : most;
}

static void use_rate(struct pipe *pipe, int64_t rate, size_t n, int64_t now_us)
{
    if (rate == 0)
        return;
    if (pipe->budget_us < now_us)
        pipe->budget_us = now_us;
    pipe->budget_us += (int64_t)n * 1000000 / rate;
}

static enum pipe_state failed(void)
{
    return errno == EAGAIN || errno == EINTR ? PIPE_FULL : PIPE_BROKEN;
}

enum pipe_state pipe_flush(struct pipe *pipe, const struct rule *rule, enum way way, int fd,
                           int64_t now_us, int64_t *due_us, uint64_t *wrote)
{
    while (pipe->head != NULL) {
        struct chunk *chunk = pipe->head;
        size_t n = chunk->size - chunk->at;
        *due_us = due_of(chunk, rule->delay_us[way]);
        if (pipe->out >= pipe->cut_at)
            return PIPE_CUT;
        if (*due_us > now_us)
            return PIPE_WAITS;
        if (n > pipe->cut_at - pipe->out)
            n = (size_t)(pipe->cut_at - pipe->out);
        if ((n = rated(pipe, rule->rate[way], n, now_us, due_us)) == 0)
            return PIPE_WAITS;
        ssize_t sent = send(fd, chunk->data + chunk->at, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0)
            return failed();
        use_rate(pipe, rule->rate[way], (size_t)sent, now_us);
        pipe->out += (uint64_t)sent;
        pipe->held -= (size_t)sent;
        *wrote += (uint64_t)sent;
        if ((chunk->at += (size_t)sent) == chunk->size)
            drop_head(pipe);
        if (pipe->out == pipe->cut_at)
            return PIPE_CUT; /* after the last byte of a message, too */
    }
    return PIPE_IDLE;
}

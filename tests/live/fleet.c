/* Daemons and faults for live tests; see fleet.h. */
#include "tests/live/fleet.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define START_MS 6000
#define END_MS 12000

/* ---- time -- */

int64_t now_ms(void)
{
    return sm_mono_us(&sm_clock_real) / 1000;
}

void nap_ms(int ms)
{
    poll(NULL, 0, ms);
}

void await_more(int64_t began_ms, int64_t bound_ms, const char *condition)
{
    if (now_ms() - began_ms > 5 * bound_ms)
        ck_abort_msg("not so after %lld ms: %s", (long long)(5 * bound_ms), condition);
    nap_ms(10);
}

/* ---- daemons -- */

void mill_init(struct mill *m, const char *name, const char *host, ...)
{
    int n = 0;
    va_list flags;
    memset(m, 0, sizeof *m);
    snprintf(m->name, sizeof m->name, "%s", name);
    snprintf(m->dir, sizeof m->dir, "%s/%s", rig_runtime(), host);
    snprintf(m->log, sizeof m->log, "%s/%s.log", rig_runtime(), name);
    unlink(m->log);
    m->flags[n++] = "--http.listen=127.0.0.1:0";
    m->flags[n++] = "--lease=1s";
    m->flags[n++] = "--worker.stamps=2";
    va_start(flags, host);
    for (const char *flag; n < 13 && (flag = va_arg(flags, const char *)) != NULL;)
        m->flags[n++] = flag;
    va_end(flags);
}

/* The log of this start, as far as it fits. */
static const char *log_of(const struct mill *m)
{
    static char text[1 << 18];
    FILE *file = fopen(m->log, "r");
    size_t n = 0;
    if (file != NULL && fseek(file, m->start_log, SEEK_SET) == 0)
        n = fread(text, 1, sizeof text - 1, file);
    text[n] = '\0';
    if (file != NULL)
        fclose(file);
    return text;
}

static const char *log_end(const struct mill *m)
{
    const char *text = log_of(m);
    size_t n = strlen(text);
    return n > 6000 ? text + n - 6000 : text;
}

bool mill_said(struct mill *m, const char *words)
{
    return strstr(log_of(m), words) != NULL;
}

const char *mill_worker(struct mill *m)
{
    static char name[40];
    static const char key[] = "\"worker started\",\"worker\":\"";
    const char *at = strstr(log_of(m), key);
    ck_assert_ptr_nonnull(at);
    ck_assert_int_eq(sscanf(at + sizeof key - 1, "%39[^\"]", name), 1);
    return name;
}

static int code_of(int status)
{
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static bool has_ended(struct mill *m)
{
    int status;
    if (m->pid == 0)
        return true;
    if (waitpid(m->pid, &status, WNOHANG) != m->pid)
        return false;
    m->last_code = code_of(status);
    m->pid = 0;
    return true;
}

void mill_launch(struct mill *m)
{
    struct stat st;
    m->start_log = stat(m->log, &st) == 0 ? (long)st.st_size : 0;
    m->port = 0;
    m->pid = rig_spawn(m->dir, m->log, m->flags);
}

/* Finds the status server's port; false before the daemon serves. */
static bool serves(struct mill *m)
{
    const char *text = log_of(m), *port = strstr(text, "\"port\":");
    if (port == NULL || strstr(text, "worker started") == NULL)
        return false;
    m->port = atoi(port + strlen("\"port\":"));
    return true;
}

static bool has_started(struct mill *m)
{
    ck_assert_msg(!has_ended(m), "%s has ended with %d: %s", m->name, m->last_code, log_end(m));
    return serves(m);
}

void mill_start(struct mill *m)
{
    mill_launch(m);
    AWAIT(START_MS, has_started(m));
}

void mill_signal(struct mill *m, int number)
{
    ck_assert_int_gt(m->pid, 0);
    ck_assert_int_eq(kill(m->pid, number), 0);
}

int mill_ended(struct mill *m, int64_t bound_ms)
{
    for (int64_t began = now_ms(); !has_ended(m); nap_ms(5))
        ck_assert_msg(now_ms() - began < 5 * bound_ms, "%s has not ended: %s", m->name, log_end(m));
    return m->last_code;
}

int mill_end(struct mill *m, int number)
{
    mill_signal(m, number);
    return mill_ended(m, END_MS);
}

bool mill_tend(struct mill *m)
{
    if (!has_ended(m))
        return false;
    m->deaths++;
    mill_launch(m);
    return true;
}

/* ---- the status server -- */

static int ask(int port, const char *path, char *text, size_t room)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct timeval patience = {2, 0};
    size_t n = 0;
    ssize_t got;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
        dprintf(fd, "GET %s HTTP/1.0\r\n\r\n", path) > 0)
        while (n < room - 1 && (got = read(fd, text + n, room - 1 - n)) > 0)
            n += (size_t)got;
    text[n] = '\0';
    close(fd);
    return n > 12 ? atoi(text + 9) : 0;
}

int mill_get(struct mill *m, const char *path, const char **body)
{
    static char text[1 << 16];
    text[0] = '\0';
    if (m->port == 0 && m->pid > 0)
        serves(m);
    int code = m->port == 0 ? 0 : ask(m->port, path, text, sizeof text);
    const char *at = strstr(text, "\r\n\r\n");
    if (body != NULL)
        *body = at == NULL ? "" : at + 4;
    return code;
}

bool mill_ready(struct mill *m)
{
    return mill_get(m, "/readyz", NULL) == 200;
}

double mill_metric(struct mill *m, const char *name)
{
    const char *body;
    char line[100];
    int n = snprintf(line, sizeof line, "\nstampmill_%s ", name);
    if (mill_get(m, "/metrics", &body) != 200)
        return -1;
    const char *at = strstr(body, line);
    return at == NULL ? -1 : atof(at + n);
}

/* ---- ends -- */

void mill_lose_host(struct mill *m)
{
    struct dirent *entry;
    char path[400];
    ck_assert_int_eq(mill_end(m, SIGKILL), -SIGKILL);
    DIR *folder = opendir(m->dir);
    ck_assert_ptr_nonnull(folder);
    while ((entry = readdir(folder)) != NULL) {
        snprintf(path, sizeof path, "%s/%s", m->dir, entry->d_name);
        if (entry->d_name[0] != '.')
            unlink(path);
    }
    closedir(folder);
}

void mill_drain(struct mill *m)
{
    int code = mill_end(m, SIGTERM);
    ck_assert_msg(code == 0, "%s ended with %d: %s", m->name, code, log_end(m));
}

/* ---- servers -- */

static bool is_gone(int pid)
{
    char path[40], word[8];
    snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return true;
    bool gone = fread(word, 1, sizeof word, file) == 0; /* a zombie has none */
    fclose(file);
    return gone;
}

void redis_kill(void)
{
    rig_signal_redis(SIGKILL);
    AWAIT(5000, is_gone(rig_servers.redis_pid));
    rig_forget_super();
}

void redis_start(void)
{
    rig_restart();
    rig_text("CONFIG SET appendfsync always");
}

void redis_restart(void)
{
    redis_kill();
    redis_start();
}

void postgres_kill(void)
{
    rig_signal_postgres(SIGKILL);
    AWAIT(5000, is_gone(rig_servers.pg_pid));
    sql_on(&rig_servers);
}

void postgres_quit(void)
{
    kill(rig_servers.pg_pid, SIGQUIT);
    AWAIT(5000, is_gone(rig_servers.pg_pid));
    sql_on(&rig_servers);
}

void postgres_start(void)
{
    rig_restart();
}

/* ---- jobs -- */

void put_jobs(const struct sm_job_spec *job, int n, struct sm_id *ids)
{
    struct sm_job_spec *jobs = calloc((size_t)n, sizeof *jobs);
    struct sm_client *client = rig_client();
    struct sm_err err;
    size_t sent = 0;
    for (int i = 0; i < n; i++)
        jobs[i] = *job;
    int rc = sm_enqueue_many(client, jobs, (size_t)n, ids, &sent, &err);
    ck_assert_msg(rc == 0 && sent == (size_t)n, "%s", err.text);
    sm_client_close(client);
    free(jobs);
}

struct sm_id put_job(const char *type, const char *args)
{
    struct sm_id id;
    put_jobs(&(struct sm_job_spec){.type = type, .args_json = args}, 1, &id);
    return id;
}

int rows_in(const char *state)
{
    return (int)sql_int("SELECT count(*) FROM stampmill.results WHERE state = '%s'", state);
}

const char *row_text(const struct sm_id *id, const char *column)
{
    char text[SM_ID_TEXT];
    sm_id_format(id, text);
    return sql("SELECT %s FROM stampmill.results WHERE id = '%s'", column, text);
}

void check_uncharged(int rows)
{
    rig_all_succeeded(rows);
    ck_assert_int_eq(sql_int("SELECT count(*) FROM stampmill.results WHERE attempt <> 1"), 0);
    ck_assert_int_eq(sql_int("SELECT count(*) FROM stampmill.attempts"), 0);
}

int queue_length(void)
{
    return (int)rig_int("XLEN sm:{default}:jobs");
}

int queue_in_flight(void)
{
    struct sm_inspector *in = rig_inspector();
    int n = (int)rig_look(in).in_flight;
    sm_inspector_close(in);
    return n;
}

void check_redis_clean(void)
{
    struct sm_inspector *in = rig_inspector();
    struct sm_queue_state state = rig_look(in);
    ck_assert_uint_eq(state.length + state.in_flight + state.free + state.later, 0);
    ck_assert_int_eq(rig_int("EXISTS sm:{default}:tries sm:{default}:later"), 0);
    sm_inspector_close(in);
}

/* The rig; see rig.h. */
#include "tests/live/rig.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "queue/redis_conn.h"
#include "store/schema.h"

#define WAIT_MS 60000

static char runtime[80];
static struct sm_conn producer_conn;

/* ---- the suite -- */

static void make_logins(void)
{
    sql("CREATE ROLE live_worker LOGIN PASSWORD 'PgSecret42' IN ROLE stampmill_worker");
    sql("CREATE ROLE live_reader LOGIN IN ROLE stampmill_reader");
    sql_hba("local all live_worker scram-sha-256");
}

static void start(void)
{
    struct sm_err err = {0};
    servers_start(&rig_servers, true, true, NULL);
    sql_on(&rig_servers);
    struct sm_pg_options pg = {.url = rig_servers.database_url, .application = "test"};
    if (sm_schema_migrate(&pg, NULL, NULL, &err) != 0) {
        fprintf(stderr, "rig: %s\n", err.text);
        abort();
    }
    snprintf(runtime, sizeof runtime, "/tmp/sm-live-XXXXXX");
    if (mkdtemp(runtime) == NULL)
        abort();
}

static void stop(void)
{
    char command[120];
    servers_stop(&rig_servers);
    snprintf(command, sizeof command, "rm -rf %s", runtime);
    if (system(command) != 0)
        fprintf(stderr, "rig: `%s` failed\n", command);
}

void rig_restart(void)
{
    servers_restart(&rig_servers);
    sql_on(&rig_servers);
    rig_forget_super();
    sm_conn_close(&producer_conn);
    rig_make_users();
}

/* The postmaster's children, by /proc. */
static size_t children_of(int parent, pid_t *pids, size_t room)
{
    char path[80];
    size_t n = 0;
    int pid;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", parent, parent);
    FILE *file = fopen(path, "r");
    while (file != NULL && n < room && fscanf(file, "%d", &pid) == 1)
        pids[n++] = pid;
    if (file != NULL)
        fclose(file);
    return n;
}

void rig_signal_postgres_of(const struct servers *servers, int number)
{
    pid_t pids[200];
    size_t n = children_of(servers->pg_pid, pids, 200);
    kill(servers->pg_pid, number);
    for (size_t i = 0; i < n; i++)
        kill(pids[i], number);
}

void rig_signal_postgres(int number)
{
    rig_signal_postgres_of(&rig_servers, number);
}

void rig_signal_redis(int number)
{
    kill(rig_servers.redis_pid, number);
}

/* Leaves the folder of box files and logs empty. */
static void empty_runtime(void)
{
    char command[120];
    snprintf(command, sizeof command, "rm -rf %s/*", runtime);
    ck_assert_int_eq(system(command), 0);
}

/* A test that failed may have left anything. */
static void fresh(void)
{
    empty_runtime();
    rig_signal_redis(SIGCONT);
    rig_signal_postgres(SIGCONT);
    servers_restart(&rig_servers);
    rig_text("FLUSHALL");
    rig_text("CONFIG SET maxmemory-policy noeviction");
    rig_text("CONFIG SET maxmemory 0");
    rig_make_users();
    if (sql("SELECT 1 FROM pg_roles WHERE rolname = 'live_worker'")[0] == '\0')
        make_logins();
    sql("TRUNCATE stampmill.results, stampmill.attempts, stampmill.outbox");
    rig_log_clear();
}

int rig_run(const char *name, const struct suite_test *tests)
{
    Suite *suite = suite_create(name);
    start();
    for (; tests->test; tests++) { /* a case each, so that CK_RUN_CASE can pick one */
        TCase *tcase = tcase_create(tests->test->name);
        tcase_add_checked_fixture(tcase, fresh, NULL);
        tcase_add_test_raise_signal(tcase, tests->test, tests->signal);
        suite_add_tcase(suite, tcase);
    }
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    stop();
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- daemons -- */

const char *rig_runtime(void)
{
    return runtime;
}

static const char *log_path(void)
{
    static char path[100];
    snprintf(path, sizeof path, "%s/daemon.log", runtime);
    return path;
}

static _Noreturn void exec_daemon(const char *path, const char **argv, const char *log)
{
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    dup2(fd, 2);
    execv(path, (char **)argv);
    _exit(127);
}

pid_t rig_spawn(const char *dir, const char *log, const char *const *flags)
{
    char path[300], redis[800], postgres[400], runtime_dir[140];
    const char *argv[32] = {path,           redis, postgres, runtime_dir, "--http.listen=off",
                            "--debug-types"};
    int n = 6;
    snprintf(path, sizeof path, "%s/stampmilld", getenv("STAMPMILL_BIN"));
    snprintf(redis, sizeof redis, "--redis.url=%s", rig_url("worker"));
    snprintf(postgres, sizeof postgres, "--postgres.url=%s", rig_worker_url("stampmill"));
    snprintf(runtime_dir, sizeof runtime_dir, "--runtime.dir=%s", dir);
    while (*flags != NULL && n < 31)
        argv[n++] = *flags++;
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        exec_daemon(path, argv, log);
    return pid;
}

pid_t rig_daemon(const char *flag, ...)
{
    const char *words[18] = {NULL};
    va_list flags;
    va_start(flags, flag);
    for (int n = 0; flag != NULL && n < 17; flag = va_arg(flags, const char *))
        words[n++] = flag;
    va_end(flags);
    return rig_spawn(runtime, log_path(), words);
}

static int code_of(int status)
{
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

int rig_ended(pid_t daemon, int seconds)
{
    int status;
    for (int i = 0; i < seconds * 200; i++) {
        if (waitpid(daemon, &status, WNOHANG) == daemon)
            return code_of(status);
        poll(NULL, 0, 5);
    }
    ck_abort_msg("the daemon has not ended: %s", rig_log());
    return -1;
}

int rig_end(pid_t daemon, int number)
{
    ck_assert_int_eq(kill(daemon, number), 0);
    return rig_ended(daemon, 60);
}

void rig_log_clear(void)
{
    FILE *file = fopen(log_path(), "w");
    ck_assert_ptr_nonnull(file);
    fclose(file);
}

const char *rig_log(void)
{
    static char text[6000]; /* Check's messages take no more than 8 KiB */
    FILE *file = fopen(log_path(), "r");
    if (file != NULL && fseek(file, 1 - (long)sizeof text, SEEK_END) != 0)
        rewind(file);
    size_t n = file == NULL ? 0 : fread(text, 1, sizeof text - 1, file);
    text[n] = '\0';
    if (file != NULL)
        fclose(file);
    return text;
}

void rig_log_wait(const char *words)
{
    for (int i = 0; i < 4000; i++) {
        if (strstr(rig_log(), words) != NULL)
            return;
        poll(NULL, 0, 5);
    }
    ck_abort_msg("no \"%s\" in the log: %s", words, rig_log());
}

static size_t status_line(pid_t pid, const char *name)
{
    char path[64], line[256];
    unsigned long kib = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "r");
    ck_assert_msg(file != NULL, "the daemon is gone: %s", rig_log());
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            kib = strtoul(line + strlen(name), NULL, 10);
    fclose(file);
    return (size_t)kib << 10;
}

size_t rig_resident(pid_t pid)
{
    return status_line(pid, "VmRSS:");
}

size_t rig_resident_peak(pid_t pid)
{
    return status_line(pid, "VmHWM:");
}

/* ---- Redis -- */

static struct sm_conn *producer(void)
{
    struct sm_redis_url url;
    struct sm_err err;
    if (producer_conn.c == NULL) {
        producer_conn.timeout_ms = 20000;
        ck_assert_int_eq(sm_redis_url_parse(rig_url("producer"), &url, &err), 0);
        int rc = sm_conn_open(&producer_conn, &url, 5000, &err);
        ck_assert_msg(rc == 0, "%s", err.text);
    }
    return &producer_conn;
}

struct sm_entry_id rig_xadd(const char *queue, const char *id, const struct sm_field *fields,
                            size_t n)
{
    char key[100];
    const char *argv[2 * 80 + 3] = {"XADD", key, id};
    size_t sizes[2 * 80 + 3] = {4, 0, strlen(id)};
    struct sm_entry_id entry;
    struct sm_err err;
    redisReply *reply;
    ck_assert_uint_le(n, 80);
    sizes[1] = (size_t)snprintf(key, sizeof key, "sm:{%s}:jobs", queue);
    for (size_t i = 0; i < n; i++) {
        argv[2 * i + 3] = fields[i].name.p, sizes[2 * i + 3] = fields[i].name.n;
        argv[2 * i + 4] = fields[i].value.p, sizes[2 * i + 4] = fields[i].value.n;
    }
    int rc = sm_conn_call(producer(), (int)(2 * n + 3), argv, sizes, &reply, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    ck_assert_msg(sm_entry_id_parse(reply->str, reply->len, &entry), "%s", reply->str);
    freeReplyObject(reply);
    return entry;
}

struct sm_entry_id rig_add(const char *name, ...)
{
    struct sm_field fields[16];
    size_t n = 0;
    va_list texts;
    va_start(texts, name);
    for (; name != NULL; name = va_arg(texts, const char *)) {
        const char *value = va_arg(texts, const char *);
        ck_assert_uint_lt(n, 16);
        fields[n++] = (struct sm_field){{name, strlen(name)}, {value, strlen(value)}};
    }
    va_end(texts);
    return rig_xadd("default", "*", fields, n);
}

struct sm_client *rig_client(void)
{
    struct sm_err err;
    struct sm_client *client = sm_client_open(rig_url("producer"), &err);
    ck_assert_msg(client != NULL, "%s", err.text);
    return client;
}

struct sm_inspector *rig_inspector(void)
{
    struct sm_err err;
    struct sm_inspector *in = sm_inspector_open(rig_url("admin"), &err);
    ck_assert_msg(in != NULL, "%s", err.text);
    return in;
}

struct sm_queue_state rig_look(struct sm_inspector *in)
{
    struct sm_queue_state *states, state = {.length = 0};
    struct sm_err err;
    size_t n;
    ck_assert_msg(sm_inspect_queues(in, &states, &n, &err) == 0, "%s", err.text);
    for (size_t i = 0; i < n; i++)
        if (strcmp(states[i].name, "default") == 0)
            state = states[i];
    free(states);
    return state;
}

bool rig_wait_length(struct sm_inspector *in, uint64_t most)
{
    for (int waited = 0; waited < WAIT_MS; waited += 5) {
        if (rig_look(in).length <= most)
            return true;
        poll(NULL, 0, 5);
    }
    return false;
}

void rig_end_clean(pid_t daemon)
{
    struct sm_inspector *in = rig_inspector();
    ck_assert_msg(rig_wait_length(in, 0), "the queue does not get empty: %s", rig_log());
    ck_assert_int_eq(rig_end(daemon, SIGTERM), 0);
    struct sm_queue_state state = rig_look(in);
    ck_assert_uint_eq(state.in_flight + state.free + state.later + state.workers, 0);
    ck_assert_int_eq(rig_int("EXISTS sm:{default}:tries sm:{default}:later"), 0);
    sm_inspector_close(in);
}

/* ---- PostgreSQL -- */

const char *rig_worker_url(const char *database)
{
    static char url[300];
    snprintf(url, sizeof url, "postgresql://live_worker:PgSecret42@/%s?host=%s", database,
             rig_servers.dir);
    return url;
}

struct sm_reader *rig_reader(void)
{
    static char url[300];
    struct sm_err err;
    snprintf(url, sizeof url, "postgresql:///stampmill?host=%s&user=live_reader", rig_servers.dir);
    struct sm_pg_options pg = {.url = url, .application = "test"};
    struct sm_reader *reader = sm_reader_open(&pg, &err);
    ck_assert_msg(reader != NULL, "%s", err.text);
    return reader;
}

struct sm_id rig_derived_id(const char *queue, struct sm_entry_id entry)
{
    struct sm_id id;
    char text[SM_ENTRY_ID_TEXT];
    sm_entry_id_format(entry, text);
    const char *incarnation = rig_text("HGET sm:{%s}:meta incarnation", queue);
    const char *derived =
        sql("SELECT stampmill.job_id('%s', '%s', '%s')", incarnation, queue, text);
    ck_assert_msg(sm_id_parse(derived, strlen(derived), &id), "%s", derived);
    return id;
}

void rig_all_succeeded(int n)
{
    ck_assert_str_eq(
        sql("SELECT min(error_text) FROM stampmill.results WHERE state <> 'succeeded'"), "");
    ck_assert_int_eq(atoi(sql("SELECT count(*) FROM stampmill.results")), n);
}

void rig_row(struct sm_reader *reader, const struct sm_id *id, int what, struct sm_job_row *row)
{
    struct sm_err err;
    int rc = SM_E_NOT_FOUND;
    for (int waited = 0; waited < WAIT_MS; waited += 5) {
        rc = sm_reader_job(reader, id, what, row, &err);
        if (rc != SM_E_NOT_FOUND)
            break;
        poll(NULL, 0, 5);
    }
    ck_assert_msg(rc == 0, "%s; %s", err.text, rig_log());
}

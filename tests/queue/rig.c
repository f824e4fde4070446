/* A private Redis for a test program; see rig.h. */
#include "tests/queue/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "queue/redis_conn.h"

struct servers rig_servers;
static struct sm_conn super;

static redisReply *call(char *words)
{
    const char *argv[64];
    size_t sizes[64];
    int n = 0;
    redisReply *reply = NULL;
    struct sm_err err;
    for (char *at = strtok(words, " "); at != NULL && n < 64; at = strtok(NULL, " ")) {
        argv[n] = at;
        sizes[n++] = strlen(at);
    }
    if (super.c == NULL) {
        struct sm_redis_url url;
        super.timeout_ms = 5000;
        ck_assert_int_eq(sm_redis_url_parse(rig_servers.redis_url, &url, &err), 0);
        ck_assert_int_eq(sm_conn_open(&super, &url, 5000, &err), 0);
    }
    int rc = sm_conn_call(&super, n, argv, sizes, &reply, &err);
    ck_assert_msg(rc == 0, "%s: %s", argv[0], err.text);
    return reply;
}

int64_t rig_int(const char *format, ...)
{
    char words[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    redisReply *reply = call(words);
    int64_t value = reply->type == REDIS_REPLY_ARRAY ? (int64_t)reply->elements : reply->integer;
    freeReplyObject(reply);
    return value;
}

const char *rig_text(const char *format, ...)
{
    static char text[8192];
    char words[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    redisReply *reply = call(words);
    snprintf(text, sizeof text, "%s", reply->str == NULL ? "" : reply->str);
    freeReplyObject(reply);
    return text;
}

struct sm_entry_id rig_add(const char *fields)
{
    struct sm_entry_id id;
    const char *text = rig_text("XADD sm:{q}:jobs * %s", fields);
    ck_assert_msg(sm_entry_id_parse(text, strlen(text), &id), "%s", text);
    return id;
}

const char *rig_owner(struct sm_entry_id id)
{
    static char owner[64];
    char text[SM_ENTRY_ID_TEXT], words[200];
    sm_entry_id_format(id, text);
    snprintf(words, sizeof words, "XPENDING sm:{q}:jobs mill %s %s 1", text, text);
    redisReply *reply = call(words);
    owner[0] = '\0';
    if (reply->elements == 1)
        snprintf(owner, sizeof owner, "%s", reply->element[0]->element[1]->str);
    freeReplyObject(reply);
    return owner;
}

const char *rig_url(const char *user)
{
    static char url[700];
    snprintf(url, sizeof url, "unix://sm_%s:%s@%s", user, user,
             rig_servers.redis_url + strlen("unix://"));
    return url;
}

struct sm_queue *rig_worker(const char *name, size_t limit)
{
    static const char *const queues[] = {"q"};
    struct sm_redis_options options = {.url = rig_url("worker"),
                                       .worker = name,
                                       .queues = queues,
                                       .queues_n = 1,
                                       .entry_limit = limit};
    struct sm_queue *q = sm_redis_queue_new(&options);
    struct sm_err err;
    int rc = q->ops->connect(q, 2000, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    return q;
}

int rig_fetch(struct sm_queue *q, unsigned count, size_t budget, struct sm_intake *in,
              struct sm_err *err)
{
    int rc = q->ops->fetch_start(q, 0, count, 0, budget, err);
    while (rc == 0 && (rc = q->ops->fetch_wait(q, 100000, in, err)) == 1)
        rc = 0;
    return rc;
}

void rig_free(struct sm_intake *in)
{
    for (size_t i = 0; i < in->n; i++) {
        sm_job_free(&in->items[i].job);
        free(in->items[i].error_text);
    }
    in->n = 0;
}

/* ---- the suite -- */

static void make_users(void)
{
    char path[1024], line[2048];
    int made = 0;
    snprintf(path, sizeof path, "%s/queue/PROTOCOL.md", getenv("STAMPMILL_SOURCE"));
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "ACL SETUSER sm_", 15) == 0) {
            freeReplyObject(call(line));
            made++;
        }
    }
    fclose(file);
    ck_assert_int_eq(made, 3);
}

static void empty(void)
{
    rig_text("FLUSHALL");
    rig_text("CONFIG SET maxmemory 0");
    rig_text("CONFIG SET maxmemory-policy noeviction");
    make_users();
}

int rig_run(const char *name, const struct suite_test *tests)
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    servers_start(&rig_servers, true, false, NULL);
    tcase_add_checked_fixture(tcase, empty, NULL);
    for (; tests->test; tests++)
        tcase_add_test_raise_signal(tcase, tests->test, tests->signal);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    servers_stop(&rig_servers);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/*
 * Deleting what waits. Ids of what was never delivered are to be had with the bodies only, so the
 * stream is read once; bodies pass by unread. It goes from the newest to the oldest, because
 * workers take the oldest: so that the two meet once, and not at every step. A page is about a
 * mebibyte, by the largest entry of the page before it: so that Redis, and whoever waits for it, is
 * held up for no longer than by a worker's fetch.
 */
#include "queue/purge.h"

#include <string.h>

#include "queue/inspect_call.h"

#define HEAD_MOST 4096 /* enough to find id and `durable` in it */
#define PAGE_BYTES (1u << 20)

int sm_purge_begin(struct sm_purge *p, struct sm_inspector *in, const char *queue,
                   struct sm_err *err)
{
    redisReply *reply;
    memset(p, 0, sizeof *p);
    p->in = in;
    p->page = 1;
    int rc = sm_inspect_look_at(in, queue, err);
    if (rc != 0)
        return rc;
    const char *argv[] = {in->q.keys[0].jobs};
    const size_t sizes[] = {strlen(argv[0])};
    rc = sm_script_call(&in->q.conn, "newest", 1, 1, argv, sizes, &reply, err);
    if (rc != 0)
        return rc;
    if (reply->type != REDIS_REPLY_STRING || !sm_entry_id_parse(reply->str, reply->len, &p->at))
        rc = sm_err_set(err, SM_E_SERVER, "Redis: the newest entry has no id");
    freeReplyObject(reply);
    return rc;
}

/* How many of entries as large as the largest make a page. */
static size_t next_page(size_t page, size_t largest)
{
    size_t fit = largest == 0 ? SM_PURGE_PAGE : PAGE_BYTES / largest;
    fit = fit > 4 * page ? 4 * page : fit; /* one page may not be like the next */
    fit = fit > SM_PURGE_PAGE ? SM_PURGE_PAGE : fit;
    return fit == 0 ? 1 : fit;
}

int sm_purge_next(struct sm_purge *p, struct sm_purge_entry *entries, size_t *n, struct sm_err *err)
{
    char from[SM_ENTRY_ID_TEXT + 1] = "(";
    struct sm_delivery items[SM_PURGE_PAGE];
    struct sm_intake page = {.items = items, .room = p->page};
    sm_entry_id_format(p->at, p->begun ? from + 1 : from);
    *n = 0;
    int rc = sm_redis_range(&p->in->q, 0, "XREVRANGE", from, "-", HEAD_MOST, &page, err);
    for (size_t i = 0; rc == 0 && i < page.n; i++)
        entries[i] = (struct sm_purge_entry){
            .entry = items[i].entry, .job = items[i].job.id, .durable = items[i].job.durable};
    if (rc == 0) {
        *n = page.n;
        p->at = page.n == 0 ? p->at : entries[page.n - 1].entry;
        p->begun = true;
        p->page = next_page(p->page, page.largest);
    }
    sm_redis_forget(&page);
    return rc;
}

static int call(struct sm_purge *p, const char *what, struct sm_purge_entry *entries, size_t n,
                struct sm_err *err)
{
    const struct sm_redis_keys *keys = &p->in->q.keys[0];
    const char *const fixed[] = {keys->jobs, keys->later, keys->tries, what};
    struct sm_words words;
    redisReply *reply;
    if (n == 0)
        return 0;
    if (sm_words_init(&words, sizeof fixed / sizeof *fixed, n) != 0)
        return sm_err_set(err, SM_E_NO_MEMORY, "no memory for a command");
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        sm_words_add(&words, fixed[i]);
    for (size_t i = 0; i < n; i++)
        sm_words_add_id(&words, entries[i].entry);
    int rc = sm_redis_script(&p->in->q, "purge", &words, 3, &reply, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < n; i++)
        entries[i].fate = i < reply->elements ? (int)reply->element[i]->integer : 0;
    freeReplyObject(reply);
    return 0;
}

int sm_purge_look(struct sm_purge *p, struct sm_purge_entry *entries, size_t n, struct sm_err *err)
{
    return call(p, "look", entries, n, err);
}

int sm_purge_delete(struct sm_purge *p, struct sm_purge_entry *entries, size_t n,
                    struct sm_err *err)
{
    return call(p, "delete", entries, n, err);
}

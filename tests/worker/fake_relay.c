/* The fake relay: entries that get into a Redis, and whether they are alive there. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "tests/worker/fake_outbox.h"

struct box_relay {
    struct sm_relay base;
    struct box_world *world;
    bool connected;
    char run_id[48];
};

static struct box_relay *wire(struct sm_relay *relay)
{
    return (struct box_relay *)relay;
}

static int r_connect(struct sm_relay *relay, int wait_ms, struct sm_err *err)
{
    struct box_relay *r = wire(relay);
    bool late;
    (void)wait_ms;
    r->connected = true;
    int rc = box_enter(r->world, &r->connected, r->world->redis_down, &late, err);
    snprintf(r->run_id, sizeof r->run_id, "run%d", r->world->run);
    return rc == 0 ? box_leave(&r->connected, late, err) : rc;
}

static int r_claim(struct sm_relay *relay, const char *queue, const char *home,
                   char incarnation[SM_INCARNATION_TEXT], struct sm_err *err)
{
    struct box_relay *r = wire(relay);
    bool late;
    (void)home;
    int rc = box_enter(r->world, &r->connected, r->world->redis_down, &late, err);
    if (rc != 0)
        return rc;
    if (r->world->foreign != NULL && strcmp(r->world->foreign, queue) == 0)
        return sm_err_set(err, SM_E_FOREIGN, "fake: another's");
    if (r->world->broken != NULL && strcmp(r->world->broken, queue) == 0)
        return sm_err_set(err, SM_E_SERVER, "fake: WRONGTYPE");
    snprintf(incarnation, SM_INCARNATION_TEXT, "%032d", r->world->incarnation);
    return box_leave(&r->connected, late, err);
}

/* Adds what the envelope says. */
static void add_one(struct box_world *w, struct sm_relay_entry *entry)
{
    struct sm_entry_origin origin = {entry->queue, "", {1, w->entries + 1}};
    struct sm_field field = {{"job", 3}, entry->envelope};
    struct sm_job job;
    struct sm_err err;
    memset(&job, 0, sizeof job);
    SM_ASSERT(sm_job_decode(&job, &origin, &field, 1, &err) == 0 && job.durable);
    SM_ASSERT(w->entries < BOX_ENTRIES);
    struct box_entry *e = &w->entry[w->entries++];
    *e = (struct box_entry){.there = true, .id = job.id, .life = job.life, .at_ms = job.due_ms};
    strcpy(e->queue, entry->queue);
    entry->id = (struct sm_entry_id){1, w->entries};
    sm_job_free(&job);
}

static int r_add(struct sm_relay *relay, struct sm_relay_entry *entries, size_t n,
                 struct sm_err *err)
{
    struct box_relay *r = wire(relay);
    bool late;
    int rc = box_enter(r->world, &r->connected, r->world->redis_down, &late, err);
    for (size_t i = 0; i < n; i++) {
        entries[i].code = rc;
        if (rc == 0 && r->world->redis_full)
            entries[i].code = sm_err_set(err, SM_E_FULL, "fake: OOM");
        else if (rc == 0)
            add_one(r->world, &entries[i]);
        if (late && i >= n / 2) /* the answers of the second half are lost */
            entries[i].code = SM_E_TIMEOUT;
    }
    return rc == 0 ? box_leave(&r->connected, late, err) : rc;
}

static int r_alive(struct sm_relay *relay, const char *queue, const struct sm_entry_id *ids,
                   size_t n, bool *alive, struct sm_err *err)
{
    struct box_relay *r = wire(relay);
    bool late;
    (void)queue;
    int rc = box_enter(r->world, &r->connected, r->world->redis_down, &late, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        alive[i] = r->world->entry[ids[i].seq - 1].there;
    return rc == 0 ? box_leave(&r->connected, late, err) : rc;
}

static const char *r_run_id(const struct sm_relay *relay)
{
    return ((const struct box_relay *)relay)->run_id;
}

static void r_close(struct sm_relay *relay)
{
    free(relay);
}

static const struct sm_relay_ops relay_ops = {
    .connect = r_connect,
    .claim = r_claim,
    .add = r_add,
    .alive = r_alive,
    .run_id = r_run_id,
    .close = r_close,
};

struct sm_relay *box_relay(struct box_world *world)
{
    struct box_relay *r = calloc(1, sizeof *r);
    SM_ASSERT(r != NULL);
    r->base.ops = &relay_ops;
    r->world = world;
    return &r->base;
}

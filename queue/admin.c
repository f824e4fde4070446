/* Admin requests: scripts that check before they write. Thread: the caller's. */
#include "queue/admin.h"

#include <string.h>

#include "queue/inspect_call.h"

int sm_admin_cancel(struct sm_inspector *in, const char *queue, const struct sm_id *job,
                    const struct sm_entry_id *entry, int64_t *at_ms, struct sm_err *err)
{
    char id[SM_ID_TEXT], entry_id[SM_ENTRY_ID_TEXT] = "";
    redisReply *reply;
    int rc = sm_inspect_look_at(in, queue, err);
    if (rc != 0)
        return rc;
    sm_id_format(job, id);
    if (entry != NULL)
        sm_entry_id_format(*entry, entry_id);
    const struct sm_redis_keys *keys = &in->q.keys[0];
    const char *argv[] = {keys->cancelled, keys->later, keys->jobs, id, entry_id};
    const size_t sizes[] = {strlen(argv[0]), strlen(argv[1]), strlen(argv[2]), strlen(id),
                            strlen(entry_id)};
    rc = sm_script_call(&in->q.conn, "cancel", 3, 5, argv, sizes, &reply, err);
    if (rc != 0)
        return rc;
    *at_ms = reply->integer;
    freeReplyObject(reply);
    return 0;
}

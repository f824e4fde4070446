/* Durable jobs that have ended; see ended.h. */
#include "worker/ended.h"

#include <stdlib.h>
#include <string.h>

#include "base/thread.h"
#include "stampmill/error.h"

int sm_ended_init(struct sm_ended *ended)
{
    sm_lock_init(&ended->lock);
    ended->n = 0;
    ended->ids = malloc(SM_ENDED_MOST * sizeof *ended->ids);
    return ended->ids == NULL ? SM_E_NO_MEMORY : 0;
}

void sm_ended_free(struct sm_ended *ended)
{
    sm_lock_free(&ended->lock);
    free(ended->ids);
}

void sm_ended_add(struct sm_ended *ended, const struct sm_id *id)
{
    sm_lock(&ended->lock);
    if (ended->n < SM_ENDED_MOST)
        ended->ids[ended->n++] = *id;
    sm_unlock(&ended->lock);
}

size_t sm_ended_take(struct sm_ended *ended, struct sm_id *ids, size_t most)
{
    sm_lock(&ended->lock);
    size_t n = ended->n < most ? ended->n : most;
    ended->n -= n;
    memcpy(ids, ended->ids + ended->n, n * sizeof *ids);
    sm_unlock(&ended->lock);
    return n;
}

/* Upkeep of the database; see upkeep.h. A failure is said and tried again: without partitions of
 * their own rows are stored all the same. */
#include "worker/upkeep.h"

#include "store/upkeep.h"

#define HOUR_US 3600000000
#define MINUTE_US 60000000
#define CONNECT_MS 2000

static int make_partitions(const struct sm_options *o, int *made, struct sm_err *err)
{
    struct sm_pg_options pg = {.url = o->postgres_url,
                               .application = "stampmilld upkeep",
                               .allow_unsafe = o->allow_unsafe};
    struct sm_upkeep *upkeep = sm_upkeep_open(&pg, CONNECT_MS, err);
    if (upkeep == NULL)
        return err->code;
    int rc = sm_upkeep_make_partitions(upkeep, SM_UPKEEP_DAYS, made, err);
    sm_upkeep_close(upkeep);
    return rc;
}

void sm_upkeep_turn(struct sm_upkeep_state *upkeep, struct sm_worker *w)
{
    int64_t now = sm_mono_us(w->clock);
    struct sm_err err;
    int made = 0;
    if (now < upkeep->next_us)
        return;
    upkeep->next_us = now + HOUR_US;
    if (make_partitions(w->options, &made, &err) < 0) {
        upkeep->next_us = now + MINUTE_US;
        sm_log(SM_LOG_WARN, "making partitions failed", SM_S("error", sm_error_name(err.code)),
               SM_S("text", err.text));
    } else if (made > 0) {
        sm_log(SM_LOG_INFO, "partitions made", SM_N("partitions", made));
    }
}

/* The queue on Redis, as its own files share it. Private to queue/. */
#ifndef SM_QUEUE_REDIS_QUEUE_H
#define SM_QUEUE_REDIS_QUEUE_H

#include "queue/redis.h"
#include "queue/redis_conn.h"
#include "queue/redis_scan.h"

#define SM_REDIS_QUEUES 16
#define SM_REDIS_MOST 100 /* entries that one script or one take handles */

/* One queue's keys, all under one hash tag. */
struct sm_redis_keys {
    char name[SM_QUEUE_NAME_MAX + 1];
    char jobs[96], later[96], tries[96], workers[96], cancelled[96], meta[96];
    char incarnation[SM_INCARNATION_TEXT];
    struct sm_entry_id remade; /* up to here deliveries may be of parked or tried entries */
};

struct sm_redis_queue {
    struct sm_queue base; /* first: the seam's calls cast back */
    struct sm_conn conn;
    struct sm_redis_url url;
    struct sm_redis_keys keys[SM_REDIS_QUEUES];
    int keys_n;
    char worker[40];
    size_t entry_limit;
    bool allow_eviction;
    int fetching;         /* the queue of the fetch under way; -1: none */
    int64_t deadline_us;  /* when the reply under way is overdue */
    struct sm_intake got; /* of the fetch under way, until its reply is complete */
    struct sm_scan scan;
    char *in; /* bytes received; those from in_at on are not looked at yet */
    size_t in_at, in_n;
};

static inline struct sm_redis_queue *sm_redis_self(struct sm_queue *q)
{
    return (struct sm_redis_queue *)q;
}

void sm_redis_keys_make(struct sm_redis_keys *keys, const char *name);

/* A command whose words are entry ids and numbers for the greater part. */
struct sm_words {
    const char **arg;
    size_t *size;
    char *text; /* of the ids */
    int n, room;
    size_t used;
};
/* Room for `fixed` words and `ids` ids or numbers. 0 or SM_E_NO_MEMORY. */
int sm_words_init(struct sm_words *words, size_t fixed, size_t ids);
void sm_words_add(struct sm_words *words, const char *text);
void sm_words_add_id(struct sm_words *words, struct sm_entry_id id);
void sm_words_add_int(struct sm_words *words, int64_t value);
void sm_words_free(struct sm_words *words);

/* ---- redis_read.c: entries as deliveries -- */

/* Ready to read one reply that holds entries. */
void sm_redis_read_start(struct sm_redis_queue *q, enum sm_scan_form form, size_t entry_limit,
                         size_t budget);
/* Reads on for at most `wait_us`: 1 not yet, 0 complete, or a failure. What is over the budget is
 * left out with `skip_over`, else it is SM_E_OVER_BUDGET. */
int sm_redis_read(struct sm_redis_queue *q, int queue, bool skip_over, int64_t wait_us,
                  struct sm_intake *in, struct sm_err *err);
/* Frees what is in *in. */
void sm_redis_forget(struct sm_intake *in);
/* XRANGE or XREVRANGE, as many as *in has room for. An entry over the limit comes with its values
 * cut, as SM_E_TOO_LARGE; its id is read all the same. */
int sm_redis_range(struct sm_redis_queue *q, int queue, const char *verb, const char *from,
                   const char *to, size_t entry_limit, struct sm_intake *in, struct sm_err *err);
/* Reads owned entries, in order, until the budget is spent. `tries` may be NULL: then they are
 * asked for. Ids whose entry is gone are settled. */
int sm_redis_take(struct sm_redis_queue *q, int queue, const struct sm_entry_id *ids,
                  const struct sm_tries *tries, size_t n, size_t entry_limit, size_t budget,
                  struct sm_intake *in, struct sm_err *err);
/* Another worker may have made the group, or all of the queue, anew while this connection was idle:
 * then what it delivers is not what it seems. So a question goes out behind each fetch, in the same
 * write: what the queue's incarnation and `remade` are. Ids were derived from an incarnation that
 * must still be the queue's: SM_E_NO_GROUP (closed) when it is not. */
int sm_redis_ask_making(struct sm_redis_queue *q, int queue, struct sm_err *err);
int sm_redis_read_making(struct sm_redis_queue *q, int queue, struct sm_err *err);
/* Notes of fetched entries up to `remade` what is known of them: tries, and when parked ones are
 * due. */
int sm_redis_recall(struct sm_redis_queue *q, int queue, struct sm_intake *in, struct sm_err *err);
/* "attempts crashes evident losses again takes" */
void sm_tries_parse(const char *text, size_t size, struct sm_tries *tries);
/* "" when all are 0. */
void sm_tries_format(const struct sm_tries *tries, char text[96]);

/* ---- redis_owner.c: the calls that move owners -- */
int sm_redis_drop(struct sm_queue *q, int queue, const struct sm_owned *items, size_t n,
                  bool *owned, struct sm_err *err);
int sm_redis_still_owned(struct sm_queue *q, int queue, const struct sm_entry_id *ids, size_t n,
                         bool *owned, struct sm_err *err);
int sm_redis_owned(struct sm_queue *q, int queue, struct sm_entry_id after, struct sm_entry_id *ids,
                   size_t room, size_t *n, struct sm_err *err);
int sm_redis_park(struct sm_queue *q, int queue, struct sm_parking *items, size_t n,
                  struct sm_err *err);
int sm_redis_settle(struct sm_queue *q, int queue, const struct sm_entry_id *ids, size_t n,
                    const struct sm_entry_id *tried, size_t tried_n, struct sm_err *err);

/* ---- redis_fleet.c: the calls about workers -- */
int sm_redis_beat(struct sm_queue *q, int queue, int64_t lease_ms, struct sm_beat *beat,
                  struct sm_err *err);
int sm_redis_census(struct sm_queue *q, int queue, struct sm_peer *peers, size_t room, size_t *n,
                    int64_t *redis_ms, struct sm_err *err);
int sm_redis_offers(struct sm_queue *q, const struct sm_peer *peers, size_t n, char *types,
                    size_t room, struct sm_err *err);
int sm_redis_report(struct sm_queue *q, const char *const *pairs, size_t n, int64_t ttl_ms,
                    struct sm_err *err);
int sm_redis_reclaim(struct sm_queue *q, int queue, const char *worker, int64_t seen_ms,
                     unsigned most, const struct sm_doubt *doubt, uint64_t *moved, uint64_t *left,
                     struct sm_err *err);
int sm_redis_charge(struct sm_queue *q, int queue, struct sm_owned item, struct sm_err *err);
int sm_redis_pardon(struct sm_queue *q, int queue, const struct sm_entry_id *ids, size_t n,
                    struct sm_err *err);
int sm_redis_cancelled(struct sm_queue *q, int queue, const struct sm_id *jobs, size_t n,
                       int64_t *since_ms, struct sm_err *err);

/* Calls a script with words whose first keys_n are keys, and frees them; the caller frees the
 * reply. */
int sm_redis_script(struct sm_redis_queue *q, const char *script, struct sm_words *words,
                    int keys_n, redisReply **reply, struct sm_err *err);

#endif

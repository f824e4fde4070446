/*
 * entry.pml: one entry of one queue, two workers and a judge: who owns it, what each may do to it, and what is
 * left of that after faults. Time is not here: that a worker is given up only when its lease has passed, and that
 * it starts nothing then, is what lease.pml shows; here both follow from `away`.
 *
 * Redis is the stream (body, delivered), the pending list (owner), `later` and `tries`; a command is one step.
 * Each command of a worker is answered, or executed with its answer lost, or late: sent on a connection that is
 * lost then, and executed at any later time.
 *
 * Faults, FAULTS of them in all: a crash; a worker away (stopped, or cut off) for longer than its lease, which
 * comes back; an answer lost; a command late; a settle cut between its commands; with ROLLBACK also a Redis that
 * comes back as it was earlier.
 */
#include "rule.pml"

#ifndef FAULTS
#define FAULTS 2
#endif
#ifndef MAX_ATTEMPTS
#define MAX_ATTEMPTS 2
#endif
#ifndef AGAINS
#define AGAINS 1 /* how often the handler may say "again later", without an attempt */
#endif
#ifndef RELEASES
#define RELEASES 1 /* how often an unstarted job is handed back */
#endif

#define NOBODY 0
#define NAMES  (2 + FAULTS) /* names of worker processes, from 1 */
#define FREE   (NAMES + 1)
#define LATER  (NAMES + 2)

#define SAY printf /* only a trail that is replayed prints */

/* ---- Redis -- */

bool body = true;    /* in the stream */
bool delivered;      /* not past the group's last delivered id */
byte owner = NOBODY; /* in whose pending list */
byte attempts;       /* of tries; the row exists when one of the two is not 0 */
byte takes;           /* how often it was taken from :free: the fence of what comes late */
bool in_later;
byte due;
byte clock;          /* how many of the times at which something can become due have come */
bool scored[NAMES + 1];
bool consumer[NAMES + 1];

/* ---- the job and the budgets -- */

byte job_due; /* 1: enqueued for later */
byte faults = FAULTS;
byte failures; /* runs that really failed */
byte agains = AGAINS;
byte hand_backs = RELEASES;

/* ---- two worker processes; a slot each -- */

mtype = {
    EMPTY, READY, RUNNING, RUNNING_LOST /* given up while it runs */,
    DONE_OK, DONE_FAIL, DONE_BURY,
    OWNED_FAIL, OWNED_BURY /* seen to be owned, commit under way */,
    TO_RELEASE, TO_PARK, STORED_OK, STORED_BURIED
};

byte name[2];
byte holder[2];       /* the name that took what is in the slot: its commands carry it */
mtype slot[2] = EMPTY;
bool away[2];        /* its lease has passed: no Redis, no start; what runs goes on */
bool reading[2];     /* a fetch was executed, its answer is on its way */
bool overlap[2];     /* the fetch that was on its way at the first audit still is */
bool missed[2];      /* the first audit saw an entry without a slot */
bool doubt[2];       /* the slot has lived through an absence */
byte got_attempts[2], got_takes[2]; /* as the answer says */
byte park_due[2], park_attempts[2];
byte next_name = 3;
byte striking; /* of a mutant */
bool gone[NAMES + 1]; /* its lease has passed, or it has died */
bool stale[2];        /* ghost: not owned when a failure was about to be committed */

#define ENDED (row == SUCCEEDED || (TERMINAL && !body))
#define IDLE(p)    (!away[p] && slot[p] == EMPTY && !reading[p])

mtype = { READ, TICK, PARK, RELEASE, SETTLE, DROP };
chan late = [1] of { mtype, byte, byte, byte, byte };
#ifdef ROLLBACK
bool rolled_back;
#define ROLLED_BACK rolled_back
#else
#define ROLLED_BACK false
#endif
#define CAN_BE_LATE (faults > 0 && nfull(late))

inline send_late(cmd, who, a1, a2, a3)
{
    SAY("%d: sends %e, connection lost\n", who, cmd);
    faults--;
    late!cmd, who, a1, a2, a3
}

/* ---- the commands, each inside atomic -- */

inline forget() { attempts = 0; takes = 0 }

inline do_read(who)
{
    if
    :: body && !delivered ->
        SAY("%d: reads the entry\n", who);
        delivered = true;
        owner = who;
        consumer[who] = true
    :: else
    fi
}

inline do_tick(who)
{
    if
    :: in_later && due <= clock ->
        in_later = false;
        if
        :: owner == LATER && body -> owner = FREE
        :: owner == LATER && !body -> owner = NOBODY; forget()
        :: else
        fi
    :: else
    fi;
    if
    :: owner == FREE && body -> SAY("%d: takes it from :free\n", who); owner = who; takes++; consumer[who] = true
    :: owner == FREE && !body -> owner = NOBODY; forget()
    :: else
    fi
}

#ifdef MUTANT_PARK_UNFENCED
#define PARK_FENCED(new, t) true
#elif defined(MUTANT_PARK_BY_ATTEMPTS)
#define PARK_FENCED(new, t) ((new) == attempts || (new) == attempts + 1)
#else
#define PARK_FENCED(new, t) (takes == (t))
#endif

/* What is due already goes back to :free. */
inline do_park(who, t, new, d)
{
    if
    :: owner == who && PARK_FENCED(new, t) ->
        if
        :: !body -> owner = NOBODY; forget()
        :: body ->
            SAY("%d: parks it, attempts %d\n", who, new);
            attempts = new;
            assert(attempts <= failures); /* a fault costs no attempt */
            if
            :: d > clock -> owner = LATER; in_later = true; due = d
            :: else -> owner = FREE
            fi
        fi
    :: else
    fi
}

#ifdef MUTANT_RELEASE_UNFENCED
#define RELEASE_FENCED(t) true
#else
#define RELEASE_FENCED(t) (takes == (t))
#endif

inline do_release(who, t)
{
    if
    :: owner == who && RELEASE_FENCED(t) ->
        if
        :: body -> SAY("%d: hands it back\n", who); owner = FREE
        :: !body -> owner = NOBODY
        fi
    :: else
    fi
}

inline xdel()
{
    assert(TERMINAL); /* no settle before its commit */
    SAY("XDEL\n");
    body = false
}

inline drop_tries(is)
{
    if
    :: is -> forget()
    :: else
    fi
}

/* A success; whoever owns it. */
inline do_settle(tries)
{
    drop_tries(tries);
    xdel();
    owner = NOBODY
}

/* A burial. */
inline do_drop(who, t)
{
    if
    :: owner == who && takes == t -> xdel(); owner = NOBODY; forget()
    :: else
    fi
}

inline do_reclaim(who)
{
    if
    :: owner == who && body -> owner = FREE
    :: owner == who && !body -> owner = NOBODY
    :: else
    fi
}

/* ---- the network: what was sent on a connection that is gone by now -- */

active proctype network()
{
    mtype op;
    byte who, a, b, c;
end:
    do
    :: atomic {
        late?op, who, a, b, c ->
        SAY("late: %e of %d takes effect\n", op, who);
        if
        :: op == READ -> do_read(who)
        :: op == TICK -> do_tick(who)
        :: op == PARK -> do_park(who, a, b, c)
        :: op == RELEASE -> do_release(who, a)
        :: op == SETTLE -> do_settle(a)
        :: op == DROP -> do_drop(who, a)
        fi;
        op = 0; who = 0; a = 0; b = 0; c = 0
       }
    od
}

/* ---- the worker -- */

/* A delivery becomes a slot. Without a fault no entry comes twice. */
inline intake(p)
{
    missed[p] = false;
    if
    :: slot[p] != EMPTY -> assert(faults < FAULTS) /* without a fault nothing is taken in twice */
    :: else ->
        doubt[p] = false;
        holder[p] = name[p];
        if
        :: job_due > clock && got_attempts[p] == 0 ->
            slot[p] = TO_PARK; park_due[p] = job_due; park_attempts[p] = got_attempts[p]
        :: else -> slot[p] = READY
        fi
    fi
}

inline empty_slot(p)
{
    slot[p] = EMPTY;
    doubt[p] = false;
    stale[p] = false;
    holder[p] = NOBODY;
    got_attempts[p] = 0;
    got_takes[p] = 0;
    park_due[p] = 0;
    park_attempts[p] = 0
}

inline stop_reading(p)
{
    reading[p] = false;
    overlap[p] = false
}

inline unanswered(p)
{
#ifdef MUTANT_FREED_UNANSWERED
    empty_slot(p)
#else
    skip
#endif
}

inline new_name(p)
{
    name[p] = next_name;
    next_name++;
    scored[name[p]] = true
}

inline give_up(p)
{
    if
    :: slot[p] == RUNNING -> slot[p] = RUNNING_LOST
    :: slot[p] != RUNNING -> empty_slot(p)
    fi
}

#define KNOWN_TRIES(p) (got_attempts[p] + got_takes[p] > 0)
#ifdef MUTANT_TRIES_LEFT
#define MAY_HAVE_TRIES(p) KNOWN_TRIES(p)
#else
#define MAY_HAVE_TRIES(p) true /* another may have handed it back meanwhile */
#endif
#ifdef MUTANT_STALE_FAILURE
#define OWNED(p) true
#else
#define OWNED(p) (owner == holder[p])
#endif
#define GIVEN_UP(p) (owner != holder[p] && \
    (slot[p] == READY || slot[p] == RUNNING || slot[p] == TO_PARK || slot[p] == TO_RELEASE || slot[p] == DONE_OK || \
     slot[p] == DONE_FAIL || slot[p] == DONE_BURY))

proctype worker(byte p)
{
end:
    do
    /* fetch: the tick, and what is new */
    :: atomic { IDLE(p) && body && !delivered -> do_read(name[p]); reading[p] = true }
    :: atomic { IDLE(p) && body && !delivered && CAN_BE_LATE -> send_late(READ, name[p], 0, 0, 0) }
    :: atomic {
        IDLE(p) && (owner == FREE || (in_later && due <= clock)) ->
        do_tick(name[p]);
        if
        :: owner == name[p] ->
            reading[p] = true; got_attempts[p] = attempts; got_takes[p] = takes
        :: else
        fi
       }
    :: atomic { IDLE(p) && owner == FREE && CAN_BE_LATE -> send_late(TICK, name[p], 0, 0, 0) }
    :: atomic { reading[p] && !away[p] -> SAY("%d: has the answer\n", name[p]); stop_reading(p); intake(p) }
    :: atomic {
        reading[p] && !away[p] && faults > 0 ->
        SAY("%d: answer to the fetch lost\n", name[p]);
        faults--; stop_reading(p); got_attempts[p] = 0; got_takes[p] = 0
       }

    /* handed back unstarted; here and below: held until there is an answer, so that no late copy finds it running */
    :: atomic { slot[p] == READY && !away[p] && hand_backs > 0 -> hand_backs--; slot[p] = TO_RELEASE }
    :: atomic {
        slot[p] == TO_RELEASE && !away[p] ->
        if
        :: do_release(holder[p], got_takes[p]); empty_slot(p)
        :: faults > 0 ->
            SAY("%d: answer to the hand-back lost\n", holder[p]);
            faults--; do_release(holder[p], got_takes[p]); unanswered(p)
        :: CAN_BE_LATE -> send_late(RELEASE, holder[p], got_takes[p], 0, 0); unanswered(p)
        fi
       }

    /* run */
    :: atomic {
        slot[p] == READY && !away[p] ->
        assert(owner == holder[p] || ENDED || ROLLED_BACK); /* a worker starts nothing it no longer owns */
        SAY("%d: starts it\n", holder[p]);
        slot[p] = RUNNING
       }
    :: atomic {
        slot[p] == RUNNING ->
        if
        :: slot[p] = DONE_OK
        :: slot[p] = DONE_BURY; failures = failures + (failures < 3)
        :: failures = failures + (failures < 3);
            if
            :: got_attempts[p] + 1 >= MAX_ATTEMPTS -> slot[p] = DONE_BURY
            :: else -> slot[p] = DONE_FAIL
            fi
        :: agains > 0 -> agains--; slot[p] = TO_PARK; park_attempts[p] = got_attempts[p]; park_due[p] = clock + 1
        fi
       }
    :: atomic { slot[p] == RUNNING_LOST -> empty_slot(p) }

    /* a success: commit, settle */
#ifdef MUTANT_SETTLE_FIRST
    :: atomic { slot[p] == DONE_OK && !away[p] -> do_settle(MAY_HAVE_TRIES(p)); slot[p] = STORED_OK }
    :: atomic { slot[p] == STORED_OK -> write_row(1, SUCCEEDED); empty_slot(p) }
#else
    :: atomic {
        slot[p] == DONE_OK ->
        SAY("%d: commits a success\n", holder[p]);
        write_row(1, SUCCEEDED); slot[p] = STORED_OK
       }
    :: atomic {
        slot[p] == STORED_OK && !away[p] ->
        if
        :: do_settle(MAY_HAVE_TRIES(p)); empty_slot(p)
        :: faults > 0 ->
            faults--; SAY("%d: answer to settle lost\n", holder[p]); do_settle(MAY_HAVE_TRIES(p))
        :: faults > 0 && MAY_HAVE_TRIES(p) ->
            faults--; SAY("%d: settle cut after HDEL\n", holder[p]); forget()
#ifdef MUTANT_XACK_FIRST
        :: faults > 0 -> faults--; SAY("%d: settle cut after XACK\n", holder[p]); owner = NOBODY
#else
        :: faults > 0 ->
            faults--; SAY("%d: settle cut after XDEL\n", holder[p]); drop_tries(MAY_HAVE_TRIES(p)); xdel()
#endif
        :: CAN_BE_LATE -> send_late(SETTLE, holder[p], MAY_HAVE_TRIES(p), 0, 0)
        fi
       }
#endif

    /* a failure: still ours? commit, then park or drop */
    :: atomic {
        (slot[p] == DONE_FAIL || slot[p] == DONE_BURY) && !away[p] ->
        if
        :: OWNED(p) ->
            stale[p] = owner != holder[p];
            slot[p] = (slot[p] == DONE_FAIL -> OWNED_FAIL : OWNED_BURY)
        :: !OWNED(p) -> empty_slot(p)
        fi
       }
    :: atomic {
        slot[p] == OWNED_BURY ->
        SAY("%d: commits a burial\n", holder[p]);
        assert(!stale[p]); /* a stale failure has no effect */
        write_row(1, DEAD);
        slot[p] = STORED_BURIED
       }
    :: atomic {
        slot[p] == OWNED_FAIL ->
        SAY("%d: commits a failed attempt\n", holder[p]);
        assert(!stale[p]); /* a stale failure has no effect */
        slot[p] = TO_PARK; park_attempts[p] = got_attempts[p] + 1; park_due[p] = clock + 1
       }
    /* what is not due yet, what failed and may be tried again, what the handler wants later */
    :: atomic {
        slot[p] == TO_PARK && !away[p] ->
        if
        :: do_park(holder[p], got_takes[p], park_attempts[p], park_due[p]); empty_slot(p)
        :: faults > 0 -> faults--; do_park(holder[p], got_takes[p], park_attempts[p], park_due[p])
        :: CAN_BE_LATE -> send_late(PARK, holder[p], got_takes[p], park_attempts[p], park_due[p])
        fi
       }
    :: atomic {
        slot[p] == STORED_BURIED && !away[p] ->
        if
        :: do_drop(holder[p], got_takes[p]); empty_slot(p)
        :: faults > 0 -> faults--; do_drop(holder[p], got_takes[p])
        :: CAN_BE_LATE -> send_late(DROP, holder[p], got_takes[p], 0, 0)
        fi
       }

    /* the audit */
#ifndef MUTANT_NO_AUDIT
    :: atomic { !away[p] && GIVEN_UP(p) -> SAY("%d: audit gives it up\n", name[p]); give_up(p) }
    :: atomic {
        !away[p] && owner == name[p] && slot[p] == EMPTY && !missed[p] ->
        missed[p] = true;
#ifndef MUTANT_FIRST_AUDIT
        overlap[p] = reading[p]
#endif
       }
    :: atomic {
        !away[p] && missed[p] && !overlap[p] && owner == name[p] && slot[p] == EMPTY ->
        SAY("%d: audit takes it in\n", name[p]);
        missed[p] = false;
        if
        :: body -> got_attempts[p] = attempts; got_takes[p] = takes; intake(p)
        :: !body -> owner = NOBODY; forget()
        fi
       }
#endif

    /* away for longer than its lease, and back: under another name, without what it has not started */
    :: atomic {
        !away[p] && faults > 0 ->
        SAY("%d: away\n", name[p]);
        faults--; away[p] = true; gone[name[p]] = true; missed[p] = false;
        doubt[p] = (slot[p] != EMPTY)
       }
    :: atomic {
        away[p] ->
        SAY("%d: back\n", name[p]);
        away[p] = false;
        new_name(p);
#ifndef MUTANT_KEEPS_UNSTARTED
        if
        :: slot[p] == READY || slot[p] == TO_RELEASE -> empty_slot(p)
        :: else
        fi;
#endif
#ifndef MUTANT_OLD_ANSWER
        if /* an answer from before the absence is not taken in */
        :: reading[p] -> stop_reading(p); got_attempts[p] = 0; got_takes[p] = 0
        :: else
        fi;
#endif
        skip
       }

    /* dies, and is started anew */
    :: atomic {
        faults > 0 ->
        SAY("%d: dies\n", name[p]);
        faults--;
        gone[name[p]] = true;
        empty_slot(p); stop_reading(p); missed[p] = false;
        away[p] = false;
        new_name(p)
       }
    od
}

/* ---- the judge: whoever it is -- */

#ifdef MUTANT_WALK_WORKERS
#define TO_JUDGE(who) (gone[who] && scored[who])
#else
#define TO_JUDGE(who) (gone[who] && (scored[who] || consumer[who]))
#endif

inline strike_off(who)
{
    consumer[who] = false;
    scored[who] = false
}

/* One call: some of its entries, and it is struck off when that leaves it none. */
inline judge_one(who)
{
    do_reclaim(who);
#ifdef MUTANT_DELCONSUMER
    striking = who
#else
    if
    :: SAY("judge: takes from %d and strikes it off\n", who); strike_off(who)
    :: owner == FREE -> SAY("judge: takes from %d, which has more\n", who)
    fi
#endif
}

active proctype judge()
{
end:
    do
    :: atomic { TO_JUDGE(1) -> judge_one(1) }
    :: atomic { TO_JUDGE(2) -> judge_one(2) }
#if FAULTS >= 1
    :: atomic { TO_JUDGE(3) -> judge_one(3) }
#endif
#if FAULTS >= 2
    :: atomic { TO_JUDGE(4) -> judge_one(4) }
#endif
#if FAULTS >= 3
    :: atomic { TO_JUDGE(5) -> judge_one(5) }
#endif
#if FAULTS >= 4
    :: atomic { TO_JUDGE(6) -> judge_one(6) }
#endif
#ifdef MUTANT_DELCONSUMER
    :: atomic {
        striking != NOBODY ->
        SAY("judge: deletes consumer %d, unchecked\n", striking);
        if
        :: owner == striking -> owner = NOBODY
        :: else
        fi;
        strike_off(striking);
        striking = NOBODY
       }
#endif
    od
}

#ifdef ROLLBACK
/* A Redis that comes back as it was at some earlier time (an append-only file that ends early, a replica that was
 * behind). All connections are gone, and with them what was late; living workers beat first of all. */
proctype redis_run()
{
    bool was_body, was_delivered, was_in_later, was_scored[NAMES + 1], was_consumer[NAMES + 1];
    byte was_owner, was_attempts, was_takes, was_due, i;
end:
    d_step {
        was_body = body; was_delivered = delivered; was_owner = owner;
        was_attempts = attempts; was_takes = takes;
        was_in_later = in_later; was_due = due;
        for (i : 1 .. NAMES) { was_scored[i] = scored[i]; was_consumer[i] = consumer[i] }
        i = 0
    }
    atomic {
        faults > 0 ->
        SAY("Redis comes back as it was\n");
        faults--;
        rolled_back = true;
        body = was_body; delivered = was_delivered; owner = was_owner;
        attempts = was_attempts; takes = was_takes;
        in_later = was_in_later; due = was_due;
        for (i : 1 .. NAMES) { scored[i] = was_scored[i]; consumer[i] = was_consumer[i] }
        i = 0;
        scored[name[0]] = scored[name[0]] || !away[0];
        scored[name[1]] = scored[name[1]] || !away[1];
        do
        :: nempty(late) -> late?_, _, _, _, _
        :: else -> break
        od;
        stop_reading(0);
        stop_reading(1);
    }
}
#endif

/* ---- time, and what must hold -- */

active proctype time()
{
end:
    do
    :: atomic { (in_later && due > clock) || job_due > clock -> clock++ }
    od
}

#define RUNS_UNOWNED(p) (slot[p] == RUNNING && !away[p] && owner != holder[p] && !doubt[p] && !ENDED)

/* What ran on through an absence is not its own any more. */
active proctype taken()
{
end:
    atomic {
        (RUNS_UNOWNED(0) || RUNS_UNOWNED(1)) && !ROLLED_BACK ->
        assert(false) /* no living worker loses an entry that it runs */
    }
}

/* When nothing more can happen: the job has ended, and Redis holds nothing of it. */
active proctype quiet()
{
end:
    atomic {
        timeout ->
        assert(!(body && delivered && owner == NOBODY)); /* no body that nobody owns, for ever */
        assert(TERMINAL);                                /* the job ends */
        assert(!body && owner == NOBODY);                /* its entry goes */
        assert(attempts == 0 && takes == 0 && !in_later); /* Redis holds nothing of it */
        skip
    }
}

init {
    atomic {
        if
        :: job_due = 0
        :: job_due = 1
        fi;
        name[0] = 1; name[1] = 2;
        scored[1] = true; scored[2] = true;
        run worker(0);
        run worker(1);
#ifdef ROLLBACK
        run redis_run()
#endif
    }
}

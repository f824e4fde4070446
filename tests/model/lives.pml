/*
 * lives.pml: the row of one job through its lives. Two workers run whatever entries there are of it, stale ones
 * too; two operators retry what ended badly, at once if they like; one cancels; the id is enqueued a second time.
 * Every entry carries its life, and every commit is one transaction: the row by the rule (rule.pml), and
 * then the outbox row goes, if what stands covers its life.
 *
 * Faults, FAULTS in all: a worker dies between any two steps; an entry is taken from a worker that runs on (how that
 * comes is lease.pml's matter); the relay dies between XADD and storing that it did so.
 */
#include "rule.pml"

#ifndef RETRIES
#define RETRIES 2
#endif
#ifndef FAULTS
#define FAULTS 1
#endif

#define LIVES   (1 + RETRIES)
#define ENTRIES (LIVES + 1 + FAULTS) /* each life, the second enqueue, relayed twice */
#define SAY     printf

/* ---- Redis: the entries, in no order -- */

byte entries;              /* so many were ever added */
byte life_of[ENTRIES];
bool alive[ENTRIES];
byte owner[ENTRIES];       /* 0: free, else 1 + worker */
bool cancel_asked[ENTRIES];

/* ---- PostgreSQL beside the row: the outbox -- */

mtype = { ABSENT, PENDING, LOCKED, RELAYED };
mtype outbox = ABSENT;
byte outbox_life;
bool ended_noted;         /* for the mover: look whether the outbox row can go */
byte last_life = 1; /* ghost: the latest that an operator was promised */
byte cancelled_life; /* the latest that the operator cancelled */

byte faults = FAULTS;
bool asked_again; /* the id was enqueued once more after it was cancelled */

inline xadd(l)
{
    SAY("entry %d is added, life %d\n", entries, l);
    life_of[entries] = l;
    alive[entries] = true;
    entries++
}

#ifdef MUTANT_OUTBOX_ANY_LIFE
#define COVERED true
#else
#define COVERED (row == SUCCEEDED || (TERMINAL && row_life >= outbox_life))
#endif

inline put(l)
{
    outbox = PENDING;
    outbox_life = l
}

inline clear_outbox()
{
    outbox = ABSENT;
    outbox_life = 0
}

/* ---- a worker -- */

#define TAKEABLE(e) (e < entries && alive[e] && (owner[e] == 0 || (owner[e] != 1 + me && faults > 0)))

inline take(e)
{
    SAY("worker %d: takes entry %d, life %d\n", me, e, life_of[e]);
    faults = faults - (owner[e] != 0);
    owner[e] = 1 + me;
    mine = e;
    life = life_of[e];
    step = 1
}

inline settle(e)
{
    alive[e] = false;
    life_of[e] = 0;
    owner[e] = 0;
    cancel_asked[e] = false
}

inline idle()
{
    mine = 0; life = 0; outcome = NONE; step = 0
}

proctype worker(byte me)
{
    byte mine, life, outcome, step;
end:
    do
    :: atomic { step == 0 && TAKEABLE(0) -> take(0) }
    :: atomic { step == 0 && TAKEABLE(1) -> take(1) }
    :: atomic { step == 0 && TAKEABLE(2) -> take(2) }
#if RETRIES + FAULTS >= 2
    :: atomic { step == 0 && TAKEABLE(3) -> take(3) }
#endif
#if RETRIES + FAULTS >= 3
    :: atomic { step == 0 && TAKEABLE(4) -> take(4) }
#endif
#if RETRIES + FAULTS >= 4
    :: atomic { step == 0 && TAKEABLE(5) -> take(5) }
#endif
    /* runs; a success that is computed wins over a request to cancel */
    :: atomic {
        step == 1 ->
        if
        :: outcome = SUCCEEDED; step = 3
        :: !cancel_asked[mine] -> outcome = DEAD; step = 2
        :: cancel_asked[mine] -> outcome = CANCELLED; step = 2
        fi
       }
    /* still ours? */
    :: atomic {
        step == 2 ->
        if
        :: owner[mine] == 1 + me && alive[mine] -> step = 3
        :: else -> idle()
        fi
       }
    :: atomic {
        step == 3 ->
        SAY("worker %d: commits life %d, state %d\n", me, life, outcome);
        write_row(life, outcome);
        ended_noted = true;
        step = 4
       }
    :: atomic {
        step == 4 ->
        assert(TERMINAL || row_life > life); /* no settle before its commit */
        if
        :: outcome == SUCCEEDED || owner[mine] == 1 + me -> settle(mine)
        :: else
        fi;
        idle()
       }
    :: atomic {
        step > 0 && faults > 0 ->
        SAY("worker %d: dies\n", me);
        faults--;
        if
        :: owner[mine] == 1 + me -> owner[mine] = 0
        :: else
        fi;
        idle()
       }
    od
}

/* ---- an operator retries what ended badly -- */

#define RETRIABLE (TERMINAL && row != SUCCEEDED)

proctype retrier()
{
#ifdef MUTANT_RETRY_STALE
    byte seen;
#endif
end:
    do
#ifdef MUTANT_RETRY_STALE
    :: atomic { RETRIABLE && seen == 0 && last_life < LIVES -> seen = row_life }
    :: atomic {
        seen != 0 && outbox != LOCKED && last_life < LIVES ->
        assert(row != SUCCEEDED); /* a succeeded row never changes */
        row_life = seen + 1;
        seen = 0;
#else
    :: atomic { /* one transaction, that looks at the row which it changes */
        RETRIABLE && outbox != LOCKED && last_life < LIVES ->
        row_life++;
#endif
        SAY("operator: retries, life %d\n", row_life);
        row = WAITING;
        last_life = row_life;
#ifdef MUTANT_RETRY_TWO_STEPS
       }
       if
       :: faults > 0 -> faults--; SAY("operator: dies\n")
       :: outbox != LOCKED -> put(last_life)
       fi
#else
        put(row_life)
       }
#endif
    od
}

/* ---- an operator cancels what has not ended: first the row, then the entries that exist -- */

#ifdef MUTANT_CANCEL_ANY_LIFE
#define ABOUT(e) true
#else
#define ABOUT(e) (life_of[e] <= cancelled_life)
#endif

proctype canceller()
{
    byte e;
end:
    atomic {
        !TERMINAL && outbox != LOCKED ->
        cancelled_life = last_life;
        SAY("operator: cancels life %d\n", cancelled_life);
        if
        :: outbox != ABSENT -> write_row(outbox_life, CANCELLED); clear_outbox()
        :: else /* not durable: the entries alone */
        fi
    }
    atomic {
        for (e : 0 .. ENTRIES - 1) { cancel_asked[e] = alive[e] && ABOUT(e) }
        e = 0
    }
}

/* ---- the relay: holds the outbox row while it adds the entry -- */

#ifdef MUTANT_RELAY_UNLOCKED
#define HELD PENDING
#else
#define HELD LOCKED
#endif

proctype relay()
{
    byte l;
end:
    do
    :: atomic { l == 0 && outbox == PENDING -> l = outbox_life; outbox = HELD }
    :: atomic {
        l != 0 ->
        assert(l > cancelled_life || asked_again); /* what was cancelled is not enqueued */
        xadd(l);
        if
        :: outbox == HELD && outbox_life == l -> outbox = RELAYED
        :: outbox == HELD && outbox_life == l && faults > 0 -> faults--; SAY("relay: dies\n"); outbox = PENDING
        :: else
        fi;
        l = 0
       }
    :: atomic {
        ended_noted && outbox != LOCKED ->
        ended_noted = false;
        if
        :: outbox != ABSENT && COVERED -> clear_outbox()
        :: else
        fi
       }
    od
}

/* ---- the id once more: by a producer that had no answer, as an entry or durably -- */

proctype producer()
{
    bool unknown;
end:
    atomic {
        if
        :: xadd(1); asked_again = cancelled_life > 0; goto over
        :: row == NONE -> unknown = true /* looks first; what comes in between is seen by its own insert alone */
        fi
    }
    atomic {
        unknown ->
        unknown = false;
        if
        :: outbox == ABSENT -> put(1); asked_again = cancelled_life > 0
        :: else
        fi
    }
over:
    skip
}

/* ---- what must hold when nothing more can happen -- */

proctype quiet()
{
    byte i;
end:
    atomic {
        timeout ->
        assert(TERMINAL);                                      /* the job ends */
        assert(row == SUCCEEDED || row_life == last_life);     /* the life that was promised has ended */
        assert(row != CANCELLED || row_life <= cancelled_life); /* a request ends no later life */
        assert(outbox == ABSENT);                              /* the outbox is empty */
        for (i : 0 .. ENTRIES - 1) { assert(!alive[i]) /* every entry is settled */ }
    }
}

init {
    atomic {
        if
        :: put(1)  /* a durable job */
        :: xadd(1) /* or one that is in Redis alone */
        fi;
        run worker(0);
        run worker(1);
        run retrier();
        run retrier();
        run canceller();
        run relay();
        run producer();
        run quiet()
    }
}

/*
 * outbox.pml: one durable job from its outbox row to its end, while Redis is wiped, is rolled back to an earlier
 * state or loses the stream, at any time. Two workers, a relay, the reconciler, an operator who retries once and
 * one who cancels once.
 *
 * The relay takes the row under its lock, adds the entry, and marks the row with the entry and the run of Redis
 * that it was added in. The reconciler looks at rows of another run (or, with SAMPLE, of any): asks Redis whether the
 * entry is alive, and only if not, in one statement that reads the result anew, deletes the row of a job that has
 * ended or makes the others due again. After a commit the row is deleted if what stands covers its life; a worker that
 * dies in between leaves that to the reconciler.
 *
 * Faults, FAULTS in all: Redis is wiped, comes back as it was, or loses the stream; a worker dies; the relay dies or
 * its connection is lost: the entry is added late, or the answer is lost.
 */
#include "rule.pml"

#ifndef FAULTS
#define FAULTS 2
#endif
#ifndef RETRIES
#define RETRIES 1
#endif

#define ENTRIES (2 + RETRIES + FAULTS)
#define SAY     printf

/* ---- PostgreSQL -- */

mtype = { ABSENT, DUE, TAKEN, IN_REDIS };
mtype outbox = DUE;
byte outbox_life = 1;
byte outbox_entry; /* as the relay marked it, from 1 */
byte outbox_run;
byte marking_run, marking_entry; /* what the relay is about to mark */

#ifdef MUTANT_DELETED_AT_ONCE
#define COVERED true
#else
#define COVERED (row == SUCCEEDED || (TERMINAL && row_life >= outbox_life))
#endif
#define ENDED   (row == SUCCEEDED || (TERMINAL && row_life >= outbox_life))

/* ---- Redis -- */

byte run_id = 1;
byte entries;                /* so many were ever added */
bool alive[ENTRIES + 1];
byte life_of[ENTRIES + 1];
bool cancel_asked;           /* of life 1, whenever the entry was added */
byte asked_upto;             /* the latest entry then */
#ifdef MUTANT_CANCEL_BY_TIME
#define ASKED(e) (cancel_asked && e <= asked_upto)
#else
#define ASKED(e) (cancel_asked && life_of[e] == 1)
#endif
byte late_run;               /* an XADD that is late: the run that it was sent to, 0 none */
byte late_life;

byte faults = FAULTS;
bool ended_noted;            /* by a committer, for the mover */
bool cancelled;              /* ghost: the operator has his answer */

inline xadd(l)
{
    entries++;
    SAY("entry %d is added, life %d\n", entries, l);
    alive[entries] = true;
    life_of[entries] = l
}

inline clear_row()
{
    outbox = ABSENT; outbox_life = 0; outbox_entry = 0; outbox_run = 0
}

/* ---- a worker -- */

inline idle()
{
    mine = 0; outcome = NONE; step = 0; stale = false
}

#define TAKE(e) \
    atomic { step == 0 && entries >= e && alive[e] && busy[e] == 0 -> \
        SAY("worker %d: takes entry %d\n", me, e); mine = e; busy[e] = 1; step = 1; stale = cancelled }

byte busy[ENTRIES + 1];      /* taken by a worker */

proctype worker(byte me)
{
    byte mine, outcome, step;
    bool stale;              /* ghost: begun after the operator was told that the job is cancelled */
end:
    do
    :: TAKE(1)
    :: TAKE(2)
    :: TAKE(3)
#if RETRIES + FAULTS >= 2
    :: TAKE(4)
#endif
#if RETRIES + FAULTS >= 3
    :: TAKE(5)
#endif
    :: atomic {
        step == 1 ->
        if
        :: ASKED(mine) -> outcome = CANCELLED
        :: else ->
            if
            :: outcome = SUCCEEDED
            :: outcome = DEAD
            fi
        fi;
        step = 2
       }
    :: atomic {
        step == 2 ->
        SAY("worker %d: commits life %d, state %d\n", me, life_of[mine], outcome);
        assert(!(stale && life_of[mine] == 1 && outcome == SUCCEEDED)); /* what was cancelled stays so */
        write_row(life_of[mine], outcome);
        ended_noted = true;
        step = 3
       }
    :: atomic {
        step == 3 ->
        assert(TERMINAL || row_life > life_of[mine]); /* no settle before its commit */
        alive[mine] = false;
        busy[mine] = 0;
        idle()
       }
    :: atomic {
        step > 0 && faults > 0 ->
        SAY("worker %d: dies\n", me);
        faults--;
        ended_noted = false;
        busy[mine] = 0;
        idle()
       }
    od
}

/* ---- the relay, and what follows a commit -- */

proctype mover()
{
    byte seen_run, life;
end:
    do
    :: atomic { outbox == DUE -> outbox = TAKEN; seen_run = run_id; life = outbox_life }
    :: atomic {
        outbox == TAKEN && seen_run != 0 && seen_run != run_id -> /* the connection is gone */
        outbox = DUE; seen_run = 0; life = 0
       }
    :: atomic {
        outbox == TAKEN && seen_run != 0 && seen_run == run_id ->
        if
        :: xadd(life); seen_run = 0
        :: faults > 0 -> SAY("relay: dies\n"); faults--; xadd(life); outbox = DUE; seen_run = 0; life = 0
        :: faults > 0 && late_run == 0 ->
            SAY("relay: connection lost, XADD is late\n");
            faults--; late_run = seen_run; late_life = life; outbox = DUE; seen_run = 0; life = 0
        fi;
        if
        :: outbox == TAKEN -> marking_run = run_id; marking_entry = entries
        :: else
        fi
       }
    :: atomic { /* the mark */
        outbox == TAKEN && marking_run != 0 ->
        outbox = IN_REDIS;
        outbox_entry = marking_entry;
#ifdef MUTANT_MARKED_WITH_LATEST_RUN
        outbox_run = run_id;
#else
        outbox_run = marking_run;
#endif
        marking_run = 0; marking_entry = 0; life = 0
       }
    :: atomic {
        ended_noted && outbox != TAKEN ->
        ended_noted = false;
        if
        :: outbox != ABSENT && COVERED -> clear_row()
        :: else
        fi
       }
    od
}


/* ---- the reconciler -- */

#ifdef SAMPLE
#define LOOKS (outbox_run != run_id || !alive[outbox_entry])
#else
#define LOOKS (outbox_run != run_id)
#endif

proctype reconciler()
{
    byte entry, seen_run;
    bool asked, is_alive, had_ended;
end:
    do
    :: atomic {
        entry == 0 && outbox == IN_REDIS && LOOKS ->
        entry = outbox_entry; seen_run = run_id;
        had_ended = ENDED
       }
    :: atomic {
        entry != 0 && seen_run != run_id ->
        entry = 0; seen_run = 0; asked = false; is_alive = false; had_ended = false
       }
#ifdef MUTANT_RECONCILER_BY_AGE
    :: atomic { entry != 0 && !asked && seen_run == run_id -> asked = true }
#else
    :: atomic { entry != 0 && !asked && seen_run == run_id -> asked = true; is_alive = alive[entry] }
#endif
    :: atomic {
        asked ->
        if
        :: outbox != IN_REDIS || outbox_entry != entry
        :: outbox == IN_REDIS && outbox_entry == entry && is_alive -> outbox_run = seen_run
        :: outbox == IN_REDIS && outbox_entry == entry && !is_alive ->
            if
#ifdef MUTANT_NO_SECOND_READ
            :: had_ended -> clear_row()
            :: !had_ended ->
#else
            :: ENDED -> clear_row()
            :: !ENDED ->
#endif
                SAY("reconciler: due again\n");
                assert(!ENDED);                             /* what has ended is not enqueued again */
                assert(seen_run != run_id || !alive[entry]);     /* what is alive is not enqueued again */
                outbox = DUE; outbox_entry = 0; outbox_run = 0
            fi
        fi;
        entry = 0; seen_run = 0; asked = false; is_alive = false; had_ended = false
       }
    od
}

/* ---- operators -- */

proctype retrier()
{
#if RETRIES > 0
end:
    atomic {
        TERMINAL && row != SUCCEEDED && outbox != TAKEN ->
        SAY("operator: retries\n");
        row_life++;
        row = WAITING;
        outbox = DUE; outbox_life = row_life; outbox_entry = 0; outbox_run = 0
    }
#else
    skip
#endif
}

proctype canceller()
{
#ifdef CANCEL
end:
    atomic {
        (outbox == DUE || outbox == IN_REDIS) && outbox_life == 1 ->
        SAY("operator: cancels\n");
        write_row(1, CANCELLED);
        clear_row()
    }
    atomic { cancel_asked = true; asked_upto = entries; cancelled = (row == CANCELLED && row_life == 1) }
#else
    skip
#endif
}

/* ---- Redis, and its faults -- */

inline new_run()
{
    run_id++;
    late_run = 0; late_life = 0 /* old connections are gone */
}

proctype redis()
{
    bool was_alive[ENTRIES + 1], was_asked;
    byte i;
    bool snapshot;
end:
    do
    :: atomic { late_run != 0 -> SAY("late: "); xadd(late_life); late_run = 0; late_life = 0 }
    :: atomic { late_run != 0 -> late_run = 0; late_life = 0 }
    :: atomic {
        !snapshot && faults > 0 && entries > 0 ->
        for (i : 1 .. ENTRIES) { was_alive[i] = alive[i] }
        i = 0;
        was_asked = cancel_asked;
        snapshot = true
       }
    :: atomic {
        snapshot && faults > 0 ->
        SAY("Redis comes back as it was\n");
        faults--;
        for (i : 1 .. ENTRIES) { alive[i] = was_alive[i] }
        i = 0;
#ifdef MUTANT_CANCEL_ONLY_IN_REDIS
        cancel_asked = was_asked;
#endif
        new_run()
       }
    :: atomic {
        faults > 0 ->
        SAY("Redis is wiped\n");
        faults--;
        for (i : 1 .. ENTRIES) { alive[i] = false }
        i = 0;
        new_run()
       }
#ifdef SAMPLE
    :: atomic {
        faults > 0 ->
        SAY("the stream is deleted\n");
        faults--;
        for (i : 1 .. ENTRIES) { alive[i] = false }
        i = 0
       }
#endif
    od
}

/* ---- what must hold when nothing more can happen -- */

proctype quiet()
{
    byte i;
end:
    atomic {
        timeout ->
        assert(TERMINAL);                                  /* the job ends */
        for (i : 1 .. ENTRIES) { assert(!alive[i]) /* every entry is settled */ }
#ifdef SAMPLE
        assert(outbox == ABSENT)                           /* the outbox is empty */
#else
        assert(outbox == ABSENT || outbox == IN_REDIS) /* asked after when there is evidence again */
#endif
    }
}

#ifdef LIVENESS
ltl ends { <> [] TERMINAL }
#endif

init {
    atomic {
        run worker(0);
        run worker(1);
        run mover();
        run reconciler();
        run retrier();
        run canceller();
        run redis();
        run quiet()
    }
}

/*
 * lease.pml: when a worker may be judged dead by what is observed, and how long it may rely on its lease. One worker
 * that owns an entry, one judge, one Redis; time in ticks of a second.
 *
 * The rules. A worker beats once a tick and trusts its lease for TRUST ticks after it *sent* the last beat that was
 * answered; a lease after that it is another worker (entry.pml). It drops a connection that has not answered for
 * READ_TIMEOUT ticks and connects anew after at most BACKOFF. The judge reads the scores with its own beats. It
 * reclaims when the score is a lease old by Redis's clock, and when it has itself seen that same score for a lease
 * with no gap: less than READ_TIMEOUT from sending one of its beats to the answer of the next, so that a stall in which
 * others lose their connections is one. The reclaiming script compares the score that was seen.
 *
 * Whoever runs is prompt: time goes on only when he has done what he must in this tick. An answer arrives at
 * once, unless who waits for it is stopped. FAULTS faults in all: Redis stalls, for any time (when it goes on, what
 * waited is executed before what is sent then, and before the next stall); the worker or the judge is stopped; the
 * worker's connection breaks; Redis's clock jumps. A command of a dropped connection takes effect later, or never.
 */
#ifndef FAULTS
#define FAULTS 2
#endif

#define LEASE        5
#define READ_TIMEOUT 2
#define BACKOFF      2
#define LOOK         1 /* from looking whether the lease holds to the start of the job */
#ifdef MUTANT_WHOLE_LEASE
#define TRUST LEASE
#else
#define TRUST 2
#endif
#ifdef MUTANT_NO_GAP
#define GAP 255
#elif defined(MUTANT_GAP_WIDE)
#define GAP 3 /* half a lease */
#else
#define GAP READ_TIMEOUT
#endif

#define SAY printf

/* Looked at before an answer is noted, too: a beat that is answered too late mends nothing. */
#ifdef MUTANT_LATE_ANSWER
#define LAPSED (age >= LEASE && beat == NOT)
#else
#define LAPSED (age >= LEASE)
#endif

mtype = { NOT, SENT, DONE /* executed; the answer waits for who is stopped */ };

/* ---- Redis -- */

bool stalled;
bool owned = true;   /* the entry is the worker's */
byte score_age;      /* by Redis's clock, at most LEASE */
bool score_ahead;    /* Redis's clock was set back since: the score lies in the future */

/* ---- the worker -- */

mtype beat = NOT;
byte beat_age;       /* since it was sent */
byte age;            /* since the last answered beat was sent */
byte wait_left;      /* before it connects anew */
bool sent;           /* has beaten in this tick */
bool stopped;
bool gone;           /* its lease has passed: it goes on under another name, which is nobody here; or it has died */
bool started, looked, stopped_since_look;
byte look_age;
bool late_beat;
bool own_fault;      /* ghost: since its last beat took effect it was stopped or its connection broke */

/* ---- the judge -- */

mtype look = NOT;
byte look_cmd_age;
byte seen_age;       /* since its last answered beat was sent */
bool same;           /* the score is the one it saw last */
byte still;          /* for how long it has seen that score */
bool asked;          /* has beaten in this tick */
byte judge_wait;
bool judge_stopped;
bool answer_same, answer_current, answer_old;
mtype reclaim = NOT;
byte reclaim_age;
bool reclaim_match;
bool late_reclaim, late_match;

byte faults = FAULTS;

#ifdef MUTANT_CLOCK_BACK
#define OLD (!score_ahead && score_age >= LEASE)
#else
#define OLD (score_ahead || score_age >= LEASE)
#endif

#ifdef MUTANT_AGE_ONLY
#define DEAD_BY_OBSERVATION answer_old
#else
#define DEAD_BY_OBSERVATION (answer_old && still >= LEASE)
#endif

/* ---- answers -- */

inline leave()
{
    SAY("worker: its lease has passed\n");
    gone = true;
    beat = NOT;
    beat_age = 0;
    wait_left = 0;
    looked = false;
    look_age = 0
}

inline beat_answered()
{
    if
    :: LAPSED -> leave()
    :: !LAPSED ->
#ifdef MUTANT_TRUST_FROM_ANSWER
        age = 0;
#else
        age = beat_age;
#endif
        SAY("worker: beat answered, age %d\n", age);
        beat = NOT;
        beat_age = 0
    fi
}

/* The judge has seen the score. */
inline look_answered()
{
    if
    :: answer_same && seen_age < GAP
    :: else ->
        still = 0;
        same = answer_current
    fi;
#ifdef MUTANT_GAP_FROM_ANSWER
    seen_age = 0;
#else
    seen_age = look_cmd_age; /* an answer may have waited in the socket of a judge that was stopped */
#endif
    look = NOT;
    look_cmd_age = 0;
    if
    :: owned && DEAD_BY_OBSERVATION ->
        SAY("judge: reclaims\n");
        reclaim = SENT; reclaim_match = same
    :: else
    fi;
    answer_same = false; answer_current = false; answer_old = false
}

/* ---- what Redis does -- */

inline do_beat()
{
    score_age = 0;
    score_ahead = false;
    same = false;
    answer_current = false;
    reclaim_match = false;
    late_match = false;
    own_fault = stopped
}

inline do_look()
{
    answer_same = same;
    answer_current = true;
    answer_old = OLD
}

inline do_reclaim(match)
{
    if
#ifdef MUTANT_SCORE_UNCOMPARED
    :: true ->
#else
    :: match ->
#endif
        SAY("Redis: the entry is taken\n");
        assert(gone || age >= LEASE); /* no worker is judged before its lease has passed by its own clock */
        assert(gone || own_fault);    /* a Redis that was away, or whose clock jumped, kills nobody */
        owned = false
    :: else
    fi
}

#define WAITED ((beat == SENT && beat_age > 0) || (look == SENT && look_cmd_age > 0) || \
                (reclaim == SENT && reclaim_age > 0))

active proctype redis()
{
end:
    do
    :: atomic {
        !stalled && beat == SENT ->
        SAY("Redis: beat\n");
        do_beat(); beat = DONE; if :: !stopped -> beat_answered() :: stopped fi
       }
    :: atomic {
        !stalled && look == SENT ->
        SAY("Redis: the judge looks, old %d, same %d\n", OLD, same);
        do_look(); look = DONE; if :: !judge_stopped -> look_answered() :: judge_stopped fi
       }
    :: atomic {
        !stalled && reclaim == SENT && !(beat == SENT && beat_age > reclaim_age) ->
        do_reclaim(reclaim_match); reclaim = NOT; reclaim_match = false
       }
    :: atomic { !stalled && late_beat -> SAY("Redis: a late beat\n"); late_beat = false; do_beat() }
    :: atomic { late_beat -> late_beat = false }
    :: atomic {
        !stalled && late_reclaim ->
        SAY("Redis: a late reclaim\n");
        late_reclaim = false; do_reclaim(late_match); late_match = false
       }
    :: atomic { !stalled && faults > 0 && !WAITED -> SAY("Redis stalls\n"); faults--; stalled = true }
    :: atomic { stalled -> SAY("Redis goes on\n"); stalled = false }
    :: atomic {
        faults > 0 && !gone ->
        SAY("Redis's clock jumps ahead\n");
        faults--; score_ahead = false; score_age = LEASE
       }
    :: atomic { faults > 0 -> SAY("Redis's clock is set back\n"); faults--; score_ahead = true; score_age = 0 }
    od
}

/* ---- what the worker does -- */

inline disconnect()
{
    late_beat = late_beat || beat == SENT;
    beat = NOT;
    beat_age = 0;
    if
    :: wait_left = 0
    :: wait_left = BACKOFF
    fi
}

active proctype worker()
{
end:
    do
    :: atomic { !gone && !stopped && beat == NOT && !sent && wait_left == 0 -> beat = SENT; sent = true }
    :: atomic { !gone && !stopped && beat == DONE -> beat_answered() }
    :: atomic {
        !gone && !stopped && beat != NOT && beat_age >= READ_TIMEOUT ->
        SAY("worker: no answer\n");
        disconnect()
       }
    :: atomic {
        !gone && !stopped && beat != NOT && faults > 0 ->
        SAY("worker: connection broken\n");
        faults--; own_fault = true; disconnect()
       }

    /* starts its job, if it relies on its lease */
    :: atomic {
        !gone && !stopped && !started && !looked && age < TRUST ->
        SAY("worker: looks, age %d\n", age);
        looked = true; stopped_since_look = false
       }
    :: atomic {
        !gone && !stopped && looked ->
        SAY("worker: starts the job, age %d\n", age);
        assert(owned || stopped_since_look); /* a worker starts nothing it no longer owns */
        looked = false;
        look_age = 0;
        started = true
       }
    :: atomic { !gone && !stopped && LAPSED -> leave() }

    /* faults */
    :: atomic {
        !gone && !stopped && faults > 0 ->
        SAY("worker: stopped\n");
        faults--; stopped = true; stopped_since_look = true; own_fault = true
       }
    :: atomic { stopped -> SAY("worker: goes on\n"); stopped = false }
    :: atomic { stopped && !gone -> SAY("worker: dies\n"); leave(); stopped = false }
    od
}

/* ---- what the judge does -- */

active proctype judge()
{
end:
    do
    :: atomic {
        !judge_stopped && look == NOT && !asked && judge_wait == 0 && reclaim == NOT ->
        look = SENT; asked = true
       }
    :: atomic { !judge_stopped && look == DONE -> look_answered() }
    :: atomic {
        !judge_stopped && (look_cmd_age >= READ_TIMEOUT || reclaim_age >= READ_TIMEOUT) ->
        SAY("judge: no answer\n");
        if
        :: reclaim == SENT -> late_reclaim = true; late_match = reclaim_match
        :: else
        fi;
        look = NOT; look_cmd_age = 0; reclaim = NOT; reclaim_age = 0; reclaim_match = false;
        answer_same = false; answer_current = false; answer_old = false;
        if
        :: judge_wait = 0
        :: judge_wait = BACKOFF
        fi
       }
    :: atomic { !judge_stopped && faults > 0 -> SAY("judge: stopped\n"); faults--; judge_stopped = true }
    :: atomic { judge_stopped -> SAY("judge: goes on\n"); judge_stopped = false }
    od
}

/* ---- time -- */

#define WORKER_DONE (gone || stopped || \
    ((beat == SENT && stalled || beat == NOT && (sent || wait_left > 0)) && beat_age < READ_TIMEOUT && \
     !(looked && look_age >= LOOK) && !LAPSED))
#define JUDGE_DONE (judge_stopped || \
    ((look == SENT && stalled || look == NOT && (asked || judge_wait > 0 || reclaim != NOT)) && \
     (reclaim == NOT || stalled) && look_cmd_age < READ_TIMEOUT && reclaim_age < READ_TIMEOUT))
#define EXECUTED (stalled || beat != SENT && look != SENT && reclaim != SENT)

inline older(x, most)
{
    if
    :: x < most -> x++
    :: else
    fi
}

active proctype time()
{
end:
    do
    :: d_step {
        owned && WORKER_DONE && JUDGE_DONE && EXECUTED ->
        SAY("-- tick\n");
        sent = false;
        asked = false;
        older(score_age, LEASE);
#ifdef MUTANT_CLOCK_SLEEPS
        if
        :: !stopped -> older(age, LEASE)
        :: else
        fi;
#else
        older(age, LEASE);
#endif
        if
        :: beat != NOT -> older(beat_age, LEASE)
        :: else
        fi;
        if
        :: look != NOT -> older(look_cmd_age, LEASE)
        :: else
        fi;
        if
        :: reclaim != NOT -> older(reclaim_age, READ_TIMEOUT)
        :: else
        fi;
        if
        :: looked -> older(look_age, LOOK)
        :: else
        fi;
        older(still, LEASE);
        older(seen_age, LEASE);
        wait_left = wait_left - (wait_left > 0);
        judge_wait = judge_wait - (judge_wait > 0)
       }
    od
}

#ifdef LIVENESS
/* Whoever is gone is found. */
ltl found { [] (gone -> <> !owned) }
#endif

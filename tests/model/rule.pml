/*
 * rule.pml (included): the row of PostgreSQL and the rule by which it is written. `succeeded` is above all and
 * never changes; below it the greater (life, rank) stands. A commit is one step: it is one transaction, and it is
 * harmless to repeat.
 */
#define NONE      0
#define WAITING   1
#define DEAD      2
#define CANCELLED 3
#define SUCCEEDED 4

byte row = NONE; /* its state: the order of the numbers is the rank */
byte row_life;

#define TERMINAL (row >= DEAD)

#ifdef MUTANT_LAST_WRITER
#define STANDS(l, s) true
#elif defined(MUTANT_NO_LIFE)
#define STANDS(l, s) (row != SUCCEEDED && (s) > row)
#else
#define STANDS(l, s) (row != SUCCEEDED && ((s) == SUCCEEDED || row == NONE || (l) > row_life || \
                                           ((l) == row_life && (s) > row)))
#endif

/* Inside atomic. The assertions do not know the rule: they are the promise. */
inline write_row(l, s)
{
    if
    :: STANDS(l, s) ->
        assert(row != SUCCEEDED);                    /* a succeeded row never changes */
        assert((s) == SUCCEEDED || (l) >= row_life); /* an earlier life has no say */
        row = s;
        row_life = l
    :: else
    fi
}

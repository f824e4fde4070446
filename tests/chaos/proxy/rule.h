/*
 * What a proxy does to the bytes of a connection, and its text form. Thread: the proxy's only one.
 */
#ifndef SM_CHAOS_RULE_H
#define SM_CHAOS_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum way { UP, DOWN, WAYS }; /* from client to server; from server to client */

#define HOLD INT64_MAX /* a delay without end: until another rule comes */
#define AFTER_MOST 32

/* All zero passes everything. */
struct rule {
    int64_t delay_us[WAYS]; /* between reading a byte and writing it */
    int64_t rate[WAYS];     /* bytes a second; 0: no limit */
    int64_t cut[WAYS];      /* the connection ends after so many more bytes, plus 1; 0: never */
    char after[AFTER_MOST]; /* cuts count from where the client has sent this; "": from now */
    /* cuts count in the so many-th message from there, plus 1: 1 is what is left of the one that
     * comes just then; 0: they count bytes of whatever comes. Where it has fewer bytes, `after` is
     * waited for again. */
    int64_t message;
    bool swallow; /* accept and read, pass nothing on */
    bool once;    /* the first cut on the route ends the rule for all its connections */
};

/* Reads `pass`, or words as `delay_up=300 cut_down=17 message=1 after=XDEL once`; times in ms,
 * `hold` for ever. False when a word is not known. Changes the text. */
bool rule_parse(char *words, struct rule *rule);

#endif

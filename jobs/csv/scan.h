/*
 * The structural scan of CSV: where fields and records end, found 64 bytes at a time as bit masks.
 * Three implementations of one function (AVX2 with carry-less multiply, SSE2, plain C), chosen when
 * the program runs; tests hold them to equal results. Thread: any; the state is the caller's.
 */
#ifndef SM_JOBS_CSV_SCAN_H
#define SM_JOBS_CSV_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SM_CSV_BLOCK 64
#define SM_CSV_CHUNK ((size_t)8192) /* most bytes of one scan: input and marks stay in L1 */
#define SM_CSV_MARKS (SM_CSV_CHUNK + SM_CSV_BLOCK) /* room that `marks` must have */

/* What a chunk must know of the one before it. */
struct sm_csv_scan {
    char delimiter, quote;
    uint64_t quoting;  /* all ones, or 0: quotes are ordinary bytes */
    uint64_t inside;   /* all ones: the next byte lies inside quotes */
    uint64_t may_open; /* 1: a quote at the next byte may open a field */
    uint64_t closed;   /* 1: the byte before was a closing quote */
    uint64_t after_cr; /* 1: the byte before was a CR that ended a record */
};

/* The state at the start of a record. quote '\0': no quoting. */
void sm_csv_scan_start(struct sm_csv_scan *scan, char delimiter, char quote);

/* Scans `size` bytes, at most SM_CSV_CHUNK, and a multiple of SM_CSV_BLOCK unless they are the
 * last. Writes the offsets of all delimiters, CRs and LFs outside of quotes, ascending, without the
 * LF of a CRLF; returns how many. *bad is the offset of the first byte that breaks the quoting (a
 * quote inside an unquoted field, anything but a separator behind a closing quote), else `size`:
 * then only marks before it are given and the state is void. */
typedef size_t sm_csv_scan_fn(struct sm_csv_scan *scan, const char *data, size_t size,
                              uint32_t *marks, size_t *bad);

struct sm_csv_scanner {
    const char *name;
    bool (*usable)(void); /* by this processor */
    sm_csv_scan_fn *scan;
};

/* Fastest first; the last, plain C, is always usable. */
#define SM_CSV_SCANNERS 3
extern const struct sm_csv_scanner sm_csv_scanners[SM_CSV_SCANNERS];

/* The fastest that this processor can run. */
const struct sm_csv_scanner *sm_csv_scanner_best(void);

sm_csv_scan_fn sm_csv_scan_avx2, sm_csv_scan_sse2, sm_csv_scan_plain;

#endif

/*
 * Which scanner this processor runs. Asked at every run, not kept: it is three bits of a word that
 * the C library fills at start. Thread: any.
 */
#include "jobs/csv/scan.h"

static bool always(void)
{
    return true;
}

#if defined(__x86_64__)
static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("pclmul") &&
           __builtin_cpu_supports("bmi");
}
#else
/* The table keeps its rows on other processors: theirs name functions that are never called. */
static bool has_avx2(void)
{
    return false;
}
#define sm_csv_scan_avx2 sm_csv_scan_plain
#define sm_csv_scan_sse2 sm_csv_scan_plain
#endif

const struct sm_csv_scanner sm_csv_scanners[SM_CSV_SCANNERS] = {
    {"avx2", has_avx2, sm_csv_scan_avx2},
    {"sse2", always, sm_csv_scan_sse2},
    {"plain", always, sm_csv_scan_plain},
};

const struct sm_csv_scanner *sm_csv_scanner_best(void)
{
    size_t i = 0;
    while (!sm_csv_scanners[i].usable())
        i++;
    return &sm_csv_scanners[i];
}

void sm_csv_scan_start(struct sm_csv_scan *scan, char delimiter, char quote)
{
    *scan = (struct sm_csv_scan){
        .delimiter = delimiter,
        .quote = quote,
        .quoting = quote != '\0' ? ~(uint64_t)0 : 0,
        .may_open = 1,
    };
}

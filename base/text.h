/*
 * Small things about text: near names, units, UTF-8, secrets in URLs. No locale. Thread: any.
 */
#ifndef SM_BASE_TEXT_H
#define SM_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The one of `names` (count n, NULL entries skipped) that `word` is most likely a typo of; NULL
 * when none is near (edit distance with swaps at most 1 for up to 4 bytes, else 2). */
const char *sm_text_near(const char *word, size_t size, const char *const *names, size_t n);

/* "64MiB", "512k", "1048576" -> bytes; KiB and k are 1024. False when it is not a size. */
bool sm_text_parse_size(const char *text, int64_t *bytes);
/* "250ms", "5s", "5m", "1h", "7d"; a bare number is seconds -> ms. False when it is not one. */
bool sm_text_parse_duration(const char *text, int64_t *ms);
/* A whole decimal int64, nothing around it. */
bool sm_text_parse_int(const char *text, size_t size, int64_t *value);
/* Shortest exact form: "64MiB", "250ms". `out` has room for 32 bytes. */
void sm_text_format_size(int64_t bytes, char out[32]);
void sm_text_format_duration(int64_t ms, char out[32]);

/* Length of the longest valid UTF-8 prefix without NUL; `size` when all of it is. Vectorised where
 * that pays (ASCII runs). */
size_t sm_text_valid(const char *text, size_t size);
/* Largest n <= size that cuts no UTF-8 sequence in two. */
size_t sm_text_cut(const char *text, size_t size);

/* A copy of a URL or conninfo with its password replaced by "***" (user:pw@, password=.., also in a
 * query string). `out` gets at most `room` bytes with the NUL. */
void sm_text_mask_url(const char *url, char *out, size_t room);
/* Overwrites the password in place with as many '*', for a command line that `ps` shows. */
void sm_text_blot_url(char *url);

#endif

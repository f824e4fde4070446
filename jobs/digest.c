/*
 * transform.digest: digests of the input, several in one pass, so that a large input goes through
 * the cache once. Thread: the stamp that runs.
 */
#include <openssl/evp.h>
#include <string.h>
#include <xxhash.h>

#include "stampmill/handler.h"

#define SLICE ((size_t)256 << 10) /* between two looks at the stop flag: below a millisecond */

enum { SHA256 = 1, XXH3 = 2, XXH3_128 = 4 };

static const struct sm_arg schema[] = {
    {.name = "algorithms",
     .kind = SM_ARG_CHOICES,
     .fallback = "[\"sha256\"]",
     .min = 1,
     .max = 3,
     .choices = "sha256|xxh3|xxh3_128",
     .help = "which digests to make"},
    {.name = NULL},
};

struct digests {
    EVP_MD_CTX *sha256;
    XXH3_state_t *xxh3, *xxh3_128;
};

static void close_all(struct digests *d)
{
    EVP_MD_CTX_free(d->sha256);
    XXH3_freeState(d->xxh3);
    XXH3_freeState(d->xxh3_128);
}

/* False without memory; close_all is right either way. */
static bool open_all(struct digests *d, int64_t which)
{
    bool ok = true;
    if ((which & SHA256) != 0) {
        d->sha256 = EVP_MD_CTX_new();
        ok = d->sha256 != NULL && EVP_DigestInit_ex(d->sha256, EVP_sha256(), NULL) == 1;
    }
    if ((which & XXH3) != 0) {
        d->xxh3 = XXH3_createState();
        ok = ok && d->xxh3 != NULL && XXH3_64bits_reset(d->xxh3) == XXH_OK;
    }
    if ((which & XXH3_128) != 0) {
        d->xxh3_128 = XXH3_createState();
        ok = ok && d->xxh3_128 != NULL && XXH3_128bits_reset(d->xxh3_128) == XXH_OK;
    }
    return ok;
}

static bool update_all(struct digests *d, const void *p, size_t n)
{
    bool ok = d->sha256 == NULL || EVP_DigestUpdate(d->sha256, p, n) == 1;
    if (d->xxh3 != NULL)
        ok = ok && XXH3_64bits_update(d->xxh3, p, n) == XXH_OK;
    if (d->xxh3_128 != NULL)
        ok = ok && XXH3_128bits_update(d->xxh3_128, p, n) == XXH_OK;
    return ok;
}

static void put_hex(struct sm_run *run, const char *key, const unsigned char *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    char text[2 * EVP_MAX_MD_SIZE];
    for (size_t i = 0; i < n; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    sm_json_key(run, key);
    sm_json_text(run, text, 2 * n);
}

static bool put_all(struct sm_run *run, struct digests *d, size_t size)
{
    unsigned char sha[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (d->sha256 != NULL && EVP_DigestFinal_ex(d->sha256, sha, &n) != 1)
        return false;
    sm_json_open_map(run);
    sm_json_key(run, "bytes");
    sm_json_uint(run, size);
    if (d->sha256 != NULL)
        put_hex(run, "sha256", sha, n);
    if (d->xxh3 != NULL) {
        XXH64_canonical_t c;
        XXH64_canonicalFromHash(&c, XXH3_64bits_digest(d->xxh3));
        put_hex(run, "xxh3", c.digest, sizeof c.digest);
    }
    if (d->xxh3_128 != NULL) {
        XXH128_canonical_t c;
        XXH128_canonicalFromHash(&c, XXH3_128bits_digest(d->xxh3_128));
        put_hex(run, "xxh3_128", c.digest, sizeof c.digest);
    }
    sm_json_close_map(run);
    return true;
}

static int run_digest(struct sm_run *run)
{
    size_t size;
    const unsigned char *input = sm_run_input(run, &size);
    struct digests d = {0};
    int code = 0;
    if (!open_all(&d, sm_run_args(run)[0].as.i)) {
        code = sm_fail(run, SM_E_NO_MEMORY, "no memory for the digests");
        goto out;
    }
    for (size_t at = 0; at < size && code == 0; at += SLICE) {
        size_t n = size - at < SLICE ? size - at : SLICE;
        if (!update_all(&d, input + at, n))
            code = sm_fail(run, SM_E_INTERNAL, "the digest library failed at byte %zu", at);
        else
            code = sm_run_stop_code(run);
        sm_run_progress(run, at + n, size);
    }
    if (code == 0 && !put_all(run, &d, size))
        code = sm_fail(run, SM_E_INTERNAL, "the digest library failed at the end");
out:
    close_all(&d);
    return code;
}

const struct sm_type sm_type_transform_digest = {
    .name = "transform.digest",
    .summary = "digests of the input, several in one pass",
    .schema = schema,
    .takes_input = true,
    .run = run_digest,
    .result_help = "result: {bytes, sha256, xxh3, xxh3_128}: those asked for, in lower-case hex "
                   "(xxHash in its canonical, big-endian form)",
    .example_args = "{\"algorithms\": [\"sha256\", \"xxh3\"]}",
};

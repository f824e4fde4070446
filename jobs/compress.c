/*
 * encode.compress: the input as zstd or gzip. The same input, format and level give the same bytes
 * with the same library version: no time stamp, no name, no threads.
 *
 * zstd streams in slices and looks at the stop flag between them. gzip is libdeflate's, which is
 * twice as fast as zlib but works in one piece: a stop is seen only after it (16 MiB: 0.3 s at
 * level 6, a few seconds at 12). Thread: the stamp that runs.
 */
#include <libdeflate.h>
#include <zstd.h>

#include "stampmill/handler.h"

#define SLICE ((size_t)128 << 10)

enum { FORMAT_ZSTD, FORMAT_GZIP };
enum { ARG_FORMAT, ARG_LEVEL };

static const struct sm_arg schema[] = {
    {.name = "format",
     .kind = SM_ARG_CHOICE,
     .fallback = "\"zstd\"",
     .choices = "zstd|gzip",
     .help = "the format to write"},
    {.name = "level",
     .kind = SM_ARG_INT,
     .min = 1,
     .max = 19,
     .help = "how hard to try: zstd 1 to 19 (absent: 3), gzip 1 to 12 (absent: 6)"},
    {.name = NULL},
};

static int put_result(struct sm_run *run, size_t input, size_t output)
{
    sm_json_open_map(run);
    sm_json_key(run, "input_bytes");
    sm_json_uint(run, input);
    sm_json_key(run, "output_bytes");
    sm_json_uint(run, output);
    sm_json_key(run, "ratio");
    sm_json_double(run, (double)(int64_t)((double)input / (double)output * 1000 + 0.5) / 1000);
    sm_json_close_map(run);
    return 0;
}

/* ---- zstd ---------------------------------------------------------------------------------- */

static int zstd_failed(struct sm_run *run, size_t result)
{
    return sm_fail(run, SM_E_INTERNAL, "zstd: %s", ZSTD_getErrorName(result));
}

/* Everything that one slice of input, or the end of it, gives. */
static int zstd_slice(struct sm_run *run, ZSTD_CCtx *zstd, ZSTD_inBuffer *in, bool last,
                      void *scratch, size_t *written)
{
    size_t left = 1;
    while (last ? left != 0 : in->pos < in->size) {
        ZSTD_outBuffer out = {scratch, SLICE, 0};
        left = ZSTD_compressStream2(zstd, &out, in, last ? ZSTD_e_end : ZSTD_e_continue);
        if (ZSTD_isError(left))
            return zstd_failed(run, left);
        sm_body_write(run, scratch, out.pos);
        *written += out.pos;
        if (sm_out_full(run) || sm_run_stopping(run))
            return sm_run_stop_code(run);
    }
    return 0;
}

static int compress_zstd(struct sm_run *run, const char *input, size_t size, int level)
{
    int code = 0;
    size_t written = 0, at = 0;
    void *scratch = sm_run_alloc(run, SLICE);
    if (scratch == NULL)
        return SM_E_TOO_LARGE;
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    if (zstd == NULL)
        return sm_fail(run, SM_E_NO_MEMORY, "no memory for the compressor");
    size_t set = ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, level);
    if (!ZSTD_isError(set))
        set = ZSTD_CCtx_setPledgedSrcSize(zstd, size);
    if (ZSTD_isError(set))
        code = zstd_failed(run, set);
    for (bool last = false; code == 0 && !last && !sm_out_full(run);) {
        size_t n = size - at < SLICE ? size - at : SLICE;
        ZSTD_inBuffer in = {input + at, n, 0};
        last = at + n == size;
        code = zstd_slice(run, zstd, &in, last, scratch, &written);
        at += n;
        sm_run_progress(run, at, size);
    }
    ZSTD_freeCCtx(zstd);
    return code != 0 || sm_out_full(run) ? code : put_result(run, size, written);
}

/* ---- gzip ---------------------------------------------------------------------------------- */

static int compress_gzip(struct sm_run *run, const char *input, size_t size, int level)
{
    struct libdeflate_compressor *gzip = libdeflate_alloc_compressor(level);
    if (gzip == NULL)
        return sm_fail(run, SM_E_NO_MEMORY, "no memory for the compressor");
    size_t room = libdeflate_gzip_compress_bound(gzip, size);
    size_t most = sm_run_limits(run)->output;
    if (room > most)
        room = most; /* it may well get smaller than it could at worst */
    void *at = sm_body_reserve(run, room);
    size_t written = at != NULL ? libdeflate_gzip_compress(gzip, input, size, at, room) : 0;
    libdeflate_free_compressor(gzip);
    if (at == NULL)
        return 0; /* the run is full, and says so itself */
    if (written == 0)
        return sm_fail(run, SM_E_TOO_LARGE,
                       "compressed, the input is still over the output limit of %zu bytes", most);
    sm_body_commit(run, written);
    return put_result(run, size, written);
}

static int run_compress(struct sm_run *run)
{
    const struct sm_value *args = sm_run_args(run);
    bool gzip = args[ARG_FORMAT].as.i == FORMAT_GZIP;
    int level = args[ARG_LEVEL].set ? (int)args[ARG_LEVEL].as.i : gzip ? 6 : 3;
    size_t size;
    const char *input = sm_run_input(run, &size);
    if (gzip && level > 12)
        return sm_fail(run, SM_E_BAD_ARGS, "args.level: %d, expected 1 to 12 for gzip", level);
    sm_body_type(run, gzip ? "application/gzip" : "application/zstd");
    return gzip ? compress_gzip(run, input, size, level) : compress_zstd(run, input, size, level);
}

const struct sm_type sm_type_encode_compress = {
    .name = "encode.compress",
    .summary = "compresses the input as zstd or gzip",
    .schema = schema,
    .takes_input = true,
    .run = run_compress,
    .result_help =
        "result: {input_bytes, output_bytes, ratio}; body: application/zstd or application/gzip",
    .example_args = "{\"format\": \"gzip\", \"level\": 6}",
};

/* Msgpack by hand; see pack.h. */
#include "tests/queue/pack.h"

#include <msgpack.h>
#include <string.h>

#include "base/check.h"
#include "base/msgpack_out.h"

static void put(struct sm_buf *buf, msgpack_packer *pk, char item, va_list *args)
{
    const char *text;
    size_t n;
    switch (item) {
    case 'm':
        msgpack_pack_map(pk, (size_t)va_arg(*args, int));
        return;
    case 's':
        text = va_arg(*args, const char *);
        msgpack_pack_str(pk, strlen(text));
        msgpack_pack_str_body(pk, text, strlen(text));
        return;
    case 'b':
        text = va_arg(*args, const char *);
        n = va_arg(*args, size_t);
        msgpack_pack_bin(pk, n);
        msgpack_pack_bin_body(pk, text, n);
        return;
    case 'i':
        msgpack_pack_int64(pk, va_arg(*args, int64_t));
        return;
    case 'f':
        msgpack_pack_double(pk, va_arg(*args, double));
        return;
    default:
        SM_ASSERT(item == 'r');
        text = va_arg(*args, const char *);
        sm_buf_add(buf, text, va_arg(*args, size_t));
    }
}

void put_msg(struct sm_buf *buf, const char *format, ...)
{
    msgpack_packer pk;
    va_list args;
    msgpack_packer_init(&pk, buf, sm_buf_msgpack_write);
    va_start(args, format);
    for (; *format != '\0'; format++)
        put(buf, &pk, *format, &args);
    va_end(args);
}

/* Messages in a stream of bytes; see frame.h. */
#include "tests/chaos/proxy/frame.h"

#include <stdlib.h>
#include <string.h>

void frame_init(struct frame *frame, enum protocol protocol, bool from_client)
{
    memset(frame, 0, sizeof *frame);
    frame->protocol = protocol;
    frame->untyped = from_client;
}

/* A whole line of RESP: an array brings as many values, a bulk string its bytes and CR LF. */
static void take_line(struct frame *frame)
{
    char kind = frame->head[0];
    long long n = kind == '*' || kind == '$' ? strtoll(frame->head + 1, NULL, 10) : -1;
    if (frame->left == 0)
        frame->left = 1;
    frame->left--;
    if (kind == '*' && n > 0)
        frame->left += n;
    if (kind == '$' && n >= 0)
        frame->skip = (uint64_t)n + 2;
}

/* One more byte of a line; longer ones than the head are texts, of which only the start matters. */
static bool take_resp(struct frame *frame, unsigned char byte)
{
    if (byte != '\n') {
        if (frame->head_n < sizeof frame->head - 1)
            frame->head[frame->head_n++] = (char)byte;
        return false;
    }
    frame->head[frame->head_n] = '\0';
    frame->head_n = 0;
    take_line(frame);
    return frame->left == 0 && frame->skip == 0;
}

/* One more byte of a head: a type, but for the first of a client, and a length that counts itself.
 */
static bool take_postgres(struct frame *frame, unsigned char byte)
{
    size_t type = frame->untyped ? 0 : 1;
    uint32_t length = 0;
    frame->head[frame->head_n++] = (char)byte;
    if (frame->head_n < type + 4)
        return false;
    for (size_t i = 0; i < 4; i++)
        length = length << 8 | (unsigned char)frame->head[type + i];
    frame->head_n = 0;
    frame->untyped = false;
    frame->skip = length > 4 ? length - 4 : 0;
    return frame->skip == 0;
}

size_t frame_take(struct frame *frame, const unsigned char *bytes, size_t n, bool *ends)
{
    size_t at = 0;
    *ends = false;
    if (frame->protocol == PLAIN)
        return n;
    while (at < n && !*ends) {
        if (frame->skip > 0) {
            size_t some = frame->skip < n - at ? (size_t)frame->skip : n - at;
            at += some;
            frame->skip -= some;
            *ends = frame->skip == 0 && frame->left == 0;
        } else {
            *ends = frame->protocol == RESP ? take_resp(frame, bytes[at])
                                            : take_postgres(frame, bytes[at]);
            at++;
        }
    }
    return at;
}

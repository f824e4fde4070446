/* See lines.h. */
#include "jobs/rows/lines.h"

size_t sm_lines_of(struct sm_lines *lines, size_t at, bool keep)
{
    return sm_lines_place(lines, at, keep).line;
}

struct sm_place sm_lines_place(struct sm_lines *lines, size_t at, bool keep)
{
    const char *data = lines->data;
    size_t line = lines->line, start = lines->line_start, column = 1;
    for (size_t i = lines->at; i < at; i++)
        if (data[i] == '\n' || (data[i] == '\r' && !(i + 1 < lines->size && data[i + 1] == '\n'))) {
            line++;
            start = i + 1;
        }
    if (keep) {
        lines->at = at;
        lines->line = line;
        lines->line_start = start;
    }
    for (size_t i = start; i < at; i++)
        column += ((unsigned char)data[i] & 0xc0) != 0x80;
    return (struct sm_place){line, column, at + 1};
}

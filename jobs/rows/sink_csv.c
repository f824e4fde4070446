/*
 * A row as CSV (RFC 4180: commas, CRLF, quotes where they are needed), under a header. Null is an
 * empty field; an empty text is "", so that the two stay apart. JSON is its text, but for strings,
 * which are theirs. Thread: any.
 */
#include <string.h>

#include "jobs/json/text.h"
#include "jobs/rows/sink.h"

static bool needs_quotes(struct sm_text_view text)
{
    if (text.n == 0)
        return true;
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == ',' || text.p[i] == '"' || text.p[i] == '\n' || text.p[i] == '\r')
            return true;
    /* spaces that readers may trim; and what could be taken for a byte order mark */
    return text.p[0] == ' ' || text.p[text.n - 1] == ' ' || text.p[0] == '\xef';
}

static char *put_text(char *out, struct sm_text_view text)
{
    if (!needs_quotes(text)) {
        memcpy(out, text.p, text.n);
        return out + text.n;
    }
    *out++ = '"';
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '"')
            *out++ = '"';
        *out++ = text.p[i];
    }
    *out++ = '"';
    return out;
}

/* JSON that is a string as the text it stands for. That is made far enough behind `out` not to be
 * overwritten: of the six bytes for each one that the sink has made room for, writing takes two. */
static char *put_cell(char *out, const struct sm_cell *cell)
{
    struct sm_text_view text = cell->text;
    if (cell->type == SM_CELL_JSON && text.p[0] == '"') {
        char *plain = out + 3 * text.n;
        text = (struct sm_text_view){plain, sm_json_unescape(text.p + 1, text.n - 2, plain)};
    }
    return put_text(out, text);
}

char *sm_sink_csv_name(const struct sm_sink *sink, size_t column, char *out)
{
    if (column != 0)
        *out++ = ',';
    return put_text(out, sink->columns->v[column].name);
}

char *sm_sink_csv_row(const struct sm_sink *sink, const struct sm_cell *cells, char *out)
{
    for (size_t i = 0; i < sink->columns->n; i++) {
        if (i != 0)
            *out++ = ',';
        if (!cells[i].null)
            out = put_cell(out, &cells[i]);
    }
    memcpy(out, "\r\n", 2);
    return out + 2;
}

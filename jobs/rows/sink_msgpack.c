/*
 * A row as a msgpack map from column names to values: integers, doubles, numbers and bools as such,
 * lists
 * and maps of JSON as their JSON text, everything else as text. The packing is msgpack-c's; its
 * callback appends without a check, because the sink has made room for six bytes for each one of
 * text and eight more for each cell (a head takes at most nine, and an integer or a double has at
 * least one byte of text). Thread: any.
 */
#include <msgpack.h>
#include <string.h>

#include "jobs/json/text.h"
#include "jobs/rows/sink.h"

static int append(void *data, const char *bytes, size_t size)
{
    char **out = data;
    memcpy(*out, bytes, size);
    *out += size;
    return 0;
}

static void pack_text(msgpack_packer *pack, struct sm_text_view text)
{
    msgpack_pack_str(pack, text.n);
    if (text.n != 0)
        msgpack_pack_str_body(pack, text.p, text.n);
}

char *sm_sink_msgpack_name(const struct sm_sink *sink, size_t column, char *out)
{
    msgpack_packer pack;
    msgpack_packer_init(&pack, &out, append);
    pack_text(&pack, sink->columns->v[column].name);
    return out;
}

/* As an integer where it is one of 64 bits; else as the double nearest to it, or past
 * those as text. */
static void pack_number(msgpack_packer *pack, struct sm_text_view text)
{
    struct sm_cell cell;
    struct sm_cell_fault fault;
    if (sm_cell_int(&cell, text, &fault))
        msgpack_pack_int64(pack, cell.as.i);
    else if (sm_cell_float(&cell, text, &fault))
        msgpack_pack_double(pack, cell.as.f);
    else
        pack_text(pack, text);
}

/* A single value as such, a list or a map as its text. */
static void pack_json(msgpack_packer *pack, struct sm_text_view json, char *room)
{
    char c = json.p[0];
    if (c == '"')
        pack_text(pack,
                  (struct sm_text_view){room, sm_json_unescape(json.p + 1, json.n - 2, room)});
    else if (c == 't' || c == 'f')
        c == 't' ? msgpack_pack_true(pack) : msgpack_pack_false(pack);
    else if (c == '[' || c == '{')
        pack_text(pack, json);
    else
        pack_number(pack, json);
}

static void pack_cell(msgpack_packer *pack, const struct sm_cell *cell)
{
    if (cell->null)
        msgpack_pack_nil(pack);
    else if (cell->type == SM_CELL_INT)
        msgpack_pack_int64(pack, cell->as.i);
    else if (cell->type == SM_CELL_FLOAT)
        msgpack_pack_double(pack, cell->as.f);
    else if (cell->type == SM_CELL_NUMBER)
        pack_number(pack, cell->text);
    else if (cell->type == SM_CELL_JSON) /* behind what is written, within six bytes for each */
        pack_json(pack, cell->text, *(char **)pack->data + 2 * cell->text.n + 8);
    else if (cell->type == SM_CELL_BOOL)
        cell->as.b ? msgpack_pack_true(pack) : msgpack_pack_false(pack);
    else
        pack_text(pack, cell->text);
}

char *sm_sink_msgpack_row(const struct sm_sink *sink, const struct sm_cell *cells, char *out)
{
    msgpack_packer pack;
    msgpack_packer_init(&pack, &out, append);
    msgpack_pack_map(&pack, sink->columns->n);
    for (size_t i = 0; i < sink->columns->n; i++) {
        append(&out, sink->names[i].p, sink->names[i].n);
        pack_cell(&pack, &cells[i]);
    }
    return out;
}

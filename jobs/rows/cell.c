/*
 * From a field's text to a cell: the choice by type, and the types that need no file of their own.
 * Thread: any.
 */
#include "jobs/rows/cell.h"

#include <string.h>

#include "base/text.h"
#include "stampmill/id.h"

static struct sm_text_view trim(struct sm_text_view text)
{
    while (text.n > 0 && (*text.p == ' ' || *text.p == '\t')) {
        text.p++;
        text.n--;
    }
    while (text.n > 0 && (text.p[text.n - 1] == ' ' || text.p[text.n - 1] == '\t'))
        text.n--;
    return text;
}

static bool convert_text(struct sm_cell *cell, struct sm_text_view text, bool clean,
                         struct sm_cell_fault *fault)
{
    if (text.n > SM_CELL_TEXT_MAX)
        return sm_cell_wrong(fault, "too_large", "at most 1 MiB in a field");
    if (!clean && sm_text_valid(text.p, text.n) != text.n)
        return sm_cell_wrong(fault, "text", "UTF-8 without NUL");
    cell->text = text;
    return true;
}

static bool convert_bool(struct sm_cell *cell, struct sm_text_view text,
                         struct sm_cell_fault *fault)
{
    static const char words[][2][6] = {
        {"true", "false"}, {"1", "0"}, {"t", "f"}, {"yes", "no"}, {"y", "n"}, {"on", "off"},
    };
    char low[6] = {0};
    if (text.n < sizeof low)
        for (size_t i = 0; i < text.n; i++)
            low[i] = text.p[i] >= 'A' && text.p[i] <= 'Z' ? (char)(text.p[i] | 0x20) : text.p[i];
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        for (int no = 0; no < 2; no++) {
            if (text.n != strlen(words[i][no]) || memcmp(low, words[i][no], text.n) != 0)
                continue;
            cell->as.b = !no;
            cell->text = no ? (struct sm_text_view){"false", 5} : (struct sm_text_view){"true", 4};
            return true;
        }
    }
    return sm_cell_wrong(fault, "type", "true or false (or yes/no, on/off, 1/0)");
}

static bool convert_uuid(struct sm_cell *cell, struct sm_text_view text,
                         struct sm_cell_fault *fault)
{
    struct sm_id id;
    if (!sm_id_parse(text.p, text.n, &id))
        return sm_cell_wrong(fault, "type", "a UUID");
    sm_id_format(&id, cell->own);
    cell->text = (struct sm_text_view){cell->own, SM_ID_TEXT - 1};
    return true;
}

bool sm_cell_convert(struct sm_cell *cell, enum sm_cell_type type, struct sm_text_view text,
                     bool clean, struct sm_cell_fault *fault)
{
    cell->type = type;
    cell->null = false;
    if (type == SM_CELL_TEXT)
        return convert_text(cell, text, clean, fault);
    text = trim(text);
    switch (type) {
    case SM_CELL_INT:
        return sm_cell_int(cell, text, fault);
    case SM_CELL_FLOAT:
        return sm_cell_float(cell, text, fault);
    case SM_CELL_DECIMAL:
        return sm_cell_decimal(cell, text, fault);
    case SM_CELL_NUMBER:
        return sm_cell_number(cell, text, fault);
    case SM_CELL_BOOL:
        return convert_bool(cell, text, fault);
    case SM_CELL_DATE:
        return sm_cell_date(cell, text, fault);
    case SM_CELL_TIMESTAMP:
        return sm_cell_timestamp(cell, text, fault);
    default:
        return convert_uuid(cell, text, fault);
    }
}

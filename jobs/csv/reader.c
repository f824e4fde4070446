/*
 * From marks to records. The reader scans a chunk at a time and walks its marks; a record may span
 * any number of chunks, because positions are offsets into the whole input, which is in memory.
 *
 * Behind a bad quote the scan's idea of inside and outside is void: the reader looks for the next
 * line end byte by byte and starts the scan anew there. That costs one chunk's scan per bad line at
 * most. Thread: one at a time.
 */
#include "jobs/csv/reader.h"

#include <string.h>

int sm_csv_open(struct sm_csv *csv, struct sm_run *run, const struct sm_csv_scanner *scanner,
                char delimiter, char quote)
{
    *csv = (struct sm_csv){.run = run, .scanner = scanner};
    csv->data = sm_run_input(run, &csv->size);
    csv->ends = sm_run_alloc(run, SM_CSV_COLUMNS * sizeof *csv->ends);
    csv->marks = sm_run_alloc(run, SM_CSV_MARKS * sizeof *csv->marks);
    if (csv->ends == NULL || csv->marks == NULL)
        return SM_E_TOO_LARGE;
    sm_csv_scan_start(&csv->scan, delimiter, quote);
    if (csv->size >= 3 && memcmp(csv->data, "\xef\xbb\xbf", 3) == 0)
        csv->next = csv->scanned = 3;
    return 0;
}

/* False at the end of the input. */
static bool scan_more(struct sm_csv *csv)
{
    size_t size = csv->size - csv->scanned;
    size_t bad;
    if (size == 0)
        return false;
    if (size > SM_CSV_CHUNK)
        size = SM_CSV_CHUNK;
    csv->chunk = csv->scanned;
    csv->n_marks = csv->scanner->scan(&csv->scan, csv->data + csv->chunk, size, csv->marks, &bad);
    csv->mark = 0;
    csv->broken = bad < size;
    csv->bad_at = csv->chunk + bad;
    csv->scanned = csv->chunk + size;
    return true;
}

/* Where the record behind the line end at `at` begins. */
static size_t behind_line_end(const struct sm_csv *csv, size_t at)
{
    bool crlf = csv->data[at] == '\r' && at + 1 < csv->size && csv->data[at + 1] == '\n';
    return at + (crlf ? 2 : 1);
}

static enum sm_csv_got skip_bad_line(struct sm_csv *csv)
{
    size_t at = csv->bad_at;
    while (at < csv->size && csv->data[at] != '\n' && csv->data[at] != '\r')
        at++;
    csv->next = at < csv->size ? behind_line_end(csv, at) : csv->size;
    csv->scanned = csv->next;
    csv->mark = csv->n_marks = 0;
    csv->broken = false;
    sm_csv_scan_start(&csv->scan, csv->scan.delimiter, csv->scan.quote);
    return SM_CSV_BAD_QUOTE;
}

static enum sm_csv_got last_record(struct sm_csv *csv)
{
    size_t field = csv->fields == 0 ? csv->start : csv->ends[csv->fields - 1] + 1;
    if (csv->scan.inside != 0) {
        csv->bad_at = field;
        return SM_CSV_OPEN;
    }
    if (csv->start == csv->size)
        return SM_CSV_END;
    if (csv->fields == SM_CSV_COLUMNS)
        return SM_CSV_TOO_WIDE;
    csv->ends[csv->fields++] = csv->size;
    csv->next = csv->size;
    return SM_CSV_RECORD;
}

enum sm_csv_got sm_csv_next(struct sm_csv *csv)
{
    const char *data = csv->data;
    const char delimiter = csv->scan.delimiter;
    size_t fields = 0;
    csv->start = csv->next;
    do {
        for (size_t i = csv->mark; i < csv->n_marks; i++) {
            size_t at = csv->chunk + csv->marks[i];
            if (fields == SM_CSV_COLUMNS)
                return SM_CSV_TOO_WIDE;
            csv->ends[fields++] = at;
            if (data[at] != delimiter) {
                csv->mark = i + 1;
                csv->fields = fields;
                csv->next = behind_line_end(csv, at);
                return SM_CSV_RECORD;
            }
        }
        csv->mark = csv->n_marks;
        csv->fields = fields;
        if (csv->broken)
            return skip_bad_line(csv);
    } while (scan_more(csv));
    return last_record(csv);
}

bool sm_csv_blank(const struct sm_csv *csv)
{
    return csv->fields == 1 && csv->ends[0] == csv->start;
}

/* `text` with each doubled quote made one. */
static int unescape(const struct sm_csv *csv, struct sm_scratch *scratch, struct sm_text_view *text)
{
    char *out = sm_scratch_room(scratch, text->n);
    size_t n = 0;
    if (out == NULL)
        return SM_E_TOO_LARGE;
    for (size_t i = 0; i < text->n; i++) {
        out[n++] = text->p[i];
        if (text->p[i] == csv->scan.quote)
            i++;
    }
    *text = (struct sm_text_view){out, n};
    sm_scratch_keep(scratch, n);
    return 0;
}

int sm_csv_field(struct sm_csv *csv, size_t i, struct sm_scratch *scratch,
                 struct sm_text_view *text)
{
    size_t start = i == 0 ? csv->start : csv->ends[i - 1] + 1;
    size_t n = csv->ends[i] - start;
    *text = (struct sm_text_view){csv->data + start, n};
    if (n == 0 || csv->scan.quoting == 0 || *text->p != csv->scan.quote)
        return 0;
    text->p++;
    text->n -= 2; /* the scan has seen to it that the closing one stands at the end */
    return memchr(text->p, csv->scan.quote, text->n) != NULL ? unescape(csv, scratch, text) : 0;
}

/* Halving: by id, so that a row and its attempts stay together and the order of ids is kept. */
#include "store/range.h"

#include "base/uuid.h"

struct sm_range sm_range_whole(const struct sm_batch *batch)
{
    return (struct sm_range){.row_end = batch->n, .attempt_end = batch->attempts_n};
}

/* Is this id on the lower side of the cut? */
static bool is_below(const struct sm_id *id, const struct sm_id *cut, bool with_cut)
{
    int order = sm_uuid_compare(id, cut);
    return order < 0 || (with_cut && order == 0);
}

static bool cut_at(const struct sm_batch *batch, const struct sm_range *range,
                   const struct sm_id *cut, bool with_cut, struct sm_range *low,
                   struct sm_range *high)
{
    size_t row = range->row, attempt = range->attempt;
    while (row < range->row_end && is_below(&batch->rows[row]->id, cut, with_cut))
        row++;
    while (attempt < range->attempt_end && is_below(&batch->attempts[attempt].id, cut, with_cut))
        attempt++;
    *low = *high = *range;
    low->row_end = high->row = row;
    low->attempt_end = high->attempt = attempt;
    bool low_empty = row == range->row && attempt == range->attempt;
    bool high_empty = row == range->row_end && attempt == range->attempt_end;
    return !low_empty && !high_empty;
}

bool sm_range_split(const struct sm_batch *batch, const struct sm_range *range,
                    struct sm_range *low, struct sm_range *high)
{
    size_t rows = range->row_end - range->row, attempts = range->attempt_end - range->attempt;
    if (rows == 0 || range->probe) {
        *low = *high = *range;
        low->attempt_end = high->attempt = range->attempt + attempts / 2;
        return attempts > 1;
    }
    const struct sm_id *cut = rows >= attempts ? &batch->rows[range->row + rows / 2]->id
                                               : &batch->attempts[range->attempt + attempts / 2].id;
    return cut_at(batch, range, cut, false, low, high) ||
           cut_at(batch, range, cut, true, low, high);
}

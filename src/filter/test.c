/* One condition: its right side, and whether it holds on the rows of a table.
 *
 * Text is compared by code: the right side's values are looked up in the column's dictionary once,
 * then rows are compared as numbers. A negated condition (!=, NOT IN) is the positive one turned
 * around, which makes it true on nulls; a single row of the requesting user (IF) is false on null
 * either way (serving.md section 7). */
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "filter/compiled.h"

#define FEW_NUMBERS 4u /* up to here one range scan each is faster than a search a row */

/* The column a test reads, with field NULL when the table has no columns at all: all is null. */
static enum od_status find_column(const struct od_filter_test *test, const struct od_table *table,
                                  struct od_table_column *out, struct od_error *err)
{
    *out = (struct od_table_column){.field = NULL};
    size_t count = od_table_column_count(table);
    if (count == 0)
        return OD_OK;
    if (test->column < count)
        od_table_column(table, test->column, out);
    if (!out->field || out->field->type != test->type || !od_str_eq(out->field->name, test->name))
        return od_fail(err, OD_INTERNAL, "The filter was made for another schema: it has no %.*s.",
                       OD_STR_ARG(test->name));
    return OD_OK;
}

static enum od_status current_values(const struct od_table_column *column, uint32_t row,
                                     struct od_arena *scratch, struct od_filter_set *out)
{
    if (column->list_at) {
        struct od_str *texts = OD_NEW_ARRAY(scratch, struct od_str, column->list_len[row]);
        if (!texts)
            return OD_NO_MEMORY;
        for (uint32_t i = 0; i < column->list_len[row]; i++)
            texts[i] = od_dict_text(column->dict, column->codes[column->list_at[row] + i]);
        *out = (struct od_filter_set){.count = column->list_len[row], .texts = texts};
        return OD_OK;
    }
    struct od_filter_number *number = OD_NEW(scratch, struct od_filter_number);
    if (!number)
        return OD_NO_MEMORY;
    if (column->integers)
        *number =
            (struct od_filter_number){true, column->integers[row], (double)column->integers[row]};
    else
        *number = (struct od_filter_number){.real = column->reals[row]};
    *out = (struct od_filter_set){.count = 1, .numbers = number};
    return OD_OK;
}

/* Clocks are far from the ends of 64 bits, but the caller's is foreign: at an end it stays there.
 */
static enum od_status time_of_request(const struct od_filter_test *test, int64_t now_s,
                                      struct od_arena *scratch, struct od_filter_set *out)
{
    struct od_filter_number *number = OD_NEW(scratch, struct od_filter_number);
    int64_t at;
    if (!number)
        return OD_NO_MEMORY;
    if (__builtin_add_overflow(now_s, test->offset_s, &at))
        at = test->offset_s < 0 ? INT64_MIN : INT64_MAX;
    *number = (struct od_filter_number){true, at, (double)at};
    *out = (struct od_filter_set){.count = 1, .numbers = number};
    return OD_OK;
}

enum od_status od_filter_right_side(const struct od_filter_test *test,
                                    const struct od_filter_set *bound,
                                    const struct od_filter_context *context,
                                    struct od_arena *scratch, struct od_filter_set *out,
                                    struct od_error *err)
{
    struct od_table_column column;
    *out = (struct od_filter_set){.count = 0};
    if (test->source == OD_FROM_NOW) {
        enum od_status status = time_of_request(test, context->now_s, scratch, out);
        return status == OD_OK ? OD_OK : od_fail(err, status, NULL);
    }
    if (test->source != OD_FROM_CURRENT_ITEM) {
        *out = *bound;
        return OD_OK;
    }
    uint32_t row = context->current_item_row;
    if (row >= od_table_row_count(context->items) || od_table_column_count(context->items) == 0)
        return OD_OK;
    if (test->item_column >= od_table_column_count(context->items))
        return od_fail(err, OD_INTERNAL, "The filter was made for another schema.");
    od_table_column(context->items, test->item_column, &column);
    if (!od_filter_comparable(column.field->type, test->type))
        return od_fail(err, OD_INTERNAL, "The filter was made for another schema.");
    if (od_bitmap_get(column.nulls, row))
        return OD_OK;
    enum od_status status = current_values(&column, row, scratch, out);
    return status == OD_OK ? OD_OK : od_fail(err, status, NULL);
}

/* --- whole columns --- */

/* texts[0, count): any of them. */
static enum od_status any_text_on_rows(const struct od_table_column *column,
                                       const struct od_str *texts, size_t count, size_t row_count,
                                       struct od_arena *scratch, uint64_t *out)
{
    size_t words = od_bitmap_words(od_dict_count(column->dict)), found = 0;
    uint32_t last = OD_NO_CODE;
    uint64_t *codes = OD_NEW_ARRAY(scratch, uint64_t, words);
    if (!codes)
        return OD_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        uint32_t code = od_dict_find(column->dict, texts[i]);
        if (code == OD_NO_CODE)
            continue;
        found += !od_bitmap_get(codes, code);
        od_bitmap_set(codes, code);
        last = code;
    }
    if (found == 0)
        od_bitmap_fill(out, row_count, false);
    else if (found == 1 && !column->field->categorical)
        od_scan_code(column, row_count, last, out);
    else
        od_scan_lists(column, row_count, codes, out);
    return OD_OK;
}

static enum od_status texts_on_rows(const struct od_table_column *column,
                                    const struct od_filter_set *set, size_t row_count,
                                    struct od_arena *scratch, uint64_t *out)
{
    size_t first = set->whole_or_parts ? 1 : set->count;
    enum od_status status = any_text_on_rows(column, set->texts, first, row_count, scratch, out);
    if (status != OD_OK || !set->whole_or_parts || od_bitmap_count(out, row_count))
        return status;
    return any_text_on_rows(column, set->texts + 1, set->count - 1, row_count, scratch, out);
}

static void range_on_rows(const struct od_table_column *column, struct od_filter_range range,
                          size_t row_count, uint64_t *out)
{
    bool as_float = column->field->type == OD_FIELD_FLOAT;
    if (range.empty)
        od_bitmap_fill(out, row_count, false);
    else if (column->integers)
        od_scan_integers(column->integers, row_count, range.low, range.high, out);
    else
        od_scan_reals(column->reals, row_count, as_float, range.real_low, range.real_high, out);
}

static int compare_integers(const void *a, const void *b)
{
    int64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static int compare_reals(const void *a, const void *b)
{
    double x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static enum od_status many_on_rows(const struct od_table_column *column,
                                   const struct od_filter_set *set, size_t row_count,
                                   struct od_arena *scratch, uint64_t *out)
{
    int64_t *integers = OD_NEW_ARRAY(scratch, int64_t, set->count);
    double *reals = OD_NEW_ARRAY(scratch, double, set->count);
    size_t count = 0;
    if (!integers || !reals)
        return OD_NO_MEMORY;
    for (size_t i = 0; i < set->count; i++) {
        struct od_filter_range range =
            od_filter_range(column->field->type, OD_OP_EQ, &set->numbers[i]);
        if (range.empty)
            continue;
        integers[count] = range.low;
        reals[count++] = range.real_low;
    }
    qsort(integers, count, sizeof *integers, compare_integers);
    qsort(reals, count, sizeof *reals, compare_reals);
    if (count == 0)
        od_bitmap_fill(out, row_count, false);
    else if (column->integers)
        od_scan_integer_set(column->integers, row_count, integers, count, out);
    else
        od_scan_real_set(column->reals, row_count, column->field->type == OD_FIELD_FLOAT, reals,
                         count, out);
    return OD_OK;
}

static enum od_status numbers_on_rows(const struct od_filter_test *test,
                                      const struct od_table_column *column,
                                      const struct od_filter_set *set, size_t row_count,
                                      struct od_arena *scratch, uint64_t *out)
{
    enum od_status status = OD_OK;
    if (set->count > FEW_NUMBERS) {
        status = many_on_rows(column, set, row_count, scratch, out);
    } else {
        uint64_t *one = out;
        od_bitmap_fill(out, row_count, false);
        for (size_t i = 0; i < set->count; i++) {
            if (i == 1)
                one = OD_NEW_ARRAY(scratch, uint64_t, od_bitmap_words(row_count));
            if (!one)
                return OD_NO_MEMORY;
            range_on_rows(column, od_filter_range(test->type, test->op, &set->numbers[i]),
                          row_count, one);
            if (one != out)
                od_bitmap_or(out, one, row_count);
        }
    }
    od_bitmap_andnot(out, column->nulls, row_count);
    return status;
}

enum od_status od_filter_test_rows(const struct od_filter_test *test,
                                   const struct od_filter_set *set, const struct od_table *table,
                                   struct od_arena *scratch, uint64_t *out, struct od_error *err)
{
    struct od_table_column column;
    size_t row_count = od_table_row_count(table);
    enum od_status status = find_column(test, table, &column, err);
    if (status != OD_OK)
        return status;
    if (!column.field)
        od_bitmap_fill(out, row_count, false);
    else if (column.list_at)
        status = texts_on_rows(&column, set, row_count, scratch, out);
    else
        status = numbers_on_rows(test, &column, set, row_count, scratch, out);
    if (status != OD_OK)
        return od_fail(err, status, NULL);
    if (test->negated)
        od_bitmap_not(out, row_count);
    return OD_OK;
}

/* --- one row --- */

static bool texts_on_row(const struct od_table_column *column, const struct od_filter_set *set,
                         uint32_t row)
{
    for (uint32_t k = 0; k < column->list_len[row]; k++) {
        struct od_str text = od_dict_text(column->dict, column->codes[column->list_at[row] + k]);
        for (size_t i = 0; i < set->count; i++) {
            if (od_str_eq(set->texts[i], text))
                return true;
        }
    }
    return false;
}

static bool numbers_on_row(const struct od_filter_test *test, const struct od_table_column *column,
                           const struct od_filter_set *set, uint32_t row)
{
    struct od_table_column cell = {
        .field = column->field,
        .integers = column->integers ? column->integers + row : NULL,
        .reals = column->reals ? column->reals + row : NULL,
    };
    uint64_t hit = 0;
    for (size_t i = 0; i < set->count && !hit; i++)
        range_on_rows(&cell, od_filter_range(test->type, test->op, &set->numbers[i]), 1, &hit);
    return hit != 0;
}

enum od_status od_filter_test_row(const struct od_filter_test *test,
                                  const struct od_filter_set *set, const struct od_table *table,
                                  uint32_t row, bool *out, struct od_error *err)
{
    struct od_table_column column;
    enum od_status status = find_column(test, table, &column, err);
    if (status != OD_OK)
        return status;
    *out = false;
    if (!column.field || od_bitmap_get(column.nulls, row))
        return OD_OK;
    bool hit =
        column.list_at ? texts_on_row(&column, set, row) : numbers_on_row(test, &column, set, row);
    *out = hit != test->negated;
    return OD_OK;
}

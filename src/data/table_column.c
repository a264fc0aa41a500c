/* Columns in memory.
 *
 * Numbers are plain arrays by row. A string column has a dictionary of single values and a pool of
 * codes; row r owns codes[list_at[r]] .. codes[list_at[r] + list_len[r] - 1]. Rows loaded in order
 * have their lists in row order, so a scan reads the pool forwards.
 *
 * A changed cell reuses its old list when the new one fits, else takes fresh codes at the end and
 * leaves the old ones dead. Two kinds of waste follow: dead codes, and texts no cell holds any more
 * (an item's description changed a thousand times). Both are given back once they outweigh what is
 * in use, so the memory is at most about twice the live data and a put costs constant time on
 * average.
 *
 * The id column needs none of that: the table's dictionary of ids gives out codes in row order, so
 * the list of row r is {r} and one array serves as list_at and as pool. */
#include "data/table_column.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"

#define TIDY_MIN 1024u /* waste below this is not worth a pass */

bool od_column_init(struct od_column *column, const struct od_field *field, struct od_dict *ids)
{
    *column = (struct od_column){.field = field, .is_id = ids != NULL, .dict_tidied = TIDY_MIN};
    if (field->type == OD_FIELD_STRING)
        column->dict = ids ? ids : od_dict_new();
    return field->type != OD_FIELD_STRING || column->dict != NULL;
}

void od_column_done(struct od_column *column)
{
    if (!column->is_id) {
        od_dict_free(column->dict);
        free(column->codes);
    }
    free(column->staged.codes);
    free(column->nulls);
    free(column->integers);
    free(column->reals);
    free(column->list_at);
    free(column->list_len);
    *column = (struct od_column){.field = NULL};
}

static bool resize(void *place, size_t count, size_t size)
{
    void *old;
    memcpy(&old, place, sizeof old);
    void *bigger = realloc(old, count * size);
    if (bigger)
        memcpy(place, &bigger, sizeof bigger);
    return bigger != NULL;
}

bool od_column_reserve(struct od_column *column, uint32_t old_cap, uint32_t cap)
{
    size_t old_words = od_bitmap_words(old_cap), words = od_bitmap_words(cap);
    if (!resize(&column->nulls, words, sizeof *column->nulls))
        return false;
    memset(column->nulls + old_words, 0, (words - old_words) * sizeof *column->nulls);
    switch (column->field->type) {
    case OD_FIELD_INT:
    case OD_FIELD_LONG:
    case OD_FIELD_BOOLEAN:
        return resize(&column->integers, cap, sizeof *column->integers);
    case OD_FIELD_FLOAT:
    case OD_FIELD_DOUBLE:
        return resize(&column->reals, cap, sizeof *column->reals);
    case OD_FIELD_STRING:
        break;
    }
    bool grown = resize(&column->list_at, cap, sizeof *column->list_at) &&
                 resize(&column->list_len, cap, sizeof *column->list_len);
    if (column->is_id)
        column->codes = column->list_at;
    return grown;
}

void od_column_add_row(struct od_column *column, uint32_t row)
{
    od_bitmap_set(column->nulls, row);
    if (column->integers)
        column->integers[row] = 0;
    if (column->reals)
        column->reals[row] = 0;
    if (column->list_at) {
        column->list_at[row] = column->is_id ? row : 0;
        column->list_len[row] = 0;
    }
}

void od_column_clear(struct od_column *column, uint32_t row_count)
{
    od_bitmap_fill(column->nulls, row_count, true);
    if (!column->list_len)
        return;
    memset(column->list_len, 0, row_count * sizeof *column->list_len);
    if (column->is_id)
        return;
    free(column->codes);
    column->codes = NULL;
    column->code_count = column->code_cap = column->dead = 0;
    struct od_dict *fresh = od_dict_new();
    if (!fresh)
        return; /* texts stay for reuse, and tidying finds the rest */
    od_dict_free(column->dict);
    column->dict = fresh;
    column->dict_tidied = TIDY_MIN;
}

/* --- strings --- */

static enum od_status add_code(struct od_column *column, struct od_str part,
                               struct od_code_list *out)
{
    if (out->count == out->cap) {
        size_t cap = out->cap ? out->cap * 2 : 64;
        if (!resize(&out->codes, cap, sizeof *out->codes))
            return OD_NO_MEMORY;
        out->cap = cap;
    }
    enum od_status status = od_dict_add(column->dict, part, &out->codes[out->count]);
    out->count += status == OD_OK;
    return status;
}

enum od_status od_column_codes(struct od_column *column, struct od_str text,
                               struct od_code_list *out)
{
    if (!column->field->categorical)
        return add_code(column, text, out);
    enum od_status status = OD_OK;
    for (struct od_str part; status == OD_OK && od_str_cut(&text, '|', &part);) {
        if (part.len)
            status = add_code(column, part, out);
    }
    return status;
}

enum od_status od_column_reserve_codes(struct od_column *column, size_t count)
{
    size_t want;
    if (__builtin_add_overflow(column->code_count, count, &want) || want > UINT32_MAX)
        return OD_LIMIT;
    if (want <= column->code_cap)
        return OD_OK;
    size_t cap = column->code_cap + column->code_cap / 2;
    cap = cap < want ? want : cap;
    cap = cap < 64 ? 64 : cap;
    if (!resize(&column->codes, cap, sizeof *column->codes))
        return OD_NO_MEMORY;
    column->code_cap = cap;
    return OD_OK;
}

enum od_status od_column_stage(struct od_column *column, const struct od_value *value)
{
    column->staged.count = 0;
    if (column->is_id || !column->dict || value->kind == OD_VALUE_NULL)
        return OD_OK;
    enum od_status status = od_column_codes(column, value->text, &column->staged);
    return status == OD_OK ? od_column_reserve_codes(column, column->staged.count) : status;
}

static void set_present(struct od_column *column, uint32_t row)
{
    od_bitmap_clear(column->nulls, row);
}

void od_column_set_null(struct od_column *column, uint32_t row)
{
    od_bitmap_set(column->nulls, row);
    if (column->list_len) {
        column->dead += column->is_id ? 0 : column->list_len[row];
        column->list_len[row] = 0;
    }
}

void od_column_set_codes(struct od_column *column, uint32_t row, const uint32_t *codes,
                         uint32_t count)
{
    if (count == 0) {
        od_column_set_null(column, row);
        return;
    }
    uint32_t old = column->list_len[row];
    if (count > old) {
        assert(column->code_cap - column->code_count >= count);
        column->list_at[row] = (uint32_t)column->code_count;
        column->code_count += count;
        column->dead += old;
    } else {
        column->dead += old - count;
    }
    memcpy(column->codes + column->list_at[row], codes, count * sizeof *codes);
    column->list_len[row] = count;
    set_present(column, row);
}

void od_column_set_integer(struct od_column *column, uint32_t row, int64_t value)
{
    column->integers[row] = value;
    set_present(column, row);
}

void od_column_set_real(struct od_column *column, uint32_t row, double value)
{
    column->reals[row] = value;
    set_present(column, row);
}

void od_column_commit(struct od_column *column, uint32_t row, const struct od_value *value)
{
    if (value->kind == OD_VALUE_NULL) {
        od_column_set_null(column, row);
    } else if (column->is_id) {
        column->list_len[row] = 1;
        set_present(column, row);
    } else if (column->integers) {
        od_column_set_integer(column, row, value->integer);
    } else if (column->reals) {
        od_column_set_real(column, row, value->real);
    } else {
        od_column_set_codes(column, row, column->staged.codes, (uint32_t)column->staged.count);
    }
}

/* --- waste --- */

/* Failing to get memory for a smaller copy only means that the waste stays a little longer. */
static void tidy_pool(struct od_column *column, uint32_t row_count)
{
    size_t live = column->code_count - column->dead, at = 0;
    uint32_t *codes = malloc((live + 1) * sizeof *codes);
    if (!codes)
        return;
    for (uint32_t row = 0; row < row_count; row++) {
        uint32_t len = column->list_len[row];
        if (len)
            memcpy(codes + at, column->codes + column->list_at[row], len * sizeof *codes);
        column->list_at[row] = (uint32_t)at;
        at += len;
    }
    assert(at == live);
    free(column->codes);
    column->codes = codes;
    column->code_count = live;
    column->code_cap = live + 1;
    column->dead = 0;
}

static bool recode(struct od_column *column, struct od_dict *fresh, uint32_t *renamed)
{
    for (size_t i = 0; i < column->code_count; i++) {
        uint32_t code = column->codes[i];
        if (renamed[code] == OD_NO_CODE &&
            od_dict_add(fresh, od_dict_text(column->dict, code), &renamed[code]) != OD_OK)
            return false;
    }
    for (size_t i = 0; i < column->code_count; i++)
        column->codes[i] = renamed[column->codes[i]];
    return true;
}

/* A dictionary of the texts in use takes the place of the old one when that at least halves it.
 * Afterwards the pool holds no dead codes, so what it names is what is in use. */
static void tidy_dict(struct od_column *column, uint32_t row_count)
{
    uint32_t count = od_dict_count(column->dict), used = 0;
    if (column->dead)
        tidy_pool(column, row_count);
    uint32_t *renamed = column->dead ? NULL : malloc((count + (size_t)1) * sizeof *renamed);
    if (renamed) {
        memset(renamed, 0xFF, count * sizeof *renamed);
        for (size_t i = 0; i < column->code_count; i++) {
            used += renamed[column->codes[i]] == OD_NO_CODE;
            renamed[column->codes[i]] = 0;
        }
        struct od_dict *fresh = used < count / 2 ? od_dict_new() : NULL;
        memset(renamed, 0xFF, count * sizeof *renamed);
        if (fresh && recode(column, fresh, renamed)) {
            od_dict_free(column->dict);
            column->dict = fresh;
            count = used;
        } else {
            od_dict_free(fresh);
        }
    }
    free(renamed);
    /* The next pass must have been paid for: by as many new texts, and by a share of the pool. */
    size_t next = count + (size_t)count + column->code_count / 16;
    next = next < TIDY_MIN ? TIDY_MIN : next;
    column->dict_tidied = next > OD_NO_CODE ? OD_NO_CODE : (uint32_t)next;
}

void od_column_tidy(struct od_column *column, uint32_t row_count)
{
    if (column->is_id || !column->dict)
        return;
    if (column->dead > TIDY_MIN && column->dead > column->code_count / 2)
        tidy_pool(column, row_count);
    if (od_dict_count(column->dict) >= column->dict_tidied)
        tidy_dict(column, row_count);
}

size_t od_column_bytes(const struct od_column *column, uint32_t row_cap)
{
    size_t bytes = od_bitmap_words(row_cap) * sizeof *column->nulls;
    bytes += column->integers ? row_cap * sizeof *column->integers : 0;
    bytes += column->reals ? row_cap * sizeof *column->reals : 0;
    bytes += column->list_at ? row_cap * (sizeof *column->list_at + sizeof *column->list_len) : 0;
    if (!column->is_id && column->dict)
        bytes += (column->code_cap + column->staged.cap) * sizeof *column->codes +
                 od_dict_bytes(column->dict);
    return bytes;
}

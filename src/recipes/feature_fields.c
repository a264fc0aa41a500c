/* From a column of the table to features: the values that occur often enough, the bins, the words.
 *
 * Columns of a field are ordered by what the data says (frequency, then text or hash), never by the
 * order in which records came, so that the same records give the same features. */
#include "recipes/feature_fields.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "recipes/vectors.h"

struct od_str od_feature_text(const struct od_table_column *cells, uint32_t row)
{
    return cells->list_len[row] ? od_dict_text(cells->dict, cells->codes[cells->list_at[row]])
                                : OD_STR_NONE;
}

bool od_feature_number(const struct od_table_column *cells, uint32_t row, double *out)
{
    if (od_bitmap_get(cells->nulls, row))
        return false;
    *out = cells->integers ? (double)cells->integers[row] : cells->reals[row];
    return isfinite(*out);
}

OD_PRINTF(3, 4)
static enum od_status add_name(struct od_dict *names, struct od_buf *name, const char *fmt, ...)
{
    va_list args;
    char text[2048];
    va_start(args, fmt);
    int len = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    od_buf_clear(name);
    od_buf_put(name, text, len < (int)sizeof text ? (size_t)len : sizeof text - 1);
    enum od_status s = od_buf_status(name);
    uint32_t code, before = od_dict_count(names);
    if (s == OD_OK)
        s = od_dict_add(names, od_buf_view(name), &code);
    /* Two columns of one text (cut, or fields whose names hold the signs): tell them apart. */
    while (s == OD_OK && od_dict_count(names) == before) {
        od_buf_char(name, '\'');
        s = od_buf_status(name);
        if (s == OD_OK)
            s = od_dict_add(names, od_buf_view(name), &code);
    }
    return s;
}

/* --- values --- */

struct value {
    uint32_t code, rows;
    struct od_str text;
};

static int compare_values(const void *a, const void *b)
{
    const struct value *x = a, *y = b;
    if (x->rows != y->rows)
        return x->rows > y->rows ? -1 : 1;
    return od_str_cmp(x->text, y->text);
}

/* Rows of each value; a value twice in a cell counts once. */
static void count_values(const struct od_feature_source *source,
                         const struct od_table_column *cells, struct value *values, uint32_t *seen)
{
    for (uint32_t i = 0; i < source->id_count; i++) {
        uint32_t row = source->row[i];
        for (uint32_t k = 0; row != OD_NO_ROW && k < cells->list_len[row]; k++) {
            uint32_t code = cells->codes[cells->list_at[row] + k];
            values[code].rows += seen[code] != i;
            seen[code] = i;
        }
    }
}

static enum od_status plan_values(const struct od_feature_source *source, struct od_dict *names,
                                  struct od_buf *name, struct od_feature_plan *plan)
{
    const struct od_table_column *cells = &plan->cells;
    uint32_t count = od_dict_count(cells->dict);
    struct value *values = calloc((size_t)count + 1, sizeof *values);
    uint32_t *seen = malloc(((size_t)count + 1) * sizeof *seen);
    plan->value_column = malloc(((size_t)count + 1) * sizeof *plan->value_column);
    enum od_status s = values && seen && plan->value_column ? OD_OK : OD_NO_MEMORY;
    if (s == OD_OK) {
        for (uint32_t c = 0; c < count; c++) {
            values[c] = (struct value){c, 0, od_dict_text(cells->dict, c)};
            seen[c] = plan->value_column[c] = OD_NO_CODE;
        }
        count_values(source, cells, values, seen);
        qsort(values, count, sizeof *values, compare_values);
    }
    for (uint32_t c = 0;
         s == OD_OK && c < count && plan->column_count < source->options->most_words; c++) {
        if (values[c].rows == 0 || values[c].rows < source->options->least_rows)
            break;
        plan->value_column[values[c].code] = plan->column_count++;
        s = add_name(names, name, "%.*s=%.*s", OD_STR_ARG(cells->field->name),
                     OD_STR_ARG(values[c].text));
    }
    free(values);
    free(seen);
    return s;
}

/* --- bins --- */

static int compare_numbers(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Edges at the quantiles of the sorted numbers, equal ones merged: edge[0] is the least, the last
 * one the greatest. Returns how many bins. */
static uint32_t cut_bins(const double *sorted, size_t count, uint32_t bins, double *edge)
{
    uint32_t used = 0;
    edge[used++] = sorted[0];
    for (uint32_t b = 1; b < bins; b++) {
        double at = sorted[count * b / bins];
        if (at > edge[used - 1])
            edge[used++] = at;
    }
    edge[used] = sorted[count - 1];
    return used;
}

static enum od_status name_bins(struct od_dict *names, struct od_buf *name,
                                const struct od_feature_plan *plan)
{
    enum od_status s = OD_OK;
    for (uint32_t b = 0; s == OD_OK && b < plan->column_count; b++)
        s = add_name(names, name, "%.*s in [%.17g, %.17g%c", OD_STR_ARG(plan->cells.field->name),
                     plan->edge[b], plan->edge[b + 1], b + 1 == plan->column_count ? ']' : ')');
    return s;
}

static enum od_status plan_bins(const struct od_feature_source *source, struct od_dict *names,
                                struct od_buf *name, struct od_feature_plan *plan)
{
    uint32_t bins = source->options->bins ? source->options->bins : 1;
    double *sorted = malloc(((size_t)source->id_count + 1) * sizeof *sorted);
    plan->edge = malloc(((size_t)bins + 1) * sizeof *plan->edge);
    if (!sorted || !plan->edge) {
        free(sorted);
        return OD_NO_MEMORY;
    }
    size_t count = 0;
    for (uint32_t i = 0; i < source->id_count; i++)
        if (source->row[i] != OD_NO_ROW &&
            od_feature_number(&plan->cells, source->row[i], &sorted[count]))
            count++;
    if (count) {
        qsort(sorted, count, sizeof *sorted, compare_numbers);
        plan->column_count = cut_bins(sorted, count, bins, plan->edge);
    }
    free(sorted);
    return name_bins(names, name, plan);
}

/* --- words --- */

struct texts {
    const struct od_feature_source *source;
    const struct od_table_column *cells;
};

static struct od_str text_of(const void *context, uint32_t i)
{
    const struct texts *texts = context;
    uint32_t row = texts->source->row[i];
    return row == OD_NO_ROW ? OD_STR_NONE : od_feature_text(texts->cells, row);
}

static enum od_status plan_words(const struct od_feature_source *source, struct od_dict *names,
                                 struct od_buf *name, struct od_feature_plan *plan,
                                 struct od_error *err)
{
    const struct od_feature_options *options = source->options;
    struct texts context = {source, &plan->cells};
    struct od_texts texts = {source->id_count, text_of, &context};
    struct od_vocabulary_rule rule = {
        .grams = options->grams,
        .least_rows = options->least_rows ? options->least_rows : 1,
        .most_share = options->most_share,
        .most_tokens = options->most_words,
    };
    enum od_status s = od_vocabulary_make(&texts, &rule, options->threads, &plan->words, err);
    if (s != OD_OK)
        return s;
    plan->column_count = plan->words.count;
    for (uint32_t w = 0; s == OD_OK && w < plan->words.count; w++) {
        struct od_str token = od_vocabulary_token(&plan->words, w);
        s = add_name(names, name, "%.*s~%.*s", OD_STR_ARG(plan->cells.field->name),
                     OD_STR_ARG(token));
    }
    return s;
}

/* --- one field --- */

static bool is_reserved(struct od_str name)
{
    static const char *const reserved[] = {"ITEM_ID", "USER_ID", "ACTION_ID", "CREATION_TIMESTAMP"};
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (od_str_eq_c(name, reserved[i]))
            return true;
    return false;
}

void od_feature_plan_done(struct od_feature_plan *plan)
{
    free(plan->value_column);
    free(plan->edge);
    od_vocabulary_done(&plan->words);
    *plan = (struct od_feature_plan){0};
}

enum od_status od_feature_plan_make(const struct od_feature_source *source, size_t column,
                                    uint32_t first, struct od_dict *names,
                                    struct od_feature_plan *out, struct od_error *err)
{
    const struct od_feature_options *options = source->options;
    struct od_feature_plan plan = {.first = first};
    od_table_column(source->table, column, &plan.cells);
    const struct od_field *field = plan.cells.field;
    bool string = field->type == OD_FIELD_STRING, number = plan.cells.integers || plan.cells.reals;
    struct od_buf name;
    od_buf_init(&name, 1u << 20);
    enum od_status s = OD_OK;
    if (is_reserved(field->name) || field->type == OD_FIELD_BOOLEAN) {
        s = OD_OK; /* says who or when, or is not learnt from */
    } else if (string && field->categorical && options->categorical) {
        plan.kind = OD_FEATURE_VALUES;
        s = plan_values(source, names, &name, &plan);
    } else if (string && (field->textual || field->item_name) && options->text &&
               !od_vectors_is_column(source->table, column)) {
        plan.kind = OD_FEATURE_WORDS;
        s = plan_words(source, names, &name, &plan, err);
    } else if (number && options->numeric) {
        plan.kind = OD_FEATURE_BINS;
        s = plan_bins(source, names, &name, &plan);
    }
    od_buf_done(&name);
    if (s == OD_OK)
        *out = plan;
    else
        od_feature_plan_done(&plan);
    return s == OD_OK ? OD_OK : od_fail(err, s, NULL);
}

/* Rows of features for content.h: those of features.h, the columns on most items, the values of a
 * field weighed by how rare they are. Fields weigh alike, and rows are brought to length 1. */
#include "recipes/content.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "recipes/features.h"

enum { LEAST_ROWS = 2 };

struct plan {
    const struct od_features *from;
    uint32_t *rows;   /* [columns] items that have it */
    uint32_t *column; /* [columns] its new number, OD_NO_CODE: left out */
    float *weight;    /* [columns] */
    uint32_t *field;  /* [kept], ascending */
    uint32_t kept;
};

struct frequent {
    uint32_t rows, column;
};

static int most_rows_first(const void *a, const void *b)
{
    const struct frequent *x = a, *y = b;
    return x->rows != y->rows ? (x->rows < y->rows) - (x->rows > y->rows)
                              : (x->column > y->column) - (x->column < y->column);
}

static void plan_done(struct plan *p)
{
    free(p->rows);
    free(p->column);
    free(p->weight);
    free(p->field);
}

/* A feature of every item tells nothing. */
static enum od_status plan_init(struct plan *p, const struct od_features *from, uint32_t columns)
{
    size_t n = from->columns, usable = 0;
    struct frequent *order = malloc((n + 1) * sizeof *order);
    uint32_t described = 0;
    *p = (struct plan){.from = from,
                       .rows = calloc(n + 1, sizeof *p->rows),
                       .column = malloc((n + 1) * sizeof *p->column),
                       .weight = malloc((n + 1) * sizeof *p->weight),
                       .field = malloc((n + 1) * sizeof *p->field)};
    enum od_status st =
        order && p->rows && p->column && p->weight && p->field ? OD_OK : OD_NO_MEMORY;
    for (uint32_t r = 0; r < from->rows && st == OD_OK; r++)
        described += from->at[r + 1] > from->at[r];
    for (uint64_t e = 0; st == OD_OK && e < from->at[from->rows]; e++)
        p->rows[from->column[e]]++;
    for (uint32_t c = 0; c < n && st == OD_OK; c++) {
        p->column[c] = OD_NO_CODE;
        p->weight[c] = (float)log((double)described / (double)(p->rows[c] + !p->rows[c]));
        if (p->rows[c] && p->rows[c] < described)
            order[usable++] = (struct frequent){p->rows[c], c};
    }
    if (st == OD_OK)
        qsort(order, usable, sizeof *order, most_rows_first);
    for (size_t k = 0; k < usable && k < columns && st == OD_OK; k++)
        p->column[order[k].column] = 0;
    for (uint32_t f = 0; f < from->field_count && st == OD_OK; f++)
        for (uint32_t c = 0; c < from->fields[f].column_count; c++)
            if (p->column[from->fields[f].first + c] == 0) {
                p->field[p->kept] = f;
                p->column[from->fields[f].first + c] = p->kept++;
            }
    free(order);
    if (st != OD_OK)
        plan_done(p);
    return st;
}

struct entry {
    uint32_t column;
    float value;
};

static int strongest_first(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return x->value > y->value   ? -1
           : x->value < y->value ? 1
                                 : (x->column > y->column) - (x->column < y->column);
}

static int by_column(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return (x->column > y->column) - (x->column < y->column);
}

/* The row's entries, at most OD_CONTENT_VALUES; room for as many as the features' row has. */
static uint32_t take_row(const struct plan *p, uint32_t row, struct entry *out)
{
    uint32_t n = 0;
    for (uint64_t e = p->from->at[row]; e < p->from->at[row + 1]; e++) {
        uint32_t c = p->from->column[e];
        if (p->column[c] != OD_NO_CODE)
            out[n++] = (struct entry){p->column[c], p->from->value[e] * p->weight[c]};
    }
    if (n > OD_CONTENT_VALUES) {
        qsort(out, n, sizeof *out, strongest_first);
        n = OD_CONTENT_VALUES;
        qsort(out, n, sizeof *out, by_column);
    }
    return n;
}

/* Each field's values, and then all of them, of length 1. */
static void even_out(const struct plan *p, struct entry *row, uint32_t n)
{
    uint32_t fields = 0;
    for (uint32_t first = 0, end; first < n; first = end, fields++) {
        float square = 0;
        for (end = first; end < n && p->field[row[end].column] == p->field[row[first].column];
             end++)
            square += row[end].value * row[end].value;
        for (uint32_t k = first; k < end; k++)
            row[k].value /= sqrtf(square);
    }
    for (uint32_t k = 0; k < n; k++)
        row[k].value /= sqrtf((float)fields);
}

static uint64_t longest_row(const struct od_features *f)
{
    uint64_t most = 0;
    for (uint32_t r = 0; r < f->rows; r++)
        most = f->at[r + 1] - f->at[r] > most ? f->at[r + 1] - f->at[r] : most;
    return most;
}

static enum od_status take_rows(const struct plan *p, struct od_content_rows *out)
{
    const struct od_features *from = p->from;
    struct entry *row = malloc((size_t)(longest_row(from) + 1) * sizeof *row);
    size_t room = from->at[from->rows] + 1;
    *out = (struct od_content_rows){.items = from->rows,
                                    .columns = p->kept,
                                    .at = malloc(((size_t)from->rows + 1) * sizeof *out->at),
                                    .column = malloc(room * sizeof *out->column),
                                    .value = malloc(room * sizeof *out->value)};
    bool good = row && out->at && out->column && out->value;
    uint64_t count = 0;
    for (uint32_t r = 0; r < from->rows && good; r++) {
        out->at[r] = count;
        uint32_t n = take_row(p, r, row);
        even_out(p, row, n);
        for (uint32_t k = 0; k < n; k++, count++) {
            out->column[count] = (uint16_t)row[k].column;
            out->value[count] = row[k].value;
        }
    }
    if (good)
        out->at[from->rows] = count;
    free(row);
    return good ? OD_OK : OD_NO_MEMORY;
}

/* Bytes of an entry: as a feature, twice while features are put together, and as ours. */
enum { ENTRY_BYTES = 22 };

enum od_status od_content_rows_init(struct od_content_rows *out, const struct od_training *training,
                                    uint32_t columns, uint64_t memory_bytes, unsigned threads,
                                    struct od_error *err)
{
    uint64_t most = (uint64_t)training->item_count * OD_CONTENT_VALUES;
    struct od_feature_options options = od_feature_options_default();
    struct od_features features;
    struct plan plan;
    options.least_rows = LEAST_ROWS;
    options.most_words = columns;
    options.most_entries =
        memory_bytes && memory_bytes / ENTRY_BYTES < most ? memory_bytes / ENTRY_BYTES : most;
    options.threads = threads;
    *out = (struct od_content_rows){0};
    enum od_status st =
        od_features_make(training->item_table, training->items, &options, &features, err);
    if (st != OD_OK)
        return st;
    st = plan_init(&plan, &features, columns);
    if (st == OD_OK) {
        st = take_rows(&plan, out);
        plan_done(&plan);
    }
    od_features_done(&features);
    if (st != OD_OK)
        od_content_rows_done(out);
    return st == OD_OK ? OD_OK : od_fail(err, st, NULL);
}

void od_content_rows_done(struct od_content_rows *rows)
{
    free(rows->at);
    free(rows->column);
    free(rows->value);
    *rows = (struct od_content_rows){0};
}

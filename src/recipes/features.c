/* The sparse matrix of features: plans for the fields first (feature_fields.c), then the rows.
 *
 * Rows are made in blocks on all cores, each block into arrays of its own, which are laid one after
 * the other at the end: no thread count changes a byte. */
#include "recipes/features.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "os/parallel.h"
#include "recipes/feature_fields.h"

#define BLOCK       1024 /* rows a part */
#define WORDS_LEAST 8u   /* of a row's text, however large the catalogue */
#define WORDS_MOST  256u /* more say no more: the weakest of a long text */

struct od_feature_options od_feature_options_default(void)
{
    return (struct od_feature_options){
        .categorical = true,
        .numeric = true,
        .text = true,
        .bins = 10,
        .least_rows = 2,
        .most_share = 0.5,
        .most_words = 1u << 16,
        .most_entries = 256u << 20,
    };
}

struct block {
    uint32_t *column;
    float *value;
    size_t used, cap;
    uint32_t length[BLOCK];
};

struct maker {
    struct od_feature_source source;
    struct od_feature_plan *plans;
    uint32_t plan_count, columns, row_words;
    struct block *blocks;
};

/* --- one row --- */

static bool grow(struct block *block, size_t more)
{
    if (block->used + more <= block->cap)
        return true;
    size_t cap = 2 * block->cap + more;
    uint32_t *column = realloc(block->column, cap * sizeof *column);
    if (column)
        block->column = column;
    float *value = realloc(block->value, cap * sizeof *value);
    if (value)
        block->value = value;
    if (column && value)
        block->cap = cap;
    return column && value;
}

static int compare_codes(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static enum od_status add_values(const struct od_feature_plan *plan, uint32_t row,
                                 struct block *block)
{
    const struct od_table_column *cells = &plan->cells;
    const uint32_t *codes = cells->codes + cells->list_at[row];
    if (cells->list_len[row] == 0)
        return OD_OK;
    if (!grow(block, cells->list_len[row]))
        return OD_NO_MEMORY;
    uint32_t *to = block->column + block->used, found = 0, count = 0;
    for (uint32_t k = 0; k < cells->list_len[row]; k++)
        if (plan->value_column[codes[k]] != OD_NO_CODE)
            to[found++] = plan->first + plan->value_column[codes[k]];
    qsort(to, found, sizeof *to, compare_codes);
    for (uint32_t k = 0; k < found; k++)
        if (k == 0 || to[k] != to[count - 1])
            to[count++] = to[k];
    for (uint32_t k = 0; k < count; k++)
        block->value[block->used + k] = 1 / sqrtf((float)count);
    block->used += count;
    return OD_OK;
}

static enum od_status add_bin(const struct od_feature_plan *plan, uint32_t row, struct block *block)
{
    double number;
    if (!od_feature_number(&plan->cells, row, &number))
        return OD_OK;
    if (!grow(block, 1))
        return OD_NO_MEMORY;
    uint32_t bin = plan->column_count - 1;
    while (bin > 0 && number < plan->edge[bin])
        bin--;
    block->column[block->used] = plan->first + bin;
    block->value[block->used++] = 1;
    return OD_OK;
}

static enum od_status add_words(const struct maker *maker, const struct od_feature_plan *plan,
                                uint32_t row, struct od_vocabulary_scratch *scratch,
                                struct block *block)
{
    uint32_t count;
    if (!grow(block, maker->row_words))
        return OD_NO_MEMORY;
    uint32_t *to = block->column + block->used;
    enum od_status s =
        od_vocabulary_row(&plan->words, od_feature_text(&plan->cells, row), maker->row_words,
                          scratch, to, block->value + block->used, &count);
    for (uint32_t k = 0; s == OD_OK && k < count; k++)
        to[k] += plan->first;
    if (s == OD_OK)
        block->used += count;
    return s;
}

static enum od_status add_row(const struct maker *maker, uint32_t row,
                              struct od_vocabulary_scratch *scratch, struct block *block)
{
    enum od_status s = OD_OK;
    for (uint32_t p = 0; s == OD_OK && p < maker->plan_count; p++) {
        const struct od_feature_plan *plan = &maker->plans[p];
        switch (plan->kind) {
        case OD_FEATURE_VALUES:
            s = add_values(plan, row, block);
            break;
        case OD_FEATURE_BINS:
            s = add_bin(plan, row, block);
            break;
        case OD_FEATURE_WORDS:
            s = add_words(maker, plan, row, scratch, block);
            break;
        }
    }
    return s;
}

static enum od_status make_block(void *context, size_t index, unsigned thread)
{
    (void)thread;
    struct maker *maker = context;
    struct block *block = &maker->blocks[index];
    struct od_vocabulary_scratch scratch = {0};
    enum od_status s = OD_OK;
    for (uint32_t k = 0; s == OD_OK && k < BLOCK; k++) {
        size_t i = index * BLOCK + k, before = block->used;
        if (i >= maker->source.id_count)
            break;
        if (maker->source.row[i] != OD_NO_ROW)
            s = add_row(maker, maker->source.row[i], &scratch, block);
        block->length[k] = (uint32_t)(block->used - before);
    }
    od_vocabulary_scratch_done(&scratch);
    return s;
}

/* --- all rows --- */

static enum od_status gather(struct maker *maker, size_t blocks, struct od_features *out)
{
    uint64_t total = 0;
    for (size_t b = 0; b < blocks; b++)
        total += maker->blocks[b].used;
    out->at = calloc((size_t)out->rows + 1, sizeof *out->at);
    out->column = malloc((total + 1) * sizeof *out->column);
    out->value = malloc((total + 1) * sizeof *out->value);
    if (!out->at || !out->column || !out->value)
        return OD_NO_MEMORY;
    for (size_t b = 0; b < blocks; b++) {
        struct block *block = &maker->blocks[b];
        uint64_t at = out->at[b * BLOCK];
        if (block->used) {
            memcpy(out->column + at, block->column, block->used * sizeof *out->column);
            memcpy(out->value + at, block->value, block->used * sizeof *out->value);
        }
        for (size_t k = 0; k < BLOCK && b * BLOCK + k < out->rows; k++)
            out->at[b * BLOCK + k + 1] = out->at[b * BLOCK + k] + block->length[k];
        free(block->column);
        free(block->value);
        *block = (struct block){0};
    }
    return OD_OK;
}

static uint32_t words_a_row(const struct maker *maker)
{
    uint64_t texts = 0;
    for (uint32_t p = 0; p < maker->plan_count; p++)
        texts += maker->plans[p].kind == OD_FEATURE_WORDS;
    uint64_t cells = texts * maker->source.id_count;
    uint64_t each = cells ? maker->source.options->most_entries / cells : WORDS_MOST;
    return each < WORDS_LEAST ? WORDS_LEAST : each > WORDS_MOST ? WORDS_MOST : (uint32_t)each;
}

static enum od_status make_rows(struct maker *maker, struct od_features *out, struct od_error *err)
{
    size_t blocks = ((size_t)out->rows + BLOCK - 1) / BLOCK;
    maker->blocks = calloc(blocks + 1, sizeof *maker->blocks);
    enum od_status s = maker->blocks ? OD_OK : OD_NO_MEMORY;
    maker->row_words = words_a_row(maker);
    if (s == OD_OK)
        s = od_parallel(maker->source.options->threads, blocks, make_block, maker);
    if (s == OD_OK)
        s = gather(maker, blocks, out);
    for (size_t b = 0; maker->blocks && b < blocks; b++) {
        free(maker->blocks[b].column);
        free(maker->blocks[b].value);
    }
    free(maker->blocks);
    return s == OD_OK ? OD_OK : od_fail(err, s, NULL);
}

/* --- fields --- */

static void find_rows(const struct od_dict *ids, struct od_feature_source *source)
{
    for (uint32_t i = 0; i < source->id_count; i++) {
        uint32_t row =
            source->table ? od_table_find(source->table, od_dict_text(ids, i)) : OD_NO_ROW;
        if (row != OD_NO_ROW && !od_table_has_record(source->table, row))
            row = OD_NO_ROW;
        source->row[i] = row;
    }
}

static enum od_status make_plans(struct maker *maker, struct od_features *out, struct od_error *err)
{
    size_t fields = maker->source.table && od_table_schema(maker->source.table)
                        ? od_table_column_count(maker->source.table)
                        : 0;
    maker->plans = calloc(fields + 1, sizeof *maker->plans);
    out->fields = calloc(fields + 1, sizeof *out->fields);
    out->names = od_dict_new();
    if (!maker->plans || !out->fields || !out->names)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (size_t f = 0; f < fields; f++) {
        struct od_feature_plan *plan = &maker->plans[maker->plan_count];
        enum od_status s =
            od_feature_plan_make(&maker->source, f, out->columns, out->names, plan, err);
        if (s != OD_OK)
            return s;
        if (plan->column_count == 0) {
            od_feature_plan_done(plan);
            continue;
        }
        maker->plan_count++;
        out->columns += plan->column_count;
        out->fields[out->field_count++] =
            (struct od_feature_field){plan->cells.field->name, plan->first, plan->column_count,
                                      plan->kind == OD_FEATURE_WORDS};
    }
    return OD_OK;
}

void od_features_done(struct od_features *features)
{
    free(features->at);
    free(features->column);
    free(features->value);
    free(features->fields);
    od_dict_free(features->names);
    *features = (struct od_features){0};
}

enum od_status od_features_make(const struct od_table *table, const struct od_dict *ids,
                                const struct od_feature_options *options, struct od_features *out,
                                struct od_error *err)
{
    struct maker maker = {
        .source = {.table = table, .options = options, .id_count = od_dict_count(ids)}};
    struct od_features features = {.rows = maker.source.id_count};
    maker.source.row = malloc(((size_t)features.rows + 1) * sizeof *maker.source.row);
    enum od_status s = maker.source.row ? OD_OK : od_fail(err, OD_NO_MEMORY, NULL);
    if (s == OD_OK) {
        find_rows(ids, &maker.source);
        s = make_plans(&maker, &features, err);
    }
    if (s == OD_OK)
        s = make_rows(&maker, &features, err);
    for (uint32_t p = 0; p < maker.plan_count; p++)
        od_feature_plan_done(&maker.plans[p]);
    free(maker.plans);
    free(maker.source.row);
    if (s == OD_OK)
        *out = features;
    else
        od_features_done(&features);
    return s;
}

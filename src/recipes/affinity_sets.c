/* Items the model answers for, and the attribute values they share. See affinity.h. */
#include <stdlib.h>
#include <string.h>

#include "recipes/affinity.h"

#define SETS_MOST                                                                                  \
    4096                /* attribute values that judge: the first of each field are its commonest  \
                         */
#define WORDS_MOST 2000 /* of a field, as features of items without events */
#define BINS       5

/* --- the catalogue --- */

struct text {
    struct od_str id;
    uint32_t learnt;
};

static int compare_texts(const void *a, const void *b)
{
    return od_str_cmp(((const struct text *)a)->id, ((const struct text *)b)->id);
}

/* Every id once; returns how many. */
static size_t list_ids(const struct od_training *t, struct text *out)
{
    size_t count = 0;
    for (uint32_t i = 0; i < t->item_count; i++)
        out[count++] = (struct text){od_dict_text(t->items, i), i};
    uint32_t rows = t->item_table ? od_table_row_count(t->item_table) : 0;
    for (uint32_t row = 0; row < rows; row++) {
        struct od_str id = od_table_id(t->item_table, row);
        if (od_table_has_record(t->item_table, row) && od_dict_find(t->items, id) == OD_NO_CODE)
            out[count++] = (struct text){id, OD_NO_CODE};
    }
    qsort(out, count, sizeof *out, compare_texts);
    return count;
}

static enum od_status code_items(struct od_affinity_catalogue *c, const struct od_training *t)
{
    size_t most =
        (size_t)t->item_count + (t->item_table ? od_table_row_count(t->item_table) : 0) + 1;
    struct text *texts = malloc(most * sizeof *texts);
    c->items = od_dict_new();
    c->code = malloc(((size_t)t->item_count + 1) * sizeof *c->code);
    c->learnt = malloc(most * sizeof *c->learnt);
    enum od_status s = texts && c->items && c->code && c->learnt ? OD_OK : OD_NO_MEMORY;
    size_t count = s == OD_OK ? list_ids(t, texts) : 0;
    for (size_t i = 0; s == OD_OK && i < count; i++) {
        uint32_t code;
        s = od_dict_add(c->items, texts[i].id, &code);
        if (s != OD_OK)
            break;
        c->learnt[code] = texts[i].learnt;
        if (texts[i].learnt == OD_NO_CODE)
            c->cold++;
        else
            c->code[texts[i].learnt] = code;
    }
    free(texts);
    return s;
}

enum od_status od_affinity_catalogue_init(struct od_affinity_catalogue *out,
                                          const struct od_training *training, unsigned threads,
                                          struct od_error *err)
{
    struct od_affinity_catalogue c = {0};
    struct od_feature_options options = od_feature_options_default();
    options.bins = BINS;
    options.most_words = WORDS_MOST;
    options.grams = false;
    options.threads = threads;
    enum od_status s = code_items(&c, training);
    if (s != OD_OK)
        od_fail(err, s, NULL);
    else
        s = od_features_make(training->item_table, c.items, &options, &c.features, err);
    if (s == OD_OK)
        *out = c;
    else
        od_affinity_catalogue_done(&c);
    return s;
}

void od_affinity_catalogue_done(struct od_affinity_catalogue *catalogue)
{
    od_dict_free(catalogue->items);
    free(catalogue->code);
    free(catalogue->learnt);
    od_features_done(&catalogue->features);
    *catalogue = (struct od_affinity_catalogue){0};
}

bool od_affinity_has_attribute(const struct od_training *training)
{
    const struct od_schema *schema =
        training->item_table ? od_table_schema(training->item_table) : NULL;
    for (size_t f = 0; schema && f < schema->field_count; f++) {
        const struct od_field *field = &schema->fields[f];
        if (!field->textual && !od_str_eq_c(field->name, "ITEM_ID") &&
            !od_str_eq_c(field->name, "CREATION_TIMESTAMP"))
            return true;
    }
    return false;
}

/* --- sets --- */

/* set[column]: its place among the sets, OD_NO_CODE for words and values that none of the items
 * carries. */
static uint32_t number_columns(const struct od_features *f, const uint32_t *carriers, uint32_t *set)
{
    uint32_t count = 0;
    for (uint32_t c = 0; c < f->columns; c++)
        set[c] = OD_NO_CODE;
    for (uint32_t k = 0; k < f->field_count; k++)
        for (uint32_t c = 0; !f->fields[k].text && c < f->fields[k].column_count; c++) {
            uint32_t column = f->fields[k].first + c;
            if (carriers[column] && count < SETS_MOST)
                set[column] = count++;
        }
    return count;
}

/* code: rows of the features by item; NULL: the same. */
static enum od_status fill_sets(struct od_affinity_sets *s, const struct od_affinity_catalogue *c,
                                const uint32_t *code, const uint32_t *set)
{
    uint64_t most = c->features.at[c->features.rows];
    s->at = calloc((size_t)s->count + 2, sizeof *s->at);
    s->item = malloc((most + 1) * sizeof *s->item);
    s->set_at = calloc((size_t)s->item_count + 1, sizeof *s->set_at);
    s->set = malloc((most + 1) * sizeof *s->set);
    if (!s->at || !s->item || !s->set_at || !s->set)
        return OD_NO_MEMORY;
    uint64_t count = 0;
    for (uint32_t i = 0; i < s->item_count; i++) {
        uint32_t row = code ? code[i] : i;
        for (uint64_t k = c->features.at[row]; k < c->features.at[row + 1]; k++)
            if (set[c->features.column[k]] != OD_NO_CODE) {
                s->set[count++] = set[c->features.column[k]];
                s->at[set[c->features.column[k]] + 2]++;
            }
        s->set_at[i + 1] = count;
    }
    for (uint32_t v = 0; v < s->count; v++)
        s->at[v + 2] += s->at[v + 1];
    for (uint32_t i = 0; i < s->item_count; i++)
        for (uint64_t k = s->set_at[i]; k < s->set_at[i + 1]; k++)
            s->item[s->at[s->set[k] + 1]++] = i;
    return OD_OK;
}

enum od_status od_affinity_sets_init(struct od_affinity_sets *out,
                                     const struct od_affinity_catalogue *catalogue, bool cold_too)
{
    const struct od_features *f = &catalogue->features;
    const uint32_t *code = cold_too ? NULL : catalogue->code;
    struct od_affinity_sets s = {.item_count = od_dict_count(catalogue->items) -
                                               (cold_too ? 0 : catalogue->cold)};
    uint32_t *set = malloc(((size_t)f->columns + 1) * sizeof *set);
    uint32_t *carriers = calloc((size_t)f->columns + 1, sizeof *carriers);
    enum od_status st = set && carriers ? OD_OK : OD_NO_MEMORY;
    for (uint32_t i = 0; st == OD_OK && i < s.item_count; i++) {
        uint32_t row = code ? code[i] : i;
        for (uint64_t k = f->at[row]; k < f->at[row + 1]; k++)
            carriers[f->column[k]]++;
    }
    if (st == OD_OK) {
        s.count = number_columns(f, carriers, set);
        st = fill_sets(&s, catalogue, code, set);
    }
    free(set);
    free(carriers);
    if (st == OD_OK)
        *out = s;
    else
        od_affinity_sets_done(&s);
    return st;
}

void od_affinity_sets_done(struct od_affinity_sets *sets)
{
    free(sets->at);
    free(sets->item);
    free(sets->set_at);
    free(sets->set);
    *sets = (struct od_affinity_sets){0};
}

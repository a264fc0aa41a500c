/* Finding what new items are like: see updated.h.
 *
 * Likeness by records is the dot product of feature rows, each feature weighed by the logarithm of
 * how rare it is; an inverted index over the old items is walked from the rarest feature of a new
 * item on, for at most MOST_VISITS entries. Where the record has a vector of the user's own
 * (vectors.h) it is the cosine with those of old items instead, as in the recipes, as long as
 * MOST_PRODUCTS last. Likeness by company counts the old items within REACH
 * places of the item in users' histories, near ones more. Both are made to sum to 1, and mixed by
 * how many interactions the item has: FEW of them weigh as much as the record. Items that the old
 * model never recommends (all but cold ones of aws-hrnn-coldstart) lend no likeness. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "data/training_ids.h"
#include "math/kernels.h"
#include "recipes/features.h"
#include "recipes/metrics.h"
#include "recipes/updated.h"
#include "recipes/vectors.h"

#define MOST_PRODUCTS 2e11 /* multiplications of vectors: half a minute */
enum { MOST_LIKE = 20, REACH = 3, MOST_VISITS = 200000 };
#define FEW 5.0f

struct likeness {
    uint32_t old; /* the old model's code */
    float weight;
};

/* A sum over old items, emptied by the list of those touched. */
struct tally {
    float *sum;
    uint32_t *touched;
    size_t count;
};

struct make {
    const struct od_train_input *input;
    struct od_image_dict old_items;
    const uint64_t *cold;  /* bits over the old items, of those alone that are recommended */
    struct od_dict *all;   /* every id, in byte order */
    uint32_t *old;         /* [all] the old code, OD_NO_CODE: new */
    uint32_t *of_training; /* [training items] code in all */
    struct od_features features;
    struct od_vectors vectors; /* of all; rows 0: there are none */
    double products_left;
    uint64_t *index_at;   /* [columns + 1] */
    uint32_t *index_item; /* old codes */
    float *index_value;
    uint64_t *visits_at; /* [all + 1]: where a new item's events are listed */
    uint64_t *visit;     /* events of new items */
    uint32_t *user_of_visit;
    struct tally records, company;
    struct od_buf at, like, weight; /* what is written */
};

/* --- every id --- */

static enum od_status collect_ids(struct make *m)
{
    const struct od_training *t = m->input->training;
    struct od_dict *ids = od_dict_new();
    uint32_t code, *map = NULL;
    enum od_status s = ids ? OD_OK : OD_NO_MEMORY;
    for (uint32_t i = 0; s == OD_OK && i < m->old_items.count; i++)
        s = od_dict_add(ids, od_image_dict_text(&m->old_items, i), &code);
    for (uint32_t i = 0; s == OD_OK && i < t->item_count; i++)
        s = od_dict_add(ids, od_dict_text(t->items, i), &code);
    uint32_t rows = t->item_table ? od_table_row_count(t->item_table) : 0;
    for (uint32_t row = 0; s == OD_OK && row < rows; row++)
        if (od_table_has_record(t->item_table, row))
            s = od_dict_add(ids, od_table_id(t->item_table, row), &code);
    if (s == OD_OK)
        s = od_training_sort_ids(ids, &m->all, &map);
    od_dict_free(ids);
    free(map);
    return s;
}

static enum od_status code_ids(struct make *m)
{
    const struct od_training *t = m->input->training;
    uint32_t count = od_dict_count(m->all);
    m->old = malloc(((size_t)count + 1) * sizeof *m->old);
    m->of_training = malloc(((size_t)t->item_count + 1) * sizeof *m->of_training);
    if (!m->old || !m->of_training)
        return OD_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++)
        m->old[i] = od_image_dict_find(&m->old_items, od_dict_text(m->all, i));
    for (uint32_t i = 0; i < t->item_count; i++)
        m->of_training[i] = od_dict_find(m->all, od_dict_text(t->items, i));
    return OD_OK;
}

/* The code of an old item that may lend its score, OD_NO_CODE otherwise. */
static uint32_t lender(const struct make *m, uint32_t item)
{
    uint32_t old = m->old[item];
    return old == OD_NO_CODE || (m->cold && !od_bitmap_get(m->cold, old)) ? OD_NO_CODE : old;
}

/* --- the inverted index of old items --- */

static enum od_status index_features(struct make *m)
{
    const struct od_features *f = &m->features;
    uint64_t entries = f->rows ? f->at[f->rows] : 0;
    m->index_at = calloc((size_t)f->columns + 2, sizeof *m->index_at);
    m->index_item = malloc((entries + 1) * sizeof *m->index_item);
    m->index_value = malloc((entries + 1) * sizeof *m->index_value);
    uint64_t *cursor = malloc(((size_t)f->columns + 1) * sizeof *cursor);
    if (!m->index_at || !m->index_item || !m->index_value || !cursor) {
        free(cursor);
        return OD_NO_MEMORY;
    }
    for (uint32_t row = 0; row < f->rows; row++)
        for (uint64_t e = f->at[row]; lender(m, row) != OD_NO_CODE && e < f->at[row + 1]; e++)
            m->index_at[f->column[e] + 1]++;
    for (uint32_t c = 0; c < f->columns; c++)
        m->index_at[c + 1] += m->index_at[c];
    memcpy(cursor, m->index_at, f->columns * sizeof *cursor);
    for (uint32_t row = 0; row < f->rows; row++)
        for (uint64_t e = f->at[row]; lender(m, row) != OD_NO_CODE && e < f->at[row + 1]; e++) {
            uint64_t to = cursor[f->column[e]]++;
            m->index_item[to] = m->old[row];
            m->index_value[to] = f->value[e];
        }
    free(cursor);
    return OD_OK;
}

/* --- the events of new items --- */

static enum od_status list_visits(struct make *m)
{
    const struct od_training *t = m->input->training;
    uint32_t count = od_dict_count(m->all);
    m->visits_at = calloc((size_t)count + 2, sizeof *m->visits_at);
    if (!m->visits_at)
        return OD_NO_MEMORY;
    for (uint64_t e = 0; e < t->event_count; e++) {
        uint32_t item = m->of_training[t->item[e]];
        m->visits_at[item + 1] += m->old[item] == OD_NO_CODE;
    }
    for (uint32_t i = 0; i < count; i++)
        m->visits_at[i + 1] += m->visits_at[i];
    uint64_t *cursor = malloc(((size_t)count + 1) * sizeof *cursor);
    m->visit = malloc((m->visits_at[count] + 1) * sizeof *m->visit);
    m->user_of_visit = malloc((m->visits_at[count] + 1) * sizeof *m->user_of_visit);
    if (!cursor || !m->visit || !m->user_of_visit) {
        free(cursor);
        return OD_NO_MEMORY;
    }
    memcpy(cursor, m->visits_at, count * sizeof *cursor);
    for (uint32_t u = 0; u < t->user_count; u++)
        for (uint64_t e = t->user_start[u]; e < t->user_start[u + 1]; e++) {
            uint32_t item = m->of_training[t->item[e]];
            if (m->old[item] != OD_NO_CODE)
                continue;
            m->visit[cursor[item]] = e;
            m->user_of_visit[cursor[item]++] = u;
        }
    free(cursor);
    return OD_OK;
}

/* --- one new item --- */

static void add(struct tally *tally, uint32_t item, float weight)
{
    if (tally->sum[item] == 0)
        tally->touched[tally->count++] = item;
    tally->sum[item] += weight;
}

static float rarity(const struct make *m, uint32_t column)
{
    uint64_t rows = m->index_at[column + 1] - m->index_at[column];
    return logf((float)(1 + m->old_items.count) / (float)(1 + rows));
}

static void tally_records(struct make *m, uint32_t item)
{
    const struct od_features *f = &m->features;
    uint64_t from = f->at[item], end = f->at[item + 1], visits = 0;
    bool done[256] = {false};
    uint64_t most = end - from < 256 ? end - from : 256;
    for (uint64_t turn = 0; turn < most && visits < MOST_VISITS; turn++) {
        uint64_t best = most;
        for (uint64_t k = 0; k < most; k++)
            if (!done[k] && (best == most ||
                             rarity(m, f->column[from + k]) > rarity(m, f->column[from + best])))
                best = k;
        done[best] = true;
        uint32_t column = f->column[from + best];
        float weight = f->value[from + best] * rarity(m, column);
        for (uint64_t e = m->index_at[column]; e < m->index_at[column + 1] && visits < MOST_VISITS;
             e++, visits++)
            if (weight * m->index_value[e] > 0)
                add(&m->records, m->index_item[e], weight * m->index_value[e]);
    }
}

/* False: there is no vector to go by. */
static bool tally_vectors(struct make *m, uint32_t item)
{
    const struct od_vectors *v = &m->vectors;
    if (item >= v->rows || !od_bitmap_get(v->present, item) ||
        m->products_left < (double)v->rows * v->dimension)
        return false;
    const float *mine = v->at + (size_t)item * v->dimension;
    m->products_left -= (double)v->rows * v->dimension;
    for (uint32_t row = 0; row < v->rows; row++) {
        uint32_t old = od_bitmap_get(v->present, row) ? lender(m, row) : OD_NO_CODE;
        if (old == OD_NO_CODE)
            continue;
        float cosine =
            od_kernels_best()->dot(mine, v->at + (size_t)row * v->dimension, v->dimension);
        if (cosine > 0)
            add(&m->records, old, cosine);
    }
    return true;
}

static void tally_company(struct make *m, uint32_t item)
{
    const struct od_training *t = m->input->training;
    for (uint64_t v = m->visits_at[item]; v < m->visits_at[item + 1]; v++) {
        uint64_t at = m->visit[v], start = t->user_start[m->user_of_visit[v]];
        uint64_t end = t->user_start[m->user_of_visit[v] + 1];
        for (uint64_t d = 1; d <= REACH; d++) {
            uint32_t before =
                at >= start + d ? lender(m, m->of_training[t->item[at - d]]) : OD_NO_CODE;
            uint32_t after = at + d < end ? lender(m, m->of_training[t->item[at + d]]) : OD_NO_CODE;
            if (before != OD_NO_CODE)
                add(&m->company, before, 1.0f / (float)d);
            if (after != OD_NO_CODE)
                add(&m->company, after, 1.0f / (float)d);
        }
    }
}

static int heavier(const void *a, const void *b)
{
    const struct likeness *x = a, *y = b;
    if (x->weight != y->weight)
        return x->weight > y->weight ? -1 : 1;
    return (x->old > y->old) - (x->old < y->old);
}

/* The heaviest of a tally, their weights summing to share; the tally is emptied. */
static size_t take_heaviest(struct tally *tally, float share, struct likeness *out)
{
    size_t kept = 0;
    float sum = 0;
    for (size_t i = 0; i < tally->count; i++) {
        struct likeness one = {tally->touched[i], tally->sum[tally->touched[i]]};
        tally->sum[tally->touched[i]] = 0;
        size_t at = kept < MOST_LIKE ? kept++ : MOST_LIKE;
        while (at > 0 && heavier(&one, &out[at - 1]) < 0) {
            if (at < MOST_LIKE)
                out[at] = out[at - 1];
            at--;
        }
        if (at < MOST_LIKE)
            out[at] = one;
    }
    tally->count = 0;
    for (size_t i = 0; i < kept; i++)
        sum += out[i].weight;
    for (size_t i = 0; i < kept; i++)
        out[i].weight *= share / sum;
    return kept;
}

static void describe(struct make *m, uint32_t item)
{
    struct likeness list[2 * MOST_LIKE];
    float events = (float)(m->visits_at[item + 1] - m->visits_at[item]);
    float share = events / (events + FEW);
    if (!tally_vectors(m, item))
        tally_records(m, item);
    tally_company(m, item);
    if (m->records.count == 0)
        share = 1;
    if (m->company.count == 0)
        share = 0;
    size_t count = take_heaviest(&m->records, 1 - share, list);
    count += take_heaviest(&m->company, share, list + count);
    for (size_t i = 0; i < count; i++) {
        od_buf_put(&m->like, &list[i].old, sizeof list[i].old);
        od_buf_put(&m->weight, &list[i].weight, sizeof list[i].weight);
    }
}

/* --- the image --- */

static enum od_status describe_all(struct make *m, uint32_t *out_new, struct od_error *err)
{
    uint32_t count = od_dict_count(m->all);
    uint64_t at = 0;
    *out_new = 0;
    od_buf_put(&m->at, &at, sizeof at);
    for (uint32_t i = 0; i < count; i++) {
        if (m->old[i] == OD_NO_CODE) {
            describe(m, i);
            if (++*out_new % 256 == 0) {
                enum od_status s = od_progress_report(
                    &m->input->progress, (double)i / (double)count, "describing new items", err);
                if (s != OD_OK)
                    return s;
            }
        }
        at = m->like.len / sizeof(uint32_t);
        od_buf_put(&m->at, &at, sizeof at);
    }
    return OD_OK;
}

static enum od_status copy_old(const struct od_image *old, struct od_image_writer *image)
{
    enum od_status s = OD_OK;
    for (uint32_t i = 0; s == OD_OK && i < old->section_count; i++) {
        char name[OD_IMAGE_NAME] = {0};
        struct od_str text = od_image_section_name(old, i), bytes;
        memcpy(name, text.ptr, text.len < sizeof name ? text.len : sizeof name - 1);
        if (strcmp(name, "card") != 0 && od_image_section(old, name, &bytes))
            s = od_image_add(image, name, bytes.ptr, bytes.len, true);
    }
    return s;
}

static enum od_status write_all(const struct make *m, const struct od_image *old,
                                struct od_image_writer *image)
{
    uint32_t count = od_dict_count(m->all);
    const struct od_buf *bufs[] = {&m->at, &m->like, &m->weight};
    static const char *const names[] = {"update.at", "update.like", "update.weight"};
    enum od_status s = copy_old(old, image);
    if (s == OD_OK)
        s = od_image_add_dict(image, "update.items", m->all);
    if (s == OD_OK)
        s = od_image_add(image, "update.old", m->old, count * sizeof *m->old, false);
    for (size_t i = 0; s == OD_OK && i < 3; i++) {
        s = od_buf_status(bufs[i]);
        if (s == OD_OK)
            s = od_image_add(image, names[i], bufs[i]->ptr, bufs[i]->len, false);
    }
    return s;
}

static enum od_status prepare(struct make *m, struct od_error *err)
{
    const struct od_training *t = m->input->training;
    struct od_feature_options options = od_feature_options_default();
    options.threads = m->input->threads;
    size_t n = (size_t)m->old_items.count + 1;
    m->records = (struct tally){calloc(n, sizeof(float)), malloc(n * sizeof(uint32_t)), 0};
    m->company = (struct tally){calloc(n, sizeof(float)), malloc(n * sizeof(uint32_t)), 0};
    enum od_status s = m->records.sum && m->records.touched && m->company.sum && m->company.touched
                           ? collect_ids(m)
                           : OD_NO_MEMORY;
    if (s == OD_OK)
        s = code_ids(m);
    if (s == OD_OK)
        s = list_visits(m);
    if (s != OD_OK)
        return od_fail(err, s, NULL);
    s = od_features_make(t->item_table, m->all, &options, &m->features, err);
    if (s == OD_OK && index_features(m) != OD_OK)
        return od_fail(err, OD_NO_MEMORY, NULL);
    size_t column = od_vectors_find(t->item_table);
    m->products_left = MOST_PRODUCTS;
    return s == OD_OK && column != SIZE_MAX
               ? od_vectors_read(t->item_table, column, m->all, &m->vectors, err)
               : s;
}

static void make_done(struct make *m)
{
    od_features_done(&m->features);
    od_vectors_done(&m->vectors);
    od_dict_free(m->all);
    void *owned[] = {m->old,         m->of_training,     m->index_at,    m->index_item,
                     m->index_value, m->visits_at,       m->visit,       m->user_of_visit,
                     m->records.sum, m->records.touched, m->company.sum, m->company.touched};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        free(owned[i]);
    od_buf_done(&m->at);
    od_buf_done(&m->like);
    od_buf_done(&m->weight);
}

enum od_status od_updated_make(const struct od_train_input *input, const struct od_image *old,
                               struct od_image_writer *image, uint32_t *out_new,
                               struct od_error *err)
{
    struct make m = {.input = input};
    od_buf_init(&m.at, SIZE_MAX);
    od_buf_init(&m.like, SIZE_MAX);
    od_buf_init(&m.weight, SIZE_MAX);
    struct od_str cold;
    const void *bits = NULL;
    enum od_status s = od_updated_is(old)
                           ? od_fail(err, OD_INTERNAL, "An updated image is not updated again.")
                           : od_image_dict_open(old, "items", &m.old_items, err);
    if (s == OD_OK && od_image_section(old, "hrnn.cold", &cold))
        s = od_image_array(old, "hrnn.cold", od_bitmap_words(m.old_items.count), sizeof *m.cold,
                           &bits, err);
    m.cold = bits;
    if (s == OD_OK)
        s = prepare(&m, err);
    if (s == OD_OK)
        s = describe_all(&m, out_new, err);
    if (s == OD_OK && (s = write_all(&m, old, image)) != OD_OK)
        od_fail(err, s, NULL);
    make_done(&m);
    return s;
}

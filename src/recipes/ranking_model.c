/* A ranking in the server: the base's model, and trees on top of it where training found them
 * better (ranking_train.c lists the sections).
 *
 * A list's scores are the trees' divided by their heat and multiplied by the base's temperature, so
 * that softmax(score / temperature) over the list is the probability that an item is taken; what
 * the trees hold equal keeps the order of the base. Everything is checked at open and read-only
 * afterwards; any thread may ask. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "recipes/ranking.h"

/* Of a logit: more than rounding, less than any leaf that matters. */
#define TIE_SHARE 1e-5f

struct od_model {
    const struct od_recipe *base;
    struct od_model *model; /* the base's own */
    bool has_trees;
    struct od_ranking_header header;
    struct od_ranking_facts facts;
    struct od_boost boost;
};

static enum od_status read_header(const struct od_image *image, uint32_t items,
                                  struct od_ranking_header *out, struct od_error *err)
{
    const void *p;
    enum od_status st = od_image_array(image, "ranking", 1, sizeof *out, &p, err);
    if (st != OD_OK)
        return st;
    memcpy(out, p, sizeof *out);
    if (out->version != OD_RANKING_VERSION)
        return od_fail(err, OD_CORRUPT, "Section ranking has version %u; this program reads %u.",
                       out->version, OD_RANKING_VERSION);
    if (out->items != items || out->numbers > OD_RANKING_COLUMNS ||
        out->categories > OD_RANKING_COLUMNS || out->trees > OD_BOOST_TREES || !(out->heat > 0) ||
        !isfinite(out->heat))
        return od_fail(err, OD_CORRUPT, "Section ranking is not valid.");
    return OD_OK;
}

/* Cells of the categories lie one after the other and inside the values. */
static enum od_status read_values(const struct od_image *image, struct od_ranking_facts *f,
                                  struct od_error *err)
{
    uint64_t cells = (uint64_t)f->categories * f->items;
    const void *p;
    enum od_status st = od_image_array(image, "ranking.at", cells + 1, sizeof *f->at, &p, err);
    if (st != OD_OK)
        return st;
    f->at = p;
    for (uint64_t i = 0; i < cells; i++)
        if (f->at[i + 1] < f->at[i])
            return od_fail(err, OD_CORRUPT, "Section ranking.at is not in order.");
    if (f->at[0] != 0)
        return od_fail(err, OD_CORRUPT, "Section ranking.at does not begin at 0.");
    st = od_image_array(image, "ranking.value", f->at[cells], sizeof *f->value, &p, err);
    f->value = st == OD_OK ? p : NULL;
    return st;
}

static enum od_status read_facts(const struct od_image *image, struct od_model *m,
                                 struct od_error *err)
{
    struct od_ranking_facts *f = &m->facts;
    const void *count = NULL, *first = NULL, *number = NULL;
    uint64_t n = m->header.items;
    f->items = m->header.items;
    f->numbers = m->header.numbers;
    f->categories = m->header.categories;
    enum od_status st = od_image_array(image, "ranking.count", OD_RANKING_COUNTS * n,
                                       sizeof *f->count, &count, err);
    if (st == OD_OK)
        st = od_image_array(image, "ranking.first", n, sizeof *f->first, &first, err);
    if (st == OD_OK)
        st = od_image_array(image, "ranking.number", f->numbers * n, sizeof *f->number, &number,
                            err);
    if (st == OD_OK)
        st = read_values(image, f, err);
    f->count = count;
    f->first = first;
    f->number = number;
    if (st == OD_OK)
        od_ranking_facts_seal(f);
    return st;
}

static enum od_status read_trees(const struct od_image *image, struct od_model *m,
                                 struct od_error *err)
{
    const void *at, *node = NULL, *leaf = NULL;
    uint32_t trees = m->header.trees;
    enum od_status st =
        od_image_array(image, "ranking.trees", trees + 1ull, sizeof *m->boost.node_at, &at, err);
    if (st != OD_OK)
        return st;
    m->boost = (struct od_boost){.features = m->header.features, .trees = trees, .node_at = at};
    uint64_t nodes = m->boost.node_at[trees];
    st = od_image_array(image, "ranking.nodes", nodes, sizeof *m->boost.node, &node, err);
    if (st == OD_OK)
        st = od_image_array(image, "ranking.leaves", nodes + trees, sizeof *m->boost.leaf, &leaf,
                            err);
    m->boost.node = node;
    m->boost.leaf = leaf;
    if (st == OD_OK && (m->header.features != od_ranking_features(&m->facts) ||
                        !od_boost_valid(&m->boost, nodes, nodes + trees)))
        st = od_fail(err, OD_CORRUPT, "The trees of section ranking.trees are not valid.");
    return st;
}

enum od_status od_ranking_open(const struct od_recipe *base, const struct od_image *image,
                               struct od_model **out, struct od_error *err)
{
    struct od_model *m = calloc(1, sizeof *m);
    struct od_str section;
    if (!m)
        return od_fail(err, OD_NO_MEMORY, NULL);
    m->base = base;
    m->has_trees = od_image_section(image, "ranking", &section);
    enum od_status st = base->open(image, &m->model, err);
    if (st == OD_OK && m->has_trees)
        st = read_header(image, base->items(m->model)->count, &m->header, err);
    if (st == OD_OK && m->has_trees)
        st = read_facts(image, m, err);
    if (st == OD_OK && m->has_trees)
        st = read_trees(image, m, err);
    if (st == OD_OK)
        *out = m;
    else
        od_ranking_close(m);
    return st;
}

void od_ranking_close(struct od_model *model)
{
    if (model->model)
        model->base->close(model->model);
    free(model);
}

const struct od_image_dict *od_ranking_items(const struct od_model *model)
{
    return model->base->items(model->model);
}

enum od_status od_ranking_score(const struct od_model *model, const struct od_query *query,
                                struct od_arena *scratch, float *scores, bool *out_personal,
                                struct od_error *err)
{
    return model->base->score(model->model, query, scratch, scores, out_personal, err);
}

enum od_status od_ranking_explain(const struct od_model *model, const struct od_query *query,
                                  const uint32_t *item, uint32_t item_count,
                                  struct od_arena *scratch, float *scores,
                                  struct od_score_terms *out, struct od_error *err)
{
    return model->base->explain(model->model, query, item, item_count, scratch, scores, out, err);
}

float od_ranking_temperature(const struct od_model *model)
{
    return model->base->temperature(model->model);
}

const struct od_ranking_header *od_ranking_header_of(const struct od_model *model)
{
    return model->has_trees ? &model->header : NULL;
}

enum od_status od_ranking_rank(const struct od_model *model, const struct od_query *query,
                               const uint32_t *item, uint32_t count, struct od_arena *scratch,
                               float *scores, bool *out_personal, struct od_error *err)
{
    float heat = od_ranking_temperature(model);
    uint32_t items = od_ranking_items(model)->count;
    size_t features = model->has_trees ? model->boost.features : 0;
    float *all = OD_NEW_ARRAY(scratch, float, items);
    float *rows = OD_NEW_ARRAY(scratch, float, (size_t)count *features);
    if (!all || !rows)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status st = od_ranking_score(model, query, scratch, all, out_personal, err);
    for (uint32_t i = 0; st == OD_OK && i < count; i++)
        scores[i] = all[item[i]];
    if (st != OD_OK || !model->has_trees)
        return st;
    for (uint32_t i = 0; i < count; i++)
        scores[i] /= heat;
    st = od_ranking_rows(&model->facts, query, item, scores, count, scratch, rows);
    if (st != OD_OK)
        return od_fail(err, st, NULL);
    for (uint32_t i = 0; i < count; i++) {
        const float *row = rows + i * features;
        float logit = od_boost_score(&model->boost, row) / model->header.heat;
        if (scores[i] > -INFINITY)
            scores[i] = heat * (logit + TIE_SHARE * fmaxf(row[OD_RANKING_BASE], -1000));
    }
    return OD_OK;
}

/* aws-similar-items: items like a given one, from common users and from what records say.
 *
 * What likeness is, is in similar.h. An item needs no events: one that only has a record is in the
 * image's dictionary too and is answered, and listed, by its metadata.
 *
 * Sections: those of popularity.h; "similar" (struct od_similar_mix); id.dim, id.at, meta.dim,
 * meta.at (item_space.h: item_id_hidden_dim and item_metadata_hidden_dim directions); pair.at,
 * pair.item, pair.weight, pair.total (pairs.h). The nearest items are found by an exact scan at the
 * query (100k items: about 3 ms), which costs less memory than stored lists and lets filters choose
 * among all items. An item the model does not know, or knows nothing about, gets popular items. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "recipes/catalogue.h"
#include "recipes/metrics.h"
#include "recipes/registry.h"
#include "recipes/similar.h"

#define JUDGES_MOST  4000
#define JUDGES_LEAST 64
#define JUDGE_ITEMS  40000000u   /* judges times items: bounds what learning costs */
#define PAIRS_MOST   (64u << 20) /* stored over all items: 512 MiB */
#define PAIRS_LEAST  64u
/* The co-occurrence whose directions are the embeddings: both ways alike. */
static const struct od_pairs_rule embedded = {
    .decay = 0.7f, .back = 1, .window = 12, .discount = 0.5f, .neighbours = 128};

struct model {
    struct od_popularity_view popularity;
    struct od_similar_view view;
    float *users; /* log_users and trust */
};

/* --- training --- */

struct fit {
    const struct od_train_input *input;
    struct od_catalogue catalogue;
    struct od_popularity popularity;
    struct od_item_space id, metadata;
    struct od_pairs pairs;
    float *log_users, *trust;
    uint64_t *end;
    struct od_judge *judges;
    size_t judge_count;
    struct od_work work;
    struct od_similar_view view;
};

static double param(const struct od_train_input *input, const char *name)
{
    return od_recipe_param(input->spec, input->params, name)->number;
}

/* Evenly spread users whose last two events are of different items lose the last one. */
static enum od_status choose_judges(struct fit *f)
{
    const struct od_training *t = &f->catalogue.training;
    f->end = malloc(((size_t)t->user_count + 1) * sizeof *f->end);
    f->judges = malloc(((size_t)JUDGES_MOST + 1) * sizeof *f->judges);
    if (!f->end || !f->judges)
        return OD_NO_MEMORY;
    size_t most = t->item_count ? JUDGE_ITEMS / t->item_count : 0, able = 0, seen = 0;
    most = most > JUDGES_MOST ? JUDGES_MOST : most < JUDGES_LEAST ? JUDGES_LEAST : most;
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t u = 0; u < t->user_count; u++) {
            uint64_t start = t->user_start[u], end = t->user_start[u + 1];
            f->end[u] = end;
            if (end - start < 3 || t->item[end - 1] == t->item[end - 2])
                continue;
            able += pass == 0;
            /* the seen-th of the able users: one in able / most of them */
            if (pass == 1 && (able <= most || (seen + 1) * most / able > seen * most / able)) {
                f->end[u] = end - 1;
                f->judges[f->judge_count++] = (struct od_judge){start, end - 1};
            }
            seen += pass;
        }
    return OD_OK;
}

/* Users of items in what may be looked at. */
static enum od_status count_users(struct fit *f, const uint64_t *end)
{
    const struct od_training *t = &f->catalogue.training;
    uint32_t *users = calloc((size_t)t->item_count + 1, sizeof *users);
    uint32_t *seen = malloc(((size_t)t->item_count + 1) * sizeof *seen);
    if (!users || !seen) {
        free(users);
        free(seen);
        return OD_NO_MEMORY;
    }
    memset(seen, 0xFF, ((size_t)t->item_count + 1) * sizeof *seen);
    for (uint32_t u = 0; u < t->user_count; u++)
        for (uint64_t e = t->user_start[u]; e < (end ? end[u] : t->user_start[u + 1]); e++) {
            users[t->item[e]] += seen[t->item[e]] != u;
            seen[t->item[e]] = u;
        }
    od_similar_users(users, t->item_count, f->log_users, f->trust);
    free(users);
    free(seen);
    return OD_OK;
}

/* Pair weights over the square root of both items' sums: a matrix of cosines' kind. */
static void normalise_pairs(struct od_pairs *pairs, uint32_t items)
{
    for (uint32_t i = 0; i < items; i++)
        for (uint64_t k = pairs->at[i]; k < pairs->at[i + 1]; k++)
            pairs->weight[k] /= sqrtf(pairs->total[i] * pairs->total[pairs->item[k]] + 1e-12f);
}

static enum od_status embed(struct fit *f, const uint64_t *end, struct od_error *err)
{
    const struct od_training *t = &f->catalogue.training;
    struct od_pairs pairs;
    enum od_status s = od_pairs_count(t, end, &embedded, f->input->threads, &pairs, err);
    if (s != OD_OK)
        return s;
    normalise_pairs(&pairs, t->item_count);
    struct od_sparse rows = {t->item_count, t->item_count, pairs.at, pairs.item, pairs.weight};
    s = od_item_space_svd(&rows, (uint32_t)param(f->input, "item_id_hidden_dim"), 0.5f, f->trust,
                          f->input->seed, &f->work, &f->id, err);
    od_pairs_done(&pairs);
    return s;
}

/* Users, embeddings, and the view that reads them, from events before end. */
static enum od_status place(struct fit *f, const uint64_t *end, struct od_error *err)
{
    enum od_status s = count_users(f, end);
    if (s != OD_OK)
        return od_fail(err, s, NULL);
    od_item_space_done(&f->id);
    s = embed(f, end, err);
    f->view.id = od_item_space_view(&f->id);
    return s;
}

static enum od_status prepare(struct fit *f, struct od_error *err)
{
    const struct od_train_input *input = f->input;
    enum od_status s = od_catalogue_make(input->training, &f->catalogue, err);
    if (s != OD_OK)
        return s;
    const struct od_training *t = &f->catalogue.training;
    f->log_users = malloc(((size_t)t->item_count + 1) * sizeof *f->log_users);
    f->trust = malloc(((size_t)t->item_count + 1) * sizeof *f->trust);
    s = f->log_users && f->trust ? choose_judges(f) : OD_NO_MEMORY;
    if (s != OD_OK)
        return od_fail(err, s, NULL);
    s = od_popularity_count(t, &f->popularity, err);
    if (s != OD_OK)
        return s;
    struct od_feature_options options = od_feature_options_default();
    options.threads = input->threads;
    options.grams = true;
    s = od_item_space_records(t->item_table, t->items, &options,
                              (uint32_t)param(input, "item_metadata_hidden_dim"), input->seed,
                              &f->work, &f->metadata, err);
    f->view.items = t->item_count;
    f->view.metadata = od_item_space_view(&f->metadata);
    f->view.log_users = f->log_users;
    f->view.trust = f->trust;
    f->view.mix.discount = (float)param(input, "popularity_discount_factor");
    return s;
}

static uint32_t neighbours_of(const struct fit *f)
{
    uint64_t pairs = PAIRS_MOST, memory = f->input->memory_bytes / 64;
    if (memory && memory < pairs)
        pairs = memory; /* 8 bytes a pair, twice while they are gathered: a quarter of the cap */
    uint64_t each = pairs / (f->view.items + 1u);
    return each > OD_SIMILAR_NEIGHBOURS ? OD_SIMILAR_NEIGHBOURS
           : each < PAIRS_LEAST         ? PAIRS_LEAST
                                        : (uint32_t)each;
}

static enum od_status count_pairs(struct fit *f, struct od_error *err)
{
    const struct od_similar_mix *mix = &f->view.mix;
    struct od_pairs_rule rule = {.decay = mix->decay,
                                 .back = mix->back,
                                 .window = od_similar_window(mix->decay),
                                 .discount = mix->discount,
                                 .neighbours = neighbours_of(f)};
    return od_pairs_count(&f->catalogue.training, NULL, &rule, f->input->threads, &f->pairs, err);
}

static enum od_status write_pairs(struct fit *f, struct od_image_writer *image)
{
    uint64_t items = f->view.items, pairs = f->pairs.at[items];
    struct {
        const char *name;
        void **bytes;
        uint64_t len;
    } parts[] = {
        {"pair.at", (void **)&f->pairs.at, (items + 1) * sizeof *f->pairs.at},
        {"pair.item", (void **)&f->pairs.item, pairs * sizeof *f->pairs.item},
        {"pair.weight", (void **)&f->pairs.weight, pairs * sizeof *f->pairs.weight},
        {"pair.total", (void **)&f->pairs.total, items * sizeof *f->pairs.total},
    };
    enum od_status s = OD_OK;
    for (size_t i = 0; s == OD_OK && i < sizeof parts / sizeof *parts; i++) {
        s = od_image_give(image, parts[i].name, *parts[i].bytes, parts[i].len);
        *parts[i].bytes = NULL;
    }
    return s;
}

static enum od_status write_model(struct fit *f, struct od_image_writer *image,
                                  struct od_error *err)
{
    enum od_status s = od_popularity_write(&f->popularity, &f->catalogue.training, image, err);
    if (s == OD_OK)
        s = od_item_space_write(&f->id, "id", image, err);
    if (s == OD_OK)
        s = od_item_space_write(&f->metadata, "meta", image, err);
    if (s != OD_OK)
        return s;
    s = od_image_add(image, "similar", &f->view.mix, sizeof f->view.mix, false);
    if (s == OD_OK)
        s = write_pairs(f, image);
    return s == OD_OK ? OD_OK : od_fail(err, s, NULL);
}

static void fit_done(struct fit *f)
{
    od_catalogue_done(&f->catalogue);
    od_popularity_done(&f->popularity);
    od_item_space_done(&f->id);
    od_item_space_done(&f->metadata);
    od_pairs_done(&f->pairs);
    free(f->log_users);
    free(f->trust);
    free(f->end);
    free(f->judges);
}

static enum od_status stage(const struct fit *f, double fraction, const char *name,
                            struct od_error *err)
{
    return od_progress_report(&f->input->progress, fraction, name, err);
}

static enum od_status fit(const struct od_train_input *input, struct od_image_writer *image,
                          struct od_error *err)
{
    struct fit f = {.input = input, .work = {.threads = input->threads}};
    od_math_init();
    enum od_status s = stage(&f, 0, "reading records", err);
    if (s == OD_OK)
        s = prepare(&f, err);
    if (s == OD_OK)
        s = stage(&f, 0.2, "embedding items without the held-out events", err);
    if (s == OD_OK)
        s = place(&f, f.end, err);
    if (s == OD_OK)
        s = stage(&f, 0.35, "choosing weights on held-out events", err);
    if (s == OD_OK)
        s = od_similar_learn(&f.catalogue.training, f.end, f.judges, f.judge_count, &f.view,
                             input->seed, input->threads, &f.view.mix, err);
    if (s == OD_OK)
        s = stage(&f, 0.75, "embedding items", err);
    if (s == OD_OK)
        s = place(&f, NULL, err);
    if (s == OD_OK)
        s = stage(&f, 0.9, "counting pairs", err);
    if (s == OD_OK)
        s = count_pairs(&f, err);
    if (s == OD_OK)
        s = write_model(&f, image, err);
    fit_done(&f);
    return s;
}

static enum od_status train(const struct od_train_input *input, struct od_image_writer *image,
                            struct od_metrics *metrics, struct od_error *err)
{
    struct od_progress_scale scale;
    struct od_train_input whole = *input;
    whole.progress = od_progress_scaled(&scale, input->progress, metrics ? 0.5 : 0, 1);
    enum od_status s = od_evaluate_fit(&od_recipe_similar_items, input, fit, 0, 0.5, metrics, err);
    return s == OD_OK ? fit(&whole, image, err) : s;
}

/* --- the model --- */

static bool good_pairs(const struct od_similar_view *view, uint64_t pairs)
{
    bool good = view->at[0] == 0 && view->at[view->items] == pairs;
    for (uint32_t i = 0; i < view->items; i++)
        good &= view->at[i] <= view->at[i + 1];
    for (uint64_t k = 0; k < pairs; k++)
        good &= view->item[k] < view->items;
    return good;
}

static enum od_status open_pairs(const struct od_image *image, struct od_similar_view *view,
                                 struct od_error *err)
{
    uint64_t items = view->items;
    const void *at, *item;
    struct od_str bytes;
    uint64_t pairs = od_image_section(image, "pair.item", &bytes) ? bytes.len / 4 : 0;
    enum od_status s = od_image_array(image, "pair.at", items + 1, sizeof *view->at, &at, err);
    if (s == OD_OK)
        s = od_image_array(image, "pair.item", pairs, sizeof *view->item, &item, err);
    if (s == OD_OK)
        s = od_image_floats(image, "pair.weight", pairs, &view->weight, err);
    if (s == OD_OK)
        s = od_image_floats(image, "pair.total", items, &view->total, err);
    if (s != OD_OK)
        return s;
    view->at = at;
    view->item = item;
    return good_pairs(view, pairs)
               ? OD_OK
               : od_fail(err, OD_CORRUPT, "The model image's pairs are not well formed.");
}

static enum od_status open_view(const struct od_image *image, struct model *m, struct od_error *err)
{
    const float *mix;
    struct od_similar_view *view = &m->view;
    view->items = m->popularity.items.count;
    enum od_status s = od_image_floats(image, "similar", sizeof view->mix / sizeof *mix, &mix, err);
    if (s == OD_OK)
        s = od_item_space_open(image, "id", view->items, &view->id, err);
    if (s == OD_OK)
        s = od_item_space_open(image, "meta", view->items, &view->metadata, err);
    if (s == OD_OK)
        s = open_pairs(image, view, err);
    if (s != OD_OK)
        return s;
    memcpy(&view->mix, mix, sizeof view->mix);
    if (!(view->mix.prior > 0))
        return od_fail(err, OD_CORRUPT, "Section similar is not valid.");
    m->users = malloc((2 * (size_t)view->items + 1) * sizeof *m->users);
    if (!m->users)
        return od_fail(err, OD_NO_MEMORY, NULL);
    view->log_users = m->users;
    view->trust = m->users + view->items;
    od_similar_users(m->popularity.users, view->items, m->users, m->users + view->items);
    return OD_OK;
}

static void close_model(struct od_model *model)
{
    struct model *m = (struct model *)model;
    free(m->users);
    free(m);
}

static enum od_status open_model(const struct od_image *image, struct od_model **out,
                                 struct od_error *err)
{
    struct model *m = calloc(1, sizeof *m);
    if (!m)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status s = od_popularity_open(image, &m->popularity, err);
    if (s == OD_OK)
        s = open_view(image, m, err);
    if (s == OD_OK)
        *out = (struct od_model *)m;
    else
        close_model((struct od_model *)m);
    return s;
}

static const struct od_image_dict *items(const struct od_model *model)
{
    return &((const struct model *)model)->popularity.items;
}

/* Whether the model can say anything about the item. */
static bool knows(const struct od_similar_view *view, uint32_t item)
{
    bool some = view->total[item] > 0;
    for (uint32_t d = 0; !some && d < view->metadata.dimension; d++)
        some = od_f16_decode(view->metadata.at[(size_t)d * view->items + item]) != 0;
    return some;
}

static enum od_status score(const struct od_model *model, const struct od_query *query,
                            struct od_arena *scratch, float *scores, bool *out_personal,
                            struct od_error *err)
{
    const struct model *m = (const struct model *)model;
    *out_personal = query->item < m->view.items && knows(&m->view, query->item);
    if (!*out_personal) {
        od_popularity_scores(&m->popularity, scores);
        if (query->item < m->view.items)
            scores[query->item] = -INFINITY;
        return OD_OK;
    }
    float *work = OD_NEW_ARRAY(scratch, float, 2 * (size_t)m->view.items);
    if (!work)
        return od_fail(err, OD_NO_MEMORY, NULL);
    od_similar_scores(&m->view, query->item, work, scores);
    return OD_OK;
}

const struct od_recipe od_recipe_similar_items = {
    .name = "aws-similar-items",
    .train = train,
    .open = open_model,
    .close = close_model,
    .items = items,
    .score = score,
    .temperature = NULL,
};

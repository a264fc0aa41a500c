/* Offline metrics of user segments: recipes.md 9.1, 9.2.
 *
 * The oldest 80 % of each user's interactions are trained on; behind them, an item's (or attribute
 * value's) actual users are those who interact with it. Each query with an actual user is asked for
 * K users, K = 1 % of the users, rounded up; hits are how many of them are actual users. A
 * user's held-out part is by construction a quarter of what is trained on, so the rates of the
 * evaluated model are that (OD_AFFINITY_FIFTH): the time of the next visit is not what this split
 * asks about. */
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "data/training_subset.h"
#include "os/parallel.h"
#include "recipes/affinity.h"
#include "recipes/metrics.h"
#include "recipes/registry.h"

#define QUERIES    2000        /* at most, evenly spread */
#define LISTED     (20u << 20) /* users listed in all, which bounds memory at 80 MB */
#define HELD_SHARE 5           /* one event in five */

/* Who turned to what: pairs of query and user, distinct. */
struct pair {
    uint32_t query, user;
};
struct pairs {
    struct pair *list;
    size_t count, cap;
};

struct evaluation {
    const struct od_recipe *recipe;
    const struct od_model *model;
    const struct od_affinity_sets *sets; /* NULL: queries are items */
    uint32_t user_count, k, query_count;
    const struct pair *pairs;
    size_t *first;                   /* [query_count + 1] where a query's pairs begin */
    uint32_t *listed, *listed_count; /* [query_count * k], [query_count] */
    double *hits, *recall;
};

static int compare_pairs(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    if (x->query != y->query)
        return x->query < y->query ? -1 : 1;
    return (x->user > y->user) - (x->user < y->user);
}

static bool add_pair(struct pairs *pairs, uint32_t query, uint32_t user)
{
    if (pairs->count == pairs->cap) {
        size_t cap = pairs->cap ? pairs->cap * 2 : 1024;
        struct pair *list = realloc(pairs->list, cap * sizeof *list);
        if (!list)
            return false;
        pairs->list = list;
        pairs->cap = cap;
    }
    pairs->list[pairs->count++] = (struct pair){query, user};
    return true;
}

/* Held-out events as pairs; user codes are those of the training part, whose users keep order, and
 * item codes those of the model: [full->item_count], OD_NO_CODE for what it does not know. */
static bool list_pairs(const struct od_training *full, const uint64_t *keep, const uint32_t *code,
                       const struct od_affinity_sets *sets, struct pairs *out)
{
    bool room = true;
    uint32_t user = 0;
    for (uint32_t u = 0; room && u < full->user_count; u++) {
        uint64_t start = full->user_start[u];
        for (uint64_t e = start + keep[u]; room && e < full->user_start[u + 1]; e++) {
            uint32_t item = code[full->item[e]];
            if (item == OD_NO_CODE || !keep[u])
                continue;
            if (!sets)
                room = add_pair(out, item, user);
            for (uint64_t k = sets ? sets->set_at[item] : 0;
                 room && sets && k < sets->set_at[item + 1]; k++)
                room = add_pair(out, sets->set[k], user);
        }
        user += keep[u] > 0;
    }
    if (!room)
        return false;
    if (out->count)
        qsort(out->list, out->count, sizeof *out->list, compare_pairs);
    size_t distinct = 0;
    for (size_t i = 0; i < out->count; i++)
        if (!i || compare_pairs(&out->list[i], &out->list[i - 1]) != 0)
            out->list[distinct++] = out->list[i];
    out->count = distinct;
    return true;
}

static void set_items(const struct evaluation *e, uint32_t query, uint64_t *bitmap)
{
    if (!e->sets) {
        od_bitmap_set(bitmap, query);
        return;
    }
    for (uint64_t k = e->sets->at[query]; k < e->sets->at[query + 1]; k++)
        od_bitmap_set(bitmap, e->sets->item[k]);
}

static int compare_users(const void *key, const void *pair)
{
    uint32_t a = *(const uint32_t *)key, b = ((const struct pair *)pair)->user;
    return (a > b) - (a < b);
}

static enum od_status ask(void *context, size_t query, struct od_arena *arena)
{
    struct evaluation *e = context;
    uint32_t items = e->recipe->items(e->model)->count;
    const struct pair *actual = e->pairs + e->first[query];
    size_t actual_count = e->first[query + 1] - e->first[query];
    uint64_t *bitmap = OD_NEW_ARRAY(arena, uint64_t, od_bitmap_words(items) + 1);
    struct od_segment_user *out = OD_NEW_ARRAY(arena, struct od_segment_user, e->k);
    enum od_status s = bitmap && out ? OD_OK : OD_NO_MEMORY;
    if (s == OD_OK) {
        set_items(e, actual->query, bitmap);
        struct od_segment_query asked = {.items = bitmap, .most = e->k};
        s = e->recipe->segment(e->model, &asked, arena, out, &e->listed_count[query], NULL);
    }
    size_t hits = 0;
    for (uint32_t i = 0; s == OD_OK && i < e->listed_count[query]; i++) {
        e->listed[query * e->k + i] = out[i].user;
        hits += bsearch(&out[i].user, actual, actual_count, sizeof *actual, compare_users) != NULL;
    }
    e->hits[query] = (double)hits;
    e->recall[query] = (double)hits / (double)(actual_count < e->k ? actual_count : e->k);
    return s;
}

/* The queries asked: all, or evenly spread ones. first ends up one a query asked. */
static bool choose_queries(struct evaluation *e, struct pairs *pairs)
{
    size_t *first = malloc((pairs->count + 1) * sizeof *first), count = 0;
    if (!first)
        return false;
    for (size_t i = 0; i < pairs->count; i++)
        if (!i || pairs->list[i].query != pairs->list[i - 1].query)
            first[count++] = i;
    first[count] = pairs->count;
    size_t most = LISTED / e->k < QUERIES ? LISTED / e->k : QUERIES;
    most = most ? most : 1;
    if (count > most) { /* their pairs are moved together */
        size_t to = 0;
        for (size_t q = 0; q < most; q++) {
            size_t from = first[q * count / most], end = first[q * count / most + 1];
            memmove(pairs->list + to, pairs->list + from, (end - from) * sizeof *pairs->list);
            first[q] = to; /* q <= q * count / most: not read again */
            to += end - from;
        }
        first[most] = to;
        count = most;
    }
    e->first = first;
    e->pairs = pairs->list;
    e->query_count = (uint32_t)count;
    return true;
}

/* Users of the interactions and of the user table, each once. */
static double all_users(const struct od_training *full)
{
    double count = full->user_count;
    uint32_t rows = full->user_table ? od_table_row_count(full->user_table) : 0;
    for (uint32_t row = 0; row < rows; row++)
        count += od_dict_find(full->users, od_table_id(full->user_table, row)) == OD_NO_CODE;
    return count;
}

static bool add_metrics(const struct evaluation *e, const struct od_training *full,
                        struct od_metrics *metrics)
{
    uint64_t *seen = calloc(od_bitmap_words(e->user_count) + 1, sizeof *seen);
    if (!seen)
        return false;
    double hits = 0, recall = 0, n = e->query_count;
    for (uint32_t q = 0; q < e->query_count; q++) {
        hits += e->hits[q];
        recall += e->recall[q];
        for (uint32_t i = 0; i < e->listed_count[q]; i++)
            od_bitmap_set(seen, e->listed[(size_t)q * e->k + i]);
    }
    od_metrics_add(metrics, "coverage",
                   (double)od_bitmap_count(seen, e->user_count) / all_users(full));
    od_metrics_add(metrics, "hits_at_1_percent", hits / n);
    od_metrics_add(metrics, "recall_at_1_percent", recall / n);
    free(seen);
    return true;
}

static enum od_status ask_all(struct evaluation *e, const struct od_training *full,
                              struct pairs *pairs, unsigned threads, struct od_metrics *metrics)
{
    e->k = (e->user_count + 99) / 100;
    enum od_status s = choose_queries(e, pairs) ? OD_OK : OD_NO_MEMORY;
    if (s == OD_OK && e->query_count) {
        e->listed = malloc((size_t)e->query_count * e->k * sizeof *e->listed);
        e->listed_count = calloc(e->query_count, sizeof *e->listed_count);
        e->hits = calloc(e->query_count, sizeof *e->hits);
        e->recall = calloc(e->query_count, sizeof *e->recall);
        bool room = e->listed && e->listed_count && e->hits && e->recall;
        s = room ? od_parallel_arenas(threads, e->query_count, ask, e) : OD_NO_MEMORY;
        if (s == OD_OK && !add_metrics(e, full, metrics))
            s = OD_NO_MEMORY;
    }
    free(e->first);
    free(e->listed);
    free(e->listed_count);
    free(e->hits);
    free(e->recall);
    return s;
}

static enum od_status evaluate(const struct od_recipe *recipe, const struct od_train_input *part,
                               const struct od_training *full, const uint64_t *keep,
                               const struct od_memory_model *model, struct od_metrics *metrics,
                               struct od_error *err)
{
    const struct od_image_dict *items = recipe->items(model->model); /* coded as the catalogue is */
    struct od_affinity_catalogue catalogue = {0};
    struct od_affinity_sets sets = {0};
    struct pairs pairs = {0};
    bool by_attribute = strcmp(recipe->name, od_recipe_item_attribute_affinity.name) == 0;
    enum od_status s = od_affinity_catalogue_init(&catalogue, part->training, part->threads, err);
    if (s != OD_OK)
        return s;
    uint32_t *code = malloc(((size_t)full->item_count + 1) * sizeof *code);
    if (!code)
        s = OD_NO_MEMORY;
    for (uint32_t i = 0; s == OD_OK && i < full->item_count; i++)
        code[i] = od_image_dict_find(items, od_dict_text(full->items, i));
    if (s == OD_OK && by_attribute)
        s = od_affinity_sets_init(&sets, &catalogue, true);
    if (s == OD_OK && !list_pairs(full, keep, code, by_attribute ? &sets : NULL, &pairs))
        s = OD_NO_MEMORY;
    struct evaluation e = {.recipe = recipe,
                           .model = model->model,
                           .sets = by_attribute ? &sets : NULL,
                           .user_count = part->training->user_count};
    if (s == OD_OK)
        s = ask_all(&e, full, &pairs, part->threads, metrics);
    free(code);
    free(pairs.list);
    od_affinity_sets_done(&sets);
    od_affinity_catalogue_done(&catalogue);
    return s == OD_OK ? OD_OK : od_fail(err, s, NULL);
}

enum od_status od_affinity_evaluate(const struct od_recipe *recipe, od_fit *fit,
                                    const struct od_train_input *input, double to,
                                    struct od_metrics *metrics, struct od_error *err)
{
    const struct od_training *full = input->training;
    uint64_t *keep = malloc(((size_t)full->user_count + 1) * sizeof *keep);
    if (!keep)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (uint32_t u = 0; u < full->user_count; u++) {
        uint64_t n = full->user_start[u + 1] - full->user_start[u];
        keep[u] = n - n / HELD_SHARE;
    }
    struct od_progress_scale scale;
    struct od_train_input part = *input;
    struct od_training *train = NULL;
    struct od_memory_model model = {0};
    part.progress = od_progress_scaled(&scale, input->progress, 0, to);
    enum od_status s = od_training_subset(full, keep, &train, NULL, err);
    part.training = train;
    if (s == OD_OK)
        s = od_memory_model_fit(recipe, fit, &part, &model, err);
    if (s == OD_OK)
        s = od_progress_report(&part.progress, 1, "evaluating", err);
    if (s == OD_OK)
        s = evaluate(recipe, &part, full, keep, &model, metrics, err);
    od_memory_model_done(&model);
    od_training_free(train);
    free(keep);
    return s;
}

/* Training a ranking: a base of the past is asked about lists it has not seen, trees learn from
 * that, the base is trained again on everything, and the trees stand on top of it.
 *
 * The cut: lists after the date by which LEARN_SHARE of the events with a list had happened. The
 * base of the past is a whole training of its own, with its own choices, so a ranking with
 * impressions takes twice as long as one without. Trees serve when they order the validation lists
 * better than the base by LEAST_GAIN. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/training_subset.h"
#include "recipes/metrics.h"
#include "recipes/ranking.h"

#define LEARN_SHARE 0.8
#define LEAST_GAIN  1.002
enum { LEAST_LISTS = 200, LEAST_KEPT = 1000, NDCG_AT = 10 };

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The date of the cut; false when there are too few lists. */
static bool find_cut(const struct od_training *t, int64_t *out, enum od_status *st)
{
    uint64_t n = 0;
    for (uint64_t e = 0; t->lists && e < t->event_count; e++)
        n += t->lists->of_event[e] != OD_NO_CODE;
    if ((double)n * (1 - LEARN_SHARE) < LEAST_LISTS)
        return false;
    int64_t *time = malloc(n * sizeof *time);
    if (!time) {
        *st = OD_NO_MEMORY;
        return false;
    }
    n = 0;
    for (uint64_t e = 0; e < t->event_count; e++)
        if (t->lists->of_event[e] != OD_NO_CODE)
            time[n++] = t->time[e];
    qsort(time, n, sizeof *time, by_time);
    *out = time[(uint64_t)((double)n * LEARN_SHARE)];
    free(time);
    return true;
}

/* keep[u]: events before the cut; their sum. */
static uint64_t cut_users(const struct od_training *t, int64_t cut, uint64_t *keep)
{
    uint64_t sum = 0;
    for (uint32_t u = 0; u < t->user_count; u++) {
        keep[u] = 0;
        for (uint64_t e = t->user_start[u]; e < t->user_start[u + 1] && t->time[e] < cut; e++)
            keep[u]++;
        sum += keep[u];
    }
    return sum;
}

/* Mean log likelihood of the taken items of the lists at a heat. */
static double likelihood(const struct od_boost_set *set, const float *score, double heat)
{
    double sum = 0, count = 0;
    for (size_t g = 0; g < set->groups; g++) {
        double best = -INFINITY, total = 0;
        for (size_t r = set->group_start[g]; r < set->group_start[g + 1]; r++)
            best = (double)score[r] > best ? (double)score[r] : best;
        for (size_t r = set->group_start[g]; r < set->group_start[g + 1]; r++)
            total += exp(((double)score[r] - best) / heat);
        for (size_t r = set->group_start[g]; r < set->group_start[g + 1]; r++)
            if (set->grade[r]) {
                sum += ((double)score[r] - best) / heat - log(total);
                count += 1;
            }
    }
    return count > 0 ? sum / count : 0;
}

/* The likeliest heat between 1/50 and 50, by golden section over its logarithm. */
static float find_heat(const struct od_boost_set *set, const float *score)
{
    const double golden = .6180339887498949;
    double low = -log(50), high = log(50);
    double a = high - golden * (high - low), b = low + golden * (high - low);
    double at_a = likelihood(set, score, exp(a)), at_b = likelihood(set, score, exp(b));
    for (int i = 0; i < 30; i++) {
        if (at_a > at_b) {
            high = b;
            b = a;
            at_b = at_a;
            a = high - golden * (high - low);
            at_a = likelihood(set, score, exp(a));
        } else {
            low = a;
            a = b;
            at_a = at_b;
            b = low + golden * (high - low);
            at_b = likelihood(set, score, exp(b));
        }
    }
    return (float)exp((low + high) / 2);
}

struct lesson {
    struct od_boost boost; /* trees 0: the base ranks alone */
    struct od_ranking_header header;
};

/* Judges the trees by the validation lists and finds their heat. */
static enum od_status judge(const struct od_ranking_groups *groups, struct lesson *lesson)
{
    const struct od_boost_set *set = &groups->validation;
    float *score = malloc((set->rows + 1) * sizeof *score);
    double base = 0, trees = 0;
    if (!score)
        return OD_NO_MEMORY;
    for (size_t r = 0; r < set->rows; r++)
        score[r] = set->value[r * set->features + OD_RANKING_BASE];
    enum od_status st = od_boost_ndcg(set, score, NDCG_AT, &base);
    for (size_t r = 0; r < set->rows; r++)
        score[r] = od_boost_score(&lesson->boost, set->value + r * set->features);
    if (st == OD_OK)
        st = od_boost_ndcg(set, score, NDCG_AT, &trees);
    lesson->header.base_ndcg = (float)base;
    lesson->header.ndcg = (float)trees;
    lesson->header.heat = find_heat(set, score);
    free(score);
    return st;
}

static enum od_status learn(const struct od_train_input *input,
                            const struct od_ranking_groups *groups, struct lesson *lesson,
                            struct od_error *err)
{
    struct od_work work = {input->threads, NULL, NULL};
    struct od_boost_options options = od_boost_options_default();
    if (groups->train.groups < LEAST_LISTS / 4 || groups->validation.groups < LEAST_LISTS / 4)
        return OD_OK;
    enum od_status st = od_boost_fit(&groups->train, &groups->validation, &options, &work,
                                     &lesson->boost, NULL, err);
    if (st == OD_OK && judge(groups, lesson) != OD_OK)
        st = od_fail(err, OD_NO_MEMORY, NULL);
    lesson->header.lists = (uint32_t)groups->train.groups;
    if (lesson->header.ndcg < lesson->header.base_ndcg * (float)LEAST_GAIN)
        od_boost_done(&lesson->boost);
    return st;
}

static enum od_status learn_from_past(const struct od_recipe *base,
                                      const struct od_train_input *input, const uint64_t *keep,
                                      struct lesson *lesson, struct od_error *err)
{
    struct od_training *past = NULL;
    uint32_t *item_map = NULL;
    struct od_train_input part = *input;
    struct od_memory_model model = {0};
    struct od_ranking_facts facts = {0};
    struct od_ranking_groups groups = {0};
    enum od_status st = od_training_subset(input->training, keep, &past, &item_map, err);
    part.training = past;
    if (st == OD_OK)
        st = od_memory_model_train(base, &part, &model, err);
    if (st == OD_OK)
        st = od_ranking_facts_make(past, &facts, err);
    if (st == OD_OK)
        st = od_ranking_groups_make(input->training, keep, item_map, &facts, base, model.model,
                                    input->threads, &groups, err);
    if (st == OD_OK)
        st = od_progress_report(&part.progress, 1, "learning from impressions", err);
    if (st == OD_OK)
        st = learn(input, &groups, lesson, err);
    od_ranking_groups_done(&groups);
    od_ranking_facts_done(&facts);
    od_memory_model_done(&model);
    od_training_free(past);
    free(item_map);
    return st;
}

/* Trees from the lists of the last part of the data, if there are enough. */
static enum od_status learn_trees(const struct od_recipe *base, const struct od_train_input *input,
                                  struct lesson *lesson, struct od_error *err)
{
    const struct od_training *t = input->training;
    int64_t cut = 0;
    enum od_status st = OD_OK;
    if (!find_cut(t, &cut, &st))
        return st == OD_OK ? OD_OK : od_fail(err, st, NULL);
    uint64_t *keep = malloc(((size_t)t->user_count + 1) * sizeof *keep);
    if (!keep)
        return od_fail(err, OD_NO_MEMORY, NULL);
    struct od_error why = {0};
    if (cut_users(t, cut, keep) >= LEAST_KEPT)
        st = learn_from_past(base, input, keep, lesson, &why);
    free(keep);
    /* What came before the cut may be too little for the base: then there are no trees. */
    return st == OD_OK || st == OD_INVALID_INPUT ? OD_OK : od_error_copy(err, &why);
}

static enum od_status write_trees(const struct od_training *training, const struct lesson *lesson,
                                  struct od_image_writer *image, struct od_error *err)
{
    struct od_ranking_facts f = {0};
    enum od_status st = od_ranking_facts_make(training, &f, err);
    if (st != OD_OK)
        return st;
    const struct od_boost *b = &lesson->boost;
    struct od_ranking_header h = lesson->header;
    uint64_t nodes = b->node_at[b->trees], n = f.items;
    h.version = OD_RANKING_VERSION;
    h.items = f.items;
    h.numbers = f.numbers;
    h.categories = f.categories;
    h.features = b->features;
    h.trees = b->trees;
    const struct {
        const char *name;
        const void *bytes;
        uint64_t len;
    } sections[] = {
        {"ranking", &h, sizeof h},
        {"ranking.trees", b->node_at, (b->trees + 1ull) * sizeof *b->node_at},
        {"ranking.nodes", b->node, nodes * sizeof *b->node},
        {"ranking.leaves", b->leaf, (nodes + b->trees) * sizeof *b->leaf},
        {"ranking.count", f.count, OD_RANKING_COUNTS * n * sizeof *f.count},
        {"ranking.first", f.first, n * sizeof *f.first},
        {"ranking.number", f.number, f.numbers * n * sizeof *f.number},
        {"ranking.at", f.at, (f.categories * n + 1) * sizeof *f.at},
        {"ranking.value", f.value, f.at[f.categories * n] * sizeof *f.value},
    };
    for (size_t i = 0; i < sizeof sections / sizeof *sections && st == OD_OK; i++)
        st = od_image_add(image, sections[i].name, sections[i].bytes, sections[i].len, false);
    od_ranking_facts_done(&f);
    return st == OD_OK ? OD_OK : od_fail(err, st, NULL);
}

enum od_status od_ranking_train(const struct od_recipe *base, const struct od_train_input *input,
                                struct od_image_writer *image, struct od_metrics *metrics,
                                struct od_error *err)
{
    struct lesson lesson = {0};
    struct od_progress_scale scale[2];
    struct od_train_input part = *input;
    bool lists = input->training->lists != NULL;
    enum od_status st = OD_OK;
    part.progress = od_progress_scaled(&scale[0], input->progress, 0, .45);
    if (lists)
        st = learn_trees(base, &part, &lesson, err);
    part.progress = od_progress_scaled(&scale[1], input->progress, lists ? .5 : 0, 1);
    if (st == OD_OK)
        st = base->train(&part, image, metrics, err);
    if (st == OD_OK && lesson.boost.trees)
        st = write_trees(input->training, &lesson, image, err);
    od_boost_done(&lesson.boost);
    return st;
}

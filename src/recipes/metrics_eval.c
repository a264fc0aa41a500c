/* A model against a split: every test user is asked for a list of 25, the lists are compared with
 * what the users did next.
 *
 * Users are asked in blocks on all cores; each user's figures go to a place of their own and are
 * summed in user order afterwards, so the sums do not depend on the threads. */
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "math/topk.h"
#include "os/parallel.h"
#include "recipes/metrics.h"

#define BLOCK 32 /* users a part: amortises its buffers, small enough to share out evenly */

static const size_t lengths[] = {5, 10, 25};
enum { LENGTHS = 3 };

struct figures {
    double reciprocal_rank;
    double ndcg[LENGTHS], precision[LENGTHS], weighted[LENGTHS];
    uint32_t listed[OD_EVAL_TOP];
    uint32_t listed_count;
};

struct evaluation {
    const struct od_scorer *scorer;
    const struct od_split *split;
    const struct od_kernels *kernels;
    uint32_t user_count; /* asked: all test users, or OD_EVAL_USERS spread over them */
    struct figures *figures;
    struct od_error *errors; /* one a part */
};

/* What one part works with. */
struct bench {
    struct od_arena arena;
    float *scores;
    struct od_past_event *events;
    uint32_t *relevant;
    struct od_gain *gains; /* NULL: events have no weights */
    uint64_t *topk_scratch;
};

struct od_scorer od_scorer_of_part(od_score *score, void *context, const struct od_split *split)
{
    return (struct od_scorer){score, context, split->train->item_count, split->item_map};
}

static uint32_t test_index(const struct evaluation *e, uint32_t i)
{
    return (uint32_t)((uint64_t)i * e->split->test_count / e->user_count);
}

static int compare_codes(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The distinct items after the input, by item_map; those it does not know are counted but not
 * listed. */
static size_t relevant_items(const struct od_split *split, const uint32_t *item_map, uint32_t index,
                             uint32_t *out, size_t *out_distinct)
{
    const struct od_training *full = split->full;
    uint64_t from = split->input_end[index], end = full->user_start[split->test_user[index] + 1];
    size_t count = end - from, distinct = 0, known = 0;
    memcpy(out, full->item + from, count * sizeof *out);
    qsort(out, count, sizeof *out, compare_codes);
    for (size_t i = 0; i < count; i++) {
        if (i && out[i] == out[i - 1])
            continue;
        distinct++;
    }
    uint32_t last = OD_NO_CODE;
    for (size_t i = 0; i < count; i++) {
        uint32_t item = out[i];
        if (item != last && item_map[item] != OD_NO_CODE)
            out[known++] = item_map[item];
        last = item;
    }
    *out_distinct = distinct;
    return known;
}

static enum od_status ask_user(const struct evaluation *e, struct bench *bench, uint32_t i,
                               struct od_error *err)
{
    const uint32_t *item_map = e->scorer->item_map;
    uint32_t index = test_index(e, i);
    struct figures *f = &e->figures[i];
    struct od_query query;
    od_split_query(e->split, item_map, index, bench->events, &query);
    od_arena_reset(&bench->arena);
    enum od_status s = od_query_at(e->split->full, e->split->test_user[index],
                                   od_split_context(e->split, index), &bench->arena, &query);
    if (s != OD_OK)
        return od_fail(err, s, NULL);
    s = e->scorer->score(e->scorer->context, &query, &bench->arena, bench->scores, err);
    if (s != OD_OK)
        return s;
    f->listed_count = (uint32_t)od_topk(e->kernels, bench->scores, e->scorer->item_count, NULL,
                                        OD_EVAL_TOP, bench->topk_scratch, f->listed);
    size_t distinct;
    size_t known = relevant_items(e->split, item_map, index, bench->relevant, &distinct);
    f->reciprocal_rank =
        od_metric_reciprocal_rank(f->listed, f->listed_count, bench->relevant, known, OD_EVAL_TOP);
    for (int k = 0; k < LENGTHS; k++) {
        f->ndcg[k] = od_metric_ndcg(f->listed, f->listed_count, bench->relevant, known, distinct,
                                    lengths[k]);
        f->precision[k] =
            od_metric_precision(f->listed, f->listed_count, bench->relevant, known, lengths[k]);
    }
    if (!bench->gains)
        return OD_OK;
    size_t gains = od_split_gains(e->split, item_map, index, bench->gains);
    for (int k = 0; k < LENGTHS; k++)
        f->weighted[k] =
            od_metric_gain_ndcg(f->listed, f->listed_count, bench->gains, gains, lengths[k]);
    return OD_OK;
}

static void bench_done(struct bench *bench)
{
    od_arena_done(&bench->arena);
    free(bench->scores);
    free(bench->events);
    free(bench->relevant);
    free(bench->gains);
    free(bench->topk_scratch);
}

static enum od_status bench_init(struct bench *bench, const struct od_split *split, uint32_t items)
{
    size_t events = split->most_events + 1;
    od_arena_init(&bench->arena, SIZE_MAX);
    bench->scores = malloc(((size_t)items + 1) * sizeof *bench->scores);
    bench->events = malloc(events * sizeof *bench->events);
    bench->relevant = malloc(events * sizeof *bench->relevant);
    bench->topk_scratch = malloc(od_topk_scratch(OD_EVAL_TOP) * sizeof *bench->topk_scratch);
    bench->gains = split->full->type_weight ? malloc(events * sizeof *bench->gains) : NULL;
    bool enough = bench->scores && bench->events && bench->relevant && bench->topk_scratch &&
                  (bench->gains || !split->full->type_weight);
    return enough ? OD_OK : OD_NO_MEMORY;
}

static enum od_status ask_block(void *context, size_t block, unsigned thread)
{
    (void)thread;
    const struct evaluation *e = context;
    struct bench bench;
    enum od_status s = bench_init(&bench, e->split, e->scorer->item_count);
    if (s != OD_OK)
        od_fail(&e->errors[block], s, NULL);
    for (uint32_t i = 0; s == OD_OK && i < BLOCK; i++) {
        uint32_t user = (uint32_t)block * BLOCK + i;
        if (user < e->user_count)
            s = ask_user(e, &bench, user, &e->errors[block]);
    }
    bench_done(&bench);
    return s;
}

static enum od_status ask_all(struct evaluation *e, unsigned threads, struct od_error *err)
{
    size_t blocks = (e->user_count + BLOCK - 1) / BLOCK;
    e->errors = calloc(blocks + 1, sizeof *e->errors);
    e->figures = calloc((size_t)e->user_count + 1, sizeof *e->figures);
    if (!e->errors || !e->figures)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status s = od_parallel(threads, blocks, ask_block, e);
    for (size_t i = 0; s != OD_OK && i < blocks; i++)
        if (e->errors[i].code == s)
            return od_error_copy(err, &e->errors[i]);
    return s;
}

/* Items of the interactions and of the item table, each once. */
static uint64_t catalogue_size(const struct od_training *full)
{
    uint64_t count = full->item_count;
    uint32_t rows = full->item_table ? od_table_row_count(full->item_table) : 0;
    for (uint32_t row = 0; row < rows; row++)
        count += od_dict_find(full->items, od_table_id(full->item_table, row)) == OD_NO_CODE;
    return count;
}

static enum od_status add_coverage(const struct evaluation *e, struct od_metrics *metrics,
                                   struct od_error *err)
{
    uint32_t items = e->scorer->item_count;
    uint64_t *seen = calloc(od_bitmap_words(items) + 1, sizeof *seen);
    if (!seen)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (uint32_t i = 0; i < e->user_count; i++)
        for (uint32_t k = 0; k < e->figures[i].listed_count; k++)
            od_bitmap_set(seen, e->figures[i].listed[k]);
    uint64_t catalogue = catalogue_size(e->split->full);
    double listed = (double)od_bitmap_count(seen, items);
    free(seen);
    od_metrics_add(metrics, "coverage", catalogue ? listed / (double)catalogue : 0);
    return OD_OK;
}

static void add_means(const struct evaluation *e, struct od_metrics *metrics)
{
    static const char *const ndcg_names[] = {"normalized_discounted_cumulative_gain_at_5",
                                             "normalized_discounted_cumulative_gain_at_10",
                                             "normalized_discounted_cumulative_gain_at_25"};
    static const char *const precision_names[] = {"precision_at_5", "precision_at_10",
                                                  "precision_at_25"};
    static const char *const weighted_names[] = {
        "normalized_discounted_cumulative_gain_with_event_weights_at_5",
        "normalized_discounted_cumulative_gain_with_event_weights_at_10",
        "normalized_discounted_cumulative_gain_with_event_weights_at_25"};
    struct figures sum = {0};
    double n = e->user_count;
    for (uint32_t i = 0; i < e->user_count; i++) {
        sum.reciprocal_rank += e->figures[i].reciprocal_rank;
        for (int k = 0; k < LENGTHS; k++) {
            sum.ndcg[k] += e->figures[i].ndcg[k];
            sum.precision[k] += e->figures[i].precision[k];
            sum.weighted[k] += e->figures[i].weighted[k];
        }
    }
    od_metrics_add(metrics, "mean_reciprocal_rank_at_25", sum.reciprocal_rank / n);
    for (int k = 0; k < LENGTHS; k++)
        od_metrics_add(metrics, ndcg_names[k], sum.ndcg[k] / n);
    for (int k = 0; k < LENGTHS; k++)
        od_metrics_add(metrics, precision_names[k], sum.precision[k] / n);
    for (int k = 0; k < LENGTHS && e->split->full->type_weight; k++)
        od_metrics_add(metrics, weighted_names[k], sum.weighted[k] / n);
}

enum od_status od_evaluate(const struct od_scorer *scorer, const struct od_split *split,
                           unsigned threads, struct od_metrics *metrics, struct od_error *err)
{
    struct evaluation e = {
        .scorer = scorer,
        .split = split,
        .kernels = od_kernels_best(),
        .user_count = split->test_count < OD_EVAL_USERS ? split->test_count : OD_EVAL_USERS,
    };
    enum od_status s = e.user_count ? ask_all(&e, threads, err) : OD_OK;
    if (s == OD_OK && e.user_count)
        s = add_coverage(&e, metrics, err);
    if (s == OD_OK && e.user_count)
        add_means(&e, metrics);
    free(e.errors);
    free(e.figures);
    return s;
}

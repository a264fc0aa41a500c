/* aws-trending-now: the items whose interactions grow fastest.
 *
 * What is counted, and how growth is scored, is in trend.c. The image holds, beside the sections of
 * popularity.h:
 *   trend.now    struct header: interval, end, half-life, intervals seen
 *   trend.heat   float [items] decayed counts as of the end
 *   trend.total  float [items] counts
 * The server counts anew once an interval (api/auto_update.c).
 *
 * Items with growth score their z (above 0), the others their popularity order (below 0). When the
 * two intervals before the request have no interaction there is no trend to speak of, and everybody
 * gets popular items (recipes.md section 6). A model is counted anew every two hours at most, so
 * shorter intervals are not asked for more than that.
 *
 * Metrics: those of every item recipe on held-out users, and trend_prediction_accuracy on the last
 * tenth of the events: the half-life chosen before it foretells its intervals. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "recipes/metrics.h"
#include "recipes/popularity.h"
#include "recipes/registry.h"
#include "recipes/trend.h"

/* Shares of the events: half-lives are chosen on the intervals after the first, the metric is
 * measured after the second. */
#define CHOOSE_FROM 0.6
#define TEST_FROM   0.9
#define RECOUNT_S   7200

struct header {
    int64_t interval_s, end_s;
    double half_life, intervals;
};

struct model {
    struct od_popularity_view popularity;
    const struct header *now;
    const float *heat, *total;
};

/* --- training --- */

static int64_t interval_of(const struct od_train_input *input)
{
    /* In the order of the choices: "30 minutes", "1 hour", "2 hours", "3 hours", "1 day". */
    static const int64_t seconds[] = {1800, 3600, 7200, 10800, 86400};
    size_t choice =
        (size_t)od_recipe_param(input->spec, input->params, "trend_discovery_frequency")->number;
    return seconds[choice];
}

static enum od_status write_trend(const struct header *now, float *heat, float *total,
                                  uint32_t items, struct od_image_writer *image,
                                  struct od_error *err)
{
    enum od_status s = od_image_add(image, "trend.now", now, sizeof *now, false);
    if (s == OD_OK)
        s = od_image_add(image, "trend.heat", heat, items * sizeof *heat, false);
    if (s == OD_OK)
        s = od_image_add(image, "trend.total", total, items * sizeof *total, false);
    return s == OD_OK ? OD_OK : od_fail(err, s, NULL);
}

/* Chooses the half-life on the series' later intervals, counts all of it, writes. */
static enum od_status fit_series(const struct od_train_input *input,
                                 const struct od_trend_series *series,
                                 struct od_image_writer *image, struct od_error *err)
{
    double accuracy[OD_TREND_CHOICES];
    uint32_t cuts;
    size_t items = (size_t)series->item_count + 1;
    struct header now = {
        .interval_s = series->interval_s, .end_s = series->end_s, .intervals = series->count};
    float *heat = malloc(items * sizeof *heat), *total = malloc(items * sizeof *total);
    enum od_status s = heat && total ? OD_OK : OD_NO_MEMORY;
    if (s == OD_OK)
        s = od_trend_judge(series, od_trend_interval_at(series, CHOOSE_FROM), series->count,
                           input->threads, accuracy, &cuts);
    if (s == OD_OK) {
        now.half_life = od_trend_choose(accuracy, cuts);
        s = od_trend_count(series, series->count, now.half_life, heat, total);
    }
    s = s == OD_OK ? write_trend(&now, heat, total, series->item_count, image, err)
                   : od_fail(err, s, NULL);
    free(heat);
    free(total);
    return s;
}

static enum od_status fit(const struct od_train_input *input, struct od_image_writer *image,
                          struct od_error *err)
{
    struct od_popularity popularity = {0};
    struct od_trend_series series = {0};
    enum od_status s = od_progress_report(&input->progress, 0, "counting intervals", err);
    if (s == OD_OK)
        s = od_popularity_count(input->training, &popularity, err);
    if (s == OD_OK)
        s = od_popularity_write(&popularity, input->training, image, err);
    if (s == OD_OK)
        s = od_trend_series_make(input->training, interval_of(input), &series, err);
    if (s == OD_OK)
        s = od_progress_report(&input->progress, 0.3, "choosing the half-life of trends", err);
    if (s == OD_OK)
        s = fit_series(input, &series, image, err);
    od_popularity_done(&popularity);
    od_trend_series_done(&series);
    return s;
}

static enum od_status add_accuracy(const struct od_train_input *input, struct od_metrics *metrics,
                                   struct od_error *err)
{
    static const double half_lives[] = OD_TREND_HALF_LIVES;
    struct od_trend_series series;
    double before[OD_TREND_CHOICES], after[OD_TREND_CHOICES];
    uint32_t cuts, tests;
    enum od_status s = od_trend_series_make(input->training, interval_of(input), &series, err);
    if (s != OD_OK)
        return s;
    uint32_t from = od_trend_interval_at(&series, CHOOSE_FROM),
             test = od_trend_interval_at(&series, TEST_FROM);
    s = od_trend_judge(&series, from, test, input->threads, before, &cuts);
    if (s == OD_OK)
        s = od_trend_judge(&series, test, series.count, input->threads, after, &tests);
    double half_life = s == OD_OK ? od_trend_choose(before, cuts) : 0;
    for (size_t i = 0; s == OD_OK && i < OD_TREND_CHOICES; i++)
        if (half_lives[i] == half_life)
            od_metrics_add(metrics, "trend_prediction_accuracy", tests ? after[i] : 0);
    od_trend_series_done(&series);
    return s == OD_OK ? OD_OK : od_fail(err, s, NULL);
}

static enum od_status train(const struct od_train_input *input, struct od_image_writer *image,
                            struct od_metrics *metrics, struct od_error *err)
{
    struct od_progress_scale scale;
    struct od_train_input whole = *input;
    whole.progress = od_progress_scaled(&scale, input->progress, 0.7, 1);
    enum od_status s = od_evaluate_fit(&od_recipe_trending_now, input, fit, 0, 0.5, metrics, err);
    if (s == OD_OK && metrics)
        s = add_accuracy(input, metrics, err);
    return s == OD_OK ? fit(&whole, image, err) : s;
}

/* --- the model --- */

static enum od_status open_trend(const struct od_image *image, struct model *m,
                                 struct od_error *err)
{
    const void *now, *heat, *total;
    uint32_t items = m->popularity.items.count;
    enum od_status s = od_image_array(image, "trend.now", 1, sizeof *m->now, &now, err);
    if (s == OD_OK)
        s = od_image_array(image, "trend.heat", items, sizeof *m->heat, &heat, err);
    if (s == OD_OK)
        s = od_image_array(image, "trend.total", items, sizeof *m->total, &total, err);
    if (s != OD_OK)
        return s;
    m->now = now;
    m->heat = heat;
    m->total = total;
    if (!(m->now->interval_s > 0 && m->now->half_life > 0 && m->now->intervals >= 1))
        return od_fail(err, OD_CORRUPT, "The model image's trends are not well formed.");
    return OD_OK;
}

static enum od_status open_model(const struct od_image *image, struct od_model **out,
                                 struct od_error *err)
{
    struct model *m = calloc(1, sizeof *m);
    if (!m)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status s = od_popularity_open(image, &m->popularity, err);
    if (s == OD_OK)
        s = open_trend(image, m, err);
    if (s == OD_OK)
        *out = (struct od_model *)m;
    else
        free(m);
    return s;
}

static void close_model(struct od_model *model)
{
    free(model);
}

static const struct od_image_dict *items(const struct od_model *model)
{
    return &((const struct model *)model)->popularity.items;
}

/* Whole intervals from one time to a later one; 0 when it is not later. */
static bool is_stale(const struct model *m, int64_t now_s)
{
    int64_t interval = m->now->interval_s > RECOUNT_S ? m->now->interval_s : RECOUNT_S;
    return now_s > m->now->end_s &&
           ((uint64_t)now_s - (uint64_t)m->now->end_s) / (uint64_t)interval >= 2;
}

/* z where it is above 0, the popularity order elsewhere. scores holds z and is overwritten. */
static void fill_with_popular(const struct model *m, float *scores)
{
    for (uint32_t i = 0; i < m->popularity.items.count; i++)
        if (!(scores[i] > 0))
            scores[i] = -1.0f - (float)m->popularity.rank[i];
}

static enum od_status score(const struct od_model *model, const struct od_query *query,
                            struct od_arena *scratch, float *scores, bool *out_personal,
                            struct od_error *err)
{
    (void)scratch;
    (void)err;
    const struct model *m = (const struct model *)model;
    *out_personal = false; /* one list for everybody */
    if (is_stale(m, query->now_s)) {
        od_popularity_scores(&m->popularity, scores);
        return OD_OK;
    }
    od_trend_scores(m->popularity.items.count, m->heat, m->total, m->now->half_life,
                    m->now->intervals, scores);
    fill_with_popular(m, scores);
    return OD_OK;
}

const struct od_recipe od_recipe_trending_now = {
    .name = "aws-trending-now",
    .train = train,
    .open = open_model,
    .close = close_model,
    .items = items,
    .score = score,
    .temperature = NULL,
};

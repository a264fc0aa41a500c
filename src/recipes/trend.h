/* How fast items gain interactions: the counting half of aws-trending-now.
 *
 * Time is cut into intervals back from the last event. The pace of an item is its mean count an
 * interval with weights that halve every half_life intervals; its rate is its plain mean count an
 * interval since the data begin. The trend is the growth of one over the other in standard errors
 * of counts:
 *     z = (pace - rate) / sqrt(pace + rate + 1 / n),  n = the sum of the weights,
 * where 1 / n is one event more, so that a single event says little. */
#ifndef OD_RECIPES_TREND_H
#define OD_RECIPES_TREND_H

#include "recipes/recipe.h"

/* Half-lives tried, in intervals; which one fits is asked of intervals whose future is known. */
#define OD_TREND_HALF_LIVES                                                                        \
    {                                                                                              \
        1, 2, 4, 8, 16, 32                                                                         \
    }
#define OD_TREND_CHOICES 6
#define OD_TREND_TOP     25 /* the list that choices and the metric judge: recipes.md 9.2 */

/* Events by interval, oldest first. */
struct od_trend_series {
    int64_t interval_s;
    int64_t end_s;  /* the last interval is (end_s - interval_s, end_s] */
    uint32_t count; /* of intervals, at least 1; at most OD_TREND_INTERVALS: what is older is in
                       the first one */
    uint64_t *at;   /* [count + 1] */
    uint32_t *item; /* [events] */
    uint32_t item_count;
};
#define OD_TREND_INTERVALS (1u << 20) /* 59 years of half hours */
enum od_status od_trend_series_make(const struct od_training *training, int64_t interval_s,
                                    struct od_trend_series *out, struct od_error *err) OD_MUST_USE;
void od_trend_series_done(struct od_trend_series *series);

/* z of every item; 0 for one without events. heat: decayed count as of the last interval; total:
 * count; intervals: since the data begin. */
void od_trend_scores(uint32_t item_count, const float *heat, const float *total, double half_life,
                     double intervals, float *scores);

/* heat and total after all intervals before `until`, as of the last of them; both [items]. */
enum od_status od_trend_count(const struct od_trend_series *series, uint32_t until,
                              double half_life, float *heat, float *total) OD_MUST_USE;

/* How well each half-life foretells risers: trend prediction accuracy, averaged over up to
 * OD_TREND_CUTS intervals in [from, until) that have events, spread evenly over the events. The
 * accuracy at one interval: the growth there (count less the item's rate until then) of the
 * OD_TREND_TOP items of the largest z, over the growth of the OD_TREND_TOP that grew most; not less
 * than 0. out_accuracy[OD_TREND_CHOICES]; *out_cuts 0: nothing could be judged. */
#define OD_TREND_CUTS 32
enum od_status od_trend_judge(const struct od_trend_series *series, uint32_t from, uint32_t until,
                              unsigned threads, double *out_accuracy,
                              uint32_t *out_cuts) OD_MUST_USE;
/* The half-life whose accuracy is best (the first of equals); the middle one without a cut. */
double od_trend_choose(const double *accuracy, uint32_t cuts);
/* The interval before which a share of the events lies. */
uint32_t od_trend_interval_at(const struct od_trend_series *series, double share);

#endif

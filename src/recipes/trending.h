/* aws-trending-now beyond its seam: what the server needs to judge trends anew from live events. */
#ifndef OD_RECIPES_TRENDING_H
#define OD_RECIPES_TRENDING_H

#include "recipes/recipe.h"

struct od_trend_event {
    uint32_t item; /* the model's code */
    int64_t time;
};

/* Seconds between re-evaluations: the model's trend_discovery_frequency, at least
 * OD_TREND_REFRESH_S (recipes.md section 1: at most every two hours). */
#define OD_TREND_REFRESH_S (2 * 3600)
int64_t od_trending_refresh_s(const struct od_model *model);

/* The last moment the image counts: the time of the newest event it was trained on. Events given to
 * od_trending_rescore must be later. */
int64_t od_trending_end_s(const struct od_model *model);

/* The scores as of now_s with the events since the image's end counted too: scores[items], as
 * od_recipe.score gives them. events in any order; those of unknown items (code out of range), not
 * later than the image's end, or later than now_s are left out. *out_trending false: popular items,
 * since the last two intervals have no interaction. The server calls this once an interval and
 * answers from the scores until the next. */
enum od_status od_trending_rescore(const struct od_model *model,
                                   const struct od_trend_event *events, size_t event_count,
                                   int64_t now_s, float *scores, bool *out_trending,
                                   struct od_error *err) OD_MUST_USE;

#endif

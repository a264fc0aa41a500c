/* What the choices of several parts do with judges (part.h). */
#ifndef OD_RECIPES_JUDGES_H
#define OD_RECIPES_JUDGES_H

#include "recipes/part.h"

/* An even choice of at most `most` of count judges, in their order; returns how many went to out.
 */
size_t od_judges_even(const struct od_judge *judges, size_t count, size_t most,
                      struct od_judge *out);

/* Whether one held-out event in a hundred is on an item of the judge's past: people here do return
 * to items, so these take part in a ranking. */
bool od_judges_return(const struct od_training *training, const struct od_judge *judges,
                      size_t count);

/* Two measures of the same judges, one by one. */
struct od_paired {
    double mean, error; /* of now[j * stride] - before[j], and the standard error of that mean */
    double before;      /* mean of before */
};
struct od_paired od_paired(const double *now, size_t stride, const double *before, size_t count);

/* Where a model ranks held-out events. Items of a judge's past take no part unless people return.
 */
struct od_judging {
    const struct od_training *training;
    unsigned threads;
    const struct od_judge *judges;
    bool returns;
    size_t newest; /* events of a judge's past that the model is told */
    bool facts;    /* it is told the context and the user's record too */
    float nothing; /* a score that is not above this says nothing of an item */
    const void *model;
    enum od_status (*score)(const void *model, const struct od_query *query,
                            struct od_arena *scratch, float *scores, bool *out_any);
};
/* gain[j] := 1 / log2(1 + place) for places up to OD_JUDGES_TOP, else 0, of judges [first, last);
 * equal scores rank by code, as answers do. */
#define OD_JUDGES_TOP 20
enum od_status od_judges_ask(const struct od_judging *judging, size_t first, size_t last,
                             double *gain) OD_MUST_USE;

#endif

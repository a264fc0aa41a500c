/* The mixture that answers after a pause (blend_model.h). */
#include <math.h>
#include <string.h>

#include "math/nn/vector.h"
#include "recipes/blend_model.h"

void od_blend_shares(const struct od_blend_away *away, float pause, float length,
                     float share[OD_BLEND_SOURCES])
{
    float most = 0, sum = 0;
    for (size_t k = 0; k < OD_BLEND_SOURCES; k++) {
        const float *g = away->gate[k];
        share[k] = g[0] + g[1] * pause + g[2] * length;
        most = share[k] > most ? share[k] : most;
    }
    for (size_t k = 0; k < OD_BLEND_SOURCES; k++)
        sum += share[k] = expf(share[k] - most);
    for (size_t k = 0; k < OD_BLEND_SOURCES; k++)
        share[k] *= (1 - OD_BLEND_LEAST_SHARE) / sum;
    share[OD_BLEND_OF_ALL] += OD_BLEND_LEAST_SHARE;
}

void od_blend_popular_shares(const uint32_t *count, const uint32_t *lately, uint32_t items,
                             float *out)
{
    const size_t n = items;
    float *all = out + (OD_BLEND_OF_ALL - OD_BLEND_OF_DAY) * n;
    double total = 0;
    for (size_t i = 0; i < n; i++)
        total += (double)count[i] + .5; /* half a count: nothing is impossible */
    for (size_t i = 0; i < n; i++)
        all[i] = (float)(((double)count[i] + .5) / total);
    for (size_t w = 0; w < OD_RECENT_WINDOWS; w++) {
        const uint32_t *c = lately + w * n;
        uint64_t sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += c[i];
        if (sum == 0)
            memcpy(out + w * n, all, n * sizeof *out);
        for (size_t i = 0; i < n && sum; i++)
            out[w * n + i] = (float)((double)c[i] / (double)sum);
    }
}

enum od_status od_blend_tilt(const struct od_content_model *returning, const struct od_query *query,
                             const float *popular, uint32_t items, struct od_arena *scratch,
                             float *past, float *tilt)
{
    const size_t n = items;
    const float *day = popular, *week = day + n, *month = week + n, *usual = month + n;
    float sum = 0;
    bool any;
    for (uint32_t i = 0; i < items; i++) {
        past[i] = 0;
        tilt[i] = 1;
    }
    if (returning && returning->columns &&
        od_returning_rates(returning, query, usual, scratch, tilt, &any) != OD_OK)
        return OD_NO_MEMORY;
    for (size_t e = 0; e < query->event_count; e++) {
        uint32_t i = query->events[e].item;
        if (i >= items)
            continue;
        if (past[i] <= 0)
            tilt[i] *= OD_BLEND_AGAIN;
        float more = day[i] + week[i] + month[i] + usual[i];
        past[i] += more;
        sum += more;
    }
    for (uint32_t i = 0; i < items && sum > 0; i++)
        past[i] /= sum;
    return OD_OK;
}

float od_blend_exponentials(float *scores, size_t count, float temperature)
{
    const struct od_nn_vector *vector = od_nn_vector_best();
    float by = 1 / temperature;
    for (size_t i = 0; i < count; i++)
        scores[i] *= by;
    return vector->exp_sum(scores, vector->largest(scores, count), count);
}

void od_blend_totals(const float *popular, const float *tilt, uint32_t items,
                     float out[OD_BLEND_COMMON])
{
    const size_t n = items;
    const float *source[OD_BLEND_COMMON];
    for (size_t k = 0; k < OD_BLEND_COMMON; k++)
        source[k] = popular + k * n;
    od_nn_vector_best()->dots(out, tilt, source, OD_BLEND_COMMON, n);
}

void od_blend_mix(const float share[OD_BLEND_SOURCES], float sharp, const float *past,
                  const float *popular, const float *tilt, float temperature, uint32_t items,
                  float *scores)
{
    const size_t n = items;
    const float *day = popular, *week = day + n, *month = week + n, *all = month + n;
    float own = share[OD_BLEND_OWN] / od_blend_exponentials(scores, n, temperature / sharp);
    float by[OD_BLEND_COMMON], total[OD_BLEND_COMMON];
    od_blend_totals(popular, tilt, items, total);
    for (size_t k = 0; k < OD_BLEND_COMMON; k++)
        by[k] = share[OD_BLEND_OF_DAY + k] / total[k];
    for (size_t i = 0; i < n; i++) {
        float common = by[0] * day[i] + by[1] * week[i] + by[2] * month[i] + by[3] * all[i];
        scores[i] = own * scores[i] + share[OD_BLEND_OF_PAST] * past[i] + common * tilt[i];
    }
    od_nn_vector_best()->log(scores, scores, temperature, n);
}

/* Similarities of one item to all: see similar.h for the formula. */
#include <math.h>
#include <string.h>

#include "recipes/similar.h"

void od_similar_users(const uint32_t *users, uint32_t items, float *log_users, float *trust)
{
    for (uint32_t i = 0; i < items; i++) {
        float n = (float)users[i];
        log_users[i] = logf(n + 1);
        trust[i] = n / (n + OD_SIMILAR_TRUST);
    }
}

void od_similar_products(const struct od_similar_view *view, uint32_t item, float *id,
                         float *metadata)
{
    od_item_space_products(&view->id, item, id); /* vectors have the length of their trust */
    od_item_space_products(&view->metadata, item, metadata);
}

void od_similar_prior(const struct od_similar_view *view, uint32_t item, const float *id,
                      const float *metadata, float *out)
{
    float g = view->trust[item];
    const struct od_similar_weights *warm = &view->mix.warm, *cold = &view->mix.cold;
    float a = g * warm->id + (1 - g) * cold->id;
    float b = g * warm->metadata + (1 - g) * cold->metadata;
    float c = g * warm->popularity + (1 - g) * cold->popularity;
    float most = -INFINITY;
    for (uint32_t j = 0; j < view->items; j++) {
        out[j] = a * id[j] + b * metadata[j] + c * view->log_users[j];
        if (j != item && out[j] > most)
            most = out[j];
    }
    double sum = 0;
    out[item] = -INFINITY;
    for (uint32_t j = 0; j < view->items; j++) {
        out[j] = expf(out[j] - most);
        sum += out[j];
    }
    float scale = sum > 0 ? (float)(1 / sum) : 0;
    for (uint32_t j = 0; j < view->items; j++)
        out[j] *= scale;
}

void od_similar_scores(const struct od_similar_view *view, uint32_t item, float *work,
                       float *scores)
{
    float *id = work, *metadata = work + view->items, k = view->mix.prior;
    od_similar_products(view, item, id, metadata);
    od_similar_prior(view, item, id, metadata, scores);
    for (uint32_t j = 0; j < view->items; j++)
        scores[j] *= k;
    for (uint64_t p = view->at[item]; p < view->at[item + 1]; p++)
        scores[view->item[p]] += view->weight[p];
    float all = 1 / (view->total[item] + k), f = view->mix.discount;
    for (uint32_t j = 0; j < view->items; j++)
        scores[j] *= f == 0 ? all : all * expf(-f * view->log_users[j]);
    scores[item] = -INFINITY;
}

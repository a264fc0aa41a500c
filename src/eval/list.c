/* Ranking with ties against the model: the relevant items are taken out, the best others are
 * ranked, and the relevant ones are merged in behind their equals. Costs one pass over the scores,
 * whatever the number of relevant items. */
#include "eval/list.h"

#include <math.h>
#include <string.h>

#include "base/bitmap.h"

/* Indexes of the best relevant items by falling score, equal ones in order; at most OD_LIST_MOST.
 */
static uint32_t best_relevant(const float *held, uint32_t count, uint32_t *out)
{
    uint32_t n = 0;
    for (uint32_t r = 0; r < count; r++) {
        if (!(held[r] > -INFINITY))
            continue;
        uint32_t at = n < OD_LIST_MOST ? n++ : OD_LIST_MOST;
        while (at > 0 && held[out[at - 1]] < held[r]) {
            if (at < OD_LIST_MOST)
                out[at] = out[at - 1];
            at--;
        }
        if (at < OD_LIST_MOST)
            out[at] = r;
    }
    return n;
}

void od_list_rank(const struct od_list_ranker *ranker, float *scores, uint32_t count,
                  const uint64_t *keep, const uint32_t *relevant, uint32_t relevant_count,
                  float *held, struct od_list *out)
{
    uint32_t other[OD_LIST_MOST], best[OD_LIST_MOST];
    for (uint32_t r = 0; r < relevant_count; r++) {
        bool candidate = !keep || od_bitmap_get(keep, relevant[r]);
        held[r] = candidate ? scores[relevant[r]] : -INFINITY;
        scores[relevant[r]] = -INFINITY;
    }
    size_t others =
        od_topk(ranker->kernels, scores, count, keep, OD_LIST_MOST, ranker->scratch, other);
    uint32_t relevants = best_relevant(held, relevant_count, best);
    size_t o = 0;
    uint32_t r = 0, n = 0;
    while (n < OD_LIST_MOST && (o < others || r < relevants)) {
        bool hit = o == others || (r < relevants && held[best[r]] > scores[other[o]]);
        out->hit[n] = hit;
        out->item[n++] = hit ? relevant[best[r++]] : other[o++];
    }
    out->count = n;
}

/* Of the place with this index, from 0. */
static double weight(uint32_t index)
{
    return 1.0 / log2((double)index + 2.0);
}

static double ideal(uint32_t count)
{
    double sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += weight(i);
    return sum;
}

double od_list_metric(const struct od_list_metric *metric, const struct od_list *list,
                      uint32_t relevant_count)
{
    uint32_t k = metric->k, hits = 0, first = 0;
    double gain = 0;
    for (uint32_t i = 0; i < k && i < list->count; i++)
        if (list->hit[i]) {
            gain += weight(i);
            first = hits++ ? first : i + 1;
        }
    switch (metric->kind) {
    case OD_LIST_PRECISION:
        return k ? (double)hits / k : 0;
    case OD_LIST_RECALL:
        return relevant_count ? (double)hits / relevant_count : 0;
    case OD_LIST_HIT:
        return hits > 0;
    case OD_LIST_MRR:
        return first ? 1.0 / first : 0;
    case OD_LIST_NDCG:
        return relevant_count ? gain / ideal(relevant_count < k ? relevant_count : k) : 0;
    case OD_LIST_NDCG_AWS:
        return hits ? gain / ideal(hits) : 0;
    case OD_LIST_GAIN:
        break;
    }
    return 0;
}

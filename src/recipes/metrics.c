/* The metrics of one list, by the definitions of recipes.md section 9: NDCG weighs place p (from 1)
 * by 1 / log(1 + p) (Jarvelin, Kekalainen 2002), its ideal has every relevant item first; precision
 * always divides by k; the reciprocal rank is of the first relevant item. */
#include "recipes/metrics.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

bool od_metrics_add(struct od_metrics *metrics, const char *name, double value)
{
    if (metrics->count == sizeof metrics->list / sizeof *metrics->list)
        return false;
    struct od_metric *metric = &metrics->list[metrics->count++];
    snprintf(metric->name, sizeof metric->name, "%s", name);
    metric->value = value;
    return true;
}

const double *od_metrics_find(const struct od_metrics *metrics, const char *name)
{
    for (size_t i = 0; i < metrics->count; i++)
        if (strcmp(metrics->list[i].name, name) == 0)
            return &metrics->list[i].value;
    return NULL;
}

static bool is_relevant(uint32_t item, const uint32_t *relevant, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (relevant[i] == item)
            return true;
    return false;
}

static size_t shorter(size_t a, size_t b)
{
    return a < b ? a : b;
}

double od_metric_precision(const uint32_t *ranked, size_t ranked_count, const uint32_t *relevant,
                           size_t relevant_count, size_t k)
{
    size_t hits = 0;
    for (size_t i = 0; i < shorter(ranked_count, k); i++)
        hits += is_relevant(ranked[i], relevant, relevant_count);
    return k ? (double)hits / (double)k : 0;
}

double od_metric_reciprocal_rank(const uint32_t *ranked, size_t ranked_count,
                                 const uint32_t *relevant, size_t relevant_count, size_t k)
{
    for (size_t i = 0; i < shorter(ranked_count, k); i++)
        if (is_relevant(ranked[i], relevant, relevant_count))
            return 1.0 / (double)(i + 1);
    return 0;
}

/* Of the place with this index, from 0. */
static double weight(size_t index)
{
    return 1.0 / log2((double)index + 2.0);
}

double od_metric_ndcg(const uint32_t *ranked, size_t ranked_count, const uint32_t *relevant,
                      size_t relevant_count, size_t ideal_count, size_t k)
{
    double gain = 0, ideal = 0;
    for (size_t i = 0; i < shorter(ranked_count, k); i++)
        if (is_relevant(ranked[i], relevant, relevant_count))
            gain += weight(i);
    for (size_t i = 0; i < shorter(ideal_count, k); i++)
        ideal += weight(i);
    return ideal > 0 ? gain / ideal : 0;
}

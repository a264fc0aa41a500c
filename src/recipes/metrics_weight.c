/* NDCG with event weights (recipes.md 9.2): a relevant item's gain is that of the event it was had
 * by, its type's weight over the mean of the weights given; of several events the largest. The
 * ideal list has the relevant items by falling gain (Jarvelin, Kekalainen 2002). */
#include <math.h>
#include <stdlib.h>

#include "recipes/metrics.h"

static int compare_items(const void *a, const void *b)
{
    const struct od_gain *x = a, *y = b;
    if (x->item != y->item)
        return x->item < y->item ? -1 : 1;
    return (x->gain < y->gain) - (x->gain > y->gain);
}

static int compare_gains(const void *a, const void *b)
{
    float x = ((const struct od_gain *)a)->gain, y = ((const struct od_gain *)b)->gain;
    return (x < y) - (x > y);
}

/* The distinct items after the input with their largest gain. */
static size_t collect(const struct od_split *split, uint32_t index, struct od_gain *out)
{
    const struct od_training *full = split->full;
    uint64_t from = split->input_end[index], end = full->user_start[split->test_user[index] + 1];
    size_t count = 0, kept = 0;
    for (uint64_t e = from; e < end; e++)
        out[count++] = (struct od_gain){full->item[e], full->type_weight[full->type[e]]};
    qsort(out, count, sizeof *out, compare_items);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || out[i].item != out[kept - 1].item)
            out[kept++] = out[i];
    return kept;
}

double od_metric_gain_ndcg(const uint32_t *ranked, size_t ranked_count, const struct od_gain *gains,
                           size_t gain_count, size_t k)
{
    double sum = 0, ideal = 0;
    for (size_t place = 0; place < ranked_count && place < k; place++)
        for (size_t i = 0; i < gain_count; i++)
            if (gains[i].item == ranked[place])
                sum += (double)gains[i].gain / log2((double)place + 2);
    for (size_t place = 0; place < gain_count && place < k; place++)
        ideal += (double)gains[place].gain / log2((double)place + 2);
    return ideal > 0 ? sum / ideal : 0;
}

size_t od_split_gains(const struct od_split *split, const uint32_t *item_map, uint32_t index,
                      struct od_gain *out)
{
    size_t count = collect(split, index, out);
    for (size_t i = 0; i < count; i++)
        out[i].item = item_map[out[i].item];
    qsort(out, count, sizeof *out, compare_gains);
    return count;
}

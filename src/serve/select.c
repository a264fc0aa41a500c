/* Picking the best items, by the top-K kernel or as the scan found them, and the probabilities that
 * go with them. */
#include "base/bitmap.h"
#include "serve/ask.h"

static struct od_pick pick(const struct od_ask *ask, uint32_t item)
{
    const struct od_campaign *campaign = ask->campaign;
    struct od_pick made = {.row = campaign->map.row_of[item], .item = item};
    if (campaign->has_scores) {
        made.scored = true;
        made.probability = od_softmax(&ask->softmax, (double)ask->scores[item]);
    }
    return made;
}

enum od_status od_select(struct od_ask *ask, const uint64_t *keep, uint64_t *taken, size_t count,
                         struct od_pick *out, size_t *out_count)
{
    uint32_t item_count = ask->campaign->map.item_count;
    size_t most = count + od_bitmap_count(taken, item_count), found = 0;
    *out_count = 0;
    if (count == 0)
        return OD_OK;
    uint64_t *scratch = OD_NEW_ARRAY(ask->arena, uint64_t, od_topk_scratch(most));
    uint32_t *best = OD_NEW_ARRAY(ask->arena, uint32_t, most);
    if (!scratch || !best)
        return OD_NO_MEMORY;
    most = od_topk(ask->serve->kernels, ask->scores, item_count, keep, most, scratch, best);
    for (size_t i = 0; i < most && found < count; i++) {
        if (od_bitmap_get(taken, best[i]))
            continue;
        out[found++] = pick(ask, best[i]);
        od_bitmap_set(taken, best[i]);
    }
    *out_count = found;
    return OD_OK;
}

enum od_status od_select_found(struct od_ask *ask, size_t search, uint64_t *taken, size_t count,
                               struct od_pick *out, size_t *out_count)
{
    const struct od_scan_query *scan = &ask->searches[search].scan;
    size_t found = 0;
    for (uint32_t i = 0; i < scan->found && found < count; i++) {
        if (od_bitmap_get(taken, scan->out[i]))
            continue;
        out[found++] = pick(ask, scan->out[i]);
        od_bitmap_set(taken, scan->out[i]);
    }
    *out_count = found;
    return OD_OK;
}

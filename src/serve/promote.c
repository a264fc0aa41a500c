/* Promotions (serving.md section 11): a share of the list for items that pass the promotion's
 * filter.
 *
 * The promotion's filter rules the promoted items and the request's filter the others; neither is
 * applied to the other's. A promoted item is not listed twice. Places of promoted items are a
 * random subset of the list, drawn by the recommendation id; both kinds keep their own order. */
#include "serve/ask.h"

/* floor(percent of wanted), at least one. */
size_t od_promote_share(const struct od_ask *ask)
{
    size_t count = ask->wanted * (size_t)ask->query->promotion->percent / 100;
    return count > 0 ? count : ask->wanted > 0;
}

enum od_status od_promote_pick(struct od_ask *ask, uint64_t *taken, struct od_pick *out,
                               size_t *out_count)
{
    *out_count = 0;
    if (!ask->promotion_keep)
        return OD_OK;
    size_t count = od_promote_share(ask);
    enum od_status status =
        ask->search_count
            ? od_select_found(ask, OD_SEARCH_PROMOTED, taken, count, out, out_count)
            : od_select(ask, ask->promotion_keep->items, taken, count, out, out_count);
    for (size_t i = 0; status == OD_OK && i < *out_count; i++)
        out[i].promoted = true;
    return status;
}

void od_promote_mix(struct od_ask *ask, const struct od_pick *promoted, size_t promoted_count,
                    const struct od_pick *others, size_t other_count, struct od_pick *out)
{
    size_t next_promoted = 0, next_other = 0, total = promoted_count + other_count;
    for (size_t i = 0; i < total; i++) {
        size_t left = promoted_count - next_promoted;
        if (left > 0 && od_random_below(&ask->rng, total - i) < left)
            out[i] = promoted[next_promoted++];
        else
            out[i] = others[next_other++];
    }
}

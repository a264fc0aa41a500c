/* GetPersonalizedRanking: the given items in the order the model puts them (serving.md section 2).
 *
 * The probabilities are a softmax over the known ones among them that the filter keeps, so they sum
 * to 1. Items that the model does not know, or never recommends, come last in input order and have
 * no score. An id given twice comes back once, at its first place. */
#include <math.h>
#include <stdlib.h>

#include "base/bitmap.h"
#include "base/dict.h"
#include "serve/ask.h"

/* Input items that stay, once each: known ones first. */
static enum od_status split_input(struct od_ask *ask, struct od_pick *known, size_t *known_count,
                                  struct od_pick *unknown, size_t *unknown_count)
{
    const struct od_recommend_query *query = ask->query;
    struct od_dict *seen = od_dict_new();
    enum od_status status = seen ? OD_OK : OD_NO_MEMORY;
    for (size_t i = 0; i < query->input_count && status == OD_OK; i++) {
        uint32_t before = od_dict_count(seen), code;
        status = od_dict_add(seen, query->input_list[i], &code);
        if (status != OD_OK || code < before || !ask->input_kept[i])
            continue;
        struct od_pick pick = {.row = ask->input_rows[i], .id = query->input_list[i]};
        pick.item = od_campaign_item(ask->campaign, pick.row);
        if (pick.item != OD_NO_CODE && ask->scores[pick.item] > -INFINITY)
            known[(*known_count)++] = pick;
        else
            unknown[(*unknown_count)++] = pick;
    }
    od_dict_free(seen);
    return status;
}

static int by_score(const void *a, const void *b, void *scores)
{
    const struct od_pick *left = a, *right = b;
    const float *of = scores;
    if (of[left->item] != of[right->item])
        return of[left->item] > of[right->item] ? -1 : 1;
    return left->item < right->item ? -1 : left->item > right->item;
}

static enum od_status order(struct od_ask *ask, struct od_pick *known, size_t count)
{
    float *scores = OD_NEW_ARRAY(ask->arena, float, count);
    if (!scores)
        return OD_NO_MEMORY;
    qsort_r(known, count, sizeof *known, by_score, ask->scores);
    if (!ask->campaign->has_scores)
        return OD_OK;
    for (size_t i = 0; i < count; i++)
        scores[i] = ask->scores[known[i].item];
    od_softmax_init(&ask->softmax, scores, count, ask->campaign->temperature);
    for (size_t i = 0; i < count; i++) {
        known[i].scored = true;
        known[i].probability = od_softmax(&ask->softmax, (double)scores[i]);
    }
    return OD_OK;
}

/* For recipes that rank a list as a whole: scores of the list's items alone. */
static enum od_status score_list(struct od_ask *ask, struct od_error *err)
{
    const struct od_campaign *campaign = ask->campaign;
    size_t items = campaign->map.item_count, most = ask->query->input_count;
    ask->scores = OD_NEW_ARRAY(ask->arena, float, items);
    uint64_t *taken = OD_NEW_ARRAY(ask->arena, uint64_t, od_bitmap_words(items));
    ask->list = OD_NEW_ARRAY(ask->arena, uint32_t, most);
    if (!ask->scores || !taken || !ask->list)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (size_t i = 0; i < most; i++) {
        uint32_t item = od_campaign_item(campaign, ask->input_rows[i]);
        if (!ask->input_kept[i] || item == OD_NO_CODE || od_bitmap_get(taken, item))
            continue;
        od_bitmap_set(taken, item);
        ask->list[ask->list_count++] = item;
    }
    return od_ask_model(ask, &ask->model_query, ask->arena, ask->scores, &ask->personal, err);
}

enum od_status od_rank_list(struct od_ask *ask, struct od_pick **out, size_t *out_count,
                            struct od_error *err)
{
    enum od_status status = od_ask_gather(ask, err);
    if (status == OD_OK)
        status = ask->campaign->recipe->rank ? score_list(ask, err) : od_ask_score(ask, err);
    if (status != OD_OK)
        return status;
    size_t known_count = 0, unknown_count = 0, most = ask->query->input_count;
    struct od_pick *picks = OD_NEW_ARRAY(ask->arena, struct od_pick, most);
    struct od_pick *unknown = OD_NEW_ARRAY(ask->arena, struct od_pick, most);
    if (!picks || !unknown)
        return od_fail(err, OD_NO_MEMORY, NULL);
    status = split_input(ask, picks, &known_count, unknown, &unknown_count);
    if (status == OD_OK)
        status = order(ask, picks, known_count);
    if (status != OD_OK)
        return od_fail(err, status, NULL);
    for (size_t i = 0; i < unknown_count; i++)
        picks[known_count + i] = unknown[i];
    *out = picks;
    *out_count = known_count + unknown_count;
    return OD_OK;
}

enum od_status od_serve_rank(struct od_serve *serve, const struct od_recommend_query *query,
                             struct od_arena *arena, struct od_recommend_answer *out,
                             struct od_error *err)
{
    struct od_ask ask;
    struct od_pick *list;
    size_t count;
    enum od_status status = od_ask_open(&ask, serve, query, OD_ASK_RANKING, arena, err);
    if (status == OD_OK)
        status = od_rank_list(&ask, &list, &count, err);
    if (status == OD_OK)
        status = od_ask_answer(&ask, list, count, out, err);
    od_ask_close(&ask);
    return status;
}

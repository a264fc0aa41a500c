/* GetRecommendations: from what was scored or found to the list; many.c has the whole way. */
#include "base/bitmap.h"
#include "serve/ask.h"

/* The list: promoted items first taken, so that none of them is among the others. */
static enum od_status make_list(struct od_ask *ask, struct od_pick **out, size_t *out_count)
{
    struct od_pick *promoted = OD_NEW_ARRAY(ask->arena, struct od_pick, ask->wanted);
    struct od_pick *others = OD_NEW_ARRAY(ask->arena, struct od_pick, ask->wanted);
    struct od_pick *list = OD_NEW_ARRAY(ask->arena, struct od_pick, ask->wanted);
    uint64_t *taken =
        OD_NEW_ARRAY(ask->arena, uint64_t, od_bitmap_words(ask->campaign->map.item_count));
    size_t promoted_count, other_count;
    if (!promoted || !others || !list || !taken)
        return OD_NO_MEMORY;
    enum od_status status = od_promote_pick(ask, taken, promoted, &promoted_count);
    if (status != OD_OK)
        return status;
    size_t rest = ask->wanted - promoted_count;
    status = ask->search_count
                 ? od_select_found(ask, OD_SEARCH_OTHERS, taken, rest, others, &other_count)
                 : od_select(ask, ask->keep ? ask->keep->items : NULL, taken, rest, others,
                             &other_count);
    if (status == OD_OK)
        status = od_explore(ask, taken, rest, others, &other_count);
    if (status != OD_OK)
        return status;
    od_promote_mix(ask, promoted, promoted_count, others, other_count, list);
    *out = list;
    *out_count = promoted_count + other_count;
    return OD_OK;
}

enum od_status od_recommend_pick(struct od_ask *ask, struct od_pick **out, size_t *out_count,
                                 struct od_error *err)
{
    enum od_status status = make_list(ask, out, out_count);
    return status == OD_OK ? OD_OK : od_fail(err, status, NULL);
}

enum od_status od_recommend_list(struct od_ask *ask, struct od_pick **out, size_t *out_count,
                                 struct od_error *err)
{
    enum od_status status = od_ask_gather(ask, err);
    if (status == OD_OK)
        status = od_ask_score(ask, err);
    return status == OD_OK ? od_recommend_pick(ask, out, out_count, err) : status;
}

enum od_status od_serve_warm(struct od_serve *serve, struct od_str campaign_arn, int64_t now_ms,
                             struct od_error *err)
{
    struct od_campaign *campaign;
    struct od_young *young = NULL;
    enum od_status status = od_serve_campaign(serve, campaign_arn, &campaign, err);
    if (status != OD_OK)
        return status;
    bool explores = campaign->explore_share > 0;
    if (explores) {
        pthread_rwlock_rdlock(&campaign->group->lock);
        young = od_young_get(&campaign->young, campaign->group, campaign->explore_cutoff_s, now_ms);
        pthread_rwlock_unlock(&campaign->group->lock);
    }
    status =
        explores && !young ? od_fail(err, OD_NO_MEMORY, NULL) : OD_OK; /* nobody else builds it */
    od_young_unref(young);
    od_campaign_unref(campaign);
    return status;
}

enum od_status od_serve_impressions(struct od_serve *serve, struct od_str group_arn,
                                    struct od_str recommendation_id, struct od_arena *arena,
                                    struct od_impression_list *out)
{
    uint8_t rid[OD_RID_BYTES];
    struct od_shown_answer shown;
    if (!od_rid_parse(recommendation_id, rid))
        return OD_NOT_FOUND;
    enum od_status status = od_shown_find(&serve->shown, rid, arena, &shown);
    if (status != OD_OK)
        return status;
    if (!od_str_eq(shown.group->arn, group_arn)) {
        od_live_unref(shown.group);
        return OD_NOT_FOUND;
    }
    struct od_str *items = OD_NEW_ARRAY(arena, struct od_str, shown.count);
    float *propensities = OD_NEW_ARRAY(arena, float, shown.count);
    status = items && propensities ? OD_OK : OD_NO_MEMORY;
    pthread_rwlock_rdlock(&shown.group->lock);
    const struct od_table *table = shown.actions ? shown.group->actions : shown.group->items;
    for (size_t i = 0; i < shown.count && status == OD_OK; i++) {
        items[i] = od_arena_str(arena, od_table_id(table, shown.places[i].row));
        propensities[i] = shown.places[i].propensity;
        status = items[i].ptr ? OD_OK : OD_NO_MEMORY;
    }
    pthread_rwlock_unlock(&shown.group->lock);
    od_live_unref(shown.group);
    if (status == OD_OK)
        *out = (struct od_impression_list){shown.campaign_arn, shown.actions, items, propensities,
                                           shown.count};
    return status;
}

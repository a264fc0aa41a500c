/* From picks to what the client sees. Texts are copied into the request's arena, so that nothing of
 * the answer depends on the campaign or the group once the query has given them back. */
#include "serve/ask.h"

/* Only aws-user-personalization-v2 says why an item is there (serving.md section 1). */
static struct od_str reason_of(const struct od_ask *ask, const struct od_pick *pick)
{
    if (!od_str_eq_c(od_str_c(ask->campaign->spec->name), "aws-user-personalization-v2"))
        return OD_STR_NONE;
    if (pick->promoted)
        return OD_STR("Promoted item");
    if (pick->explored)
        return OD_STR("Exploration");
    return ask->personal ? OD_STR_NONE : OD_STR("Popular item");
}

static enum od_status describe(const struct od_ask *ask, const struct od_pick *pick,
                               struct od_ranked_item *out)
{
    struct od_str id = pick->id;
    if (!id.ptr && pick->item != OD_NO_CODE)
        id = od_image_dict_text(ask->campaign->items, pick->item);
    else if (!id.ptr)
        id = od_table_id(ask->campaign->group->items, pick->row);
    *out = (struct od_ranked_item){.id = od_arena_str(ask->arena, id),
                                   .has_score = pick->scored,
                                   .reason = reason_of(ask, pick)};
    if (pick->scored)
        out->score = od_softmax_printed(pick->probability);
    if (pick->promoted)
        out->promotion = od_arena_str(ask->arena, ask->query->promotion->name);
    return out->id.ptr && (!pick->promoted || out->promotion.ptr) ? OD_OK : OD_NO_MEMORY;
}

/* Ids of items outside the model and metadata come from the table, so under its lock. */
enum od_status od_ask_describe(const struct od_ask *ask, const struct od_pick *picks, size_t count,
                               struct od_ranked_item *items)
{
    bool locked = ask->query->metadata_column_count > 0;
    for (size_t i = 0; i < count && !locked; i++)
        locked = picks[i].item == OD_NO_CODE && !picks[i].id.ptr;
    enum od_status status = OD_OK;
    if (locked)
        pthread_rwlock_rdlock(&ask->campaign->group->lock);
    for (size_t i = 0; i < count && status == OD_OK; i++)
        status = describe(ask, &picks[i], &items[i]);
    if (status == OD_OK && ask->query->metadata_column_count > 0)
        status = od_metadata_fill(ask, picks, count, items);
    if (locked)
        pthread_rwlock_unlock(&ask->campaign->group->lock);
    return status;
}

static enum od_status remember(struct od_ask *ask, const struct od_pick *picks, size_t count)
{
    struct od_shown_place *places = OD_NEW_ARRAY(ask->arena, struct od_shown_place, count);
    size_t known = 0;
    if (!places)
        return OD_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        if (picks[i].row != OD_NO_ROW)
            places[known++] = (struct od_shown_place){
                picks[i].row, picks[i].propensity > 0 ? (float)picks[i].propensity : 1};
    }
    od_shown_add(&ask->serve->shown, ask->rid, ask->campaign->group, ask->campaign->arn,
                 ask->actions, places, known, ask->query->now_ms / 1000);
    return OD_OK;
}

/* A small catalogue or a list that names an item twice is not the filter's doing. */
static bool filter_fell_short(const struct od_ask *ask, size_t count)
{
    if (!ask->filter)
        return false;
    if (!ask->ranking)
        return count < ask->wanted;
    for (size_t i = 0; i < ask->query->input_count; i++) {
        if (!ask->input_kept[i])
            return true;
    }
    return false;
}

enum od_status od_ask_answer(struct od_ask *ask, const struct od_pick *picks, size_t count,
                             struct od_recommend_answer *out, struct od_error *err)
{
    struct od_recommend_answer answer = {.count = count};
    enum od_status status = OD_NO_MEMORY;
    od_rid_format(ask->rid, answer.recommendation_id);
    answer.items = OD_NEW_ARRAY(ask->arena, struct od_ranked_item, count);
    if (answer.items)
        status = od_ask_describe(ask, picks, count, answer.items);
    if (status == OD_OK && !ask->query->seed)
        status = remember(ask, picks, count);
    if (status != OD_OK)
        return od_fail(err, status, NULL);
    answer.short_of_results = filter_fell_short(ask, count);
    *out = answer;
    return OD_OK;
}

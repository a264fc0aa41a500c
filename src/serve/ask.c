/* Taking a query through: references, one look at the group, scores.
 *
 * The group's lock is held once, for gathering: history, rows, filter bitmaps. Scoring, the
 * expensive part, reads only the model image and the arena, so a slow query delays no event.
 * Between gathering and answering the group may change; rows stay valid because they never move,
 * and an answer is as of the moment it was gathered, its metadata as of the moment it is written.
 */
#include "serve/ask.h"

#include <math.h>
#include <string.h>

#include "base/bitmap.h"
#include "base/limits.h"

static enum od_status find_filter(struct od_serve *serve, struct od_str arn,
                                  struct od_serve_filter **out, struct od_error *err)
{
    if (!arn.ptr)
        return OD_OK;
    *out = od_serve_filter(serve, arn);
    return *out ? OD_OK
                : od_fail(err, OD_NOT_FOUND, "Resource Arn %.*s does not exist.", OD_STR_ARG(arn));
}

enum od_status od_ask_open(struct od_ask *ask, struct od_serve *serve,
                           const struct od_recommend_query *query, enum od_ask_operation operation,
                           struct od_arena *arena, struct od_error *err)
{
    *ask = (struct od_ask){.serve = serve,
                           .query = query,
                           .arena = arena,
                           .ranking = operation == OD_ASK_RANKING,
                           .actions = operation == OD_ASK_ACTIONS};
    enum od_status status = od_serve_campaign(serve, query->campaign_arn, &ask->campaign, err);
    if (status == OD_OK)
        status = find_filter(serve, query->filter_arn, &ask->filter, err);
    if (status == OD_OK && query->promotion)
        status = find_filter(serve, query->promotion->filter_arn, &ask->promotion_filter, err);
    if (status == OD_OK)
        status = od_ask_check(ask, err);
    if (status != OD_OK)
        return status;
    uint64_t seed;
    if (query->rid) {
        memcpy(ask->rid, query->rid, sizeof ask->rid);
        if (!od_rid_is_of(ask->rid, ask->campaign->arn))
            return od_fail(err, OD_INVALID_INPUT,
                           "recommendationId is not of an answer of campaign %.*s.",
                           OD_STR_ARG(ask->campaign->arn));
    } else if (query->seed) {
        od_random_init(&ask->rng, *query->seed);
        for (size_t i = 0; i < sizeof ask->rid; i += sizeof seed) {
            seed = od_random_u64(&ask->rng);
            memcpy(ask->rid + i, &seed, sizeof seed);
        }
    } else if (serve->io->random(serve->io, ask->rid, sizeof ask->rid) != OD_OK) {
        return od_fail(err, OD_INTERNAL, "The machine gave no random numbers.");
    }
    od_rid_sign(ask->rid, ask->campaign->arn);
    memcpy(&seed, ask->rid, sizeof seed); /* as printed, so that the id tells all chance */
    od_random_init(&ask->rng, seed);
    return OD_OK;
}

void od_ask_close(struct od_ask *ask)
{
    od_keep_unref(ask->keep);
    od_keep_unref(ask->promotion_keep);
    od_young_unref(ask->young);
    od_filters_unref(ask->filter);
    od_filters_unref(ask->promotion_filter);
    od_campaign_unref(ask->campaign);
}

/* The user's newest events: all for filters; for the model those of types that its solution trains
 * on. On an item that the model does not know, one still is a visit that the pause is counted from.
 */
static enum od_status gather_history(struct od_ask *ask, uint32_t name)
{
    const struct od_live *live = ask->campaign->group;
    const struct od_histories *histories = live->activity->histories;
    struct od_history_event events[OD_HISTORY_EVENTS];
    uint32_t count = od_histories_length(histories, name);
    struct od_past_event *past = OD_NEW_ARRAY(ask->arena, struct od_past_event, count);
    ask->events = OD_NEW_ARRAY(ask->arena, struct od_filter_event, count);
    if (!past || !ask->events)
        return OD_NO_MEMORY;
    struct od_type_memo memo = {0};
    od_histories_copy(histories, name, count, events);
    for (uint32_t i = 0; i < count; i++) {
        struct od_str type = live->types.texts[events[i].type];
        uint32_t item = od_campaign_event_item(ask->campaign, events[i].item_row);
        ask->events[count - 1 - i] =
            (struct od_filter_event){events[i].item_row, type, events[i].time};
        uint16_t model_type = od_inputs_type(&memo, ask->campaign, live, events[i].type);
        if (od_inputs_counts(ask->campaign, model_type))
            past[ask->model_query.event_count++] =
                (struct od_past_event){item, model_type, events[i].time};
    }
    ask->event_count = count;
    ask->model_query.events = past;
    return OD_OK;
}

uint32_t od_ask_user_row(const struct od_live *live, struct od_str id, uint32_t name)
{
    if (!live->users)
        return OD_NO_ROW;
    uint32_t row = od_table_find(live->users, id);
    if (row != OD_NO_ROW || name == OD_NO_CODE)
        return row;
    const struct od_histories *histories = live->activity->histories;
    return od_table_find(live->users,
                         od_histories_text(histories, od_histories_owner(histories, name)));
}

static enum od_status gather_user(struct od_ask *ask)
{
    const struct od_live *live = ask->campaign->group;
    struct od_str id = ask->query->user;
    ask->user_row = OD_NO_ROW;
    if (!id.ptr)
        return OD_OK;
    uint32_t name = od_activity_name(live->activity, id);
    ask->user_row = od_ask_user_row(live, id, name);
    enum od_status status = name == OD_NO_CODE ? OD_OK : gather_history(ask, name);
    return status == OD_OK && ask->actions ? od_actions_gather(ask, name) : status;
}

/* The automatic filter of a use case: items that the user has consumed (bought, watched). It comes
 * before every other: such an item is neither explored nor promoted (serving.md section 1,
 * recipes.md section 10). As filters do, it sees the newest OD_HISTORY_EVENTS events. */
static enum od_status gather_consumed(struct od_ask *ask)
{
    const char *consumed = ask->campaign->spec->consumed;
    if (!consumed || ask->event_count == 0)
        return OD_OK;
    ask->consumed_rows = od_table_row_count(ask->campaign->group->items);
    ask->consumed = OD_NEW_ARRAY(ask->arena, uint64_t, od_bitmap_words(ask->consumed_rows));
    if (!ask->consumed)
        return OD_NO_MEMORY;
    for (size_t i = 0; i < ask->event_count; i++)
        if (ask->events[i].item_row < ask->consumed_rows &&
            od_str_eq_nocase(ask->events[i].type, od_str_c(consumed)))
            od_bitmap_set(ask->consumed, ask->events[i].item_row);
    return OD_OK;
}

bool od_ask_consumed(const struct od_ask *ask, uint32_t row)
{
    return ask->consumed && row < ask->consumed_rows && od_bitmap_get(ask->consumed, row);
}

static void gather_item(struct od_ask *ask)
{
    ask->item_row = OD_NO_ROW;
    ask->model_query.item = OD_NO_CODE;
    if (!ask->query->item.ptr || ask->campaign->spec->type != OD_RELATED_ITEMS)
        return;
    ask->item_row = od_table_find(ask->campaign->group->items, ask->query->item);
    if (ask->item_row != OD_NO_ROW)
        ask->model_query.item = od_campaign_item(ask->campaign, ask->item_row);
}

struct od_filter_context od_ask_filter_context(const struct od_ask *ask)
{
    const struct od_live *live = ask->campaign->group;
    return (struct od_filter_context){
        .items = ask->actions ? live->actions : live->items,
        .users = live->users,
        .user_row = ask->user_row,
        .current_item_row = ask->item_row,
        .events = ask->events,
        .event_count = ask->event_count,
        .target = ask->actions ? OD_TARGET_ACTION : OD_TARGET_ITEM,
        .now_s = ask->query->now_ms / 1000,
    };
}

static enum od_status gather_keep(struct od_ask *ask, const struct od_serve_filter *filter,
                                  const struct od_filter_value *values, size_t value_count,
                                  struct od_keep **out, struct od_error *err)
{
    if (!filter)
        return OD_OK;
    enum od_status status = od_ask_check_filter(ask, filter, err);
    if (status != OD_OK)
        return status;
    const struct od_live *live = ask->campaign->group;
    struct od_filter_context context = od_ask_filter_context(ask);
    struct od_keep_ask keep = {filter, values, value_count, &context};
    return od_keep_get(&ask->campaign->keeps, live, &ask->campaign->map, &keep, ask->arena, out,
                       err);
}

/* An id that the group has never met is an item without a record: filters see the row of the empty
 * id, which stands for all of them. */
static enum od_status gather_input(struct od_ask *ask)
{
    const struct od_recommend_query *query = ask->query;
    ask->input_rows = OD_NEW_ARRAY(ask->arena, uint32_t, query->input_count);
    ask->input_kept = OD_NEW_ARRAY(ask->arena, bool, query->input_count);
    if (!ask->input_rows || !ask->input_kept)
        return OD_NO_MEMORY;
    for (size_t i = 0; i < query->input_count; i++) {
        uint32_t row = od_table_find(ask->campaign->group->items, query->input_list[i]);
        ask->input_rows[i] = row;
        ask->input_kept[i] =
            !ask->keep || od_bitmap_get(ask->keep->rows, row == OD_NO_ROW ? OD_NAMELESS_ROW : row);
    }
    return OD_OK;
}

static enum od_status gather_locked(struct od_ask *ask, struct od_error *err)
{
    const struct od_recommend_query *query = ask->query;
    enum od_status status = od_ask_check_columns(ask, err);
    if (status != OD_OK)
        return status;
    ask->model_query.now_s = query->now_ms / 1000;
    ask->model_query.popularity_influence = ask->campaign->popularity_influence;
    ask->model_query.freshness_influence = ask->campaign->freshness_influence;
    gather_item(ask);
    status = gather_user(ask);
    if (status == OD_OK)
        status = gather_consumed(ask);
    if (status == OD_OK)
        status = od_inputs_gather(ask);
    if (status != OD_OK)
        return od_fail(err, status, NULL);
    status = gather_keep(ask, ask->filter, query->filter_values, query->filter_value_count,
                         &ask->keep, err);
    if (status == OD_OK && query->promotion)
        status = gather_keep(ask, ask->promotion_filter, query->promotion->values,
                             query->promotion->value_count, &ask->promotion_keep, err);
    if (status != OD_OK)
        return status;
    if (ask->ranking && (status = gather_input(ask)) != OD_OK)
        return od_fail(err, status, NULL);
    if (!ask->ranking && !ask->actions && ask->campaign->explore_share > 0)
        ask->young = od_young_get(&ask->campaign->young, ask->campaign->group,
                                  ask->campaign->explore_cutoff_s, query->now_ms);
    return OD_OK;
}

enum od_status od_ask_gather(struct od_ask *ask, struct od_error *err)
{
    struct od_live *live = ask->campaign->group;
    pthread_rwlock_rdlock(&live->lock);
    enum od_status status = gather_locked(ask, err);
    pthread_rwlock_unlock(&live->lock);
    return status;
}

static enum od_status model_list(const struct od_ask *ask, const struct od_query *query,
                                 struct od_arena *scratch, float *scores, bool *out_personal,
                                 struct od_error *err)
{
    const struct od_campaign *campaign = ask->campaign;
    float *of = OD_NEW_ARRAY(scratch, float, ask->list_count);
    if (!of)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status status = campaign->recipe->rank(campaign->model, query, ask->list,
                                                   ask->list_count, scratch, of, out_personal, err);
    for (uint32_t i = 0; status == OD_OK && i < ask->list_count; i++) {
        uint32_t item = ask->list[i];
        scores[item] = of[i] + (campaign->objective ? campaign->objective[item] : 0);
    }
    return status;
}

enum od_status od_ask_model(const struct od_ask *ask, const struct od_query *query,
                            struct od_arena *scratch, float *scores, bool *out_personal,
                            struct od_error *err)
{
    const struct od_campaign *campaign = ask->campaign;
    if (ask->list)
        return model_list(ask, query, scratch, scores, out_personal, err);
    enum od_status status =
        campaign->recipe->score(campaign->model, query, scratch, scores, out_personal, err);
    for (uint32_t i = 0; status == OD_OK && campaign->objective && i < campaign->map.item_count;
         i++)
        scores[i] += campaign->objective[i];
    return status;
}

enum od_status od_ask_score(struct od_ask *ask, struct od_error *err)
{
    const struct od_campaign *campaign = ask->campaign;
    ask->scores = OD_NEW_ARRAY(ask->arena, float, campaign->map.item_count);
    if (!ask->scores)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status status =
        od_ask_model(ask, &ask->model_query, ask->arena, ask->scores, &ask->personal, err);
    if (status != OD_OK)
        return status;
    for (size_t i = 0; ask->consumed && i < ask->event_count; i++) {
        uint32_t item = od_campaign_item(campaign, ask->events[i].item_row);
        if (item != OD_NO_CODE && od_ask_consumed(ask, ask->events[i].item_row))
            ask->scores[item] = -INFINITY;
    }
    if (ask->model_query.item != OD_NO_CODE)
        ask->scores[ask->model_query.item] = -INFINITY; /* nobody asks for the item itself */
    if (campaign->has_scores && !ask->ranking)
        od_softmax_init(&ask->softmax, ask->scores, campaign->map.item_count,
                        campaign->temperature);
    return OD_OK;
}

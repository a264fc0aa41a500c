/* GetRecommendations, GetPersonalizedRanking and GetActionRecommendations: from the bound request
 * to serve's query and back. In between the request waits for the end of the round (answering.h).
 * Runs on the HTTP thread that got the request and touches no store. */
#include "api/answering.h"
#include "api/explain.h"
#include "api/resource.h"

static const struct od_filter_value *filter_values(struct od_call *call,
                                                   const struct od_api_string_map *map)
{
    struct od_filter_value *list = OD_NEW_ARRAY(call->arena, struct od_filter_value, map->count);
    for (size_t i = 0; list && i < map->count; i++)
        list[i] = (struct od_filter_value){map->items[i].key, map->items[i].value};
    return list;
}

static const struct od_name_value *name_values(struct od_call *call,
                                               const struct od_api_string_map *map)
{
    struct od_name_value *list = OD_NEW_ARRAY(call->arena, struct od_name_value, map->count);
    for (size_t i = 0; list && i < map->count; i++)
        list[i] = (struct od_name_value){map->items[i].key, map->items[i].value};
    return list;
}

static enum od_status set_metadata(struct od_call *call, const struct od_api_strings_map *map,
                                   struct od_recommend_query *query)
{
    if (!map->count)
        return OD_OK;
    if (!od_str_eq_nocase(map->items[0].key, OD_STR("ITEMS")))
        return od_fail(&call->err, OD_INVALID_INPUT, "metadataColumns: %.*s is not ITEMS.",
                       OD_STR_ARG(map->items[0].key));
    query->metadata_columns = map->items[0].value.items;
    query->metadata_column_count = map->items[0].value.count;
    return OD_OK;
}

static enum od_status set_promotion(struct od_call *call,
                                    const struct od_runtime_promotion_list *list,
                                    struct od_recommend_query *query)
{
    if (!list->count)
        return OD_OK;
    const struct od_runtime_promotion *from = &list->items[0];
    struct od_promotion_query *promotion = OD_NEW(call->arena, struct od_promotion_query);
    if (!promotion)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    if (!from->name.ptr || !from->percent_promoted_items.set || !from->filter_arn.ptr)
        return od_fail(&call->err, OD_INVALID_INPUT,
                       "A promotion needs name, percentPromotedItems and filterArn.");
    *promotion = (struct od_promotion_query){.name = from->name,
                                             .percent = (int)from->percent_promoted_items.value,
                                             .filter_arn = from->filter_arn,
                                             .values = filter_values(call, &from->filter_values),
                                             .value_count = from->filter_values.count};
    query->promotion = promotion;
    return promotion->values ? OD_OK : od_fail(&call->err, OD_NO_MEMORY, NULL);
}

static enum od_status convert(struct od_call *call, const struct od_ranked_item *from,
                              struct od_runtime_predicted_item *to)
{
    *to = (struct od_runtime_predicted_item){.item_id = from->id,
                                             .score = {from->has_score, from->score},
                                             .promotion_name = from->promotion};
    if (from->reason.ptr) {
        struct od_str *reason = OD_NEW(call->arena, struct od_str);
        if (!reason)
            return od_fail(&call->err, OD_NO_MEMORY, NULL);
        *reason = from->reason;
        to->reason.items = reason;
        to->reason.count = 1;
    }
    if (!from->metadata_count)
        return OD_OK;
    to->metadata.items =
        OD_NEW_ARRAY(call->arena, struct od_api_string_entry, from->metadata_count);
    if (!to->metadata.items)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    to->metadata.count = from->metadata_count;
    for (size_t i = 0; i < from->metadata_count; i++)
        to->metadata.items[i] =
            (struct od_api_string_entry){from->metadata[i].name, from->metadata[i].value};
    return OD_OK;
}

static void tell_short(struct od_call *call, const struct od_recommend_answer *answer)
{
    if (!answer->short_of_results || !call->exchange)
        return;
    struct od_http_response *response = od_http_response(call->exchange);
    response->extra[response->extra_count++] =
        (struct od_http_header){OD_STR("x-ondol-short-of-results"), OD_STR("filter")};
}

static enum od_status set_answer(struct od_call *call, const struct od_recommend_answer *answer,
                                 struct od_runtime_item_list *list, struct od_str *id)
{
    list->items = OD_NEW_ARRAY(call->arena, struct od_runtime_predicted_item, answer->count);
    *id = od_arena_str(call->arena, od_str_c(answer->recommendation_id));
    if (!list->items || !id->ptr)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    list->count = answer->count;
    enum od_status s = OD_OK;
    for (size_t i = 0; s == OD_OK && i < answer->count; i++)
        s = convert(call, &answer->items[i], &list->items[i]);
    tell_short(call, answer);
    return s;
}

/* kind: of what is asked, "campaign" or "recommender". */
static enum od_status check_arns(struct od_call *call, const char *kind,
                                 const struct od_recommend_query *query)
{
    enum od_status s = od_arn_check(call, query->campaign_arn, kind, kind);
    if (s == OD_OK && query->filter_arn.ptr)
        s = od_arn_check(call, query->filter_arn, "filter", "filter");
    if (s == OD_OK && query->promotion)
        s = od_arn_check(call, query->promotion->filter_arn, "filter", "filter");
    return s;
}

enum od_status od_runtime_query(struct od_call *call,
                                const struct od_runtime_get_recommendations_request *in,
                                struct od_recommend_query *out)
{
    if (!!in->campaign_arn.ptr == !!in->recommender_arn.ptr)
        return od_fail(&call->err, OD_INVALID_INPUT,
                       "Give exactly one of campaignArn and recommenderArn.");
    const char *kind = in->recommender_arn.ptr ? "recommender" : "campaign";
    *out = (struct od_recommend_query){
        .campaign_arn = in->recommender_arn.ptr ? in->recommender_arn : in->campaign_arn,
        .user = in->user_id,
        .item = in->item_id,
        .num_results = in->num_results.set ? in->num_results.value : -1,
        .context = name_values(call, &in->context),
        .context_count = in->context.count,
        .filter_arn = in->filter_arn,
        .filter_values = filter_values(call, &in->filter_values),
        .filter_value_count = in->filter_values.count,
        .now_ms = call->now_ms,
    };
    if (!out->context || !out->filter_values)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    enum od_status s = set_metadata(call, &in->metadata_columns, out);
    if (s == OD_OK)
        s = set_promotion(call, &in->promotions, out);
    return s == OD_OK ? check_arns(call, kind, out) : s;
}

static enum od_status fill_recommendations(struct od_call *call,
                                           const struct od_recommend_answer *answer)
{
    struct od_runtime_get_recommendations_response *out = call->out;
    return set_answer(call, answer, &out->item_list, &out->recommendation_id);
}

static struct od_ask_call *new_ask(struct od_call *call)
{
    struct od_ask_call *ask = OD_NEW(call->arena, struct od_ask_call);
    if (ask)
        ask->call = call;
    return ask;
}

enum od_status od_op_get_recommendations(struct od_call *call)
{
    struct od_ask_call *ask = new_ask(call);
    if (!ask)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    ask->fill = fill_recommendations;
    enum od_status s = od_runtime_query(call, call->in, &ask->query);
    return s == OD_OK ? od_answering_wait(ask) : s;
}

static enum od_status fill_ranking(struct od_call *call, const struct od_recommend_answer *answer)
{
    struct od_runtime_get_personalized_ranking_response *out = call->out;
    return set_answer(call, answer, &out->personalized_ranking, &out->recommendation_id);
}

enum od_status od_op_get_personalized_ranking(struct od_call *call)
{
    const struct od_runtime_get_personalized_ranking_request *in = call->in;
    struct od_ask_call *ask = new_ask(call);
    if (!ask)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    ask->one = od_serve_rank;
    ask->fill = fill_ranking;
    ask->query = (struct od_recommend_query){
        .campaign_arn = in->campaign_arn,
        .user = in->user_id,
        .num_results = -1,
        .input_list = in->input_list.items,
        .input_count = in->input_list.count,
        .context = name_values(call, &in->context),
        .context_count = in->context.count,
        .filter_arn = in->filter_arn,
        .filter_values = filter_values(call, &in->filter_values),
        .filter_value_count = in->filter_values.count,
        .now_ms = call->now_ms,
    };
    if (!ask->query.context || !ask->query.filter_values)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    enum od_status s = set_metadata(call, &in->metadata_columns, &ask->query);
    if (s == OD_OK)
        s = check_arns(call, "campaign", &ask->query);
    return s == OD_OK ? od_answering_wait(ask) : s;
}

static enum od_status fill_actions(struct od_call *call, const struct od_recommend_answer *answer)
{
    struct od_runtime_get_action_recommendations_response *out = call->out;
    struct od_runtime_action_list *list = &out->action_list;
    list->items = OD_NEW_ARRAY(call->arena, struct od_runtime_predicted_action, answer->count);
    out->recommendation_id = od_arena_str(call->arena, od_str_c(answer->recommendation_id));
    if (!list->items || !out->recommendation_id.ptr)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    list->count = answer->count;
    for (size_t i = 0; i < answer->count; i++)
        list->items[i] = (struct od_runtime_predicted_action){
            .action_id = answer->items[i].id, .score = {true, answer->items[i].score}};
    tell_short(call, answer);
    return OD_OK;
}

/* The model marks neither campaignArn nor userId as required, but nothing can be said without. */
enum od_status od_op_get_action_recommendations(struct od_call *call)
{
    const struct od_runtime_get_action_recommendations_request *in = call->in;
    struct od_ask_call *ask = new_ask(call);
    if (!ask)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    ask->one = od_serve_actions;
    ask->fill = fill_actions;
    ask->query = (struct od_recommend_query){
        .campaign_arn = in->campaign_arn,
        .user = in->user_id,
        .num_results = in->num_results.set ? in->num_results.value : -1,
        .filter_arn = in->filter_arn,
        .filter_values = filter_values(call, &in->filter_values),
        .filter_value_count = in->filter_values.count,
        .now_ms = call->now_ms,
    };
    if (!ask->query.filter_values)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    if (!in->campaign_arn.ptr)
        return od_fail(&call->err, OD_INVALID_INPUT, "campaignArn is required.");
    enum od_status s = check_arns(call, "campaign", &ask->query);
    return s == OD_OK ? od_answering_wait(ask) : s;
}

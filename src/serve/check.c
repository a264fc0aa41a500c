/* What may be asked of which campaign: serving.md sections 1, 2, 5, 9 and 11, errors.md section 6.
 * Each message names the member of the request, what it was and what it must be. */
#include "base/limits.h"
#include "serve/ask.h"

static enum od_status check_id(const char *member, struct od_str id, struct od_error *err)
{
    if (id.len == 0)
        return od_fail(err, OD_INVALID_INPUT, "%s must have at least 1 character.", member);
    if (id.len > OD_MAX_ID_CHARS && od_utf8_count(id) > OD_MAX_ID_CHARS)
        return od_fail(err, OD_INVALID_INPUT, "%s must have at most %d characters, not %zu.",
                       member, OD_MAX_ID_CHARS, od_utf8_count(id));
    return OD_OK;
}

static enum od_status check_operation(const struct od_ask *ask, struct od_error *err)
{
    const struct od_recipe_spec *spec = ask->campaign->spec;
    if (ask->actions) {
        if (spec->type == OD_PERSONALIZED_ACTIONS)
            return OD_OK;
        return od_fail(
            err, OD_INVALID_INPUT,
            "GetActionRecommendations needs a recipe of type PERSONALIZED_ACTIONS; campaign "
            "%.*s uses %s of type %s.",
            OD_STR_ARG(ask->campaign->arn), spec->name, spec->type_name);
    }
    if (ask->ranking) {
        if (spec->type == OD_PERSONALIZED_RANKING)
            return OD_OK;
        return od_fail(
            err, OD_INVALID_INPUT,
            "GetPersonalizedRanking needs a recipe of type PERSONALIZED_RANKING; campaign "
            "%.*s uses %s of type %s.",
            OD_STR_ARG(ask->campaign->arn), spec->name, spec->type_name);
    }
    switch (spec->type) {
    case OD_USER_PERSONALIZATION:
    case OD_RELATED_ITEMS:
    case OD_POPULAR_ITEMS:
        return OD_OK;
    default:
        return od_fail(err, OD_INVALID_INPUT,
                       "GetRecommendations cannot be used with campaign %.*s: its recipe %s is of "
                       "type %s.",
                       OD_STR_ARG(ask->campaign->arn), spec->name, spec->type_name);
    }
}

static enum od_status check_ids(const struct od_ask *ask, struct od_error *err)
{
    const struct od_recommend_query *query = ask->query;
    const struct od_recipe_spec *spec = ask->campaign->spec;
    if (!query->user.ptr && !spec->user_optional)
        return od_fail(err, OD_INVALID_INPUT, "userId is required for this recipe.");
    if (query->user.ptr && check_id("userId", query->user, err) != OD_OK)
        return OD_INVALID_INPUT;
    if (!query->item.ptr && spec->type == OD_RELATED_ITEMS)
        return od_fail(err, OD_INVALID_INPUT, "itemId is required for this recipe.");
    return query->item.ptr ? check_id("itemId", query->item, err) : OD_OK;
}

static enum od_status check_results(struct od_ask *ask, struct od_error *err)
{
    const struct od_recommend_query *query = ask->query;
    int64_t most = query->metadata_column_count ? OD_MAX_RESULTS_METADATA : OD_MAX_RESULTS;
    const char *with = query->metadata_column_count ? " when metadataColumns are requested" : "";
    if (ask->actions)
        most = OD_MAX_RESULTS_ACTIONS;
    ask->wanted = query->num_results >= 0 ? (size_t)query->num_results
                  : ask->actions          ? OD_DEFAULT_RESULTS_ACTIONS
                                          : OD_DEFAULT_RESULTS;
    if (!ask->ranking && query->num_results > most)
        return od_fail(err, OD_INVALID_INPUT, "numResults must be at most %d%s.", (int)most, with);
    if (!ask->ranking)
        return OD_OK;
    if (query->input_count == 0)
        return od_fail(err, OD_INVALID_INPUT, "inputList must have at least 1 item.");
    if (query->input_count > (size_t)most)
        return od_fail(err, OD_INVALID_INPUT, "inputList must have at most %d items%s, not %zu.",
                       (int)most, with, query->input_count);
    for (size_t i = 0; i < query->input_count; i++) {
        if (check_id("An item of inputList", query->input_list[i], err) != OD_OK)
            return OD_INVALID_INPUT;
    }
    return OD_OK;
}

static bool is_word(struct od_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_'))
            return false;
    }
    return s.len > 0;
}

static enum od_status check_pair(const char *member, struct od_str name, struct od_str value,
                                 size_t most_name, size_t most_value, struct od_error *err)
{
    if (!is_word(name) || name.len > most_name)
        return od_fail(err, OD_INVALID_INPUT,
                       "A key of %s must have 1 to %zu letters, digits or _, not \"%.*s\".", member,
                       most_name, OD_STR_ARG(od_str_sub(name, 0, most_name)));
    if (value.len > most_value && od_utf8_count(value) > most_value)
        return od_fail(err, OD_INVALID_INPUT,
                       "The value of %.*s in %s must have at most %zu characters.",
                       OD_STR_ARG(name), member, most_value);
    return OD_OK;
}

/* Keys are metadata columns of Interactions. A model uses those it was trained with; all others,
 * known or not, have no effect (serving.md 5; inputs.c). */
static enum od_status check_context(const struct od_recommend_query *query, struct od_error *err)
{
    if (query->context_count > OD_MAX_CONTEXT)
        return od_fail(err, OD_INVALID_INPUT, "context must have at most %d entries, not %zu.",
                       OD_MAX_CONTEXT, query->context_count);
    enum od_status status = OD_OK;
    for (size_t i = 0; i < query->context_count && status == OD_OK; i++)
        status = check_pair("context", query->context[i].name, query->context[i].value,
                            OD_MAX_CONTEXT_KEY, OD_MAX_CONTEXT_VALUE, err);
    return status;
}

static enum od_status check_values(const char *member, const struct od_filter_value *values,
                                   size_t count, bool has_filter, struct od_error *err)
{
    if (count > OD_MAX_FILTER_VALUES)
        return od_fail(err, OD_INVALID_INPUT, "%s must have at most %d entries, not %zu.", member,
                       OD_MAX_FILTER_VALUES, count);
    if (count > 0 && !has_filter)
        return od_fail(err, OD_INVALID_INPUT, "%s need a filterArn.", member);
    enum od_status status = OD_OK;
    for (size_t i = 0; i < count && status == OD_OK; i++)
        status = check_pair(member, values[i].name, values[i].text, OD_MAX_FILTER_PARAM,
                            OD_MAX_FILTER_VALUE, err);
    return status;
}

static enum od_status check_group(const struct od_ask *ask, const struct od_serve_filter *filter,
                                  struct od_error *err)
{
    if (!filter || filter->group == ask->campaign->group)
        return OD_OK;
    return od_fail(err, OD_INVALID_INPUT, "Filter %.*s belongs to another dataset group than %.*s.",
                   OD_STR_ARG(filter->arn), OD_STR_ARG(ask->campaign->arn));
}

static enum od_status check_promotion(const struct od_ask *ask, struct od_error *err)
{
    const struct od_promotion_query *promotion = ask->query->promotion;
    const struct od_recipe_spec *spec = ask->campaign->spec;
    if (!promotion)
        return OD_OK;
    if (ask->ranking || od_str_starts(od_str_c(spec->name), OD_STR("aws-hrnn")))
        return od_fail(err, OD_INVALID_INPUT, "promotions are not supported by recipe %s.",
                       spec->name);
    if (!promotion->name.ptr || promotion->name.len == 0 ||
        promotion->name.len > OD_MAX_PROMOTION_NAME)
        return od_fail(err, OD_INVALID_INPUT,
                       "The name of a promotion is required and has 1 to %d characters.",
                       OD_MAX_PROMOTION_NAME);
    if (promotion->percent < 1 || promotion->percent > 100)
        return od_fail(err, OD_INVALID_INPUT, "percentPromotedItems must be from 1 to 100, not %d.",
                       promotion->percent);
    if (!ask->promotion_filter)
        return od_fail(err, OD_INVALID_INPUT, "Promotion %.*s needs a filterArn.",
                       OD_STR_ARG(promotion->name));
    enum od_status status = check_values("filterValues of the promotion", promotion->values,
                                         promotion->value_count, true, err);
    return status == OD_OK ? check_group(ask, ask->promotion_filter, err) : status;
}

static enum od_status check_metadata(const struct od_ask *ask, struct od_error *err)
{
    if (ask->query->metadata_column_count == 0)
        return OD_OK;
    if (!ask->campaign->metadata)
        return od_fail(err, OD_INVALID_INPUT,
                       "metadataColumns need a campaign or recommender with "
                       "enableMetadataWithRecommendations; %.*s has not.",
                       OD_STR_ARG(ask->campaign->arn));
    if (ask->query->metadata_column_count > OD_MAX_METADATA_COLUMNS)
        return od_fail(err, OD_INVALID_INPUT,
                       "metadataColumns must name at most %d columns, not %zu.",
                       OD_MAX_METADATA_COLUMNS, ask->query->metadata_column_count);
    return OD_OK;
}

enum od_status od_ask_check(struct od_ask *ask, struct od_error *err)
{
    const struct od_recommend_query *query = ask->query;
    enum od_status status = check_operation(ask, err);
    if (status == OD_OK)
        status = check_ids(ask, err);
    if (status == OD_OK)
        status = check_metadata(ask, err);
    if (status == OD_OK)
        status = check_results(ask, err);
    if (status == OD_OK)
        status = check_context(query, err);
    if (status == OD_OK)
        status = check_values("filterValues", query->filter_values, query->filter_value_count,
                              ask->filter != NULL, err);
    if (status == OD_OK)
        status = check_group(ask, ask->filter, err);
    return status == OD_OK ? check_promotion(ask, err) : status;
}

enum od_status od_ask_check_filter(const struct od_ask *ask, const struct od_serve_filter *filter,
                                   struct od_error *err)
{
    const struct od_filter *compiled = filter->compiled;
    if (!compiled)
        return od_error_copy(err, &filter->broken);
    if (ask->actions && od_filter_target(compiled) != OD_TARGET_ACTION)
        return od_fail(err, OD_INVALID_INPUT,
                       "Filter %.*s selects items or users; recommendations of actions need a "
                       "filter on ActionID.",
                       OD_STR_ARG(filter->arn));
    if (!ask->actions && od_filter_target(compiled) != OD_TARGET_ITEM)
        return od_fail(err, OD_INVALID_INPUT,
                       "Filter %.*s selects users or actions; recommendations of items need a "
                       "filter on ItemID.",
                       OD_STR_ARG(filter->arn));
    if (od_filter_uses_current_item(compiled) &&
        (ask->campaign->spec->type != OD_RELATED_ITEMS || !ask->query->item.ptr))
        return od_fail(err, OD_INVALID_INPUT,
                       "Filter %.*s uses CurrentItem, which only requests to recipes of type "
                       "RELATED_ITEMS have.",
                       OD_STR_ARG(filter->arn));
    if (!ask->query->user.ptr &&
        (od_filter_uses_interactions(compiled) || od_filter_uses_current_user(compiled)))
        return od_fail(err, OD_INVALID_INPUT,
                       "userId is required: filter %.*s uses Interactions or CurrentUser.",
                       OD_STR_ARG(filter->arn));
    return OD_OK;
}

enum od_status od_ask_check_columns(const struct od_ask *ask, struct od_error *err)
{
    const struct od_dataset *items = ask->campaign->group->datasets[OD_ITEMS];
    for (size_t i = 0; i < ask->query->metadata_column_count; i++) {
        struct od_str name = ask->query->metadata_columns[i];
        if (!items || od_schema_find(&items->schema, name) == SIZE_MAX)
            return od_fail(err, OD_INVALID_INPUT,
                           "metadataColumns: the Items dataset has no column %.*s.",
                           OD_STR_ARG(od_str_sub(name, 0, OD_MAX_ID_CHARS)));
    }
    return OD_OK;
}

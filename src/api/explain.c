/* An explanation's request: the members of GetRecommendations, bound and checked as theirs, and
 *
 *   itemIds           what to explain; absent: the first of the answer
 *   inputList         of GetPersonalizedRanking, for a recipe that ranks lists
 *   recommendationId  of an answer given before: its chance is repeated
 *
 * A member that means nothing is refused rather than ignored: who asks why must know what was
 * asked. */
#include "api/explain.h"

#include "api/resource.h"
#include "base/limits.h"
#include "serve/shown.h"

static const char *const members[] = {
    "campaignArn", "recommenderArn", "userId",     "itemId",  "numResults", "context",
    "filterArn",   "filterValues",   "promotions", "itemIds", "inputList",  "recommendationId",
};

static enum od_status check_members(struct od_call *call, const struct od_json *body)
{
    if (body->kind != OD_JSON_OBJECT)
        return od_fail(&call->err, OD_SERIALIZATION, "The request must be a JSON object.");
    for (size_t i = 0; i < body->count; i++) {
        bool known = false;
        for (size_t k = 0; k < sizeof members / sizeof *members; k++)
            known |= od_str_eq_c(body->members[i].key, members[k]);
        if (!known)
            return od_fail(&call->err, OD_INVALID_INPUT,
                           "%.*s is not a member of an explanation's request.",
                           OD_STR_ARG(od_str_sub(body->members[i].key, 0, 200)));
    }
    return OD_OK;
}

static enum od_status read_ids(struct od_call *call, const struct od_json *body, const char *member,
                               size_t most, const struct od_str **out, size_t *out_count)
{
    const struct od_json *list = od_json_get(body, od_str_c(member));
    if (!list || list->kind == OD_JSON_NULL)
        return OD_OK;
    if (list->kind != OD_JSON_ARRAY)
        return od_fail(&call->err, OD_SERIALIZATION, "%s must be a list of strings.", member);
    if (list->count == 0 || list->count > most)
        return od_fail(&call->err, OD_INVALID_INPUT, "%s must have 1 to %zu items, not %zu.",
                       member, most, list->count);
    struct od_str *ids = OD_NEW_ARRAY(call->arena, struct od_str, list->count);
    for (size_t i = 0; ids && i < list->count; i++) {
        ids[i] = list->items[i].text;
        if (list->items[i].kind != OD_JSON_STRING)
            return od_fail(&call->err, OD_SERIALIZATION, "%s must be a list of strings.", member);
        if (ids[i].len == 0 || od_utf8_count(ids[i]) > OD_MAX_ID_CHARS)
            return od_fail(&call->err, OD_INVALID_INPUT,
                           "An item of %s must have 1 to %d characters.", member, OD_MAX_ID_CHARS);
    }
    *out = ids;
    *out_count = list->count;
    return ids ? OD_OK : od_fail(&call->err, OD_NO_MEMORY, NULL);
}

static enum od_status read_rid(struct od_call *call, const struct od_json *body, uint8_t *rid,
                               const uint8_t **out)
{
    const struct od_json *text = od_json_get(body, OD_STR("recommendationId"));
    if (!text || text->kind == OD_JSON_NULL)
        return OD_OK;
    if (text->kind != OD_JSON_STRING)
        return od_fail(&call->err, OD_SERIALIZATION, "recommendationId must be a string.");
    if (!od_rid_parse(text->text, rid))
        return od_fail(&call->err, OD_INVALID_INPUT,
                       "recommendationId must be one that an answer had.");
    *out = rid;
    return OD_OK;
}

static enum od_status read_query(struct od_call *call, const struct od_json *body, uint8_t *rid,
                                 struct od_recommend_query *query, struct od_explain_query *ask,
                                 struct od_str *out_member)
{
    struct od_runtime_get_recommendations_request in = {0};
    enum od_status s = od_api_bind(&od_shape_runtime_get_recommendations_request, body, call->arena,
                                   &in, &call->err);
    if (s == OD_OK)
        s = od_runtime_query(call, &in, query);
    if (s == OD_OK)
        s = read_ids(call, body, "inputList", OD_MAX_RESULTS, &query->input_list,
                     &query->input_count);
    if (s == OD_OK)
        s = read_ids(call, body, "itemIds", OD_MAX_EXPLAIN_ITEMS, &ask->items, &ask->item_count);
    if (s == OD_OK)
        s = read_rid(call, body, rid, &query->rid);
    ask->ask = query;
    *out_member = in.recommender_arn.ptr ? OD_STR("recommenderArn") : OD_STR("campaignArn");
    return s;
}

enum od_status od_explain(struct od_call *call, const struct od_json *body, struct od_buf *out)
{
    struct od_recommend_query query;
    struct od_explain_query ask = {0};
    struct od_explanation explanation;
    struct od_explain_model model;
    struct od_explain_told told = {.query = &query, .explanation = &explanation, .model = &model};
    uint8_t rid[OD_RID_BYTES];
    enum od_status s = check_members(call, body);
    if (s == OD_OK)
        s = read_query(call, body, rid, &query, &ask, &told.arn_member);
    if (s == OD_OK)
        s = od_serve_explain(call->app->serve, &ask, call->arena, &explanation, &call->err);
    if (s != OD_OK)
        return s;
    told.arn = query.campaign_arn;
    s = od_explain_model(call, told.arn, explanation.image, &model);
    return s == OD_OK ? od_explain_write(call, &told, out) : s;
}

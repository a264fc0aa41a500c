/* Filters: checked and compiled when created, immutable after. --strict refuses what is beyond
 * AWS's language here alone: a filter that there is stays usable. */
#include "api/batch.h"
#include "api/quota.h"
#include "api/resource.h"

/* How many items pass today, in a header beside AWS's answer: a filter that lets nothing through is
 * noticed when it is made. Not of filters that ask for a user, an item or values. */
static void tell_count(struct od_call *call, struct od_str arn)
{
    size_t known, kept;
    if (!call->exchange ||
        !od_serve_filter_count(call->app->serve, arn, call->now_ms, &known, &kept))
        return;
    struct od_http_response *response = od_http_response(call->exchange);
    struct od_str text = od_arena_printf(call->arena, "%zu of %zu", kept, known);
    if (text.ptr)
        response->extra[response->extra_count++] =
            (struct od_http_header){OD_STR("x-ondol-filter-keeps"), text};
}

enum od_status od_op_create_filter(struct od_call *call)
{
    const struct od_personalize_create_filter_request *in = OD_IN(call, create_filter_request);
    struct od_resource group;
    struct od_resource resource = {.name = in->name,
                                   .arn = od_call_arn(call, &od_kind_filter, in->name, OD_STR_NONE),
                                   .group = in->dataset_group_arn,
                                   .status = OD_STR("ACTIVE")};
    enum od_status s = od_resource_absent(call, &od_kind_filter, resource.arn);
    if (s == OD_OK)
        s = od_resource_get(call, &od_kind_dataset_group, in->dataset_group_arn, &group);
    if (s == OD_OK)
        s = od_resource_active(call, &group);
    if (s == OD_OK)
        s = od_quota_check(call, OD_QUOTA_FILTERS, group.arn);
    if (s == OD_OK)
        s = od_serve_filter_add(call->app->serve, resource.arn, group.arn, in->filter_expression,
                                !call->app->config.strict, &call->err);
    if (s != OD_OK)
        return s;
    struct od_personalize_filter value = {.name = in->name,
                                          .filter_arn = resource.arn,
                                          .dataset_group_arn = group.arn,
                                          .filter_expression = in->filter_expression};
    s = od_resource_create(call, &od_kind_filter, &value, &in->tags, &resource);
    if (s != OD_OK)
        od_serve_filter_remove(call->app->serve, resource.arn);
    else
        tell_count(call, resource.arn);
    OD_OUT(call, create_filter_response)->filter_arn = resource.arn;
    return s;
}

enum od_status od_op_delete_filter(struct od_call *call)
{
    struct od_str arn = OD_IN(call, delete_filter_request)->filter_arn;
    struct od_resource filter;
    enum od_status s = od_resource_get(call, &od_kind_filter, arn, &filter);
    if (s == OD_OK)
        s = od_batch_filter_free(call, &filter);
    if (s == OD_OK)
        s = od_resource_remove(call, arn);
    if (s == OD_OK)
        od_serve_filter_remove(call->app->serve, arn);
    return s;
}

/* Start: making everything the catalogue knows live. See load.h. */
#include <stdio.h>

#include "api/attribution.h"
#include "api/load.h"
#include "api/recommender.h"

static void save_status(struct od_call *call, struct od_resource *resource, const char *status,
                        struct od_str reason)
{
    resource->status = od_str_c(status);
    resource->failure_reason = reason;
    if (od_resource_save(call, resource) != OD_OK)
        fprintf(stderr, "ondol: %.*s: %s\n", OD_STR_ARG(resource->arn), call->err.message);
}

/* What cannot be served says so, instead of keeping the server from starting; once it can be served
 * again (a disk that was missing, an image that was put back) it is ACTIVE again. Resources of
 * these kinds fail in no other way: they are ACTIVE from their creation. */
static void note_outcome(struct od_call *call, struct od_resource *resource, enum od_status s)
{
    bool failed = od_str_eq_c(resource->status, "CREATE FAILED");
    if (s == OD_OK && failed)
        save_status(call, resource, "ACTIVE", OD_STR_NONE);
    if (s == OD_OK)
        return;
    fprintf(stderr, "ondol: %.*s cannot be served: %s\n", OD_STR_ARG(resource->arn),
            call->err.message);
    struct od_str reason = od_arena_str(call->arena, od_str_c(call->err.message));
    if (!failed || !od_str_eq(resource->failure_reason, reason))
        save_status(call, resource, "CREATE FAILED", reason);
}

static enum od_status each(struct od_call *call, const struct od_kind *kind,
                           enum od_status (*attach)(struct od_call *call,
                                                    const struct od_resource *resource))
{
    struct od_resource *list;
    size_t count;
    enum od_status s =
        od_resource_list(call, kind, OD_STR_NONE, OD_STR_NONE, OD_STR_NONE, &list, &count);
    for (size_t i = 0; s == OD_OK && i < count; i++) {
        enum od_status one = attach(call, &list[i]);
        if (one == OD_NO_MEMORY)
            return one;
        note_outcome(call, &list[i], one);
    }
    return s;
}

static enum od_status add_group(struct od_call *call, const struct od_resource *group)
{
    return od_serve_group_add(call->app->serve, group->arn, &call->err);
}

static enum od_status add_dataset(struct od_call *call, const struct od_resource *dataset,
                                  bool of_events)
{
    struct od_dataset_info info;
    struct od_loading loading;
    struct od_bulk *bulk;
    size_t count;
    enum od_status s = od_dataset_info(call, dataset, &info);
    if (s != OD_OK || od_dataset_of_events(info.type) != of_events)
        return s;
    s = od_attach_dataset(call, dataset);
    if (s == OD_OK)
        s = od_bulk_list(call->app->store, dataset->arn, call->arena, &bulk, &count, &call->err);
    if (s == OD_OK)
        s = od_load_begin(call->app, &info, bulk, count, call->arena, &loading, &call->err);
    return s == OD_OK ? od_load_end(call->app, &loading, &call->err) : s;
}

/* Events name items in lists of what was shown, records or not: so the records come first. */
static enum od_status add_records(struct od_call *call, const struct od_resource *dataset)
{
    return add_dataset(call, dataset, false);
}

static enum od_status add_events(struct od_call *call, const struct od_resource *dataset)
{
    return add_dataset(call, dataset, true);
}

static enum od_status add_campaign(struct od_call *call, const struct od_resource *campaign)
{
    struct od_personalize_campaign value = {0};
    struct od_resource version;
    enum od_status s = od_resource_read(call, &od_kind_campaign, campaign, &value);
    if (s == OD_OK)
        s = od_catalog_get(call->app->store, value.solution_version_arn, call->arena, &version,
                           &call->err);
    if (s == OD_OK)
        s = od_attach_campaign(call, campaign->arn, campaign->group, &version,
                               value.campaign_config, value.min_provisioned_tps.value);
    return s;
}

/* Those that are stopped, or have no model yet, are not served; their status says so already. */
static enum od_status add_recommenders(struct od_call *call)
{
    struct od_resource *list;
    size_t count;
    enum od_status s = od_resource_list(call, &od_kind_recommender, OD_STR_NONE, OD_STR_NONE,
                                        OD_STR_NONE, &list, &count);
    for (size_t i = 0; s == OD_OK && i < count; i++) {
        if (od_str_eq_c(list[i].status, "INACTIVE") || !od_recommender_has_model(call, &list[i]))
            continue;
        enum od_status one = od_recommender_attach(call, &list[i]);
        if (one == OD_NO_MEMORY)
            return one;
        note_outcome(call, &list[i], one);
    }
    return s;
}

enum od_status od_load_all(struct od_call *call)
{
    enum od_status s = each(call, &od_kind_dataset_group, add_group);
    if (s == OD_OK)
        s = each(call, &od_kind_dataset, add_records);
    if (s == OD_OK)
        s = each(call, &od_kind_dataset, add_events);
    if (s == OD_OK)
        s = each(call, &od_kind_event_tracker, od_attach_tracker);
    if (s == OD_OK)
        s = each(call, &od_kind_filter, od_attach_filter);
    if (s == OD_OK)
        s = each(call, &od_kind_campaign, add_campaign);
    if (s == OD_OK)
        s = add_recommenders(call);
    return s == OD_OK ? each(call, &od_kind_metric_attribution, od_attach_attribution) : s;
}

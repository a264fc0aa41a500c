/* Attaching: see attach.h. */
#include "api/attach.h"

#include <stdlib.h>

#include "api/capacity.h"
#include "api/targets.h"
#include "jobs/worker.h"

void od_call_internal(struct od_call *call, struct od_app *app, struct od_arena *arena)
{
    *call = (struct od_call){
        .app = app,
        .arena = arena,
        .region = od_str_c(app->config.region),
        .account = od_str_c(app->config.account),
        .now_ms = app->io->now_ms(app->io),
    };
}

static enum od_status read_schema(struct od_call *call, struct od_str schema_arn,
                                  struct od_dataset_info *out)
{
    struct od_resource resource;
    struct od_personalize_dataset_schema value = {0};
    enum od_status s =
        od_catalog_get(call->app->store, schema_arn, call->arena, &resource, &call->err);
    if (s == OD_OK)
        s = od_resource_read(call, &od_kind_schema, &resource, &value);
    if (s != OD_OK)
        return s;
    struct od_schema *schema = OD_NEW(call->arena, struct od_schema);
    if (!schema)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    out->schema_text = value.schema;
    out->domain_name = value.domain.ptr ? value.domain : OD_STR("");
    out->domain = od_spec_domain(out->domain_name);
    out->schema = schema;
    return od_schema_parse(call->arena, value.schema, out->domain, schema, &call->err);
}

enum od_status od_dataset_info(struct od_call *call, const struct od_resource *dataset,
                               struct od_dataset_info *out)
{
    struct od_personalize_dataset value = {0};
    *out =
        (struct od_dataset_info){.arn = dataset->arn, .group = dataset->group, .seq = dataset->seq};
    enum od_status s = od_resource_read(call, &od_kind_dataset, dataset, &value);
    if (s == OD_OK && !od_dataset_type_parse(value.dataset_type, &out->type))
        s = od_fail(&call->err, OD_CORRUPT, "The stored dataset %.*s has no type.",
                    OD_STR_ARG(dataset->arn));
    out->tracking_id = value.tracking_id;
    return s == OD_OK ? read_schema(call, value.schema_arn, out) : s;
}

enum od_status od_group_dataset(struct od_call *call, struct od_str group,
                                enum od_dataset_type type, struct od_dataset_info *out)
{
    struct od_resource *list;
    size_t count;
    enum od_status s =
        od_resource_list(call, &od_kind_dataset, OD_STR_NONE, group, OD_STR_NONE, &list, &count);
    for (size_t i = 0; s == OD_OK && i < count; i++) {
        s = od_dataset_info(call, &list[i], out);
        if (s == OD_OK && out->type == type)
            return OD_OK;
    }
    if (s == OD_OK)
        *out = (struct od_dataset_info){.type = type};
    return s;
}

struct od_str od_dataset_target(const struct od_dataset_info *info)
{
    return info->type == OD_ACTION_INTERACTIONS ? info->tracking_id : info->arn;
}

enum od_status od_attach_dataset(struct od_call *call, const struct od_resource *dataset)
{
    struct od_dataset_info info;
    struct od_app *app = call->app;
    enum od_status s = od_dataset_info(call, dataset, &info);
    if (s != OD_OK)
        return s;
    s = od_serve_dataset_set(app->serve, info.group, info.type, info.schema_text, info.domain,
                             &call->err);
    if (s == OD_OK && info.type == OD_INTERACTIONS)
        s = od_attach_group_tracker(call, info.group);
    else if (s == OD_OK)
        s = od_targets_put(app->targets, od_dataset_target(&info), info.arn, info.group, info.type,
                           info.schema_text, info.domain, &call->err);
    return s;
}

enum od_status od_attach_tracker(struct od_call *call, const struct od_resource *tracker)
{
    struct od_personalize_event_tracker value = {0};
    struct od_dataset_info info;
    enum od_status s = od_resource_read(call, &od_kind_event_tracker, tracker, &value);
    if (s == OD_OK)
        s = od_group_dataset(call, tracker->group, OD_INTERACTIONS, &info);
    if (s == OD_OK)
        s = od_targets_put(call->app->targets, value.tracking_id, info.arn, tracker->group,
                           OD_INTERACTIONS, info.schema_text, info.domain, &call->err);
    return s;
}

enum od_status od_attach_group_tracker(struct od_call *call, struct od_str group)
{
    const struct od_resource *tracker;
    enum od_status s =
        od_resource_any(call, &od_kind_event_tracker, OD_STR_NONE, group, OD_STR_NONE, &tracker);
    return s == OD_OK && tracker ? od_attach_tracker(call, tracker) : s;
}

enum od_status od_attach_filter(struct od_call *call, const struct od_resource *filter)
{
    struct od_personalize_filter value = {0};
    enum od_status s = od_resource_read(call, &od_kind_filter, filter, &value);
    if (s == OD_OK)
        s = od_serve_filter_add(call->app->serve, filter->arn, filter->group,
                                value.filter_expression, true, &call->err);
    return s;
}

static double config_number(const struct od_personalize_campaign_config *config, const char *name,
                            const char *alias, double fallback)
{
    for (size_t i = 0; config && i < config->item_exploration_config.count; i++) {
        const struct od_api_string_entry *entry = &config->item_exploration_config.items[i];
        double number;
        if ((od_str_eq_c(entry->key, name) || od_str_eq_c(entry->key, alias)) &&
            od_str_to_double(entry->value, &number))
            return number;
    }
    return fallback;
}

static double influence(const struct od_personalize_campaign_config *config, const char *type)
{
    for (size_t i = 0; config && i < config->ranking_influence.count; i++)
        if (od_str_eq_c(config->ranking_influence.items[i].key, type))
            return config->ranking_influence.items[i].value;
    return 0;
}

void od_attach_config(const struct od_personalize_campaign_config *config,
                      struct od_campaign_setup *setup)
{
    setup->exploration_weight =
        config_number(config, "explorationWeight", "exploration_weight", -1);
    setup->exploration_cutoff_days =
        config_number(config, "explorationItemAgeCutOff", "exploration_item_age_cut_off", -1);
    setup->popularity_influence = influence(config, "POPULARITY");
    setup->freshness_influence = influence(config, "FRESHNESS");
}

enum od_status od_attach_campaign(struct od_call *call, struct od_str campaign_arn,
                                  struct od_str group, const struct od_resource *version,
                                  const struct od_personalize_campaign_config *config,
                                  int64_t min_tps)
{
    struct od_json extra;
    enum od_status s = od_json_parse(call->arena, version->extra, &extra, &call->err);
    if (s != OD_OK)
        return s;
    struct od_str image = od_app_path(call->app, call->arena, "%.*s",
                                      OD_STR_ARG(od_json_get_str(&extra, "image", OD_STR(""))));
    if (!image.ptr)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    struct od_campaign_setup setup = {
        .campaign_arn = campaign_arn,
        .group_arn = group,
        .image_path = image.ptr,
        .enable_metadata = config && config->enable_metadata_with_recommendations.value,
    };
    od_attach_config(config, &setup);
    s = od_serve_campaign_set(call->app->serve, &setup, &call->err);
    return s == OD_OK ? od_capacity_set(call, campaign_arn, min_tps) : s;
}

void od_detach_campaign(struct od_app *app, struct od_str campaign_arn)
{
    od_serve_campaign_remove(app->serve, campaign_arn);
    od_capacity_remove(app->capacity, campaign_arn);
}

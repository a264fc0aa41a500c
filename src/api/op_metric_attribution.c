/* Metric attributions: CreateMetricAttribution, UpdateMetricAttribution, DeleteMetricAttribution,
 * ListMetricAttributionMetrics. What they count: attribution.h.
 *
 * The metrics are in the resource's extra, since Describe does not show them. A change that takes
 * metrics or the folder of the reports away first makes a report of what was counted for them. */
#include <string.h>

#include "api/attach.h"
#include "api/attribution.h"
#include "api/encryption.h"

/* ---- checks ---- */

/* The dataset that a metric needs. */
static enum od_status need_dataset(struct od_call *call, struct od_str group,
                                   enum od_dataset_type type, struct od_dataset_info *out)
{
    enum od_status s = od_group_dataset(call, group, type, out);
    if (s == OD_OK && !out->arn.ptr)
        s = od_fail(&call->err, OD_INVALID_INPUT,
                    "A metric attribution with this metric needs an %s dataset in dataset group "
                    "%.*s.",
                    od_dataset_type_name(type), OD_STR_ARG(group));
    return s;
}

static enum od_status check_types(struct od_call *call, struct od_str group)
{
    struct od_dataset_info info;
    enum od_status s = need_dataset(call, group, OD_INTERACTIONS, &info);
    if (s == OD_OK && od_schema_find(info.schema, OD_STR("EVENT_TYPE")) == SIZE_MAX)
        s = od_fail(&call->err, OD_INVALID_INPUT,
                    "Metrics count events by type, but the schema of dataset %.*s has no "
                    "EVENT_TYPE field.",
                    OD_STR_ARG(info.arn));
    return s;
}

/* SUM(Items.COL) adds up what items are said to be: something must have been said (serving.md 15).
 */
static enum od_status check_filled(struct od_call *call, const struct od_dataset_info *items)
{
    struct od_bulk *bulk;
    size_t count;
    int64_t event_seq, record_seq = 0;
    enum od_status s =
        od_bulk_list(call->app->store, items->arn, call->arena, &bulk, &count, &call->err);
    if (s == OD_OK)
        s = od_events_last_seq(od_store_as_reader(call->app->store), items->arn, &event_seq,
                               &record_seq, &call->err);
    if (s == OD_OK && !count && !record_seq)
        s = od_fail(&call->err, OD_INVALID_INPUT,
                    "A metric adds up a column of Items, but dataset %.*s has no data yet. Import "
                    "items first.",
                    OD_STR_ARG(items->arn));
    return s;
}

static enum od_status check_column(struct od_call *call, struct od_str group,
                                   const struct od_attribution_metric *metric)
{
    const struct od_metric_expression *e = &metric->parsed;
    struct od_dataset_info info;
    if (e->function == OD_METRIC_SAMPLECOUNT)
        return OD_OK;
    enum od_status s = need_dataset(call, group, e->type, &info);
    if (s != OD_OK)
        return s;
    size_t at = od_schema_find_nocase(info.schema, e->column);
    if (at == SIZE_MAX)
        return od_fail(&call->err, OD_INVALID_INPUT,
                       "Invalid metric expression '%.*s': dataset %.*s has no field %.*s.",
                       OD_STR_ARG(metric->expression), OD_STR_ARG(info.arn), OD_STR_ARG(e->column));
    if (!od_metric_field_is_number(&info.schema->fields[at]))
        return od_fail(&call->err, OD_INVALID_INPUT,
                       "Invalid metric expression '%.*s': field %.*s is no number (int, long, "
                       "float or double).",
                       OD_STR_ARG(metric->expression), OD_STR_ARG(info.schema->fields[at].name));
    return e->type == OD_ITEMS ? check_filled(call, &info) : OD_OK;
}

static enum od_status read_metric(struct od_call *call, struct od_str group,
                                  const struct od_personalize_metric_attribute *in,
                                  struct od_attribution_metric *out)
{
    *out = (struct od_attribution_metric){
        .name = in->metric_name, .event_type = in->event_type, .expression = in->expression};
    if (!in->metric_name.len || !in->event_type.len)
        return od_fail(&call->err, OD_INVALID_INPUT,
                       "A metric needs a metricName and an eventType that are not empty.");
    if (memchr(in->metric_name.ptr, '\0', in->metric_name.len) ||
        memchr(in->event_type.ptr, '\0', in->event_type.len))
        return od_fail(&call->err, OD_INVALID_INPUT,
                       "A metric's metricName and eventType hold no NUL character.");
    enum od_status s = od_metric_expression_parse(in->expression, &out->parsed, &call->err);
    return s == OD_OK ? check_column(call, group, out) : s;
}

/* Adds metrics to the configuration. Names that differ in case alone are one: reports show
 * them in upper case. */
static enum od_status add_metrics(struct od_call *call,
                                  const struct od_personalize_metric_attributes *in,
                                  struct od_attribution_config *config)
{
    size_t before = config->metric_count;
    if (before + in->count > OD_MAX_ATTRIBUTION_METRICS)
        return od_fail(&call->err, OD_INVALID_INPUT,
                       "A metric attribution has at most %d metrics; this would make %zu.",
                       OD_MAX_ATTRIBUTION_METRICS, before + in->count);
    for (size_t i = 0; i < in->count; i++) {
        size_t twin = od_attribution_metric(config, in->items[i].metric_name);
        if (twin != SIZE_MAX && twin < before)
            return od_fail(&call->err, OD_EXISTS,
                           "Metric attribution %.*s already has a metric named %.*s.",
                           OD_STR_ARG(config->arn), OD_STR_ARG(config->metrics[twin].name));
        if (twin != SIZE_MAX)
            return od_fail(&call->err, OD_INVALID_INPUT,
                           "The metric name %.*s is given twice; names must differ by more than "
                           "case.",
                           OD_STR_ARG(in->items[i].metric_name));
        struct od_attribution_metric *metric = &config->metrics[config->metric_count];
        enum od_status s = read_metric(call, config->group, &in->items[i], metric);
        if (s != OD_OK)
            return s;
        metric->number = ++config->last_number;
        config->metric_count++;
    }
    return OD_OK;
}

static enum od_status check_output(struct od_call *call,
                                   const struct od_personalize_metric_attribution_output *output)
{
    if (!output->s3_data_destination)
        return OD_OK;
    enum od_status s =
        od_encryption_kept(call, "metricsOutputConfig.s3DataDestination.kmsKeyArn",
                           output->s3_data_destination->kms_key_arn); /* the server writes them */
    return s == OD_OK
               ? od_objects_check(call->app->objects, output->s3_data_destination->path, &call->err)
               : s;
}

/* ---- create ---- */

static enum od_status check_group(struct od_call *call, struct od_str group_arn)
{
    struct od_resource group;
    const struct od_resource *other;
    enum od_status s = od_resource_get(call, &od_kind_dataset_group, group_arn, &group);
    if (s == OD_OK)
        s = od_resource_active(call, &group);
    if (s == OD_OK)
        s = od_resource_any(call, &od_kind_metric_attribution, OD_STR_NONE, group_arn, OD_STR_NONE,
                            &other);
    if (s == OD_OK && other)
        s = od_fail(&call->err, OD_EXISTS, "%.*s already has a metric attribution.",
                    OD_STR_ARG(group_arn));
    return s;
}

enum od_status od_op_create_metric_attribution(struct od_call *call)
{
    const struct od_personalize_create_metric_attribution_request *in =
        OD_IN(call, create_metric_attribution_request);
    struct od_resource resource = {
        .name = in->name,
        .arn = od_call_arn(call, &od_kind_metric_attribution, in->name, OD_STR_NONE),
        .group = in->dataset_group_arn,
        .status = OD_STR("ACTIVE")};
    struct od_attribution_config config = {.arn = resource.arn, .group = resource.group};
    enum od_status s = od_resource_absent(call, &od_kind_metric_attribution, resource.arn);
    if (s == OD_OK)
        s = check_group(call, in->dataset_group_arn);
    if (s == OD_OK)
        s = check_output(call, in->metrics_output_config);
    if (s == OD_OK)
        s = check_types(call, in->dataset_group_arn);
    if (s == OD_OK)
        s = add_metrics(call, &in->metrics, &config);
    if (s == OD_OK)
        s = od_attribution_pack(call, &config, &resource);
    if (s != OD_OK)
        return s;
    struct od_personalize_metric_attribution value = {.name = in->name,
                                                      .metric_attribution_arn = resource.arn,
                                                      .dataset_group_arn = in->dataset_group_arn,
                                                      .metrics_output_config =
                                                          in->metrics_output_config};
    s = od_resource_create(call, &od_kind_metric_attribution, &value, NULL, &resource);
    if (s == OD_OK) /* read back: it is counted by its seq, which the store gave it */
        s = od_catalog_get(call->app->store, resource.arn, call->arena, &resource, &call->err);
    if (s == OD_OK && (s = od_attach_attribution(call, &resource)) != OD_OK) {
        struct od_error why = call->err; /* no memory: it would count nothing before a restart */
        if (od_resource_remove(call, resource.arn) == OD_OK)
            call->err = why;
    }
    OD_OUT(call, create_metric_attribution_response)->metric_attribution_arn = resource.arn;
    return s;
}

/* ---- update ---- */

static enum od_status remove_metrics(struct od_call *call, const struct od_api_strings *names,
                                     struct od_attribution_config *config)
{
    for (size_t i = 0; i < names->count; i++) {
        size_t at = od_attribution_metric(config, names->items[i]);
        if (at == SIZE_MAX)
            return od_fail(&call->err, OD_INVALID_INPUT,
                           "Metric attribution %.*s has no metric named %.*s.",
                           OD_STR_ARG(config->arn), OD_STR_ARG(names->items[i]));
        for (size_t j = at + 1; j < config->metric_count; j++)
            config->metrics[j - 1] = config->metrics[j];
        config->metric_count--;
    }
    return OD_OK;
}

/* In one commit: a report of what was counted so far, the end of removed metrics' totals, and the
 * new configuration. */
static enum od_status save(struct od_call *call, const struct od_attribution_config *before,
                           const struct od_attribution_config *after, struct od_resource *resource)
{
    struct od_store *store = call->app->store;
    enum od_status s = od_store_begin(store, &call->err);
    if (s != OD_OK)
        return s;
    if (before->location.ptr)
        s = od_attribution_seal(store, before->id, before->location, call->now_ms / 1000,
                                &call->err);
    for (size_t i = 0; s == OD_OK && i < before->metric_count; i++) {
        size_t at = od_attribution_metric(after, before->metrics[i].name);
        if (at == SIZE_MAX || after->metrics[at].number != before->metrics[i].number)
            s = od_attribution_drop_totals(store, before->id, before->metrics[i].name, &call->err);
    }
    resource->updated_ms = call->now_ms;
    if (s == OD_OK)
        s = od_catalog_update(store, resource, &call->err);
    if (s == OD_OK)
        return od_store_commit(store, &call->err);
    od_store_rollback(store);
    return s;
}

static enum od_status set_output(struct od_call *call,
                                 const struct od_personalize_metric_attribution_output *output,
                                 struct od_resource *resource)
{
    struct od_personalize_metric_attribution value = {0};
    if (!output)
        return OD_OK;
    enum od_status s = check_output(call, output);
    if (s == OD_OK)
        s = od_resource_read(call, &od_kind_metric_attribution, resource, &value);
    value.metrics_output_config = (struct od_personalize_metric_attribution_output *)output;
    return s == OD_OK ? od_resource_pack(call, &od_kind_metric_attribution, &value, resource) : s;
}

enum od_status od_op_update_metric_attribution(struct od_call *call)
{
    const struct od_personalize_update_metric_attribution_request *in =
        OD_IN(call, update_metric_attribution_request);
    struct od_resource resource;
    struct od_attribution_config before, after;
    if (!in->metric_attribution_arn.ptr) /* the model does not say so (api.md section 5) */
        return od_fail(&call->err, OD_INVALID_INPUT, "metricAttributionArn is required.");
    enum od_status s =
        od_resource_get(call, &od_kind_metric_attribution, in->metric_attribution_arn, &resource);
    if (s == OD_OK)
        s = od_resource_active(call, &resource);
    if (s == OD_OK)
        s = od_attribution_read(call, &resource, &before);
    if (s != OD_OK)
        return s;
    after = before;
    s = remove_metrics(call, &in->remove_metrics, &after);
    if (s == OD_OK && in->add_metrics.count)
        s = check_types(call, resource.group);
    if (s == OD_OK)
        s = add_metrics(call, &in->add_metrics, &after);
    if (s == OD_OK)
        s = set_output(call, in->metrics_output_config, &resource);
    if (s == OD_OK)
        s = od_attribution_pack(call, &after, &resource);
    if (s == OD_OK)
        s = save(call, &before, &after, &resource);
    if (s == OD_OK)
        s = od_attach_attribution(call, &resource);
    if (s == OD_OK)
        od_attribution_write_soon(call->app);
    OD_OUT(call, update_metric_attribution_response)->metric_attribution_arn = resource.arn;
    return s;
}

/* ---- delete ---- */

/* What was counted since the last report becomes one more, which is written after the attribution
 * is gone. */
enum od_status od_op_delete_metric_attribution(struct od_call *call)
{
    struct od_store *store = call->app->store;
    struct od_str arn = OD_IN(call, delete_metric_attribution_request)->metric_attribution_arn;
    struct od_resource resource;
    struct od_attribution_config config;
    enum od_status s = od_resource_get(call, &od_kind_metric_attribution, arn, &resource);
    if (s == OD_OK)
        s = od_attribution_read(call, &resource, &config);
    if (s == OD_OK)
        s = od_store_begin(store, &call->err);
    if (s != OD_OK)
        return s;
    if (config.location.ptr)
        s = od_attribution_seal(store, config.id, config.location, call->now_ms / 1000, &call->err);
    if (s == OD_OK)
        s = od_attribution_drop_totals(store, config.id, OD_STR_NONE, &call->err);
    if (s == OD_OK)
        s = od_catalog_delete(store, arn, &call->err);
    if (s != OD_OK) {
        od_store_rollback(store);
        return s;
    }
    s = od_store_commit(store, &call->err);
    if (s == OD_OK) {
        od_detach_attribution(call->app, arn);
        od_attribution_write_soon(call->app);
    }
    return s;
}

/* ---- list ---- */

/* Pages go by the metrics' numbers, so that they fit together across updates. An unknown ARN is
 * OD_INVALID_INPUT: the operation declares no other error for it. */
enum od_status od_op_list_metric_attribution_metrics(struct od_call *call)
{
    const struct od_personalize_list_metric_attribution_metrics_request *in =
        OD_IN(call, list_metric_attribution_metrics_request);
    struct od_personalize_list_metric_attribution_metrics_response *out =
        OD_OUT(call, list_metric_attribution_metrics_response);
    struct od_resource resource;
    struct od_attribution_config config;
    struct od_str arn = in->metric_attribution_arn;
    int64_t after;
    enum od_status s = od_page_open(call, in->next_token, arn, &after);
    if (s == OD_OK && !arn.ptr)
        s = od_fail(&call->err, OD_INVALID_INPUT, "metricAttributionArn is required.");
    if (s == OD_OK)
        s = od_resource_get(call, &od_kind_metric_attribution, arn, &resource);
    if (s == OD_NOT_FOUND)
        s = od_fail(&call->err, OD_INVALID_INPUT, "Resource Arn %.*s does not exist.",
                    OD_STR_ARG(arn));
    if (s == OD_OK)
        s = od_attribution_read(call, &resource, &config);
    if (s != OD_OK)
        return s;
    size_t page = in->max_results.set ? (size_t)in->max_results.value : OD_PAGE_DEFAULT;
    out->metrics.items =
        OD_NEW_ARRAY(call->arena, struct od_personalize_metric_attribute, config.metric_count);
    if (!out->metrics.items)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    int64_t last = 0;
    for (size_t i = 0; i < config.metric_count; i++) {
        const struct od_attribution_metric *metric = &config.metrics[i];
        if (metric->number <= after)
            continue;
        if (out->metrics.count == page) {
            out->next_token = od_page_token(call, arn, last);
            break;
        }
        last = metric->number;
        out->metrics.items[out->metrics.count++] =
            (struct od_personalize_metric_attribute){.event_type = metric->event_type,
                                                     .metric_name = metric->name,
                                                     .expression = metric->expression};
    }
    return OD_OK;
}

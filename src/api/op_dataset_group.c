/* Dataset groups. A group is the unit of everything live: its datasets, filters and campaigns see
 * each other and nothing else. */
#include "api/encryption.h"
#include "api/files.h"
#include "api/quota.h"
#include "api/resource.h"

enum od_status od_op_create_dataset_group(struct od_call *call)
{
    const struct od_personalize_create_dataset_group_request *in =
        OD_IN(call, create_dataset_group_request);
    struct od_resource resource = {
        .name = in->name, .arn = od_call_arn(call, &od_kind_dataset_group, in->name, OD_STR_NONE)};
    if (!!in->role_arn.ptr != !!in->kms_key_arn.ptr)
        return od_fail(&call->err, OD_INVALID_INPUT,
                       "roleArn and kmsKeyArn must be given together.");
    enum od_status s = od_encryption_kept(call, "kmsKeyArn", in->kms_key_arn);
    if (s == OD_OK)
        s = od_resource_absent(call, &od_kind_dataset_group, resource.arn);
    if (s == OD_OK)
        s = od_quota_check(call, OD_QUOTA_DATASET_GROUPS, OD_STR_NONE);
    if (s == OD_OK)
        s = od_serve_group_add(call->app->serve, resource.arn, &call->err);
    if (s != OD_OK)
        return s;
    struct od_personalize_dataset_group value = {.name = in->name,
                                                 .dataset_group_arn = resource.arn,
                                                 .role_arn = in->role_arn,
                                                 .kms_key_arn = in->kms_key_arn,
                                                 .domain = in->domain};
    resource.status = OD_STR("ACTIVE");
    s = od_resource_create(call, &od_kind_dataset_group, &value, &in->tags, &resource);
    if (s != OD_OK)
        od_serve_group_remove(call->app->serve, resource.arn);
    OD_OUT(call, create_dataset_group_response)->dataset_group_arn = resource.arn;
    OD_OUT(call, create_dataset_group_response)->domain = in->domain;
    return s;
}

/* What must be gone first (api.md section 10). */
static enum od_status check_empty(struct od_call *call, struct od_str arn)
{
    static const struct od_kind *const parts[] = {&od_kind_campaign,    &od_kind_solution,
                                                  &od_kind_recommender, &od_kind_event_tracker,
                                                  &od_kind_filter,      &od_kind_metric_attribution,
                                                  &od_kind_dataset};
    struct od_buf names;
    od_buf_init(&names, 400);
    enum od_status s = OD_OK;
    for (size_t i = 0; s == OD_OK && i < sizeof parts / sizeof *parts; i++) {
        const struct od_resource *part;
        s = od_resource_any(call, parts[i], OD_STR_NONE, arn, OD_STR_NONE, &part);
        if (s == OD_OK && part)
            od_buf_printf(&names, "%s%ss", names.len ? ", " : "", parts[i]->title);
    }
    if (s == OD_OK && names.len)
        s = od_fail(&call->err, OD_IN_USE, "Dataset group %.*s still contains %s.", OD_STR_ARG(arn),
                    names.ptr);
    od_buf_done(&names);
    return s;
}

/* What has begun ends first. */
static enum od_status check_idle(struct od_call *call, struct od_str arn)
{
    static const struct od_kind *const kinds[] = {&od_kind_deletion_job, &od_kind_export_job,
                                                  &od_kind_batch_inference_job,
                                                  &od_kind_batch_segment_job};
    enum od_status s = OD_OK;
    for (size_t i = 0; s == OD_OK && i < sizeof kinds / sizeof *kinds; i++) {
        const struct od_resource *busy;
        s = od_resource_unfinished(call, kinds[i], OD_STR_NONE, arn, &busy);
        if (s == OD_OK && busy)
            s = od_fail(&call->err, OD_IN_USE, "Dataset group %.*s is used by %.*s.",
                        OD_STR_ARG(arn), OD_STR_ARG(busy->arn));
    }
    return s;
}

static enum od_status remove_jobs(struct od_call *call, const struct od_kind *kind,
                                  struct od_str group)
{
    struct od_resource *jobs;
    size_t count;
    enum od_status s = od_resource_list(call, kind, OD_STR_NONE, group, OD_STR_NONE, &jobs, &count);
    for (size_t i = 0; s == OD_OK && i < count; i++)
        s = od_catalog_delete(call->app->store, jobs[i].arn, &call->err);
    return s;
}

/* The group and its own jobs, whose names become free (api.md section 8); those of its datasets
 * went with them. */
static enum od_status remove_group(struct od_call *call, struct od_str arn)
{
    static const struct od_kind *const kinds[] = {
        &od_kind_deletion_job, &od_kind_batch_inference_job, &od_kind_batch_segment_job};
    struct od_store *store = call->app->store;
    enum od_status s = od_store_begin(store, &call->err);
    if (s != OD_OK)
        return s;
    for (size_t i = 0; s == OD_OK && i < sizeof kinds / sizeof *kinds; i++)
        s = remove_jobs(call, kinds[i], arn);
    if (s == OD_OK)
        s = od_catalog_delete(store, arn, &call->err);
    if (s == OD_OK)
        return od_store_commit(store, &call->err);
    od_store_rollback(store);
    return s;
}

enum od_status od_op_delete_dataset_group(struct od_call *call)
{
    struct od_str arn = OD_IN(call, delete_dataset_group_request)->dataset_group_arn;
    struct od_resource group;
    enum od_status s = od_resource_get(call, &od_kind_dataset_group, arn, &group);
    if (s == OD_OK)
        s = check_empty(call, arn);
    if (s == OD_OK)
        s = check_idle(call, arn);
    if (s == OD_OK)
        s = remove_group(call, arn);
    if (s != OD_OK)
        return s;
    od_serve_group_remove(call->app->serve, arn);
    od_files_collect(call);
    return OD_OK;
}

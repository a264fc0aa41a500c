/* CreateDataDeletionJob. What happens then: deletion.h. */
#include "api/quota.h"
#include "api/runner.h"

static enum od_status
check_request(struct od_call *call,
              const struct od_personalize_create_data_deletion_job_request *in)
{
    struct od_resource group;
    enum od_status s = od_resource_get(call, &od_kind_dataset_group, in->dataset_group_arn, &group);
    if (s == OD_OK)
        s = od_resource_active(call, &group);
    if (s != OD_OK)
        return s;
    if (!in->data_source->data_location.ptr)
        return od_fail(&call->err, OD_INVALID_INPUT, "Invalid Data location.");
    s = od_objects_check(call->app->objects, in->data_source->data_location, &call->err);
    return s == OD_OK ? od_quota_check(call, OD_QUOTA_DELETION_JOBS, group.arn) : s;
}

/* Resource and job row in one transaction: neither without the other. */
static enum od_status insert(struct od_call *call,
                             const struct od_personalize_data_deletion_job *value,
                             struct od_resource *resource, int64_t *job)
{
    const struct od_personalize_create_data_deletion_job_request *in =
        OD_IN(call, create_data_deletion_job_request);
    enum od_status s = od_store_begin(call->app->store, &call->err);
    if (s != OD_OK)
        return s;
    s = od_resource_insert(call, &od_kind_deletion_job, value, &in->tags, resource);
    if (s == OD_OK)
        s = od_runner_add(call, "deletion", resource->arn, job);
    if (s == OD_OK)
        return od_store_commit(call->app->store, &call->err);
    od_store_rollback(call->app->store);
    return s;
}

enum od_status od_op_create_data_deletion_job(struct od_call *call)
{
    const struct od_personalize_create_data_deletion_job_request *in =
        OD_IN(call, create_data_deletion_job_request);
    struct od_resource resource = {
        .name = in->job_name,
        .arn = od_call_arn(call, &od_kind_deletion_job, in->job_name, OD_STR_NONE),
        .parent = in->dataset_group_arn,
        .group = in->dataset_group_arn,
        .status = OD_STR("PENDING")};
    enum od_status s = od_resource_absent(call, &od_kind_deletion_job, resource.arn);
    if (s == OD_OK)
        s = check_request(call, in);
    if (s != OD_OK)
        return s;
    struct od_personalize_data_deletion_job value = {
        .job_name = in->job_name,
        .data_deletion_job_arn = resource.arn,
        .dataset_group_arn = in->dataset_group_arn,
        .data_source = in->data_source,
        .role_arn = in->role_arn,
    };
    int64_t job;
    s = insert(call, &value, &resource, &job);
    if (s == OD_OK)
        od_runner_go(call->app, job, "deletion", resource.arn);
    OD_OUT(call, create_data_deletion_job_response)->data_deletion_job_arn = resource.arn;
    return s;
}

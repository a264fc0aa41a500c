/* Dataset import jobs: CreateDatasetImportJob. The work is done by a worker process
 * (jobs/import.c); what happens around it is in runner.c. */
#include "api/attach.h"
#include "api/attribution.h"
#include "api/quota.h"
#include "api/runner.h"

static enum od_status check_mode(struct od_call *call,
                                 const struct od_personalize_create_dataset_import_job_request *in)
{
    struct od_bulk *bulk;
    size_t count;
    if (!od_str_eq_c(in->import_mode, "INCREMENTAL"))
        return OD_OK;
    enum od_status s =
        od_bulk_list(call->app->store, in->dataset_arn, call->arena, &bulk, &count, &call->err);
    if (s == OD_OK && count == 0)
        s = od_fail(&call->err, OD_INVALID_INPUT,
                    "The first bulk import of a dataset must use FULL import mode.");
    return s;
}

/* publishAttributionMetricsToS3: is there something to report, and somewhere to put it? */
static enum od_status check_publishing(struct od_call *call, const struct od_resource *dataset)
{
    struct od_dataset_info info;
    struct od_attribution_config config;
    enum od_status s = od_dataset_info(call, dataset, &info);
    if (s == OD_OK && info.type != OD_INTERACTIONS)
        return od_fail(&call->err, OD_INVALID_INPUT,
                       "publishAttributionMetricsToS3 is for imports of interactions only.");
    if (s == OD_OK)
        s = od_attribution_of(call, dataset->group, &config);
    if (s == OD_OK && !config.location.ptr)
        s = od_fail(&call->err, OD_INVALID_INPUT,
                    "publishAttributionMetricsToS3 needs a metric attribution in the dataset group "
                    "whose metricsOutputConfig has an s3DataDestination.");
    return s;
}

static enum od_status
check_request(struct od_call *call,
              const struct od_personalize_create_dataset_import_job_request *in,
              struct od_resource *dataset)
{
    enum od_status s = od_resource_get(call, &od_kind_dataset, in->dataset_arn, dataset);
    if (s == OD_OK)
        s = od_resource_active(call, dataset);
    if (s != OD_OK)
        return s;
    if (!in->data_source->data_location.ptr)
        return od_fail(&call->err, OD_INVALID_INPUT, "Invalid Data location.");
    s = od_objects_check(call->app->objects, in->data_source->data_location, &call->err);
    if (s == OD_OK && in->publish_attribution_metrics_to_s3.value)
        s = check_publishing(call, dataset);
    if (s == OD_OK)
        s = check_mode(call, in);
    return s == OD_OK ? od_quota_check(call, OD_QUOTA_IMPORT_JOBS, OD_STR_NONE) : s;
}

/* The time in the name of the job's report, kept so that a job that begins anew after a crash
 * writes the same file. */
static enum od_status take_stamp(struct od_call *call, struct od_resource *resource)
{
    int64_t stamp_s;
    enum od_status s =
        od_attribution_stamp(call->app->store, call->now_ms / 1000, &stamp_s, &call->err);
    if (s != OD_OK)
        return s;
    resource->extra = od_arena_printf(call->arena, "{\"reportStamp\":%lld}", (long long)stamp_s);
    return resource->extra.ptr ? OD_OK : od_fail(&call->err, OD_NO_MEMORY, NULL);
}

/* Resource and job row in one transaction: neither without the other. */
static enum od_status insert(struct od_call *call,
                             const struct od_personalize_dataset_import_job *value,
                             struct od_resource *resource, int64_t *job)
{
    const struct od_personalize_create_dataset_import_job_request *in =
        OD_IN(call, create_dataset_import_job_request);
    enum od_status s = od_store_begin(call->app->store, &call->err);
    if (s != OD_OK)
        return s;
    if (in->publish_attribution_metrics_to_s3.value)
        s = take_stamp(call, resource);
    if (s == OD_OK)
        s = od_resource_insert(call, &od_kind_import_job, value, &in->tags, resource);
    if (s == OD_OK)
        s = od_runner_add(call, "import", resource->arn, job);
    if (s == OD_OK)
        return od_store_commit(call->app->store, &call->err);
    od_store_rollback(call->app->store);
    return s;
}

enum od_status od_op_create_dataset_import_job(struct od_call *call)
{
    const struct od_personalize_create_dataset_import_job_request *in =
        OD_IN(call, create_dataset_import_job_request);
    struct od_resource dataset;
    struct od_resource resource = {
        .name = in->job_name,
        .arn = od_call_arn(call, &od_kind_import_job, in->job_name, OD_STR_NONE),
        .parent = in->dataset_arn,
        .status = OD_STR("CREATE PENDING")};
    enum od_status s = od_resource_absent(call, &od_kind_import_job, resource.arn);
    if (s == OD_OK)
        s = check_request(call, in, &dataset);
    if (s != OD_OK)
        return s;
    resource.group = dataset.group;
    struct od_personalize_dataset_import_job value = {
        .job_name = in->job_name,
        .dataset_import_job_arn = resource.arn,
        .dataset_arn = in->dataset_arn,
        .data_source = in->data_source,
        .role_arn = in->role_arn,
        .import_mode = in->import_mode.ptr ? in->import_mode : OD_STR("FULL"),
        .publish_attribution_metrics_to_s3 = in->publish_attribution_metrics_to_s3,
    };
    int64_t job;
    s = insert(call, &value, &resource, &job);
    if (s == OD_OK)
        od_runner_go(call->app, job, "import", resource.arn);
    OD_OUT(call, create_dataset_import_job_response)->dataset_import_job_arn = resource.arn;
    return s;
}
